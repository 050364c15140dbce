"""How heads form: quick probes of a model during training, or afterwards of the snapshots of its run.

A quick probe measures what ``probe`` measures, on fewer cases and without intervals or baselines, so that it slows
training down little. Heads are chosen on *select* and quoted on *report*.
"""

from dataclasses import asdict, dataclass

import torch

from model import GPT
from probing.behaviour import how_to_judge, verdicts
from probing.heads import score_heads
from probing.interventions import AtSites, measure, paths_to_answer, resampled, single_heads
from probing.predictions import sites_of
from probing.scoring import score_answers
from probing.splits import Split, Tasks
from probing.stability import best_predictor

HeadAtSite = tuple[str, str]  # head, site


@dataclass(frozen=True)
class QuickProbe:
    """One task at one moment, on *report*.

    ``model_loss`` on the answer in nats and ``model_accuracy``, how often it is right (`behaviour`); ``head`` and
    ``site`` with choice accuracy and mass; what the weight swap there and the resample ablation of the head cost the
    answer, in nats of log-odds; of the swap None if nothing leads from there to the answer.
    """

    model_loss: float
    model_accuracy: float
    head: str
    site: str
    choice_accuracy: float
    mass: float
    weight_swap_drop: float | None
    resample_ablation_drop: float


def quick_probe(model: GPT, tasks: Tasks, chosen: dict[str, HeadAtSite] | None = None) -> dict[str, QuickProbe]:
    """A quick probe of each task, at the head and site in ``chosen``, or at those that are best on *select*."""
    return {name: quick_probe_task(model, *both, chosen[name] if chosen else None) for name, both in tasks.items()}


def quick_probe_task(model: GPT, select: Split, report: Split, chosen: HeadAtSite | None) -> QuickProbe:
    """A quick probe of one task, at the head and site ``chosen``, or at those that are best on *select*."""
    cases = report.cases
    sites = sites_of((*select.cases, *cases))
    report_scores = score_heads(model, cases, sites)
    if chosen:
        s, k = sites.index(chosen[1]), report_scores.names.index(chosen[0])
    else:
        s, k = best_predictor(score_heads(model, select.cases, sites))
    head, site = report_scores.names[k], sites[s]
    jobs = {"resample_ablation": resampled(single_heads(model)[[k]], seed=0)}
    path = torch.tensor(paths_to_answer(model, cases, head, site))
    if path.any():
        jobs["weight_swap"] = AtSites(model, cases, [head], [site], "weight_swap")
    odds = measure(model, cases, jobs)
    drops = {name: (odds["clean"] - values)[0] for name, values in odds.items()}  # [N] each
    behaviour = score_answers(model, cases)
    return QuickProbe(
        model_loss=-float(behaviour.answer.mean()),
        model_accuracy=float(verdicts(behaviour, how_to_judge(cases)).mean()),
        head=head,
        site=site,
        choice_accuracy=float(report_scores.accuracy()[s, k]),
        mass=float(report_scores.mass()[s, k]),
        weight_swap_drop=drops["weight_swap"][path].mean().item() if path.any() else None,
        resample_ablation_drop=drops["resample_ablation"].mean().item(),
    )


def quick_probe_metrics(quick_probes: dict[str, QuickProbe]) -> dict[str, float | str]:
    """Quick probes as a row of a run's metrics, without what was not measured: probe/TASK/NAME."""
    return {
        f"probe/{task}/{name}": value
        for task, look in quick_probes.items()
        for name, value in asdict(look).items()
        if value is not None
    }


def dynamics_at(moment: dict, model: GPT, tasks: Tasks, chosen: dict[str, HeadAtSite]) -> dict:
    """``moment``, its step and tokens, and for each task a quick probe of the head in ``chosen``, in the ``model`` of
    this moment.
    """
    quick_probes = quick_probe(model, tasks, chosen)
    return {**moment, "tasks": {name: asdict(look) for name, look in quick_probes.items()}}
