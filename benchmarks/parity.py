"""How far apart the ways of computing each attention type are: ``python -m benchmarks.parity [--length 256]``.

All in float32, on random weights; every number is the largest absolute difference over all elements.

* definition: the whole sequence at once against explicit weights of every query and key, output and gradients (by the
  input and by all weights, relative to the layer's largest);
* hooked: the heads' outputs against pattern x values, in every row;
* cached: logits token by token with a cache against the whole sequence at once, prompts of a third of the length;
* tokens: greedy continuations, with and without a cache, of one batch of prompts: of one token, a fifth of the block
  and 1.7 blocks.
"""

import argparse

import torch
from torch import Tensor

from model import GPT, GPTConfig, Hooks, Sampling, generate
from model.attention import CausalSelfAttention, repeat_groups

PATTERNS = {
    "F": {},
    "F, grouped": {"n_kv_head": 2},
    "F, GPT-2": {"norm": "layernorm", "position": "learned", "mlp": "gelu", "qk_norm": False, "bias": True},
    "W": {"attention": "W"},
    "W, grouped": {"attention": "W", "n_kv_head": 2},
    "S": {"attention": "S"},
    "S, grouped": {"attention": "S", "n_kv_head": 2},
    "L": {"attention": "L"},
    "R": {"attention": "R"},
    "WS": {"attention": "WS"},
    "WWWF": {"attention": "WWWF"},
    "FWSLR": {"attention": "FWSLR"},
}
VOCABULARY, NEW = 200, 40


class Explicit(Hooks):
    """Replaces nothing, so that every row's output is its pattern times its values; keeps the outputs."""

    def __init__(self, rows: Tensor | None = None) -> None:
        super().__init__(rows)
        self.outputs: list[Tensor] = []

    def z(self, layer: int, z: Tensor) -> Tensor:
        self.outputs.append(z)
        return z


def random_model(length: int, shape: dict) -> GPT:
    """Weights that make patterns far from uniform."""
    n_layer = max(2, len(shape.get("attention", "F")))
    sizes = {"block_size": length, "n_layer": n_layer, "n_head": 4, "n_embd": 128, "window": 24, "stride": 8}
    model = GPT(GPTConfig(VOCABULARY, **sizes, **shape)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 2.0 if ".q." in name or ".k." in name else 1.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale * 128**-0.5)
    return model


def from_definition(model: GPT, tokens: Tensor) -> tuple[float, float] | None:
    """Largest differences of the layers' outputs and gradients; None where a model has no pattern."""
    worst = [0.0, 0.0]
    for layer in model.config.layers_with_heads:
        attention: CausalSelfAttention = model.blocks[layer].attention
        x = model.blocks[layer].norm_attention(model.embed(tokens)).detach().requires_grad_()
        rotary = None if model.rotary is None else model.rotary[:, : tokens.size(1)]
        q, k, v = attention.project(x, rotary)
        rows = torch.arange(tokens.size(1)).expand(len(tokens), -1)
        z = attention.weights(q, k, rows) @ repeat_groups(v, attention.n_head)
        explicit = attention.o(z.transpose(1, 2).flatten(2))
        fast = attention(x, rotary)
        weights = [x, *attention.parameters()]
        by_output = torch.randn(fast.shape, generator=torch.Generator().manual_seed(0))
        gradients = [torch.autograd.grad(z, weights, by_output, retain_graph=True) for z in (fast, explicit)]
        size = max(gradient.abs().max().item() for gradient in gradients[1])
        worst[0] = max(worst[0], largest(fast, explicit))
        worst[1] = max(worst[1], *(largest(*both) / size for both in zip(*gradients, strict=True)))
    return (worst[0], worst[1]) if model.config.layers_with_heads else None


@torch.inference_mode()
def hooked(model: GPT, tokens: Tensor) -> float | None:
    if not model.config.layers_with_heads:
        return None
    every, one = Explicit(), Explicit(torch.zeros(len(tokens), 1, dtype=torch.int64))
    model(tokens, hooks=every)
    model(tokens, hooks=one)
    return max(largest(a, b) for a, b in zip(every.outputs, one.outputs, strict=True))


@torch.inference_mode()
def cached(model: GPT, tokens: Tensor) -> float:
    whole, context, first = model(tokens), model.new_context(len(tokens)), tokens.size(1) // 3
    logits = [model.step(tokens[:, :first], context)]
    logits += [model.step(token, context) for token in tokens[:, first:].split(1, dim=1)]
    return largest(torch.stack(logits, dim=1), whole[:, first - 1 :])


def same_tokens(model: GPT) -> str:
    """How many tokens that follow prompts of unequal length are the same with and without a cache."""
    block = model.config.block_size
    sizes = [1, block // 5, 1, block * 17 // 10]
    prompts = [torch.arange(size).mul(7).add(i).remainder(VOCABULARY) for i, size in enumerate(sizes)]
    both = [
        torch.stack([*generate(model, prompts, 2, NEW, Sampling(temperature=0), seed=0, use_cache=use)])
        for use in (True, False)
    ]
    return f"{int((both[0] == both[1]).sum())} of {both[0].numel()}"


def largest(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=256, help="tokens, and the block")
    length = parser.parse_args().length
    tokens = torch.randint(VOCABULARY, (2, length), generator=torch.Generator().manual_seed(0))
    print("| attention | definition | its gradients | hooked | cached logits | same tokens |\n|" + "---|" * 6)
    for name, shape in PATTERNS.items():
        model = random_model(length, shape)
        numbers = [*(from_definition(model, tokens) or (None, None)), hooked(model, tokens), cached(model, tokens)]
        cells = ["no pattern" if number is None else f"{number:.1e}" for number in numbers]
        print(f"| {' | '.join([name, *cells, same_tokens(model)])} |", flush=True)


if __name__ == "__main__":
    main()
