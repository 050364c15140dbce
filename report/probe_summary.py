"""What probing found, in a few sentences: first the one that a reader remembers, then the numbers that support it."""

from collections.abc import Sequence

from common.visible import visible_name
from data import stories
from data.cases import mine
from data.cases.case import SITES
from probing import lists
from probing.behaviour import PAIRS
from probing.findings import Findings, role_of
from probing.negative_control import negative_control
from probing.tasks import TaskResult
from report.pages import NBSP, counted, in_words, percent

BASELINES = {
    "chance": "a coin",
    "nearest": "the nearest candidate",
    "first": "the candidate named first",
    "subject": "the grammatical subject",
    "last pronoun": "the candidate that the last pronoun means",
    "frequent": "the candidate named most often",
    "offset": "the best fixed distance",
    "shuffled": "the same heads with shuffled labels",
    "untrained": "the luckiest of eight untrained networks",
}
PREDICTING = ("P-1", "A-1")
NEARLY = 0.05


def clearest(findings: Findings) -> TaskResult | None:
    """The task that shows best that its chosen head looks and matters: of pronouns, if there is one.

    Of those that are nearly as clear as the clearest, the first, which is the simplest. None if no chosen head looks.
    """
    looking = [result for result in findings.tasks if result.quotes[result.best].looks]
    pronouns = [result for result in looking if is_pronoun(result)]
    clarity = {
        result.name: result.matters(result.best) + result.quotes[result.best].ci[0] - result.best_baseline[1].accuracy
        for result in pronouns or looking
    }
    return next(
        (result for result in pronouns or looking if clarity[result.name] > max(clarity.values()) - NEARLY), None
    )


def is_pronoun(result: TaskResult) -> bool:
    return role_of(result.name) == "pronoun"


def about(findings: Findings) -> str:
    """The line over the title: which model of which run."""
    source = findings.source
    run = f"run {source['run']}, step {source['step']:,}" if "run" in source else "a model"
    some = f" · only stories of {', '.join(map(visible_name, source['tasks']))}" if "tasks" in source else ""
    return f"{run} · {in_words(findings.model)}{some}"


def title(findings: Findings) -> str:
    """One sentence: which head looks back, and whether it matters."""
    result = clearest(findings)
    if result is None and findings.tasks and not any(result.resolved for result in findings.tasks):
        return f"The model resolves none of {counted(len(findings.tasks), 'task')}, so no head is interpreted"
    if result is None:
        return "No chosen head of this model is shown to look back"
    what = "what a pronoun means" if is_pronoun(result) else f"the right word in {visible_name(result.name)}"
    ending = ", and it matters" if result.matters(result.best) else "; that it matters is not shown"
    return f"Head {result.best} looks back to {what}{ending}"


def sentences(findings: Findings) -> list[str]:
    """The numbers that support the title."""
    result = clearest(findings)
    return [
        *(about_head(result) if result else about_nothing(findings.tasks)),
        *about_tasks(findings.tasks, result),
        *about_negative_control(findings.tasks),
    ]


def about_head(result: TaskResult) -> list[str]:
    quoted, (name, baseline) = result.quotes[result.best], result.best_baseline
    site = f"the word that {SITES[quoted.site]}" if quoted.site in PREDICTING else SITES[quoted.site]
    parts = [
        f"In {percent(quoted.accuracy, 1)} of {len(result.cases)} held-out cases of {describe(result.name)}, it gives "
        f"what is meant more attention than the other candidate, measured at {site} ({quoted.site}; 95{NBSP}% "
        f"interval {interval(quoted.ci)}). The best baseline, {BASELINES.get(name, name)}, picks the right one in "
        f"{percent(baseline.accuracy, 1)}."
    ]
    if swap := result.effects["weight_swap"].get(result.best):
        low, high = swap.ci
        others = "there is no head that does not look to compare it with"
        if swap.reference is not None:
            others = f"in any head that does not look, {swap.reference:.1f} at most on average"
        parts.append(
            f"Swapping its attention to the two, and nothing else, costs the answer {swap.drop:.1f} nats "
            f"({low:.1f} to {high:.1f}) and turns {percent(swap.flip)} of the answers; {others}."
        )
    return parts


