"""How exactly models and tokenizers go out and come in: ``python -m benchmarks.exchange [--small]``.

Everything on random weights, in float32, against ``transformers`` and the bridge of TransformerLens; differences are
the largest over all elements.

* out: a network of ours, exported, loaded by ``AutoModelForCausalLM``: logits, greedy tokens, and patterns as the
  bridge shows them. Beside the tokens, how many different ones there were;
* in: a ``GPT2LMHeadModel`` as ``save_pretrained`` leaves it, read by us: the same three;
* tokenizers: ids of every Unicode code point beside letters, digits, spaces and itself, and of random texts, from
  ``tokenizers.Tokenizer.from_file`` and ``AutoTokenizer``.

GPT-2's vocabulary is looked for where tiktoken keeps it (TIKTOKEN_CACHE_DIR). ``--small``: without GPT-2 124M's shape.
"""

import argparse
import json
import random
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import exchange
from benchmarks.peers import GPT2, Shape, random_gpt2
from data import Tokenizer
from data.tokenizers import byte_tokenizer, gpt2_tokenizer, train_bpe
from exchange import tokenizer_json
from model import GPT, GPTConfig, Sampling, generate
from model.hooks import PatternRecorder
from probing.patterns import show_patterns

SIZES = {"block_size": 128, "n_layer": 4, "n_head": 4, "n_embd": 128}
GPT2_SWITCHES = {
    name: vars(GPT2)[name] for name in ("norm", "position", "mlp", "qk_norm", "softcap", "bias", "tie_embeddings")
}
OUT = {
    "GPT-2": GPT2_SWITCHES,
    "GPT-2, untied head": GPT2_SWITCHES | {"tie_embeddings": False},
    "modern": {},
    "modern, grouped": {"n_kv_head": 2},
    "modern, tied, no softcap": {"tie_embeddings": True, "softcap": 0.0},
}
TEXT = "Tom met Anna. He said, my name is Tom; don't stop. " * 20 + string.printable
LENGTH, NEW = 64, 40
AROUND = "x{0}1{0} {0}{0}'s"
AT_ONCE = 2_048
PIECES = [*"<|endoftext|> <| |> 'll é 日本 😀 \u200d \x00 Tom 1 -".split(" "), " ", "  ", "\n", "\r\n", "\t", "\u3000"]
ENDS = 0x80, 0x800, 0x3000, 0xD800, 0x1F700, 0x110000  # of ranges of code points


