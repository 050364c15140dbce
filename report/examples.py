"""Texts that a page shows, with all that it needs to draw them: tokens, sites, candidates, every head's pattern."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from common.visible import START, visible, visible_tokens
from data import EncodedCase, Tokenizer
from data.cases.case import SITES, Span, counterfactual_groups, encode_case
from model import GPT
from probing.findings import Findings
from probing.heads import head_names
from probing.known_sentences import pairs_of
from probing.patterns import patterns_of
from probing.scoring import score_answers
from probing.tasks import TaskResult
from report.pages import pack

LEVELS = 255  # of a weight in a page, which has a byte
LARGEST_TEXT = 1 << 24  # weights of one text that are looked at to see whether they fit


@dataclass(frozen=True)
class Site:
    """A token to look from: its name (P-1, P, C, A-1, A, or the word itself), its meaning and its position."""

    name: str
    meaning: str
    position: int


@dataclass(frozen=True)
class Text:
    """One text as a page shows it. ``tokens`` are made visible; spans are token ranges [start, end)."""

    ids: tuple[int, ...]
    tokens: list[str]
    sites: list[Site]
    gold: Sequence[Span] = ()
    distractors: Sequence[Span] = ()
    rivals: Sequence[Sequence[Span]] = ()  # the distractors by candidate
    answer: str | None = None
    foil: str | None = None
    p_answer: float | None = None
    p_foil: float | None = None


@dataclass(frozen=True)
class Example:
    """A counterfactual pair, or one text, whose ``task`` is None; ``kind``: why this one is shown. ``name``: where task
    and kind do not say which.
    """

    task: str | None
    kind: str
    texts: list[Text]
    name: str | None = None


@dataclass
class Packed:
    """A text, and the patterns of all heads in some rows of it, packed."""

    text: Text
    rows: list[int]
    patterns: str


def typical_and_hardest(result: TaskResult) -> Iterator[tuple[str, tuple[EncodedCase, ...]]]:
    """The counterfactual pair, or lone case, whose contrast in the best head is the median, and the lowest one."""
    heads, quoted = result.heads, result.quotes[result.best]
    s, k = heads.sites.index(quoted.site), heads.names.index(quoted.name)
    contrast = (heads.gold - heads.rival)[:, s, k]
    ranked, start = [], 0
    for group in counterfactual_groups(result.cases):
        ranked.append((contrast[start : start + len(group)].mean(), start, group))
        start += len(group)
    ranked.sort(key=lambda item: item[:2])
    yield "typical", ranked[len(ranked) // 2][2]
    yield "hardest", ranked[0][2]


def text_of_case(model: GPT, tokenizer: Tokenizer, case: EncodedCase) -> Text:
    scores = score_answers(model, [case])
    return Text(
        ids=case.tokens,
        tokens=words_of(tokenizer, case.tokens),
        sites=[Site(name, SITES[name], position) for name, position in case.sites.items()],
        gold=case.gold,
        distractors=case.distractors,
        rivals=case.rivals,
        answer=visible(tokenizer.pieces[case.answer]),
        foil=visible(tokenizer.pieces[case.foil]),
        p_answer=float(scores.answer.exp()),
        p_foil=float(scores.foil.exp()),
    )


def words_of(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[str]:
    shown = visible_tokens([tokenizer.pieces[token] for token in tokens])
    return [START if token == tokenizer.end else text for token, text in zip(tokens, shown, strict=True)]


def text_from_its_end(tokenizer: Tokenizer, tokens: Sequence[int]) -> Text:
    """A text without annotations, looked at from its last token."""
    words = words_of(tokenizer, tokens)
    return Text(tuple(tokens), words, [Site(words[-1].strip(), "the last word", len(tokens) - 1)])


def choose_examples(findings: Findings, tokenizer: Tokenizer, first: str | None) -> list[Example]:
    """Pairs that articles use; a typical pair of each task, that of the ``first`` before all; then the hardest."""
    by_kind: dict[str, list[Example]] = {}
    for pair in pairs_of(findings.sentences):
        texts = [text_of_case(findings.model, tokenizer, encode_case(case, tokenizer)) for case in pair.cases()]
        by_kind.setdefault("articles", []).append(Example(pair.task, "articles", texts, " or ".join(pair.keys)))
    for result in sorted(findings.tasks, key=lambda result: result.name != first):
        for kind, group in typical_and_hardest(result):
            texts = [text_of_case(findings.model, tokenizer, case) for case in group]
            by_kind.setdefault(kind, []).append(Example(result.name, kind, texts))
    return [example for kind in by_kind.values() for example in kind]


def pack_examples(model: GPT, examples: Sequence[Example], largest: int) -> tuple[list[dict], dict[str, str]]:
    """Examples as JSON, and their patterns by name, packed into at most ``largest`` characters.

    Every text has the rows of its sites; the last examples are left out where they would be more. Then texts get all
    their rows, in order, up to the first that is too large; ``rows`` says which a text has.
    """
    kept: list[tuple[Example, list[Packed]]] = []
    left = largest
    for example in examples:
        own = [packed(model, text, sorted({site.position for site in text.sites})) for text in example.texts]
        size = sum(len(one.patterns) for one in own)
        if size > left and kept:
            break
        left -= size
        kept.append((example, own))
    n_heads = len(head_names(model))
    for one in (one for _, own in kept for one in own):
        every = list(range(len(one.text.ids)))
        if n_heads * sum(row + 1 for row in every) > LARGEST_TEXT:
            break
        whole = packed(model, one.text, every)
        left -= len(whole.patterns) - len(one.patterns)
        if left < 0:
            break
        one.rows, one.patterns = whole.rows, whole.patterns
    records, blocks = [], {}
    for example, own in kept:
        texts = []
        for one in own:
            name = f"patterns-{len(blocks)}"
            blocks[name] = one.patterns
            texts.append(text_json(one, name))
        records.append({"task": example.task, "kind": example.kind, "name": example.name, "texts": texts})
    return records, blocks


def packed(model: GPT, text: Text, rows: list[int]) -> Packed:
    return Packed(text, rows, pack(lower_triangles(model, text.ids, rows)))


def text_json(packed: Packed, patterns: str) -> dict:
    record = asdict(packed.text) | {"rows": packed.rows, "patterns": patterns}
    del record["ids"]
    return record


def lower_triangles(model: GPT, tokens: Sequence[int], rows: Sequence[int]) -> bytes:
    """The weights of every head at the queries ``rows`` of one text, a byte each: round(weight x LEVELS).

    Head by head, row by row; of row r the r + 1 weights on what it can see. Off by 0.002 at most. A row's bytes add up
    to about LEVELS, so that most are small: at 256 tokens they hold less than 3 bits each, which compression finds.
    """
    device = model.embed.weight.device
    text, queries = (torch.tensor([list(numbers)], device=device) for numbers in (tokens, rows))
    parts = []
    for pattern in patterns_of(model, text, queries):  # [1, H, R, T]
        bytes_ = (pattern[0] * LEVELS).round().byte().cpu().numpy()
        seen = np.arange(len(tokens)) <= np.array(rows)[:, None]  # [R, T]
        parts += [head[seen].tobytes() for head in bytes_]
    return b"".join(parts)
