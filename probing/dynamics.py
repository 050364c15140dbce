"""How heads form: quick looks at a model while it trains, or afterwards at the snapshots of its run.

A glance measures what ``probe`` measures, on fewer cases and without intervals or baselines: heads are chosen on
*select* and quoted on *report*, at a cost that training can bear.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from data import EncodedCase
from data.cases.case import answer_columns
from model import GPT
from probing.heads import score_heads
from probing.interventions import at_sites, measure, paths_to_answer, resampled, single_heads
from probing.predictions import sites_of
from probing.scoring import score_answers
from probing.splits import Families
from probing.tasks import best_place

Place = tuple[str, str]  # head, site


@dataclass(frozen=True)
class Glance:
    """One family at one moment, on *report*.

    ``model_loss`` on the answer in nats and ``model_accuracy``, the share of answers that were the likeliest of all
    tokens; ``head`` and ``site`` with choice accuracy and mass; what it costs the answer, in nats of log-odds, to swap
    the masses of the two candidates there and to resample the whole head.
    """

    model_loss: float
    model_accuracy: float
    head: str
    site: str
    choice_accuracy: float
    mass: float
    swap_drop: float
    resample_drop: float


def glance(model: GPT, families: Families, places: dict[str, Place] | None = None, seed: int = 0) -> dict[str, Glance]:
    """A look at each family: at the head and site that *select* says is best, or at the one in ``places``."""
    return {name: glance_at(model, *both, places[name] if places else None, seed) for name, both in families.items()}


def glance_at(
    model: GPT, select: Sequence[EncodedCase], report: Sequence[EncodedCase], place: Place | None, seed: int
) -> Glance:
    """A look at one family: at ``place``, or at the best one of *select*."""
    sites = sites_of((*select, *report))
    quoted = score_heads(model, report, sites)
    if place:
        s, k = sites.index(place[1]), quoted.names.index(place[0])
    else:
        s, k = best_place(score_heads(model, select, sites))
    head, site = quoted.names[k], sites[s]
    jobs = {"resample": resampled(single_heads(model)[[k]], seed)}
    if any(paths_to_answer(model, report, head, site)):
        jobs["swap"] = at_sites(model, report, [head], [site], "swap")
    odds = {name: values.mean().item() for name, values in measure(model, report, jobs).items()}
    behaviour = score_answers(model, *answer_columns(report))
    return Glance(
        model_loss=-float(behaviour.answer.mean()),
        model_accuracy=float(behaviour.right.float().mean()),
        head=head,
        site=site,
        choice_accuracy=float(quoted.accuracy()[s, k]),
        mass=float(quoted.mass()[s, k]),
        swap_drop=odds["clean"] - odds.get("swap", odds["clean"]),
        resample_drop=odds["clean"] - odds["resample"],
    )


def metrics(glances: dict[str, Glance]) -> dict[str, float | str]:
    """Glances as a row of a run's metrics: probe/FAMILY/NAME."""
    return {f"probe/{family}/{name}": value for family, look in glances.items() for name, value in asdict(look).items()}


def record_film(snapshots: Iterable[tuple[dict, GPT]], families: Families, places: dict[str, Place]) -> list[dict]:
    """For each snapshot ({"step", "tokens"}, model): what it is, and by family a glance at the head in ``places``."""
    frames = []
    for described, model in snapshots:
        glances = glance(model, families, places)
        frames.append({**described, "families": {name: asdict(look) for name, look in glances.items()}})
    return frames