def random_model(config: GPTConfig) -> GPT:
    """Weights that make patterns far from uniform."""
    model = GPT(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 2.0 if ".q." in name or ".k." in name else 1.0
            mean = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.copy_(mean + torch.randn(parameter.shape, generator=generator) * scale * config.n_embd**-0.5)
    return model


def largest(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


@torch.no_grad()
def compare(name: str, ours: GPT, folder: Path) -> str:
    """One row of the table: ours against what transformers and TransformerLens make of ``folder``."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoModelForCausalLM

    tokens = torch.randint(ours.config.vocab_size, (2, LENGTH), generator=torch.Generator().manual_seed(0))
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    logits = largest(ours(tokens), theirs(tokens).logits)
    same, kinds = 0, set()
    for prompt in tokens[:, :8]:
        new = [int(token) for token in generate(ours, prompt, 1, NEW, Sampling(temperature=0), 0)]
        found = theirs.generate(prompt[None], max_new_tokens=NEW, min_new_tokens=NEW, eos_token_id=None)[0, 8:].tolist()
        same += sum(a == b for a, b in zip(new, found, strict=True))
        kinds |= {*new}
    recorder = PatternRecorder()
    show_patterns(ours, tokens, recorder)
    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
    hooks = [f"blocks.{layer}.attn.hook_pattern" for layer in recorder.patterns]
    _, cache = bridge.run_with_cache(tokens, names_filter=hooks)
    patterns = max(
        largest(cache[hook], pattern) for hook, pattern in zip(hooks, recorder.patterns.values(), strict=True)
    )
    architecture = type(theirs).__name__
    return f"| {name} | {architecture} | {logits:.1e} | {same} of {2 * NEW} ({len(kinds)}) | {patterns:.1e} |"


def models_out(tokenizer: Tokenizer, folder: Path) -> Iterator[str]:
    for name, shape in OUT.items():
        ours = random_model(GPTConfig(tokenizer.vocab_size, **SIZES, **shape))
        place = folder / name
        exchange.export(ours, tokenizer, place, {"run": name}, overwrite=False)
        yield compare(f"out: {name}", ours, place)


def models_in(shapes: dict[str, Shape], folder: Path) -> Iterator[str]:
    """Folders without tokenizer files, single and in shards, which are taken to have GPT-2's vocabulary."""
    for name, shape in shapes.items():
        single, sharded = folder / f"{name} single", folder / f"{name} sharded"
        theirs = random_gpt2(single, shape)
        theirs.save_pretrained(sharded, max_shard_size=f"{1 + theirs.num_parameters() * 4 // 3_000_000}MB")
        for path in single.glob("tokenizer*"):
            path.unlink()
        for place in (single, sharded):
            ours = exchange.read(f"hf:{place}").load(torch.device("cpu"), dropout=0.0).eval()
            n_files = len([*place.glob("*.safetensors")])
            yield compare(f"in: {name}, {n_files} file{'s' if n_files > 1 else ''}", ours, place)


def random_texts(n: int) -> Iterator[str]:
    """Letters of all planes among pieces that tokenizers trip over."""
    rng = random.Random(0)
    for _ in range(n):
        parts = [chr(rng.choice(ENDS) - 1 - rng.randrange(0x80)) for _ in range(rng.randrange(1, 30))]
        yield "".join(rng.choice(PIECES) if rng.random() < 0.5 else part for part in parts)


def alike(plain: object, ours: Tokenizer, texts: list[str]) -> int:
    """How many of the texts have the same ids."""
    found = plain.encode_batch(texts)
    return sum(one.ids == ours.encode(text).tolist() for one, text in zip(found, texts, strict=True))


def tokenizer_row(name: str, ours: Tokenizer, folder: Path) -> str:
    from tokenizers import Tokenizer as Plain
    from transformers import AutoTokenizer

    folder.mkdir()
    for file, content in tokenizer_json.files(ours, LENGTH).items():
        (folder / file).write_text(json.dumps(content))
    plain, auto = Plain.from_file(str(folder / "tokenizer.json")), AutoTokenizer.from_pretrained(folder)
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    points = 0
    for start in range(0, len(codes), AT_ONCE):
        texts = [AROUND.format(chr(code)) for code in codes[start : start + AT_ONCE]]
        points += alike(plain, ours, texts)
    texts = [*random_texts(5_000)]
    ids = [auto(text)["input_ids"] for text in texts]
    back = sum(auto.decode(i) == text and i == ours.encode(text).tolist() for i, text in zip(ids, texts, strict=True))
    pairs = ((points, codes), (alike(plain, ours, texts), texts), (back, texts))
    return f"| {name} | {' | '.join(f'{same:,} of {len(all_):,}' for same, all_ in pairs)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="without the shape of GPT-2 124M")
    small = parser.parse_args().small
    shapes = {"GPT-2, small": Shape(n_layer=3, n_head=4, n_embd=64, vocab_size=50_257)}
    if not small:
        shapes["GPT-2 124M"] = Shape(n_layer=12, n_head=12, n_embd=768, vocab_size=50_257)
    bpe = train_bpe([TEXT], 400)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        print("| model | there it is | logits | tokens alike | patterns |\n|" + "---|" * 5)
        for row in (*models_out(bpe, folder), *models_in(shapes, folder)):
            print(row, flush=True)
        print("\n| tokenizer | code points | texts, tokenizers | texts and back, AutoTokenizer |\n|" + "---|" * 4)
        for name, make in (("bytes", byte_tokenizer), ("bpe", lambda: bpe), ("gpt2", lambda: gpt2_tokenizer(folder))):
            print(tokenizer_row(name, make(), folder / f"tokenizer {name}"), flush=True)


if __name__ == "__main__":
    main()
