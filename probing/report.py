"""What probing found, as heads.json and heads.csv (stable: scripts rely on them) and in the terminal."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from model import GPT
from probing.families import Effect, FamilyResult, HeadQuote, impossible_probe
from probing.heads import head_names
from probing.roles import FAMILY_ROLES, HABIT_THRESHOLD, HABITS

ROLE_COLOURS = {
    "pronoun": "#D55E00",
    "recall": "#009E73",
    "induction": "#56B4E9",
    "subject_verb": "#9A8500",
    "word_sense": "#882255",
    "alignment": "#E69F00",
    "previous_token": "#0072B2",
    "first_token": "#8C8C8C",
    "same_word": "#CC79A7",
}


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
    too_long: Sequence[str]
    habits: Tensor  # [habits, K]

    def roles(self, name: str, k: int) -> list[Role]:
        """Every role that head ``name``, the k-th, has; the strongest first."""
        found = [
            Role(habit, mass, mass, matters=False)
            for habit, mass in zip(HABITS, self.habits[:, k].tolist(), strict=True)
            if mass >= HABIT_THRESHOLD
        ]
        for result in self.families:
            quoted = result.quotes[name]
            if result.resolved and quoted.looks:
                baseline = result.best_baseline[1].accuracy
                role = FAMILY_ROLES.get(result.name, result.name)
                strength = (quoted.accuracy - baseline) / (1 - baseline)
                found.append(Role(role, quoted.accuracy, strength, result.effects[name].matters))
        found.sort(key=lambda role: -role.strength)
        merged = {}
        for role in found:
            matters = role.matters or (role.role in merged and merged[role.role].matters)
            merged[role.role] = replace(merged.get(role.role, role), matters=matters)
        return list(merged.values())

    def role_map(self) -> list[list[list[Role]]]:
        """Roles by layer and head."""
        names, n_head = head_names(self.model), self.model.config.n_head
        roles = [self.roles(name, k) for k, name in enumerate(names)]
        return [roles[start : start + n_head] for start in range(0, len(roles), n_head)]


def head_json(quoted: HeadQuote, effect: Effect | None) -> dict:
    return {
        "head": quoted.name,
        "site": quoted.site,
        "choice_accuracy": quoted.accuracy,
        "ci": quoted.ci,
        "mass": quoted.mass,
        "engagement": quoted.engagement,
        "p_adj": quoted.p_adj,
        "looks": quoted.looks,
        "matters": bool(effect and effect.matters),
        "swap_flip": effect and effect.flip,
        "swap_drop": effect and effect.drop,
        "swap_ci": effect and effect.ci,
        "swap_reference": effect and effect.reference,
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
            "best": head_json(result.quotes[result.best], result.effects.get(result.best)),
            "baselines": {name: quoted.accuracy for name, quoted in result.baselines.items()},
            "heads": [head_json(quoted, result.effects.get(name)) for name, quoted in result.quotes.items()],
        }
    config = asdict(findings.model.config)
    roles = [
        [[{"role": role.role, "score": role.score, "matters": role.matters} for role in head] for head in layer]
        for layer in findings.role_map()
    ]
    return {
        "model": {**findings.source, **config},
        "families": families,
        "impossible_probe": {"accuracy": impossible_probe(findings.families)},
        "roles": [[head[0] if head else {"role": None, "score": 0.0} for head in layer] for layer in roles],
        "all_roles": roles,
    }


def write_csv(findings: Findings, path: Path) -> None:
    """One row for each family, site and head: choice accuracy, mass and engagement on the report cases."""
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["family", "site", "head", "choice_accuracy", "mass", "engagement"])
        for result in findings.families:
            heads = result.heads
            columns = heads.accuracy(), heads.mass(), heads.engagement()
            for i, site in enumerate(heads.sites):
                for k, name in enumerate(heads.names):
                    table.writerow([result.name, site, name, *(f"{column[i, k]:.4f}" for column in columns)])


def write_files(findings: Findings, folder: Path) -> list[Path]:
    (folder / "heads.json").write_text(json.dumps(to_json(findings), indent=1))
    write_csv(findings, folder / "heads.csv")
    return [folder / "heads.json", folder / "heads.csv"]


def summary(result: FamilyResult) -> str:
    """One family in two lines of words."""
    behaviour = f"the model is right in {result.accuracy:.0%} of {len(result.cases)} held-out cases"
    if not result.resolved:
        return f"{result.name}: {behaviour}; that is no better than chance, so no head is interpreted"
    quoted, effect = result.quotes[result.best], result.effects[result.best]
    baseline = result.best_baseline
    verdict = ("looks" if quoted.looks else "does not look for sure") + (
        " and matters" if effect.matters else "; it is not shown to matter"
    )
    low, high = quoted.ci
    return (
        f"{result.name}: {behaviour}; head {quoted.name} at {quoted.site} {verdict}: "
        f"it picks the right one in {quoted.accuracy:.1%} ({low:.1%} to {high:.1%}; "
        f"best baseline: {baseline[0]} {baseline[1].accuracy:.1%}),\n"
        f"    mass {quoted.mass:.2f}, {quoted.engagement:.1f} x uniform, p {quoted.p_adj:.4f}; "
        f"swapping its two candidates costs the answer {effect.drop:.2f} nats of log-odds "
        f"and flips it in {effect.flip:.0%} "
        f"(the most that any head costs that does not look: {effect.reference:.2f} nats)"
    )


def role_label(role: Role) -> str:
    return f"{role.role.replace('_', ' ')} {role.score:.2f}" + (" ●" if role.matters else "")


def role_table(findings: Findings) -> Table:
    """The role map for the terminal: colour and word say the role, a dot that the head matters."""
    table = Table(title="what each head does", title_justify="left", show_edge=False)
    table.add_column("layer")
    for head in range(findings.model.config.n_head):
        table.add_column(f"head {head}")
    for layer, heads in enumerate(findings.role_map()):
        cells = []
        for roles in heads:
            lines = [Text(role_label(role), style=ROLE_COLOURS.get(role.role, "bold")) for role in roles]
            cells.append(Text("\n").join(lines) if lines else Text("-", style="dim"))
        table.add_row(str(layer), *cells)
    return table


def print_findings(findings: Findings, console: Console) -> None:
    for result in findings.families:
        console.print(summary(result))
    if findings.too_long:
        limit = f"longer than this model's block of {findings.model.config.block_size} tokens"
        console.print(f"not measured, because their cases are {limit}: {', '.join(findings.too_long)}")
    impossible = impossible_probe(findings.families)
    if impossible is not None:
        console.print(f"impossible probe (twins still identical): {impossible:.1%}, must be 50.0%")
    console.print(role_table(findings))
