"""What probing found, as heads.json and heads.csv (stable: scripts rely on them)."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from common.atomic import json_text, replace_durably
from data.stories import TASKS
from model import GPT
from probing import lists
from probing.alignment import Alignment
from probing.attention_patterns import ATTENTION_PATTERNS, AttentionPatterns
from probing.circuits import edges_json, necessary_json, scores_json, sufficiency_json
from probing.effects import Effect
from probing.heads import head_names, parse_head
from probing.negative_control import negative_control, negative_control_at
from probing.stability import Stability
from probing.tasks import TaskResult

NO_ROLE = {"role": None, "score": 0.0, "strength": 0.0, "matters": False}


def task_roles() -> dict[str, str]:
    """What a head that looks in a task is called, where it is not called as the task is."""
    return {name: task.role for name, task in TASKS.items() if task.role} | {lists.TASK: lists.ROLE}


def role_of(task: str) -> str:
    return task_roles().get(task, task)


@dataclass(frozen=True)
class Role:
    """One thing that a head does. ``strength`` in [0, 1]: a pattern's mass; of a task, how far the head's accuracy
    comes from the best baseline (0) to 100 % (1).
    """

    role: str
    score: float
    strength: float
    matters: bool


@dataclass(frozen=True)
class Findings:
    """All that was measured on one model. ``text``: its heads in a text, as ``probing.in_text.to_json`` has them, with
    the ``source`` of the text; None where there was none. ``sentences``: those of articles, as
    ``probing.known_sentences`` has them.
    """

    model: GPT
    source: dict
    tasks: Sequence[TaskResult]
    too_few: Sequence[str]
    attention_patterns: AttentionPatterns | None
    alignment: Alignment | None
    dynamics: Sequence[dict] = ()
    text: Mapping | None = None
    sentences: Sequence[dict] = ()

    def roles(self, name: str, k: int) -> list[Role]:
        """Every role that head ``name``, the k-th, has; the strongest first."""
        found = []
        if self.attention_patterns:
            masses = {pattern: float(self.attention_patterns.mass[pattern][k]) for pattern in ATTENTION_PATTERNS}
            found = [
                Role(pattern, mass, mass, False)
                for pattern, mass in masses.items()
                if self.attention_patterns.has(pattern, k)
            ]
        for result in self.tasks:
            quoted = result.quotes[name]
            if result.resolved and quoted.looks:
                baseline = result.best_baseline[1].accuracy
                role = role_of(result.name)
                strength = (quoted.accuracy - baseline) / (1 - baseline)
                found.append(Role(role, quoted.accuracy, strength, result.matters(name)))
        merged: dict[str, Role] = {}
        for role in sorted(found, key=lambda role: -role.strength):
            strongest = merged.setdefault(role.role, role)
            merged[role.role] = replace(strongest, matters=strongest.matters or role.matters)
        return list(merged.values())

    def role_map(self) -> list[list[list[Role]]]:
        """Roles by layer and head; a layer without heads has none."""
        layers: list[list[list[Role]]] = [[] for _ in range(self.model.config.n_layer)]
        for k, name in enumerate(head_names(self.model)):
            layers[parse_head(name)[0]].append(self.roles(name, k))
        return layers


def head_json(result: TaskResult, name: str) -> dict:
    quoted = result.quotes[name]
    effects = {kind: heads[name] for kind, heads in result.effects.items() if name in heads}
    swap = effects.get("weight_swap")
    return {
        "head": quoted.name,
        "site": quoted.site,
        "choice_accuracy": quoted.accuracy,
        "ci": quoted.ci,
        "mass": quoted.mass,
        "contrast": quoted.contrast,
        "lift": quoted.lift,
        "lift_untrained": quoted.lift_untrained,
        "p_adj": quoted.p_adj,
        "chain_mass": quoted.chain_mass,
        "chain_lift": quoted.chain_lift,
        "looks": quoted.looks,
        "matters": result.matters(name),
        "matters_p_adj": swap and swap.p_adj,
        "weight_swap_flip": swap and swap.flip,
        "weight_swap_drop": swap and swap.drop,
        "weight_swap_ci": swap and swap.ci,
        "weight_swap_reference": swap and swap.reference,
        "effects": {kind: effect_json(effect) for kind, effect in effects.items()},
    }


def effect_json(effect: Effect) -> dict:
    record = {"drop": effect.drop, "ci": effect.ci, "flip": effect.flip, "reference": effect.reference}
    record["log_prob_drop"] = effect.log_prob_drop
    if effect.directions:
        record["directions"] = effect.directions
    if effect.p_adj is not None:
        record |= {"p_adj": effect.p_adj, "detectable": effect.detectable}
    return record


def stability_json(stability: Stability) -> dict:
    return {**asdict(stability), "same_head": stability.same_head, "runner_up": stability.runner_up}


def by_site_json(result: TaskResult) -> dict:
    """Choice accuracy of every head at every site, with intervals: by head, in the order of ``sites``."""
    choice = result.heads.choice()  # [N, S, K]
    intervals = result.split.intervals(choice.reshape(len(choice), -1)).reshape(*choice.shape[1:], 2)
    accuracy = result.heads.accuracy()
    return {
        "sites": result.heads.sites,
        "choice_accuracy": {name: accuracy[:, k].tolist() for k, name in enumerate(result.heads.names)},
        "ci": {name: intervals[:, k].round(6).tolist() for k, name in enumerate(result.heads.names)},
    }


def attention_patterns_json(attention_patterns: AttentionPatterns | None) -> dict | None:
    """By head: each pattern's share, the distance of the fixed offset, the relative size of the first token's value."""
    if attention_patterns is None:
        return None
    return {
        name: {pattern: float(mass[k]) for pattern, mass in attention_patterns.mass.items()}
        | {"offset": int(attention_patterns.offset[k]), "sink_norm": float(attention_patterns.sink_norm[k])}
        for k, name in enumerate(attention_patterns.names)
    }


def to_json(findings: Findings) -> dict:
    """The content of heads.json."""
    tasks = {}
    for result in findings.tasks:
        tasks[result.name] = {
            "cases": len(result.cases),
            "judged_by": result.behaviour.judged_by,
            "model_accuracy": result.behaviour.accuracy,
            "model_ci": result.behaviour.ci,
            "model_preference": result.behaviour.preference,
            "model_preference_ci": result.behaviour.preference_ci,
            "model_loss": result.behaviour.loss,
            "resolved": result.resolved,
            "best": head_json(result, result.best),
            "baselines": {name: quoted.accuracy for name, quoted in result.baselines.items()},
            "stability": stability_json(result.stability),
            "power": asdict(result.power),
            "necessary_heads": necessary_json(result.necessary),
            "sufficient": sufficiency_json(result.sufficient),
            "edges": edges_json(result.edges),
            "score_parts": scores_json(result.score_parts),
            "heads": [head_json(result, name) for name in result.quotes],
            "by_site": by_site_json(result),
            "negative_control": found._asdict() if (found := negative_control_at(result)) else None,
        }
    config = asdict(findings.model.config)
    roles = [[[asdict(role) for role in head] for head in layer] for layer in findings.role_map()]
    return {
        "model": {**findings.source, **config},
        "tasks": tasks,
        "negative_control": {"accuracy": negative_control(findings.tasks)},
        "alignment": asdict(findings.alignment) if findings.alignment else None,
        "attention_patterns": attention_patterns_json(findings.attention_patterns),
        "dynamics": list(findings.dynamics),
        "roles": [[head[0] if head else NO_ROLE for head in layer] for layer in roles],
        "all_roles": roles,
        "text": findings.text,
        "sentences": list(findings.sentences),
    }


def to_csv(findings: Findings) -> str:
    """One row for each task, site and head: choice accuracy, mass, contrast and lift on *report*."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["task", "site", "head", "choice_accuracy", "mass", "contrast", "lift"])
    for result in findings.tasks:
        heads = result.heads
        columns = heads.accuracy(), heads.mass(), heads.contrast(), heads.lift()
        for i, site in enumerate(heads.sites):
            for k, name in enumerate(heads.names):
                table.writerow([result.name, site, name, *(f"{column[i, k]:.4f}" for column in columns)])
    return text.getvalue()


