"""Induction on random lists: after A B ... A, does the model predict B, whatever A and B are and however far back?

Cases made of tokens, not of text, for any tokenizer: two lists of random tokens, then the beginning of one of them
again. The token after the repeated one is gold, the other list's token at the same position its distractor. The length
of the lists (the period) and what stands between them (the gap) are random, and a case and its counterfactual differ
only in which list is repeated, so that a head that looks any fixed distance back is right in exactly one half of the
cases. (Olsson et al. 2022, "In-context learning and induction heads".)
"""

from collections.abc import Sequence
from itertools import islice
from math import log
from random import Random
from typing import Any

from data import Case, EncodedCase, Tokenizer
from data.cases.case import Spans
from data.cases.splits import OWN_SPLITS

TASK, ROLE = "random_lists", "induction"
QUESTION = "which token came next in a list of random ones"
PERIODS, GAPS = (3, 4, 5, 6), (0, 1, 2, 3)


def random_lists(tokens: Sequence[int], tokenizer: Tokenizer, split: str, n: int, seed: int) -> list[EncodedCase]:
    """n cases, n / 2 counterfactual pairs beside each other, of the distinct ``tokens``; none where these are too few.

    No token of one split is in the other. Tokens that are no text of their own (parts of characters) are left out.
    """
    whole = [token for token in tokens if tokenizer.pieces[token] and is_text(tokenizer.pieces[token])]
    own = whole[OWN_SPLITS.index(split) :: 2]
    if len(own) < 2 * max(PERIODS) + 3 * max(GAPS):
        return []
    rng = Random(f"lists {split} {seed}")
    return [case for i in range(n // 2) for case in make_pair(own, tokenizer, split, rng, f"lists-{split}-{seed}-{i}")]


def is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def make_pair(tokens: Sequence[int], tokenizer: Tokenizer, split: str, rng: Random, id: str) -> list[EncodedCase]:
    """Both lists, and the beginning of the one and of the other."""
    period, gaps = rng.choice(PERIODS), [rng.choice(GAPS) for _ in range(3)]
    words = iter(rng.sample(list(tokens), 2 * period + sum(gaps)))
    sequence, starts = tokenizer.beginning, []
    for gap in gaps[:2]:
        sequence += islice(words, gap)
        starts.append(len(sequence))
        sequence += islice(words, period)
    sequence += words
    at = rng.randrange(1, period)  # at least one token of the list comes before B
    one, other = starts
    about = {"split": split, "template": f"period {period}, gap {gaps[1]}"}
    return [
        make_case(
            [*sequence, *sequence[start : start + at + 1]],
            start + at,
            rival + at,
            tokenizer,
            about | {"id": own, "counterfactual": counterfactual},
        )
        for start, rival, own, counterfactual in ((one, other, f"{id}a", f"{id}b"), (other, one, f"{id}b", f"{id}a"))
    ]


def make_case(read: list[int], gold: int, rival: int, tokenizer: Tokenizer, about: dict[str, Any]) -> EncodedCase:
    """The case whose last token repeats the one at ``gold``, and not the one at ``rival``."""
    ends = tokenizer.lengths[read].cumsum().tolist()
    span = [(ends[i - 1], ends[i]) for i in (gold, rival, len(read) - 1)]
    case = Case(
        text=tokenizer.decode(read),
        task=TASK,
        spans=Spans(gold=(span[0],), distractors=(span[1],), answer=span[2]),
        chance_loss=log(len(set(read))),
        foil=tokenizer.decode([read[rival]]),
        counterfactual_kind="cue",
        **about,
    )
    return EncodedCase(
        case,
        tuple(read),
        gold=((gold, gold + 1),),
        distractors=((rival, rival + 1),),
        sites={"A-1": len(read) - 2, "A": len(read) - 1},
        answer=read[gold],
        foil=read[rival],
    )
