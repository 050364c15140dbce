"""What a tokenizer makes of annotated cases: tokens, or a plain reason why a case cannot be measured with it."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from common.errors import InputError, first_few
from data.cases.case import Case, EncodedCase, Span, byte_ends, encode_case, read_case, words_at
from data.text.tokenizers import CHARACTERS, Tokenizer
from data.text.words import words_in_pieces


def encode_cases(cases: Sequence[Case], tokenizer: Tokenizer) -> list[EncodedCase]:
    """Each case as this tokenizer sees it. Raises InputError, in one line, naming all cases that it cannot measure."""
    encoded = [try_encode(case, tokenizer) for case in cases]
    both = zip(cases, encoded, strict=True)
    if faults := [f"case {case.id!r}: {error}" for case, error in both if isinstance(error, InputError)]:
        raise InputError(
            f"{len(faults)} of {len(cases)} cases cannot be measured with this tokenizer: {first_few(faults)}"
        )
    return [case for case in encoded if isinstance(case, EncodedCase)]


def measurable_pairs(cases: Sequence[Case], tokenizer: Tokenizer) -> list[Case]:
    """Of ``cases``, each beside its counterfactual, the pairs that this tokenizer can measure."""
    fits = [isinstance(try_encode(case, tokenizer), EncodedCase) for case in cases]
    return [case for i, case in enumerate(cases) if fits[i] and fits[i ^ 1]]


def try_encode(case: Case, tokenizer: Tokenizer) -> EncodedCase | InputError:
    """The encoded case, or why it cannot be measured."""
    try:
        return encode_checked(case, tokenizer)
    except InputError as error:
        return error


def encode_checked(case: Case, tokenizer: Tokenizer) -> EncodedCase:
    """``encode_case`` for a case that no grammar vouches for; raises InputError with the reason alone."""
    require_known(case, tokenizer)
    answer = words_at(case, case.spans.answer)
    try:
        encoded = encode_case(case, tokenizer)
    except InputError:  # of names that stand for no token
        raise
    except ValueError:
        remedy = "tokens; put one more" if case.tokens else "text; put a full stop"
        raise InputError(
            f"answer {answer!r} and foil {case.foil!r} differ only after the end of the {remedy} after the answer"
        ) from None
    gold = list(zip(case.spans.gold, encoded.gold, strict=True))
    distractors = list(zip(case.spans.distractors, encoded.distractors, strict=True))
    for span, (_, end) in (*gold, *distractors):
        if end > encoded.sites["A"]:
            raise InputError(
                f"the token in which answer {answer!r} and foil {case.foil!r} part belongs to {words_at(case, span)!r} "
                "as well; put a space between them"
            )
    for (one, (start, end)), (other, (other_start, other_end)) in product(gold, distractors):
        if start < other_end and other_start < end:
            raise InputError(
                f"{words_at(case, one)!r} and {words_at(case, other)!r} share a token; put a space between them"
            )
    for name, site in encoded.sites.items():
        if name != "A" and site >= encoded.sites["A"]:  # at A itself the answer is read
            raise InputError(f"answer {answer!r} and foil {case.foil!r} part before site {name} is read")
    return encoded


def require_known(case: Case, tokenizer: Tokenizer) -> None:
    """Raises InputError for ids that the tokenizer does not have."""
    foil = () if isinstance(case.foil, str) else case.foil
    for name, ids in (("tokens", case.tokens), ("foil", foil)):
        if unknown := [token for token in ids if token >= tokenizer.vocab_size]:
            last = tokenizer.vocab_size - 1
            raise InputError(f"{name} has {unknown[0]}; the ids of this run's tokens are 0 to {last}")


def explain_fit(cases: Sequence[Case], tokenizer: Tokenizer, block_size: int) -> list[str]:
    """What this tokenizer and block mean for the cases, as sentences; none where all is as it should be.

    Cases that `encode_cases` refuses are reported by it, not here.
    """
    encoded = [own for case in cases if isinstance(own := try_encode(case, tokenizer), EncodedCase)]
    notes = (
        note_long(encoded, len(cases), block_size),
        note_cut(cases, tokenizer),
        note_parted(encoded, len(cases), tokenizer),
        note_pieces(cases, tokenizer),
    )
    return [sentence for sentence in notes if sentence]


def note_long(encoded: Sequence[EncodedCase], total: int, block_size: int) -> str:
    """How many cases do not fit; a counterfactual alone is not measured either."""
    long = {case.case.id for case in encoded if len(case.tokens) > block_size}
    if not long:
        return ""
    left_out = [case for case in encoded if case.case.id in long or case.case.counterfactual in long]
    longest = max(encoded, key=lambda case: len(case.tokens))
    return (
        f"{len(left_out)} of {total} cases are left out: up to the answer, they or their counterfactuals are longer "
        f"than the model's block of {block_size} tokens ({longest.case.id} has {len(longest.tokens)})"
    )


def note_cut(cases: Sequence[Case], tokenizer: Tokenizer) -> str:
    """How many cases have spans that end where no token does."""
    cut = {case.id: spans for case in cases if (spans := cut_spans(case, tokenizer))}
    if not cut:
        return ""
    case = next(case for case in cases if case.id in cut)
    return (
        f"in {len(cut)} of {len(cases)} cases a span begins or ends inside a token "
        f"({case.id}: {words_at(case, cut[case.id][0])!r}): the whole token counts as part of the span"
    )


def cut_spans(case: Case, tokenizer: Tokenizer) -> list[Span]:
    """The spans whose tokens hold more than the span and white space around it; none in a case of ids, or one that
    cannot be read.
    """
    raw, spans = case.text.encode(), case.spans
    if case.tokens:
        return []
    try:
        tokens, _ = read_case(case, tokenizer)
    except InputError:
        return []
    bounds = byte_ends(tokens, case.text, tokenizer).clip(min=0)
    marked = (*spans.gold, *spans.distractors, spans.pronoun, spans.cue, spans.subject)
    cut = []
    for start, end in filter(None, marked):
        first = bounds[np.searchsorted(bounds, start, side="right") - 1]
        last = bounds[np.searchsorted(bounds, end, side="left")]
        if raw[first:start].strip() or raw[end:last].strip():
            cut.append((start, end))
    return cut


def note_parted(encoded: Sequence[EncodedCase], total: int, tokenizer: Tokenizer) -> str:
    """How many answers begin like their foils; where single letters are asked for, with bytes or characters, that says
    nothing.
    """
    if tokenizer.kind in ("bytes", CHARACTERS):
        return ""
    parted = [case for case in encoded if parts_late(case, tokenizer)]
    if not parted:
        return ""
    case = parted[0].case
    return (
        f"in {len(parted)} of {total} cases answer and foil begin with the same token ({case.id}: "
        f"{words_at(case, case.spans.answer)!r}, {case.foil!r}): the model is asked where they part"
    )


def parts_late(encoded: EncodedCase, tokenizer: Tokenizer) -> bool:
    """Whether a token that both continuations share already holds a part of the answer."""
    if encoded.case.tokens:
        return encoded.sites["A"] > encoded.case.spans.answer[0]
    return byte_ends(encoded.tokens[:-1], encoded.case.text, tokenizer)[-1] > encoded.case.spans.answer[0]


def note_pieces(cases: Sequence[Case], tokenizer: Tokenizer) -> str:
    """How many cases have words of several tokens; with bytes all are, and it says nothing."""
    by_case = [words_in_pieces(up_to_answer(case), tokenizer) for case in cases if not case.tokens]
    spelled = {word: len(pieces) for words in by_case for word, pieces in words.items()}
    if not spelled:
        return ""
    example = max(spelled, key=lambda word: spelled[word])
    return (
        f"{sum(map(bool, by_case))} of {len(cases)} cases contain words that this run's tokenizer can only spell in "
        f"pieces (e.g. {example.strip()!r} as {spelled[example]} tokens): the model may never have seen them"
    )


def up_to_answer(case: Case) -> str:
    """The text up to the answer, and the foil as it would stand there."""
    return f"{words_at(case, (0, case.spans.answer[1]))} {case.foil}"
