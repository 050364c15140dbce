"""A whole probe: cases become tasks, each task is measured; attention patterns and alignment are over all of them."""

from collections.abc import Sequence
from contextlib import suppress

from common.errors import InputError
from common.progress import Progress, silent
from data import Case, EncodedCase, Tokenizer
from data.cases.case import by_task
from data.cases.fit import encode_cases
from model import GPT
from probing.alignment import linked_texts, measure_alignment
from probing.attention_patterns import attention_patterns
from probing.behaviour import judge
from probing.findings import Findings
from probing.lists import TASK as LISTS
from probing.lists import random_lists
from probing.parallel import GoOn, side_by_side
from probing.splits import Split, TaskCases, Tasks
from probing.tasks import TaskResult, fitting, measure_task
from probing.untrained import measure_untrained

FEWEST_CASES, FEWEST_TEMPLATES = 20, 4  # below which an interval says nothing
TEXTS = 100  # of each task, over which attention patterns are averaged


def probe(
    model: GPT,
    tokenizer: Tokenizer,
    select: Sequence[Case],
    report: Sequence[Case],
    seed: int = 0,
    source: dict | None = None,
    progress: Progress = silent,
    circuits: bool = False,
) -> Findings:
    """Measures every head of ``model`` on annotated cases: chosen on ``select``, quoted on ``report``.

    ``seed`` draws the initial weights of the untrained baseline, the same network that has learned nothing, and random
    lists of the cases' tokens, a task of its own. ``source``: what heads.json shall say of where the model comes
    from. Counterfactuals must stand next to each other. Tasks with too few cases or templates are not measured;
    ``Findings.too_few`` says why. ``progress`` is called with (text, done, total), on a CPU by several threads: what is
    being measured and how many of all tasks have been. ``circuits``: also which few heads suffice, and which head feeds
    which.
    """
    block_size = model.config.block_size
    tasks, too_few = encode_tasks(tokenizer, select, report, block_size, seed) if report else ({}, [])
    n = len(tasks)
    untrained = measure_untrained(model, tasks, seed, lambda what: progress(what, 0, n)) if tasks else {}
    finished: list[str] = []

    def measured(name: str, go_on: GoOn) -> TaskResult:
        def say(what: str) -> None:
            go_on()
            progress(f"{name}: {what}", len(finished), n)

        result = measure_task(model, *tasks[name], untrained[name], seed, say, circuits, n_tasks=n)
        finished.append(name)
        return result

    results = side_by_side(measured, [*tasks], model.embed.weight.device)
    if tasks:
        progress("attention patterns of all heads", n, n)
    links = [linked_texts(cases, tokenizer, block_size) for cases in (select, report)]
    texts = pattern_texts(tasks)
    return Findings(
        model,
        source or {},
        results,
        too_few,
        attention_patterns(model, *texts) if all(texts) else None,
        measure_alignment(model, *links) if all(links) else None,
    )


def resolved_tasks(model: GPT, tokenizer: Tokenizer, cases: Sequence[Case], progress: Progress = silent) -> list[str]:
    """The tasks of ``cases``, a few of each, that the model resolves: what is worth measuring in full. A task whose
    cases do not fit the tokenizer or the block is none of them.
    """
    found, names = [], list(dict.fromkeys(case.task for case in cases))
    for i, name in enumerate(names):
        progress(f"is {name} resolved?", i, len(names))
        encoded: Sequence[EncodedCase] = ()
        with suppress(InputError):
            own = encode_cases([case for case in cases if case.task == name], tokenizer)
            encoded = fitting(own, model.config.block_size)
        if len(encoded) >= FEWEST_CASES and judge(model, Split(encoded)).resolved:
            found.append(name)
    return found


def pattern_texts(tasks: Tasks) -> list[list[tuple[int, ...]]]:
    """Tokens of *select* and *report* to average attention patterns over: some of each task, no random lists."""
    known = [both for name, both in tasks.items() if name != LISTS]
    return [[case.tokens for both in known for case in both[i].part(TEXTS).cases] for i in (0, 1)]


def encode_tasks(
    tokenizer: Tokenizer, select: Sequence[Case], report: Sequence[Case], block_size: int, seed: int
) -> tuple[Tasks, list[str]]:
    """The tasks that can be measured, random lists after them; and a sentence on each that cannot.

    Raises InputError for cases that the tokenizer cannot measure, and for a task that has the lists' name.
    """
    chosen, quoted = (by_task(encode_cases(cases, tokenizer)) for cases in (select, report))
    if LISTS in quoted:
        raise InputError(f"task {LISTS!r}: is the name of lists that every probe makes; call yours something else")
    tokens = sorted(
        {token for split in (chosen, quoted) for cases in split.values() for case in cases for token in case.tokens}
    )
    n = max((len(cases) for cases in quoted.values()), default=0)
    for split, cases in (("select", chosen), ("report", quoted)):
        cases[LISTS] = random_lists(tokens, tokenizer, split, n - n % 2, seed)
    tasks, too_few = {}, []
    for name in quoted:
        both = tuple(fitting(cases.get(name, []), block_size) for cases in (chosen, quoted))
        templates = [len({case.case.template for case in cases}) for cases in both]
        if min(map(len, both)) >= FEWEST_CASES and min(templates) >= FEWEST_TEMPLATES:
            tasks[name] = TaskCases(*map(Split, both))
        elif name != LISTS:
            chosen_from, reported = (
                f"{len(cases)} cases of {n} template{'s' * (n != 1)}" for cases, n in zip(both, templates, strict=True)
            )
            too_few.append(
                f"{name}: {chosen_from} to select and {reported} to report fit into the block of {block_size} tokens; "
                f"{FEWEST_CASES} cases of {FEWEST_TEMPLATES} templates are needed in each"
            )
    return tasks, too_few
