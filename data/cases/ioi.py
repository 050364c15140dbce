"""Indirect objects as annotated cases: ``python -m data.cases.ioi > ioi.jsonl``.

The task of Wang et al. 2022, "Interpretability in the Wild", in sentences of our own: *When Tom and Anna came home, Tom
handed the keys to* Anna. The counterfactual exchanges the second subject, and with it the answer. Each two names stand
in both orders, so that the first and the second name are the answer equally often (ABBA and BABA there). Every name is
one token of GPT-2's vocabulary, so that counterfactuals have all words at the same positions.
"""

import argparse
import random

from common.one_line import run
from data.cases.case import Case, Spans
from data.cases.converters import fill, write_cases

TASK = "ioi"
NAMES = (
    "Adam Alice Anna Brian David Emma Eric Helen Henry Jack Jason Julia Kate Laura Lucy Mark Mary Paul Peter Rachel "
    "Ruth Sarah Simon Tom"
).split()
TEMPLATES = (
    "When $A and $B came home, $S handed the keys to $O.",
    "After $A and $B had eaten, $S offered some coffee to $O.",
    "While $A and $B waited for the train, $S read a letter to $O.",
    "Because $A and $B were late, $S sent a message to $O.",
    "At the lake, $A and $B sat down, and $S passed the bread to $O.",
    "Last night $A and $B played cards, and $S lost a coin to $O.",
    "Once $A and $B had found the ring, $S threw it back to $O.",
    "In the garden, $A and $B picked roses, and $S gave one to $O.",
    "Before $A and $B left the office, $S showed a picture to $O.",
    "Today $A and $B met at the bank, and $S paid the money to $O.",
    "As $A and $B walked along the beach, $S told a story to $O.",
    "Then $A and $B opened the box, and $S brought the map to $O.",
    "In spring $A and $B went abroad, and $S lent a coat to $O.",
    "Though $A and $B were tired, $S taught a song to $O.",
    "On Sunday $A and $B cleaned the house, and $S sold a lamp to $O.",
    "Near the church $A and $B stopped, and $S pointed a camera at $O.",
)
PAIRS = 8  # of names, for each template
MOST_PAIRS = 10_000  # drawn from 276


def make_case(template: str, number: int, names: tuple[str, str], subject: int) -> Case:
    """``names[subject]`` stands again as the second subject."""
    answer = 1 - subject
    text, spans = fill(template, {"A": names[0], "B": names[1], "S": names[subject], "O": names[answer]})
    first = (spans["A"], spans["B"])
    name = f"{TASK}-{number}-{'-'.join(names)}"
    return Case(
        id=f"{name}-{subject}",
        text=text,
        task=TASK,
        template=template,
        split="",
        spans=Spans(gold=(first[answer],), distractors=(first[subject], spans["S"]), answer=spans["O"]),
        foil=names[subject],
        counterfactual=f"{name}-{answer}",
        counterfactual_kind="subject",
    )


def cases(pairs: int = PAIRS, seed: int = 0) -> list[Case]:
    """For each template, ``pairs`` of names, each in both orders, with either name as the second subject;
    counterfactuals stand next to each other.
    """
    rng, made = random.Random(seed), []
    for number, template in enumerate(TEMPLATES, start=1):
        for one, other in (rng.sample(NAMES, 2) for _ in range(pairs)):
            for names in ((one, other), (other, one)):
                made += [make_case(template, number, names, subject) for subject in (0, 1)]
    return list({case.id: case for case in made}.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.ioi", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"of names, for each template (default: {PAIRS})")
    parser.add_argument("--seed", type=int, default=0, help="draws the names")
    arguments = parser.parse_args()
    if not 1 <= arguments.pairs <= MOST_PAIRS:
        parser.error(f"--pairs {arguments.pairs}: must be from 1 to {MOST_PAIRS:,}")
    write_cases(cases(arguments.pairs, arguments.seed))


if __name__ == "__main__":
    run(main)
