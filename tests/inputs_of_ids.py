"""Cases that read the same as text and as token ids, with a tokenizer of bytes."""

from dataclasses import replace
from itertools import permutations

from data import Case
from data.cases.case import Span, Spans
from data.text.tokenizers import byte_tokenizer

LETTERS = "ABCDEFGHIJ"  # whose ids have two digits, so that both kinds sort equally


def cases_of_letters(n_pairs: int) -> list[Case]:
    """Counterfactual pairs such as "A B 1 A." and "A B 2 B.": the number says which of the letters is repeated."""
    pairs = [*permutations(LETTERS, 2)][:n_pairs]
    return [
        Case(
            id=f"{one}{other}{which}",
            text=f"{one} {other} {which + 1} {(one, other)[which]}.",
            task="letters",
            template=one,
            split="",
            spans=Spans(
                gold=((2 * which, 2 * which + 1),),
                distractors=((2 - 2 * which, 3 - 2 * which),),
                pronoun=(4, 5),
                cue=(4, 5),
                answer=(6, 7),
            ),
            foil=(other, one)[which],
            counterfactual=f"{one}{other}{1 - which}",
            counterfactual_kind="cue",
            chance_loss=0.7,
        )
        for one, other in pairs
        for which in (0, 1)
    ]


def in_ids(case: Case) -> Case:
    """The case as a tokenizer of bytes reads it: the end token, then the bytes."""

    def moved(span: Span | None) -> Span | None:
        return span and (span[0] + 1, span[1] + 1)

    spans = case.spans
    return replace(
        case,
        text="",
        tokens=(byte_tokenizer().end, *case.text.encode()),
        foil=tuple(case.foil.encode()),
        spans=Spans(
            gold=tuple(map(moved, spans.gold)),
            distractors=tuple(map(moved, spans.distractors)),
            answer=moved(spans.answer),
            pronoun=moved(spans.pronoun),
            cue=moved(spans.cue),
        ),
    )
