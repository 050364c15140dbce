"""How likely a model finds texts, and one of two continuations at a chosen position of them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from data import EncodedCase
from data.cases.case import by_task
from model import GPT

# Where all tokens of texts are scored: logits held at a time, but those of so many tokens in any case.
LOGITS = {"cpu": 1 << 22, "cuda": 1 << 28, "mps": 1 << 25}
FEWEST_TOKENS = 512
BATCH = 64  # texts of which one position is scored


def pad(sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Sequences of unequal length as one tensor [B, T], zeros after them: a causal model never looks there."""
    longest = max(map(len, sequences))
    return torch.tensor([[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences], device=device)


def in_batches(n: int, size: int) -> Iterator[slice]:
    """Slices that cover 0 .. n - 1."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


class AnswerScores(NamedTuple):
    """Log-probabilities of answers and foils in nats, [N] each, and whether the answer was the likeliest token."""

    answer: Tensor
    foil: Tensor
    right: Tensor

    @property
    def log_odds(self) -> Tensor:
        """log P(answer) - log P(foil), [N]."""
        return self.answer - self.foil


@torch.inference_mode()
def score_answers(model: GPT, cases: Sequence[EncodedCase]) -> AnswerScores:
    """Scores the token after A-1 of each case: is it the answer or the foil?"""
    device = model.embed.weight.device
    asked = [(case.sites["A-1"], case.answer, case.foil) for case in cases]
    rows, answer_ids, foil_ids = torch.tensor(asked, device=device).unsqueeze(-1).unbind(1)  # [N, 1] each
    parts = []
    for part in in_batches(len(cases), BATCH):
        logits = model(pad([case.tokens for case in cases[part]], device), rows=rows[part])[:, 0]
        log_probs = logits.log_softmax(-1)
        right = log_probs.argmax(-1) == answer_ids[part, 0]
        parts.append((log_probs.gather(1, answer_ids[part])[:, 0], log_probs.gather(1, foil_ids[part])[:, 0], right))
    return AnswerScores(*map(torch.cat, zip(*parts, strict=True)))


def referential_metrics(model: GPT, cases: Sequence[EncodedCase], prefix: str = "referential") -> dict[str, float]:
    """What resolving references brought, per task, as PREFIX/TASK/NAME.

    ``loss``: mean loss on the answer in nats, which stays at ``chance_loss`` or above where references are not
    resolved; ``accuracy``: the share of answers that were the likeliest of all tokens; ``preference``: likelier than
    the foil.
    """
    metrics = {}
    for task, members in by_task(cases).items():
        scores = score_answers(model.eval(), members)
        metrics[f"{prefix}/{task}/loss"] = -float(scores.answer.mean())
        metrics[f"{prefix}/{task}/accuracy"] = float(scores.right.float().mean())
        metrics[f"{prefix}/{task}/preference"] = float((scores.log_odds > 0).float().mean())
        known = [case.case.chance_loss for case in members if case.case.chance_loss is not None]
        if known:
            metrics[f"{prefix}/{task}/chance_loss"] = sum(known) / len(known)
    return metrics


@torch.inference_mode()
def score_sequences(model: GPT, sequences: Sequence[Sequence[int]]) -> Tensor:
    """The log-probability in nats of each sequence after its first token, given that token: [N] in double precision.

    No sequence may have more than block_size + 1 tokens, nor fewer than two.
    """
    device = model.embed.weight.device
    scores = torch.zeros(len(sequences), dtype=torch.float64)
    n_tokens = max(FEWEST_TOKENS, LOGITS[device.type] // model.config.vocab_size)
    for chosen in groups_of_similar_length(list(map(len, sequences)), n_tokens):
        tokens = pad([sequences[i] for i in chosen], device)
        lengths = torch.tensor([len(sequences[i]) for i in chosen], device=device)
        logits = model(tokens[:, :-1])  # [B, T, V]
        losses = F.cross_entropy(logits.mT, tokens[:, 1:], reduction="none")  # [B, T]
        inside = torch.arange(1, tokens.size(1), device=device) < lengths[:, None]
        scores[chosen] = -(losses * inside).cpu().double().sum(1)
    return scores


def groups_of_similar_length(lengths: Sequence[int], n_tokens: int) -> Iterator[list[int]]:
    """The indices of all sequences in groups of nearly one length, of at most ``n_tokens`` with their padding."""
    group = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and lengths[i] * (len(group) + 1) > n_tokens:
            yield group
            group = []
        group.append(i)
    if group:
        yield group
