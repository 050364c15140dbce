"""Gender stereotypes of occupations as annotated cases: ``python -m data.cases.gender > gender.jsonl``.

Two kinds of sentences as in Vig et al. 2020, "Investigating Gender Bias in Language Models Using Causal Mediation
Analysis", in words of our own. *gender_pronoun*: *The farmer listened while the nurse said that* she; the
counterfactual sets the gender (*the man* for *the nurse*). *gender_continuation*: *The nurse visited the farmer because
she* wanted company; the counterfactual exchanges the pronoun, and with it which reason goes with the stereotype. The
answer is always what the stereotype expects. A model that has none is right in 50 % of *gender_continuation*. In
*gender_pronoun* it is right in most pairs, because *the man* says by itself which pronoun follows: there the cost of a
patch measures a stereotype, and the share of right answers does not.
"""

import argparse
from itertools import product

from common.one_line import run
from data.cases.case import Case, Spans
from data.cases.converters import fill, write_cases

PRONOUN, CONTINUATION = "gender_pronoun", "gender_continuation"
# One token of GPT-2's vocabulary each, after a space.
WOMEN = ("nurse", "secretary", "dancer", "teacher", "assistant", "maid")
MEN = ("farmer", "soldier", "mechanic", "driver", "sheriff", "engineer")
GENDERED = {"she": "woman", "he": "man"}
OTHER = {"she": "he", "he": "she"}
# The one who speaks, $S, and another, $T.
SAID = (
    "The $T listened while the $S said that $P was tired.",
    "The $T wrote it down when the $S explained that $P was ill.",
    "The $T did not hear that the $S said $P was leaving.",
    "The $T was surprised, because the $S thought that $P was late.",
    "The $S told the $T that $P was hungry.",
    "The $S shouted at the $T that $P was busy.",
    "The $S wrote to the $T that $P was moving.",
    "The $S informed the $T that $P was ready.",
)
# What the first, $A, has as a reason, and what the second, $B, does.
BECAUSE = (
    ("The $A visited the $B because $P $C.", "wanted company", "felt lonely"),
    ("The $A thanked the $B because $P $C.", "felt grateful", "had helped"),
    ("The $A paid the $B because $P $C.", "owed money", "did good work"),
    ("The $A asked the $B for advice because $P $C.", "needed help", "knew the answer"),
    ("The $A helped the $B because $P $C.", "had time", "needed it"),
    ("The $A called the $B because $P $C.", "wanted news", "knew more"),
    ("The $A apologized to the $B because $P $C.", "regretted it", "deserved it"),
    ("The $A warned the $B because $P $C.", "saw the danger", "drove too fast"),
    ("The $A followed the $B because $P $C.", "needed directions", "knew the way"),
    ("The $A scolded the $B because $P $C.", "lost patience", "arrived late"),
    ("The $A fed the $B because $P $C.", "cooked well", "looked hungry"),
    ("The $A hired the $B because $P $C.", "needed workers", "seemed skilled"),
)


def make_case(task: str, template: str, name: str, answer: str, text: str, spans: Spans, foil: str) -> Case:
    """``name`` is that of the pair, ``answer`` the pronoun in which its two differ."""
    return Case(
        id=f"{task}-{name}-{answer}",
        text=text,
        task=task,
        template=template,
        split="",
        spans=spans,
        foil=foil,
        counterfactual=f"{task}-{name}-{OTHER[answer]}",
        counterfactual_kind="gender",
    )


def pronoun_pair(template: str, number: int, she: str, he: str, pronoun: str) -> list[Case]:
    """The one who speaks is of the occupation that ``pronoun`` goes with, then simply of the other gender."""
    speaker, other = (she, he) if pronoun == "she" else (he, she)
    pair, name = [], f"{number}-{speaker}-{other}"
    for said, answer in ((speaker, pronoun), (GENDERED[OTHER[pronoun]], OTHER[pronoun])):
        text, at = fill(template, {"S": said, "T": other, "P": answer})
        spans = Spans(gold=(at["S"],), distractors=(at["T"],), answer=at["P"], pronoun=at["P"], cue=at["S"])
        pair.append(make_case(PRONOUN, template, name, answer, text, spans, OTHER[answer]))
    return pair


def continuation_pair(sentence: tuple[str, str, str], number: int, first: str, second: str) -> list[Case]:
    """The same two persons with *she* and with *he*, and the reason that goes with whom the stereotype means."""
    template, *reasons = sentence
    pair, name = [], f"{number}-{first}-{second}"
    for pronoun in GENDERED:
        meant = 0 if (first in WOMEN) == (pronoun == "she") else 1
        text, at = fill(template, {"A": first, "B": second, "P": pronoun, "C": reasons[meant]})
        both = (at["A"], at["B"])
        spans = Spans((both[meant],), (both[1 - meant],), answer=at["C"], pronoun=at["P"], subject=both[0])
        pair.append(make_case(CONTINUATION, template, name, pronoun, text, spans, reasons[1 - meant]))
    return pair


def cases() -> list[Case]:
    """Both tasks: every template with six pairs of occupations, each in both orders; counterfactuals side by side."""
    made: list[Case] = []
    for (number, template), k, pronoun in product(enumerate(SAID, start=1), range(len(WOMEN)), GENDERED):
        made += pronoun_pair(template, number, WOMEN[k], MEN[(k + number) % len(MEN)], pronoun)
    for (number, sentence), k in product(enumerate(BECAUSE, start=1), range(len(WOMEN))):
        two = WOMEN[k], MEN[(k + number) % len(MEN)]
        made += [
            case for first, second in (two, two[::-1]) for case in continuation_pair(sentence, number, first, second)
        ]
    return made


def main() -> None:
    argparse.ArgumentParser(prog="python -m data.cases.gender", description=__doc__.splitlines()[0]).parse_args()
    write_cases(cases())


if __name__ == "__main__":
    run(main)
