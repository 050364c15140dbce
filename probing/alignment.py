"""Does a head align a translation with its original? Measured over all words of a sentence, not the answer alone.

For each word of the translation a head points at the original's token with the largest weight, seen from the token that
predicts the word (A-1) or from the word itself (A). With one gold link a word, both sets of links are equally large,
and the alignment error rate of Och & Ney 2003, 1 - 2 |A and S| / (|A| + |S|), is the share of words it gets wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from data import Case, Tokenizer
from data.cases.case import Span, read_case
from model import GPT
from probing.heads import case_batches, head_names
from probing.patterns import patterns_of
from probing.scoring import pad

SITES = ("A-1", "A")


@dataclass(frozen=True)
class LinkedText:
    """Tokens of a text, [start, end) of its original's tokens, and (target word, source word) as token ranges."""

    tokens: tuple[int, ...]
    source: Span
    links: tuple[tuple[Span, Span], ...]


@dataclass(frozen=True)
class Alignment:
    """Alignment error rates of *report* by head, each at its better site of *select*; ``best`` is chosen on *select*.

    ``diagonal``: the error rate of linking the n-th word of the translation to the n-th linked word of the original.
    """

    errors: dict[str, float]
    sites: dict[str, str]
    best: str
    diagonal: float


def linked_texts(cases: Sequence[Case], tokenizer: Tokenizer, block_size: int) -> list[LinkedText]:
    """The cases that have links and fit into the block, whole."""
    texts = []
    for case in cases:
        if not case.spans.links:
            continue
        tokens, token_range = read_case(case, tokenizer)
        links = tuple((token_range(target), token_range(source)) for target, source in case.spans.links)
        source = min(start for _, (start, _) in links), max(end for _, (_, end) in links)
        if len(tokens) <= block_size:
            texts.append(LinkedText(tuple(tokens.tolist()), source, links))
    return texts


def measure_alignment(model: GPT, select: Sequence[LinkedText], report: Sequence[LinkedText]) -> Alignment:
    chosen, quoted = error_rates(model, select), error_rates(model, report)  # [sites, K]
    names = head_names(model)
    best_site = chosen.argmin(0)
    return Alignment(
        errors={name: float(quoted[best_site[k], k]) for k, name in enumerate(names)},
        sites={name: SITES[best_site[k]] for k, name in enumerate(names)},
        best=names[int(chosen.min(0).argmin())],
        diagonal=float(np.mean([wrong for text in report for wrong in diagonal_errors(text)])),
    )


@torch.inference_mode()
def error_rates(model: GPT, texts: Sequence[LinkedText]) -> np.ndarray:
    """The share of links that each head gets wrong, from each of SITES: [sites, K]."""
    device = model.embed.weight.device
    wrong, n_links = np.zeros(1), 0
    for part in case_batches([len(text.tokens) for text in texts], 4 * model.config.n_embd):
        batch = texts[part]
        most = max(len(text.links) for text in batch)
        queries = [[(start - 1, end - 1) for (start, end), _ in text.links] for text in batch]
        padded = [[*own, *[own[-1]] * (most - len(own))] for own in queries]
        rows = torch.tensor(padded, device=device).flatten(1)  # [B, links * sites]
        tokens = pad([text.tokens for text in batch], device)
        patterns = torch.cat(patterns_of(model, tokens, rows), dim=1)  # [B, K, links * sites, T]
        pattern = patterns.unflatten(2, (most, len(SITES)))
        for i, text in enumerate(batch):
            start, end = text.source
            pointed = start + pattern[i, :, : len(text.links), :, start:end].argmax(-1)  # [K, links, sites]
            gold = torch.tensor([source for _, source in text.links], device=device)[None, :, None]
            missed = (pointed < gold[..., 0]) | (pointed >= gold[..., 1])
            wrong = wrong + missed.sum(1).T.cpu().double().numpy()
            n_links += len(text.links)
    return wrong / n_links


def diagonal_errors(text: LinkedText) -> list[bool]:
    sources = sorted(source for _, source in text.links)
    targets = sorted(text.links)
    return [source != sources[n] for n, (_, source) in enumerate(targets)]