def about_nothing(tasks: Sequence[TaskResult]) -> list[str]:
    if not tasks:
        return ["No task could be measured."]
    best = max(tasks, key=lambda result: result.behaviour.accuracy)
    parts = [
        f"The model is right most often in {describe(best.name)}: {percent(best.behaviour.accuracy, 1)} of "
        f"{judged_cases(best)}."
    ]
    others = sorted({name for result in tasks for name, quoted in result.quotes.items() if quoted.looks})
    if others:
        parts.append(f"Heads other than the chosen one do look: {', '.join(others)}.")
    return parts


def judged_cases(result: TaskResult) -> str:
    """How many cases, or pairs of them, the model's behaviour is the mean over."""
    n = len(result.cases)
    return f"{n // 2} pairs of counterfactuals" if result.behaviour.judged_by == PAIRS else f"{n} cases"


def about_tasks(tasks: Sequence[TaskResult], shown: TaskResult | None) -> list[str]:
    """How many tasks there are beside the one shown."""
    if len(tasks) < 2:
        return []
    looking = [result for result in tasks if result.quotes[result.best].looks]
    resolved, matter = (
        sum(result.resolved for result in tasks),
        sum(result.matters(result.best) for result in looking),
    )
    counts = (
        f"Of {len(tasks)} tasks the model resolves {resolved}; the chosen head looks in {len(looking)} "
        f"and matters in {matter}."
    )
    same_kind = [result for result in looking if shown and is_pronoun(result) == is_pronoun(shown)]
    of_pronouns = " about pronouns" if shown and is_pronoun(shown) else ""
    return [counts + (f" The one above is among the clearest{of_pronouns}." if len(same_kind) > 1 else "")]


def about_negative_control(tasks: Sequence[TaskResult]) -> list[str]:
    control = negative_control(tasks)
    if control is None:
        return []
    read = f"{100 * control:.2f}{NBSP}%"
    if control != 0.5:
        return [f"The negative control reads {read} instead of 50{NBSP}%: a bug; do not trust these numbers."]
    return [f"Before the deciding word is read, no head can know what is meant: the negative control reads {read}."]


def not_shown(result: TaskResult) -> tuple[str, str] | None:
    """What is not shown of a chosen head, that it "looks" or "matters", and what these cases would have shown."""
    quoted, power = result.quotes[result.best], result.power
    from_least = "these cases would show it, in 4 of 5 draws, from"
    if not result.resolved or result.matters(result.best):
        return None
    if not quoted.looks:
        if power.choice_accuracy is None:
            return "looks", f"not even a choice accuracy of {percent(1)} would be shown by these cases"
        return "looks", f"{from_least} a choice accuracy of {percent(power.choice_accuracy)} on"
    if result.best not in result.effects["weight_swap"]:
        return "matters", f"nothing leads from {quoted.site} to the answer"
    if power.weight_swap_drop is None:
        return "matters", "no effect would be shown by these cases"
    return "matters", f"{from_least} {power.weight_swap_drop:.1f} nats on"


def questions() -> dict[str, str]:
    """What has to be found out in each task that is known (docs/stories.md has a story of each)."""
    return {name: task.question for name, task in stories.TASKS.items()} | mine.QUESTIONS | {lists.TASK: lists.QUESTION}


def describe(task: str) -> str:
    question = questions().get(task)
    return f"“{visible_name(task)}”" + (f" ({question})" if question else "")


def interval(ci: tuple[float, float]) -> str:
    low, high = (f"{100 * end + 1e-9:.1f}" for end in ci)
    return f"{low} to {high}{NBSP}%"