def text_csv(text: Mapping) -> str:
    """One row for each head: attention by relation (share, and what uniform attention gives), and how much the loss
    grows without it by kind of token, in nats.
    """
    out = io.StringIO()
    table = csv.writer(out)
    relations, kinds, shown = text["relations"], text["kinds"], text["shown"]
    pairs = [f"{prefix}_{name}" for name in relations for prefix in ("share", "uniform")]
    table.writerow(["head", "distance", "effective_tokens", *pairs, *(f"nats_{kind}" for kind in kinds)])
    for head in text["heads"]:
        looks, effects = head["looks"], head["effects"][shown]
        shares = [looks["relations"][name][part] for name in relations for part in ("share", "uniform")]
        values = [looks["distance"], looks["effective_tokens"], *shares, *(effects[kind]["nats"] for kind in kinds)]
        table.writerow([head["head"], *(f"{value:.4f}" for value in values)])
    return out.getvalue()


def write_files(findings: Findings, folder: Path) -> list[Path]:
    """heads.json and heads.csv, and text_heads.csv where heads were measured in a text."""
    files = {"heads.json": json_text(to_json(findings), indent=1), "heads.csv": to_csv(findings)}
    if findings.text:
        files["text_heads.csv"] = text_csv(findings.text)
    else:
        (folder / "text_heads.csv").unlink(missing_ok=True)  # of an earlier time
    for name, content in files.items():
        replace_durably(folder / name, content.encode())
    return [folder / name for name in files]
