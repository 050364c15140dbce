"""*Behaviour first*: how often a model is right on a task decides whether its heads are interpreted.

On stories a case is right if its answer is the likeliest of all tokens. Natural text leaves too much open for that, and
the frequencies of two names hide what one case says of the reference. There a pair of counterfactuals is judged, in
which answer and foil are exchanged: from the one to the other, the log-odds of the two words must move the right way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data import EncodedCase
from data.cases.case import counterfactual_groups
from model import GPT
from probing.scoring import AnswerScores, score_answers
from probing.splits import Split
from probing.statistics import require_finite

LIKELIEST, PAIRS, PREFERRED = "likeliest", "pairs", "preferred"
MEANINGS = {
    LIKELIEST: "the answer is the likeliest of all tokens",
    PAIRS: "between counterfactuals the odds of the two answers move the right way",
    PREFERRED: "the answer is likelier than the foil",
}


@dataclass(frozen=True)
class Behaviour:
    """What a model does on a task's *report* cases.

    ``accuracy``: the share that is right, ``judged_by`` one of MEANINGS; ``preference``: the share in which the answer
    is likelier than the foil; ``ci``, ``preference_ci``: their 95 % intervals. ``loss``: on the answer, in nats.
    """

    judged_by: str
    accuracy: float
    ci: tuple[float, float]
    preference: float
    preference_ci: tuple[float, float]
    loss: float

    @property
    def resolved(self) -> bool:
        return is_resolved(self.ci)


def is_resolved(ci: tuple[float, float]) -> bool:
    """Whether a model is surely better than one that takes either candidate at random; else no head is interpreted."""
    return ci[0] > 0.5


def how_to_judge(cases: Sequence[EncodedCase]) -> str:
    """LIKELIEST where cases state their chance loss, as stories do, which have few possible answers; else PAIRS, if
    every case stands beside a counterfactual whose answer is its foil; else PREFERRED.
    """
    if all(case.case.chance_loss is not None for case in cases):
        return LIKELIEST
    return PAIRS if all(map(answers_are_exchanged, counterfactual_groups(cases))) else PREFERRED


def answers_are_exchanged(group: Sequence[EncodedCase]) -> bool:
    return len(group) == 2 and (group[0].answer, group[0].foil) == (group[1].foil, group[1].answer)


def preferred(log_odds: np.ndarray, judged_by: str) -> np.ndarray:
    """1 where answers are preferred to foils, 0 where not, 1/2 for ties: [..., N] from log-odds [..., N] in nats.

    PAIRS: one verdict on both of a pair. If w is the log-odds of the first one's answer against its foil in the first
    text and w' in the second, where they should be lower, then w - w' is the sum of both cases' own log-odds.
    """
    if judged_by == PAIRS:
        log_odds = np.repeat(log_odds[..., ::2] + log_odds[..., 1::2], 2, axis=-1)
    return (1 + np.sign(log_odds)) / 2


def verdicts(scores: AnswerScores, judged_by: str) -> np.ndarray:
    """1 where a model is right, 0 where not, 1/2 for ties: [N]."""
    if judged_by == LIKELIEST:
        return scores.right.cpu().double().numpy()
    return preferred(scores.log_odds.cpu().double().numpy(), judged_by)


def judge(model: GPT, split: Split) -> Behaviour:
    """How often the model is right on the cases of one task, pairs next to each other.

    Raises InputError where its log-probabilities are not finite.
    """
    scores, judged_by = score_answers(model, split.cases), how_to_judge(split.cases)
    require_finite(scores.answer.cpu().numpy(), f"task {split.cases[0].case.task}")
    right, preference = verdicts(scores, judged_by), verdicts(scores, PREFERRED)
    return Behaviour(
        judged_by,
        float(right.mean()),
        split.interval(right),
        float(preference.mean()),
        split.interval(preference),
        loss=-float(scores.answer.mean()),
    )
