"""From a prompt to new tokens: once with a cache and, equal to it, once without."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import require_types
from model.gpt import GPT

TOKENS_PER_PASS = 1 << 13  # where several contexts are read together
SMALLEST_TEMPERATURE = 1e-30  # the likeliest token alone; float32 makes 0 of smaller ones


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. ``temperature`` 0 takes the likeliest; the filters apply in the order given here.

    ``top_k``: the k likeliest tokens (0: all). ``top_p``: the fewest tokens that hold this much probability (Holtzman
    et al. 2020; 1: all). ``min_p``: tokens at least this fraction as likely as the likeliest (Nguyen et al. 2024).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        require_types(fields(Sampling), vars(self))
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature={self.temperature}: must be 0 or more")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k}: must be 0 (all tokens) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p}: must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p={self.min_p}: must be between 0 and 1")


def filter_logits(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits [B, V] after temperature, with every token that the filters exclude at minus infinity."""
    temperature = max(sampling.temperature, SMALLEST_TEMPERATURE)
    logits = (logits - logits.max(-1, keepdim=True).values) / temperature  # no overflow near temperature 0
    if 0 < sampling.top_k < logits.size(-1):
        smallest_kept = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < smallest_kept, -math.inf)
    if sampling.top_p < 1:
        probabilities, order = logits.softmax(-1).sort(descending=True)
        before = probabilities.cumsum(-1) - probabilities
        outside = before >= sampling.top_p
        outside[:, 0] = False  # the likeliest stays, also where float32 makes 0 of top_p
        excluded = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, outside)
        logits = logits.masked_fill(excluded, -math.inf)
    if sampling.min_p > 0:
        threshold = logits.max(-1, keepdim=True).values + math.log(sampling.min_p)
        logits = logits.masked_fill(logits < threshold, -math.inf)
    return logits


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Next tokens [B] from logits [B, V]; raises FloatingPointError where these are NaN or infinite."""
    if not logits.amax(-1).isfinite().all():  # one wait for a GPU a token
        raise FloatingPointError("the model's logits are not finite")
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = filter_logits(logits, sampling).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def context_start(length: int, block_size: int) -> int:
    """Where the context of the next token starts when ``length`` tokens exist: 0 while they fit into the block.

    After that the context moves on by half a block at a time, so that the cache is refilled once every half block
    instead of at every token.
    """
    if length <= block_size:
        return 0
    hop = max(1, block_size // 2)
    return math.ceil((length - block_size) / hop) * hop


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
    own p, so that the tokens are those of ``generate``.
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
