"""Annotated cases: one format for stories and for whatever else is measured, and its way to tokens.

In a text, offsets are UTF-8 bytes, so that any tokenizer can find them again through the lengths of its tokens. A case
may also consist of token ids, as in puzzles; then offsets are positions among them.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from common.errors import InputError
from data.text.tokenizers import Tokenizer

Span = tuple[int, int]
Ids = tuple[int, ...]

SITES = {
    "P-1": "predicts the pronoun",
    "P": "the pronoun",
    "C": "the cue",
    "A-1": "predicts the answer",
    "A": "the answer",
}


@dataclass(frozen=True)
class Spans:
    """The annotated words, as [start, end) offsets in bytes, or in tokens. ``gold`` are the mentions of what the answer
    refers to.

    ``subject``: the candidate that is the grammatical subject of its sentence. ``last_pronoun``: the candidate that the
    last pronoun before the answer means, if its gender decides. ``chain``: other pronouns on the way from ``pronoun``
    to gold. ``links``: (word of a translation, word of its original), the gold alignment.
    """

    gold: tuple[Span, ...]
    distractors: tuple[Span, ...]
    answer: Span
    pronoun: Span | None = None
    cue: Span | None = None
    subject: Span | None = None
    last_pronoun: Span | None = None
    chain: tuple[Span, ...] = ()
    links: tuple[tuple[Span, Span], ...] = ()


@dataclass(frozen=True)
class Case:
    """A text in which one word, the answer, depends on one reference. ``foil`` is the answer if the other is meant.

    Or ``tokens``: ids of one model, which reads them with nothing put in front; ``foil`` then has ids, too.

    ``counterfactual`` is the id of the case that differs in what ``counterfactual_kind`` names: the word that points to
    the antecedent (*cue*, *gender*, *verb*, *subject*; the answer changes), the *order* of the candidates, an
    *attribute* of the antecedent (it stays, the answer changes), or something that must not matter (*null*).
    ``chance_loss``: the loss at the answer, in nats, of a model that guesses among all that the reference could be.
    ``entities``: whom gold means, then whom each distractor does; without them, distractors in the same words mean the
    same.
    """

    id: str
    text: str
    task: str
    template: str
    split: str
    spans: Spans
    foil: str | Ids
    counterfactual: str | None = None
    counterfactual_kind: str | None = None
    chance_loss: float | None = None
    entities: tuple[str, ...] = ()
    tokens: Ids = ()

    @property
    def candidates(self) -> str:
        """The names or else the words of all candidates, in an order that does not show which of them is meant."""
        if self.entities:
            return " | ".join(sorted(set(self.entities)))
        words = {words_at(self, span).lower() for span in (*self.spans.gold, *self.spans.distractors)}
        return " | ".join(sorted(words))  # in lower case, since a word has a capital where it begins the text

    def to_json(self) -> dict:
        """The case as one JSON object; spans and entities that it does not have are left out."""
        record = asdict(self)
        del record["text" if self.tokens else "tokens"]
        if not self.entities:
            del record["entities"]
        record["spans"] = {name: span for name, span in record["spans"].items() if span}
        return record


def words_at(case: Case, span: Span) -> str:
    """What a case has at a span: text, or ids with blanks between them."""
    if case.tokens:
        return " ".join(map(str, case.tokens[slice(*span)]))
    return case.text.encode()[slice(*span)].decode()


@dataclass(frozen=True)
class EncodedCase:
    """A case as one tokenizer sees it: an end token, then the text up to site A; what follows cannot matter before. Of
    a case of token ids, these up to site A.

    ``gold``, ``distractors``, ``subject``, ``last_pronoun`` and ``chain`` are token ranges [start, end). ``sites``
    gives positions by name, those of SITES that the case has. At site A-1, ``answer`` and ``foil`` are the first tokens
    in which the two continuations differ.
    """

    case: Case
    tokens: tuple[int, ...]
    gold: tuple[Span, ...]
    distractors: tuple[Span, ...]
    sites: dict[str, int]
    answer: int
    foil: int
    subject: Span | None = None
    last_pronoun: Span | None = None
    chain: tuple[Span, ...] = ()

    @property
    def rivals(self) -> list[list[Span]]:
        """The distractors by candidate: by their entities, else mentions in the same words are of the same one."""
        mentions: dict[str, list[Span]] = {}
        words = [words_at(self.case, span).lower() for span in self.case.spans.distractors]
        for whom, span in zip(self.case.entities[1:] or words, self.distractors, strict=False):
            mentions.setdefault(whom, []).append(span)
        return list(mentions.values())


def byte_ends(tokens: Sequence[int] | np.ndarray, text: str, tokenizer: Tokenizer) -> np.ndarray:
    """Where the first tokens of the document ``text`` end in its bytes: tokens[i] covers ends[i - 1] .. ends[i] - 1.

    What the tokenizer puts before the text has bytes below 0.
    """
    before = len(tokenizer.as_document(text).encode()) - len(text.encode())
    return np.cumsum(tokenizer.lengths[np.asarray(tokens)]) - before


def read_case(case: Case, tokenizer: Tokenizer) -> tuple[np.ndarray, Callable[[Span], Span]]:
    """The tokens of a case, those of a text after an end token; and the way from a span of it, in bytes of a text, to
    the range of tokens that touch it.
    """
    if case.tokens:
        return np.array(case.tokens), lambda span: span
    tokens = tokenizer.encode_document(case.text)
    ends = byte_ends(tokens, case.text, tokenizer)
    if ends[-1] != len(case.text.encode()):
        raise InputError("its text is ids, which are not as long as the names of their tokens; give tokens instead")

    def token_at(byte: int) -> int:
        return int(np.searchsorted(ends, byte, side="right"))

    return tokens, lambda span: (token_at(span[0]), token_at(span[1] - 1) + 1)


def encode_case(case: Case, tokenizer: Tokenizer) -> EncodedCase:
    """Finds every span among the tokens. A site is the last token of its span; A is where answer and foil part.

    A pronoun that is the answer itself has no site P, and one with nothing before it no site P-1.
    """
    tokens, token_range = read_case(case, tokenizer)
    answer, foil = first_difference(tokens, foil_tokens(case, tokenizer))
    sites = {"A-1": answer - 1, "A": answer}
    if case.spans.pronoun:
        first, end = token_range(case.spans.pronoun)
        if first:
            sites["P-1"] = first - 1
        if case.spans.pronoun != case.spans.answer and end - 1 != answer:
            sites["P"] = end - 1
    if case.spans.cue:
        sites["C"] = token_range(case.spans.cue)[1] - 1
    return EncodedCase(
        case,
        tuple(tokens[: answer + 1].tolist()),
        gold=tuple(map(token_range, case.spans.gold)),
        distractors=tuple(map(token_range, case.spans.distractors)),
        sites={name: sites[name] for name in SITES if name in sites},
        answer=int(tokens[answer]),
        foil=foil,
        subject=token_range(case.spans.subject) if case.spans.subject else None,
        last_pronoun=token_range(case.spans.last_pronoun) if case.spans.last_pronoun else None,
        chain=tuple(map(token_range, case.spans.chain)),
    )


def foil_tokens(case: Case, tokenizer: Tokenizer) -> np.ndarray:
    """The tokens of the case with the foil in the answer's place."""
    start, end = case.spans.answer
    if not isinstance(case.foil, str):
        return np.array((*case.tokens[:start], *case.foil, *case.tokens[end:]))
    raw = case.text.encode()
    text = (raw[:start] + case.foil.encode() + raw[end:]).decode()
    return tokenizer.encode_document(text)


