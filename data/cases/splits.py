"""How annotated cases go together: pairs of counterfactuals; a split to choose heads on and one to quote them on."""

import reprlib
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from common.errors import InputError, first_few
from data.cases.case import Case

OWN_SPLITS = ("select", "report")


def faults_between(cases: Sequence[Case], complete: bool = True) -> dict[int, str]:
    """What is wrong with a case only beside the others, by its index.

    Not ``complete``: some cases could not be read, and a counterfactual that is not there may be one of them.
    """
    faults = {}
    first_with = {case.id: i for i, case in reversed(list(enumerate(cases)))}
    any_split = any(case.split for case in cases)
    for i, case in enumerate(cases):
        counterfactual = cases[first_with[case.counterfactual]] if case.counterfactual in first_with else None
        if first_with[case.id] != i:
            faults[i] = f"id {reprlib.repr(case.id)} stands twice"
        elif case.split not in (*OWN_SPLITS, ""):
            faults[i] = none_of_splits(case.split)
        elif any_split and not case.split:
            faults[i] = f"no split, though others have one; give every case {' or '.join(OWN_SPLITS)}, or none"
        elif (
            case.counterfactual is not None
            and (counterfactual or complete)
            and (reason := fault_of_pair(case, counterfactual, any_split))
        ):
            faults[i] = reason
    return faults


def none_of_splits(split: str) -> str:
    return f"split {reprlib.repr(split)} is none of {', '.join(OWN_SPLITS)}"


def fault_of_pair(case: Case, other: Case | None, any_split: bool) -> str | None:
    """Why ``other`` cannot be the counterfactual of ``case``; None if it can."""
    name = f"counterfactual {reprlib.repr(case.counterfactual)}"
    if other is None:
        return f"{name} is not there"
    if other.id == case.id:
        return f"{name} is the case itself"
    if other.counterfactual != case.id:
        named = "no counterfactual" if other.counterfactual is None else reprlib.repr(other.counterfactual)
        return f"{name} names {named}; counterfactuals name each other"
    if other.task != case.task:
        return f"{name} is of another task, {reprlib.repr(other.task)}"
    if other.split != case.split:
        return f"{name} is in another split; counterfactuals stay together"
    if not any_split and other.template != case.template:
        return f"{name} has another template; whole templates are dealt to splits, and counterfactuals stay together"
    return None


def split_cases(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """The cases to choose heads on and those to quote them on: (select, report).

    Splits that the cases carry are kept. If none carries one, each task's templates are dealt to the two in turn, in an
    order that depends on their names alone, so that no template of a task stands in both. Tasks come in the order of
    their first mention, cases as given, but counterfactuals next to each other. Raises InputError, in one line, for
    cases that do not go together and for a task that is in one split only.
    """
    faults = faults_between(cases)
    if faults:
        reasons = first_few([f"case {reprlib.repr(cases[i].id)}: {reason}" for i, reason in faults.items()])
        raise InputError(f"{len(faults)} of {len(cases)} cases cannot be used: {reasons}")
    ordered = side_by_side(cases if any(case.split for case in cases) else deal(cases))
    present = {(case.task, case.split) for case in ordered}
    for task, split in product(dict.fromkeys(case.task for case in ordered), OWN_SPLITS):
        if (task, split) not in present:
            raise InputError(
                f"task {reprlib.repr(task)} has no cases in split {split}; heads are chosen on select and quoted "
                "on report: give it at least two templates, and cases of both splits or no splits at all"
            )
    select, report = ([case for case in ordered if case.split == split] for split in OWN_SPLITS)
    return select, report


def deal(cases: Sequence[Case]) -> list[Case]:
    """The cases with their splits, whole templates in turn within each task."""
    templates: dict[str, set[str]] = {}
    for case in cases:
        templates.setdefault(case.task, set()).add(case.template)
    split_of = {}
    for task, names in templates.items():
        # Neither the order in the file nor its alphabet may decide: either may go with what the sentences are about.
        shuffled = sorted(names, key=lambda template: (zlib.crc32(template.encode()), template))
        split_of |= {(task, template): OWN_SPLITS[i % 2] for i, template in enumerate(shuffled)}
    return [replace(case, split=split_of[case.task, case.template]) for case in cases]


def side_by_side(cases: Sequence[Case]) -> list[Case]:
    """Task by task, each case followed by its counterfactual."""
    by_id = {case.id: case for case in cases}
    rank = {task: i for i, task in enumerate(dict.fromkeys(case.task for case in cases))}
    ordered: dict[str, Case] = {}
    for case in sorted(cases, key=lambda case: rank[case.task]):
        ordered.setdefault(case.id, case)
        if case.counterfactual is not None:
            ordered.setdefault(case.counterfactual, by_id[case.counterfactual])
    return list(ordered.values())
