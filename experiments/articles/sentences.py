"""Does attention find what is meant in the very sentences that articles use, and does it decide the answer?"""

from collections.abc import Mapping, Sequence

from common.errors import InputError
from common.markdown import Table
from experiments.articles.claim import Claim, Result, judge, listed
from experiments.articles.heads_json import HeadsJson, default_heads
from experiments.runs import Setup

COLUMNS = (
    "sentence → answer",
    "says it, %",
    "head, site",
    "its attention to what is meant, %",
    "to the other, %",
    "log-odds of answer to foil, nats",
    "with the two swapped",
    "then says",
)


def run(setup: Setup) -> Result:
    by_text: dict[str, list[Mapping]] = {}  # one record a seed
    for heads in default_heads(setup):
        for sentence in sentences_of(heads):
            by_text.setdefault(sentence["text"], []).append(sentence)
    every = [sentence for own in by_text.values() for sentence in own]
    looks = [sentence["look"] for sentence in every if sentence["look"]]
    n = f"{len(every)} sentences and seeds"
    right = sum(map(is_said, every))
    finds = sum(look["gold"] > look["distractor"] for look in looks)
    turned = sum(map(is_turned, every))
    return Result(
        judge([is_shown(sentence) for sentence in every]),
        f"in {right} of {n} the answer is the likeliest of all words, in {finds} the head that was chosen on other "
        f"stories attends more to what is meant than to the other candidate, and in {turned} a swap of these two "
        "weights makes the other answer the likelier one",
        f"of {n}: {right} right, {turned} turned round by a swap of two weights",
        [Table(COLUMNS, [row(own) for own in by_text.values()])],
        by_text,
    )


def sentences_of(heads: HeadsJson) -> Sequence[Mapping]:
    if not heads.get("sentences"):
        run = heads["model"].get("run", "a run")
        raise InputError(f"heads.json of {run} has no sentences of articles; delete it, so that it is measured again")
    return heads["sentences"]


def is_said(sentence: Mapping) -> bool:
    return sentence["next"][0]["word"] == sentence["answer"]


def is_shown(sentence: Mapping) -> bool:
    """Whether the answer is said, the head attends more to what is meant, and a swap makes the foil likelier."""
    look = sentence["look"]
    if not (look and look["swap"]):
        return False
    return is_said(sentence) and look["gold"] > look["distractor"] and is_turned(sentence)


def is_turned(sentence: Mapping) -> bool:
    """Whether the answer is likelier than the foil, and a swap makes it the other way round."""
    look = sentence["look"]
    return bool(look and look["swap"]) and sentence["log_odds"] > 0 > look["swap"]["log_odds"]


def row(own: Sequence[Mapping]) -> list[str]:
    """One sentence in the runs of all seeds."""
    looks = [sentence["look"] for sentence in own]
    swaps = [look and look["swap"] for look in looks]
    return [
        f"{own[0]['text']} → {own[0]['answer']}",
        ", ".join(said(sentence) for sentence in own),
        ", ".join(f"{look['head']} {look['site']}" if look else "none" for look in looks),
        listed([look and 100 * look["gold"] for look in looks], 0),
        listed([look and 100 * look["distractor"] for look in looks], 0),
        listed([sentence["log_odds"] for sentence in own]),
        listed([swap and swap["log_odds"] for swap in swaps]),
        ", ".join(swap["word"] if swap else "none" for swap in swaps),
    ]


def said(sentence: Mapping) -> str:
    """P of the answer, and what is said where that is something else."""
    likeliest = sentence["next"][0]["word"]
    return f"{100 * sentence['p_answer']:.1f}" + ("" if is_said(sentence) else f" ({likeliest})")


CLAIM = Claim(
    "sentences",
    "Attention finds the animal in “The animal didn't cross the street because it was too tired”, and with “wide” the "
    "street.",
    15,
    run,
)