def first_difference(tokens: np.ndarray, others: np.ndarray) -> tuple[int, int]:
    """The first position where two token sequences differ, and the other sequence's token there."""
    common = min(len(tokens), len(others))
    different = np.flatnonzero(tokens[:common] != others[:common])
    if not len(different):
        raise ValueError("answer and foil are the same text")
    return int(different[0]), int(others[different[0]])


def by_task(cases: Sequence[EncodedCase]) -> dict[str, list[EncodedCase]]:
    """Cases by the name of their task, in the order of their first mention."""
    tasks: dict[str, list[EncodedCase]] = {}
    for case in cases:
        tasks.setdefault(case.case.task, []).append(case)
    return tasks


def counterfactual_groups(cases: Sequence[EncodedCase]) -> list[tuple[EncodedCase, ...]]:
    """Cases beside their counterfactuals, as pairs; a case without one is alone."""
    groups, i = [], 0
    while i < len(cases):
        two = tuple(cases[i : i + 2])
        together = len(two) == 2 and two[0].case.counterfactual == two[1].case.id
        groups.append(two if together else two[:1])
        i += len(groups[-1])
    return groups


def aligned(cases: Sequence[EncodedCase]) -> bool:
    """Whether every case has its counterfactual beside it, with all sites at the same positions."""
    return all(len(group) == 2 and group[0].sites == group[1].sites for group in counterfactual_groups(cases))
