"""This project and TransformerLens behind one interface, on the same random weights in the shape of GPT-2."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_model
from torch import Tensor

from data.cases import EncodedCase, answer_columns
from model import GPT, GPTConfig
from model.hooks import PatternRecorder
from probing.interventions import measure, single_heads, without_sets
from probing.patterns import show_patterns
from probing.scoring import in_batches, pad

BLOCK = 1024
GPT2 = GPTConfig(
    1, norm="layernorm", position="learned", mlp="gelu", qk_norm=False, softcap=0, bias=True, tie_embeddings=True
)


@dataclass(frozen=True)
class Shape:
    n_layer: int
    n_head: int
    n_embd: int
    vocab_size: int

    def config(self) -> GPTConfig:
        return replace(GPT2, **vars(self), n_kv_head=self.n_head, block_size=BLOCK)


def random_gpt2(folder: Path, shape: Shape, seed: int = 0) -> torch.nn.Module:
    """Saves, as ``transformers`` does, a GPT-2 whose heads are far from uniform, with a tokenizer of one word an id."""
    from tokenizers import Tokenizer, models
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    vocab, width, end = shape.vocab_size, shape.n_embd, "<|endoftext|>"
    sizes = {"n_layer": shape.n_layer, "n_head": shape.n_head, "n_embd": width, "n_positions": BLOCK}
    config = GPT2Config(vocab_size=vocab, bos_token_id=0, eos_token_id=0, attn_implementation="eager", **sizes)
    model = GPT2LMHeadModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
            parameter.copy_(mean + torch.randn(parameter.shape, generator=generator) * 0.8 * width**-0.5)
        for layer in model.transformer.h:
            layer.attn.c_attn.weight[:, : 2 * width] *= 1.8  # scores of queries and keys deviate by about 2
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({end: 0} | {f"w{i}": i for i in range(1, vocab)}, unk_token=end))
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token=end, eos_token=end, unk_token=end).save_pretrained(folder)
    return model


@torch.no_grad()
def lookback_twin(theirs: torch.nn.Module, config: GPTConfig) -> GPT:
    """Our network with the weights of a ``GPT2LMHeadModel``."""
    ours, source = GPT(config).eval(), theirs.transformer
    ours.embed.weight.copy_(source.wte.weight)
    ours.position.weight.copy_(source.wpe.weight)
    ours.norm.load_state_dict(source.ln_f.state_dict())
    for block, layer in zip(ours.blocks, source.h, strict=True):
        block.norm_attention.load_state_dict(layer.ln_1.state_dict())
        block.norm_mlp.load_state_dict(layer.ln_2.state_dict())
        attention, joint = block.attention, layer.attn.c_attn
        weights = [*joint.weight.chunk(3, dim=1), layer.attn.c_proj.weight, layer.mlp.c_fc.weight]
        biases = [*joint.bias.chunk(3), layer.attn.c_proj.bias, layer.mlp.c_fc.bias]
        linears = attention.q, attention.k, attention.v, attention.o, block.mlp.up, block.mlp.down
        pairs = zip([*weights, layer.mlp.c_proj.weight], [*biases, layer.mlp.c_proj.bias], strict=True)
        for linear, (weight, bias) in zip(linears, pairs, strict=True):
            linear.weight.copy_(weight.T)  # theirs are stored as inputs x outputs
            linear.bias.copy_(bias)
    return ours


def take_rows(pattern: Tensor, rows: Tensor) -> Tensor:
    """The rows [B, R] of patterns [B, H, T, T]: [B, H, R, T], none of the rest kept."""
    return pattern.gather(2, rows[:, None, :, None].expand(-1, pattern.size(1), -1, pattern.size(-1)))


class Lookback:
    def __init__(self, folder: Path, shape: Shape) -> None:
        self.model = GPT(shape.config()).eval()
        load_model(self.model, folder / "lookback.safetensors")

    def patterns(self, tokens: Tensor, rows: Tensor | None) -> list[Tensor]:
        """Each layer's [B, H, R, T] of the asked rows, or of all."""
        recorder = PatternRecorder(rows)
        show_patterns(self.model, tokens, recorder)
        return [*recorder.patterns.values()]

    def ablation(self, cases: Sequence[EncodedCase], means: Tensor, heads: int, batch: int) -> Tensor:
        """Changes of log-odds [heads, N], as ``Lens.ablation``, in batches of its own size."""
        odds = measure(self.model, cases, {"mean": without_sets(single_heads(self.model)[:heads], means)})
        return odds["mean"] - odds["clean"]


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
        sequences, *columns = answer_columns(cases)
        parts = []
        for part in in_batches(len(cases), batch):
            tokens = pad(sequences[part], torch.device("cpu"))
            asked = [torch.tensor(column[part]) for column in columns]
            clean = self.log_odds(tokens, *asked, [])
            changes = []
            for index in range(heads):
                layer, head = divmod(index, self.n_head)

                def replace_output(z: Tensor, hook: object, head: int = head, layer: int = layer) -> Tensor:
                    z[:, :, head] = means[layer, head]  # [B, T, H, d]
                    return z

                hooks = [(f"blocks.{layer}.attn.hook_z", replace_output)]
                changes.append(self.log_odds(tokens, *asked, hooks) - clean)
            parts.append(torch.stack(changes))
        return torch.cat(parts, dim=1)

    def log_odds(self, tokens: Tensor, sites: Tensor, answers: Tensor, foils: Tensor, hooks: list) -> Tensor:
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

        hooks = [(name, keep) for name in self.names]
        self.bridge.run_with_hooks(tokens, fwd_hooks=hooks, return_type=None, logits_to_keep=1, **self.LESS)
        return kept

    def log_odds(self, tokens: Tensor, sites: Tensor, answers: Tensor, foils: Tensor, hooks: list) -> Tensor:
        places, sites = sites.unique(return_inverse=True)
        logits = self.bridge.run_with_hooks(tokens, fwd_hooks=hooks, logits_to_keep=places, **self.LESS)
        each = torch.arange(len(tokens))
        return logits[each, sites, answers] - logits[each, sites, foils]
