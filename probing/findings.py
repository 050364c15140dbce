"""What probing found, as heads.json and heads.csv (stable: scripts rely on them)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from common.atomic import json_text, replace_durably
from model import GPT
from probing.alignment import Alignment
from probing.effects import Effect, NeededSet
from probing.heads import head_names, parse_head
from probing.roles import HABITS, Habits, role_of
from probing.splits import Split
from probing.tasks import FamilyResult, impossible_at, impossible_probe

NO_ROLE = {"role": None, "score": 0.0, "strength": 0.0, "matters": False}


@dataclass(frozen=True)
class Role:
    """What a head does most. ``strength`` in [0, 1]: a habit's mass, or a family's accuracy over its best baseline."""

    role: str
    score: float
    strength: float
    matters: bool


@dataclass(frozen=True)
class Findings:
    """All that was measured on one model."""

    model: GPT
    source: dict
    families: Sequence[FamilyResult]
    too_few: Sequence[str]
    habits: Habits | None
    alignment: Alignment | None
    film: Sequence[dict] = ()

    def roles(self, name: str, k: int) -> list[Role]:
        """Every role that head ``name``, the k-th, has; the strongest first."""
        found = []
        if self.habits:
            masses = {habit: float(self.habits.mass[habit][k]) for habit in HABITS}
            found = [Role(habit, mass, mass, False) for habit, mass in masses.items() if self.habits.has(habit, k)]
        for result in self.families:
            quoted = result.quotes[name]
            if result.resolved and quoted.looks:
                baseline = result.best_baseline[1].accuracy
                role = role_of(result.name)
                strength = (quoted.accuracy - baseline) / (1 - baseline)
                found.append(Role(role, quoted.accuracy, strength, result.matters(name)))
        found.sort(key=lambda role: -role.strength)
        merged = {}
        for role in found:
            matters = role.matters or (role.role in merged and merged[role.role].matters)
            merged[role.role] = replace(merged.get(role.role, role), matters=matters)
        return list(merged.values())

    def role_map(self) -> list[list[list[Role]]]:
        """Roles by layer and head; a layer without heads has none."""
        layers: list[list[list[Role]]] = [[] for _ in range(self.model.config.n_layer)]
        for k, name in enumerate(head_names(self.model)):
            layers[parse_head(name)[0]].append(self.roles(name, k))
        return layers


def head_json(result: FamilyResult, name: str) -> dict:
    quoted = result.quotes[name]
    effects = {kind: heads[name] for kind, heads in result.effects.items() if name in heads}
    swap = effects.get("swap")
    return {
        "head": quoted.name,
        "site": quoted.site,
        "choice_accuracy": quoted.accuracy,
        "ci": quoted.ci,
        "mass": quoted.mass,
        "contrast": quoted.contrast,
        "engagement": quoted.engagement,
        "p_adj": quoted.p_adj,
        "chain_mass": quoted.chain_mass,
        "chain_engagement": quoted.chain_engagement,
        "looks": quoted.looks,
        "matters": result.matters(name),
        "swap_flip": swap and swap.flip,
        "swap_drop": swap and swap.drop,
        "swap_ci": swap and swap.ci,
        "swap_reference": swap and swap.reference,
        "effects": {kind: effect_json(effect) for kind, effect in effects.items()},
    }


def effect_json(effect: Effect) -> dict:
    record = {"drop": effect.drop, "ci": effect.ci, "flip": effect.flip, "reference": effect.reference}
    return record | ({"directions": effect.directions} if effect.directions else {})


def needed_json(needed: NeededSet | None) -> dict | None:
    if needed is None:
        return None
    columns = zip(needed.heads, needed.preference, needed.preference_ci, needed.drop, needed.random, strict=True)
    steps = [
        {"head": head, "preference": preference, "ci": ci, "drop": drop, "random_drop": mean, "random_most": most}
        for head, preference, ci, drop, (mean, most) in columns
    ]
    return {"complete": needed.complete, "heads": needed.heads, "steps": steps}


def by_site_json(result: FamilyResult) -> dict:
    """Choice accuracy of every head at every site, with intervals: by head, in the order of ``sites``."""
    choice = result.heads.choice()  # [N, S, K]
    intervals = Split(result.cases).intervals(choice.reshape(len(choice), -1)).reshape(*choice.shape[1:], 2)
    accuracy = result.heads.accuracy()
    return {
        "sites": result.heads.sites,
        "choice_accuracy": {name: accuracy[:, k].tolist() for k, name in enumerate(result.heads.names)},
        "ci": {name: intervals[:, k].round(6).tolist() for k, name in enumerate(result.heads.names)},
    }


def habits_json(habits: Habits | None) -> dict | None:
    """By head: each habit's share, the distance of the fixed offset, the relative size of the first token's value."""
    if habits is None:
        return None
    return {
        name: {habit: float(mass[k]) for habit, mass in habits.mass.items()}
        | {"offset": int(habits.offset[k]), "sink_norm": float(habits.sink_norm[k])}
        for k, name in enumerate(habits.names)
    }


def to_json(findings: Findings) -> dict:
    """The content of heads.json."""
    families = {}
    for result in findings.families:
        families[result.name] = {
            "cases": len(result.cases),
            "model_accuracy": result.accuracy,
            "model_ci": result.accuracy_ci,
            "model_loss": result.loss,
            "resolved": result.resolved,
            "best": head_json(result, result.best),
            "baselines": {name: quoted.accuracy for name, quoted in result.baselines.items()},
            "needed": needed_json(result.needed),
            "heads": [head_json(result, name) for name in result.quotes],
            "by_site": by_site_json(result),
            "impossible_probe": found._asdict() if (found := impossible_at(result)) else None,
        }
    config = asdict(findings.model.config)
    roles = [[[asdict(role) for role in head] for head in layer] for layer in findings.role_map()]
    return {
        "model": {**findings.source, **config},
        "families": families,
        "impossible_probe": {"accuracy": impossible_probe(findings.families)},
        "alignment": asdict(findings.alignment) if findings.alignment else None,
        "habits": habits_json(findings.habits),
        "film": list(findings.film),
        "roles": [[head[0] if head else NO_ROLE for head in layer] for layer in roles],
        "all_roles": roles,
    }


def to_csv(findings: Findings) -> str:
    """One row for each family, site and head: choice accuracy, mass, contrast and engagement on *report*."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["family", "site", "head", "choice_accuracy", "mass", "contrast", "engagement"])
    for result in findings.families:
        heads = result.heads
        columns = heads.accuracy(), heads.mass(), heads.contrast(), heads.engagement()
        for i, site in enumerate(heads.sites):
            for k, name in enumerate(heads.names):
                table.writerow([result.name, site, name, *(f"{column[i, k]:.4f}" for column in columns)])
    return text.getvalue()


def write_files(findings: Findings, folder: Path) -> list[Path]:
    replace_durably(folder / "heads.json", json_text(to_json(findings), indent=1).encode())
    replace_durably(folder / "heads.csv", to_csv(findings).encode())
    return [folder / "heads.json", folder / "heads.csv"]
