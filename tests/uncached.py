"""Generation that reads the whole context again for every token, text by text: what a cache must not change."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from model import GPT, Sampling
from model.cache import context_start
from model.sampling import choose


@torch.inference_mode()
def generate_uncached(
    model: GPT, prompts: Sequence[Tensor], n: int, max_new_tokens: int, sampling: Sampling, seed: int
) -> Iterator[Tensor]:
    """As ``model.generate`` does: the new tokens [P n] of each step."""
    generator = torch.Generator().manual_seed(seed)
    texts = [prompt for prompt in prompts for _ in range(n)]
    for _ in range(max_new_tokens):
        contexts = (text[context_start(len(text), model.config.block_size) :] for text in texts)
        new = choose(torch.stack([model(context[None])[0, -1] for context in contexts]), sampling, generator)
        texts = [torch.cat((text, token[None])) for text, token in zip(texts, new, strict=True)]
        yield new
