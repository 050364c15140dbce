"""What probing found, in the terminal: each family in words, then the role map."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from probing.effects import NeededSet
from probing.families import SHORTEST, FamilyResult, impossible_probe
from probing.findings import ROLE_COLOURS, Findings
from probing.roles import HABIT_THRESHOLD


def summary(result: FamilyResult) -> str:
    """One family in a few lines of words."""
    behaviour = f"the model is right in {result.accuracy:.0%} of {len(result.cases)} held-out cases"
    if not result.resolved:
        return f"{result.name}: {behaviour}; that is no better than chance, so no head is interpreted"
    quoted, effect = result.quotes[result.best], result.effects["swap"][result.best]
    baseline = result.best_baseline
    verdict = ("looks" if quoted.looks else "does not look for sure") + (
        " and matters" if effect.matters else "; it is not shown to matter"
    )
    low, high = quoted.ci
    lines = [
        f"{result.name}: {behaviour}; head {quoted.name} at {quoted.site} {verdict}: "
        f"it picks the right one in {quoted.accuracy:.1%} ({low:.1%} to {high:.1%}; "
        f"best baseline: {baseline[0]} {baseline[1].accuracy:.1%}),",
        f"    mass {quoted.mass:.2f}, {quoted.engagement:.1f} x uniform, p {quoted.p_adj:.4f}; "
        f"swapping its two candidates costs the answer {effect.drop:.2f} nats of log-odds "
        f"({effect.ci[0]:.2f} to {effect.ci[1]:.2f}) and flips it in {effect.flip:.0%} "
        f"(the most that any head costs that does not look: {effect.reference:.2f} nats)",
        f"    other changes to it, nats: {others(result)}",
    ]
    if result.needed:
        lines.append(f"    {needed(result.needed)}")
    return "\n".join(lines)


def others(result: FamilyResult) -> str:
    """What the interventions beside the swap cost, each with the most that it costs in a head that does not look."""
    effects = {kind: heads[result.best] for kind, heads in result.effects.items() if kind != "swap"}
    return ", ".join(f"{kind} {effect.drop:.2f} (others {effect.reference:.2f})" for kind, effect in effects.items())


def needed(found: NeededSet) -> str:
    """The smallest set of heads without which the answer is not known, in words."""
    heads, preference = " and ".join(found.heads), found.preference[-1]
    mean, most = found.random[-1]
    random = f"as many other heads at random cost {mean:.2f} on average and {most:.2f} at most"
    cost = f"{found.drop[-1]:.2f} nats; {random}"
    if found.complete:
        return f"without {heads} the answer is preferred in {preference:.0%}, no longer surely above chance (-{cost})"
    return f"without {heads} the answer is still preferred in {preference:.0%} (-{cost}): the work is shared"


def role_table(findings: Findings) -> Table:
    """The role map for the terminal: colour and word say the role, a dot that the head matters."""
    table = Table(title="what each head does", title_justify="left", show_edge=False)
    table.add_column("layer")
    for head in range(findings.model.config.n_head):
        table.add_column(f"head {head}")
    for layer, heads in enumerate(findings.role_map()):
        cells = []
        for roles in heads:
            lines = [Text(role.label, style=ROLE_COLOURS.get(role.role, "bold")) for role in roles]
            cells.append(Text("\n").join(lines) if lines else Text("-", style="dim"))
        table.add_row(str(layer), *cells)
    return table


def habit_notes(findings: Findings) -> list[str]:
    """What the role map has no room for: distances, sinks, and the error of the best aligner."""
    notes = []
    if habits := findings.habits:
        for k, name in enumerate(habits.names):
            if habits.mass["fixed_offset"][k] >= HABIT_THRESHOLD:
                notes.append(f"head {name} looks {int(habits.offset[k])} tokens back")
            if habits.mass["first_token"][k] >= HABIT_THRESHOLD:
                notes.append(
                    f"head {name} rests on the first token, whose value is {habits.sink_norm[k]:.2f} times as large "
                    "as the others'"
                )
    if found := findings.alignment:
        notes.append(
            f"alignment error rate of head {found.best} at {found.sites[found.best]}: {found.errors[found.best]:.1%} "
            f"of all words of a translation (the diagonal: {found.diagonal:.1%})"
        )
    return notes


def print_findings(findings: Findings, console: Console) -> None:
    for result in findings.families:
        console.print(summary(result))
    if findings.too_few:
        limit = f"of their cases fit into this model's block of {findings.model.config.block_size} tokens"
        console.print(f"not measured, because fewer than {SHORTEST} {limit}: {', '.join(findings.too_few)}")
    impossible = impossible_probe(findings.families)
    if impossible is not None:
        console.print(f"impossible probe (twins still identical): {impossible:.1%}, must be 50.0%")
    console.print(role_table(findings))
    for note in habit_notes(findings):
        console.print(note)
