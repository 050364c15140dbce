"""The page of the hand-set model on its own language: one head looks and matters, one task is not resolved."""

import json
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page
from toys import TOKENIZER, hand_set_model, toy_cases

from data import Case
from probing import Findings, probe, write_files
from report.probe_page import write_probe_page

MATTERS = "1.0"  # by the weights set by hand
UNRESOLVED = "the_other_way"


def with_unresolved(cases: list[Case]) -> list[Case]:
    """The cases, and the same ones with the other name for an answer, as a task that nobody can resolve."""
    turned = []
    for case in cases:
        spans = replace(case.spans, gold=case.spans.distractors, distractors=case.spans.gold)
        text, answer = case.text[:-1] + case.foil, case.text[-1]
        own = {"id": f"{case.id}!", "counterfactual": f"{case.counterfactual}!", "task": UNRESOLVED}
        turned.append(replace(case, text=text, spans=spans, foil=answer, **own))
    return cases + turned


def toy_findings() -> Findings:
    """The hand-set model on its own language, and dynamics that were never measured."""
    drawn = (with_unresolved(toy_cases(split, 40)) for split in ("select", "report"))
    found = probe(hand_set_model(), TOKENIZER, *drawn, source={"run": "toy", "step": 7}, circuits=True)
    look = {
        "model_loss": 0.1,
        "model_accuracy": 0.5,
        "head": MATTERS,
        "site": "A-1",
        "choice_accuracy": 0.5,
        "mass": 0.2,
    }
    look |= {"weight_swap_drop": 0.1, "resample_ablation_drop": 0.0}
    moments = [
        {"step": step, "tokens": 100 * step, "tasks": {"agreement": look | {"model_accuracy": step / 7}}}
        for step in (0, 1, 3, 7)
    ]
    return replace(found, dynamics=moments)


def toy_sentences() -> list[dict]:
    """Sentences of articles as heads.json has them: one that is resolved, and one that says something else."""
    sentence = {
        "key": "tired",
        "task": "agreement",
        "text": "The cat left the mat. The cat was tired",
        "answer": "cat",
        "foil": "mat",
        "gold": "cat",
        "distractor": "mat",
        "next": [{"word": "cat", "probability": 0.912}, {"word": "dog", "probability": 0.05}],
        "p_answer": 0.912,
        "p_foil": 0.01,
        "log_odds": 4.5,
        "look": {"head": MATTERS, "site": "A-1", "from": "tired", "gold": 0.81, "distractor": 0.03}
        | {"swap": {"word": "mat", "probability": 0.666, "log_odds": -3.2}},
    }
    other = {"key": "<i>soft</i>", "task": UNRESOLVED, "text": "The cat left the mat. The cat was <i>soft</i>"}
    other |= {"gold": "mat", "distractor": "cat", "answer": "mat", "foil": "cat", "p_answer": 0.02, "look": None}
    return [sentence, sentence | other | {"next": [{"word": "<b>dog</b>", "probability": 0.5}]}]


def write_toy_report(findings: Findings, folder: Path) -> None:
    write_files(findings, folder)
    found = json.loads((folder / "heads.json").read_text())  # by hand all numbers are 0, 1/2 or 1
    found["all_roles"][0][1] = [{"role": "copying", "score": 0.8, "strength": 0.37, "matters": False}]
    found["tasks"]["agreement"]["best"] |= {"choice_accuracy": 0.91, "mass": 0.42, "weight_swap_drop": 7.3}
    found["tasks"]["agreement"]["best"]["effects"]["weight_swap"]["drop"] = 7.3
    (folder / "heads.json").write_text(json.dumps(found))
    write_probe_page(findings, TOKENIZER, folder)


def choose_text(page: Page, name: str) -> None:
    page.get_by_label("Text", exact=True).select_option(label=name)
