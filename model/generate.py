"""From a prompt to new tokens: the prompt is read in one pass, then each token is one step with a cache."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.cache import context_start
from model.gpt import GPT
from model.sampling import Sampling, choose
from model.speculation import require_speculation, speculative

TOKENS_PER_PASS = 1 << 13  # where several contexts are read together


@torch.inference_mode()
def generate(
    model: GPT,
    prompts: Tensor | Sequence[Tensor],
    n: int,
    max_new_tokens: int,
    sampling: Sampling,
    seed: int,
    speculate: int = 0,
    end: int | None = None,
) -> Iterator[Tensor]:
    """Continues each of P prompts [T], or one, n times; yields the new tokens [P n] of each step, prompt by prompt.

    Prompts may differ in length, and be longer than the block. Each is read once, in one pass, and its cache copied n
    times. ``speculate``: up to so many tokens are guessed for each that is read (``speculative``): the same tokens,
    often sooner. ``end``: a token; nothing more comes once every text has had it.
    """
    prompts = [prompts] if isinstance(prompts, Tensor) else prompts
    if not prompts or min(map(len, prompts)) == 0:
        raise ValueError("a prompt has no tokens")
    if model.training:
        raise ValueError("call model.eval() first: dropout would disturb what is generated")
    generator = torch.Generator(prompts[0].device).manual_seed(seed)
    if speculate:
        require_speculation(model, len(prompts) * n)
        steps = speculative(model, prompts[0], max_new_tokens, sampling, generator, speculate)
    else:
        steps = one_by_one(model, [prompt for prompt in prompts for _ in range(n)], max_new_tokens, sampling, generator)
    ended = torch.zeros(len(prompts) * n, dtype=torch.bool, device=prompts[0].device)
    for new in steps:
        yield new
        if end is not None:
            ended |= new == end
            if ended.all():
                return


def one_by_one(
    model: GPT, prompts: Sequence[Tensor], max_new_tokens: int, sampling: Sampling, generator: torch.Generator
) -> Iterator[Tensor]:
    """The new tokens [B] of each step after ``prompts`` [T]."""
    batch = Batch(prompts)
    decoder = Decoder(model, batch, max(map(len, prompts)) + max_new_tokens)
    for _ in range(max_new_tokens):
        new = choose(decoder.next_logits(), sampling, generator)
        batch.add(new)
        yield new


class Batch:
    """Texts that grow together: ``tokens`` [B, T], of which the first ``n`` columns are written. All texts end in the
    same column; ``begins`` are the columns of their first tokens.
    """

    def __init__(self, prompts: Sequence[Tensor]) -> None:
        """``prompts`` [T]."""
        self.n = max(map(len, prompts))
        self.begins = [self.n - len(prompt) for prompt in prompts]
        self.tokens = prompts[0].new_zeros(len(prompts), self.n)
        for row, begin, prompt in zip(self.tokens, self.begins, prompts, strict=True):
            row[begin : self.n] = prompt

    def add(self, new: Tensor) -> None:
        """Adds one token [B] to each text."""
        if self.n == self.tokens.size(1):
            self.tokens = F.pad(self.tokens, (0, self.n))  # twice as many
        self.tokens[:, self.n] = new
        self.n += 1


class Decoder:
    """Logits [B, V] of the next tokens of a ``batch``, with a cache for ``capacity`` tokens a text. Where the context
    of a text moves on, its part of the cache is filled again.
    """

    def __init__(self, model: GPT, batch: Batch, capacity: int) -> None:
        self.model, self.batch = model, batch
        self.context = model.new_context(len(batch.begins), capacity)
        self.starts = [-1] * len(batch.begins)  # the columns where contexts start

    def next_logits(self) -> Tensor:
        n, block, before = self.batch.n, self.model.config.block_size, self.starts
        self.starts = [begin + context_start(n - begin, block) for begin in self.batch.begins]
        moved = [i for i, (old, new) in enumerate(zip(before, self.starts, strict=True)) if old != new]
        if len(moved) == len(before):
            return self.read(moved, n)
        if moved:
            self.read(moved, n - 1)  # the last token is a step for all
        return self.model.step(self.batch.tokens[:, n - 1 : n], self.context)

    def read(self, texts: list[int], end: int) -> Tensor:
        """Reads the contexts of ``texts`` up to the column ``end``, equal ones once; the logits after them."""
        tokens, capacity = self.batch.tokens, self.context.capacity
        most = contexts_per_pass(capacity)
        logits = tokens.new_empty(len(tokens), self.model.config.vocab_size, dtype=torch.float32)
        for start in {self.starts[i] for i in texts}:
            group = tokens.new_tensor([i for i in texts if self.starts[i] == start])
            contexts, which = tokens[group, start:end].unique(dim=0, return_inverse=True)
            for first in range(0, len(contexts), most):
                part = self.model.new_context(len(contexts[first : first + most]), capacity)
                after = self.model.step(contexts[first : first + most], part)
                for own in ((which >= first) & (which < first + most)).nonzero()[:, 0].split(most):
                    copies = which[own] - first
                    self.context.replace(group[own], part, copies)
                    logits[group[own]] = after[copies]
        return logits


def contexts_per_pass(capacity: int) -> int:
    """How many contexts of up to ``capacity`` tokens are read together: what bounds the memory that reading takes."""
    return max(1, TOKENS_PER_PASS // capacity)
