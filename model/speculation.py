"""Several new tokens from one pass, where the text repeats itself: the same tokens as one by one."""

from collections.abc import Iterator

import torch
from torch import Tensor

from model.cache import context_start
from model.gpt import GPT
from model.sampling import Sampling, choose


def require_speculation(model: GPT, n_texts: int) -> None:
    """Raises ValueError where tokens that were read cannot be taken back, or for more than one text."""
    if others := set(model.config.attention_types) - {"F"}:
        raise ValueError(f"speculation needs attention F in all layers, not {', '.join(sorted(others))}")
    if n_texts > 1:
        raise ValueError(f"speculation is for one text at a time, not for {n_texts}")


def speculative(
    model: GPT, prompt: Tensor, max_new_tokens: int, sampling: Sampling, generator: torch.Generator, most: int
) -> Iterator[Tensor]:
    """The new tokens [1] after ``prompt`` [T], several of them from one pass where the text repeats itself.

    The text so far proposes how it goes on (``RepeatingText``; "prompt lookup decoding", Saxena 2023), and one pass
    gives the logits after every token proposed. Each is then drawn as ever; the first that is drawn otherwise ends the
    proposal, and the cache forgets what was proposed after it. This is the rejection rule of Leviathan et al. 2023 for
    a proposal x of probability 1: x is kept with the model's probability p(x), and every other token is drawn with its
    own p, so that the tokens are those that ``generate`` draws one by one.
    """
    text, block, n_total = RepeatingText(prompt.tolist()), model.config.block_size, len(prompt) + max_new_tokens
    start, context = 0, model.new_context(1, n_total)
    while len(text.tokens) < n_total:
        if (moved := context_start(len(text.tokens), block)) > start:
            start, context.lengths = moved, [0]
        length, n_cached = len(text.tokens) - start, context.lengths[0]
        proposed = text.propose(min(most, block - length, n_total - len(text.tokens) - 1))
        unread = text.tokens[start + n_cached :] + proposed
        rows = torch.arange(len(unread) - len(proposed) - 1, len(unread), device=prompt.device)[None]
        logits = model(prompt.new_tensor([unread]), rows=rows, context=context)
        for i in range(len(proposed) + 1):
            new = choose(logits[:, i], sampling, generator)
            text.add(int(new))
            context.lengths = [length + i]
            yield new
            if i < len(proposed) and text.tokens[-1] != proposed[i]:
                break


class RepeatingText:
    """Tokens, and how they may go on: as after the last occurrence of the two at their end."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens: list[int] = []
        self.after: dict[tuple[int, ...], int] = {}  # two tokens -> the position that followed them last
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        if len(self.tokens) > 1:
            self.after[self.tokens[-2], self.tokens[-1]] = len(self.tokens)
        self.tokens.append(token)

    def propose(self, most: int) -> list[int]:
        """As many tokens as were the same before, up to ``most``: what has been repeated for long goes on for long."""
        tokens = self.tokens
        position = self.after.get(tuple(tokens[-2:]))
        if position is None:
            return []
        same = 2
        while same < min(most, position) and tokens[position - same - 1] == tokens[-same - 1]:
            same += 1
        period = len(tokens) - position  # a proposal longer than that repeats itself
        return [tokens[position + i % period] for i in range(min(same, most))]
