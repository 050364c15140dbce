"""This project and TransformerLens with one interface, on the same random weights in the shape of GPT-2."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from common.errors import InputError
from data.cases.case import EncodedCase
from huggingface import gpt2
from model import GPT, GPTConfig
from model.attention import take_rows
from probing.interventions import measure, single_heads, without_sets
from probing.patterns import patterns_of
from probing.scoring import in_batches, pad
from storage.weights import get_parameters

BLOCK = 1024
Hooks = list[tuple[str | Callable, Callable]]  # of TransformerLens: where, and what is done there


@dataclass(frozen=True)
class Shape:
    n_layer: int
    n_head: int
    n_embd: int
    vocab_size: int

    def config(self) -> GPTConfig:
        """Raises InputError for sizes that make no network."""
        try:
            return GPTConfig(**vars(self), block_size=BLOCK, mlp="gelu", tie_embeddings=True, **gpt2.GPT2.switches)
        except ValueError as error:
            raise InputError(f"--layers, --heads, --width, --vocab: {error}") from None


def random_gpt2(shape: Shape, seed: int = 0) -> GPT:
    """A network in the shape of GPT-2 whose heads are far from uniform; the same for the same seed."""
    model, generator = GPT(shape.config()).eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            louder = 1.8 if name.endswith((".q.weight", ".k.weight")) else 1.0  # scores deviate by about 2
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(mean + 0.8 * louder * shape.n_embd**-0.5 * noise)
    return model


def their_tensors(model: GPT) -> dict[str, Tensor]:
    """The weights under the names, and turned as, ``transformers`` has them."""
    return gpt2.GPT2.to_tensors(model.config, get_parameters(model))


def save_for_transformers(model: GPT, folder: Path) -> None:
    """A folder that ``transformers`` loads, with a tokenizer of one word an id."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    vocab, end = model.config.vocab_size, "<|endoftext|>"
    values = gpt2.GPT2.to_config(model.config) | {"vocab_size": vocab, "bos_token_id": 0, "eos_token_id": 0}
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    save_file(their_tensors(model), folder / "model.safetensors", {"format": "pt"})
    words = Tokenizer(models.WordLevel({end: 0} | {f"w{i}": i for i in range(1, vocab)}, unk_token=end))
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token=end, eos_token=end, unk_token=end).save_pretrained(folder)


class Lookback:
    def __init__(self, folder: Path, shape: Shape) -> None:
        self.model = random_gpt2(shape)

    def patterns(self, tokens: Tensor, rows: Tensor | None) -> list[Tensor]:
        """Each layer's [B, H, R, T] of the asked rows, or of all."""
        return patterns_of(self.model, tokens, rows)

    def ablation(self, cases: Sequence[EncodedCase], means: Tensor, heads: int, batch: int) -> Tensor:
        """Changes of log-odds [heads, N], as ``Lens.ablation``, in batches of its own size."""
        odds = measure(self.model, cases, {"mean_ablation": without_sets(single_heads(self.model)[:heads], means)})
        return odds["mean_ablation"] - odds["clean"]


class Lens:
    """TransformerLens by its manual."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        from transformer_lens.model_bridge import TransformerBridge

        self.bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
        self.n_head = shape.n_head
        self.names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(shape.n_layer)]

    def patterns(self, tokens: Tensor, rows: Tensor | None) -> list[Tensor]:
        _, cache = self.bridge.run_with_cache(tokens, names_filter=self.names)
        patterns = [cache[name] for name in self.names]
        return patterns if rows is None else [take_rows(pattern, rows) for pattern in patterns]

    def ablation(self, cases: Sequence[EncodedCase], means: Tensor, heads: int, batch: int) -> Tensor:
        asked = torch.tensor([(case.sites["A-1"], case.answer, case.foil) for case in cases])
        parts = []
        for part in in_batches(len(cases), batch):
            tokens = pad([case.tokens for case in cases[part]], torch.device("cpu"))
            sites, answers, foils = asked[part].unbind(1)
            clean = self.log_odds(tokens, sites, answers, foils, [])
            changes = []
            for index in range(heads):
                layer, head = divmod(index, self.n_head)

                def replace_output(z: Tensor, hook: object, head: int = head, layer: int = layer) -> Tensor:
                    z[:, :, head] = means[layer, head]  # [B, T, H, d]
                    return z

                hooks: Hooks = [(f"blocks.{layer}.attn.hook_z", replace_output)]
                changes.append(self.log_odds(tokens, sites, answers, foils, hooks) - clean)
            parts.append(torch.stack(changes))
        return torch.cat(parts, dim=1)

    def log_odds(self, tokens: Tensor, sites: Tensor, answers: Tensor, foils: Tensor, hooks: Hooks) -> Tensor:
        logits = self.bridge.run_with_hooks(tokens, fwd_hooks=hooks, return_type="logits")
        each = torch.arange(len(tokens))
        return logits[each, sites, answers] - logits[each, sites, foils]


class TunedLens(Lens):
    """What is passed on to ``transformers`` spares logits, lists of attention and the cache of keys."""

    LESS = {"use_cache": False, "output_attentions": False}  # noqa: RUF012

    def patterns(self, tokens: Tensor, rows: Tensor | None) -> list[Tensor]:
        kept = []

        def keep(pattern: Tensor, hook: object) -> None:
            kept.append(pattern if rows is None else take_rows(pattern, rows))

        hooks: Hooks = [(name, keep) for name in self.names]
        self.bridge.run_with_hooks(tokens, fwd_hooks=hooks, return_type=None, logits_to_keep=1, **self.LESS)
        return kept

    def log_odds(self, tokens: Tensor, sites: Tensor, answers: Tensor, foils: Tensor, hooks: Hooks) -> Tensor:
        asked, sites = sites.unique(return_inverse=True)
        logits = self.bridge.run_with_hooks(tokens, fwd_hooks=hooks, logits_to_keep=asked, **self.LESS)
        each = torch.arange(len(tokens))
        return logits[each, sites, answers] - logits[each, sites, foils]
