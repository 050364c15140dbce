"""The page in which a model runs: what it begins with, and where it stands.

Of a probe it is a part of report.html, where that stays small, else live.html beside it; training leaves RUN/live.html.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from common.atomic import json_text
from common.errors import InputError, first_line
from common.one_line import OUT_OF_MEMORY
from common.output import print_note
from common.progress import silent
from common.visible import visible_name, visible_text
from data import Case, Tokenizer
from data.cases.case import words_at
from data.stories import Stories
from data.stories import cases as draw
from data.stories.articles import keyed_cases
from data.text.tokenizers import BYTE_PATTERN, WORD_PATTERN, BpeTokenizer, IdTokenizer
from model import GPT
from probing.findings import Findings
from probing.heads import head_names
from probing.in_text import Windows, cut_windows
from probing.in_text.ablation import means_over_windows
from probing.known_sentences import read_part
from report.colours import OTHER_ROLE, role_colour
from report.live_model import MOST_WEIGHTS, packed_model
from report.pages import Heading, in_words, script_of, write_page
from report.text_summary import role_in_words
from report.tour import tour
from report.typed_text import as_typed, box_text
from storage import checkpoint
from storage.run import LIVE_PAGE
from storage.weights import load_model
from training import Trainer

BEGINNINGS, BEGINNING_TOKENS = 3, 60  # of held-out text
SENTENCE_END = re.compile(r"[.!?][\"'”’)]*\s+|\n\s*\n")
MEAN_TOKENS = 8_192  # of it that mean outputs are taken over


def live_parts(
    model: GPT,
    tokenizer: Tokenizer,
    starts: Sequence[dict],
    windows: Windows | None = None,
    steps: Sequence[dict] = (),
    roles: Mapping[str, dict] | None = None,
) -> dict[str, bytes]:
    """The parts of a page that let the model run in it; "live.json" alone, with a note, where it cannot.

    ``starts``: texts to begin with, see ``starts_of_cases``. ``windows`` of held-out text: more of them, and what mean
    ablation needs. ``steps``: of the tour. ``roles``: by head, {"text", "short", "colour"}.
    """
    live: dict[str, Any] = {
        "starts": [*starts, *starts_of_text(tokenizer, windows)],
        "tour": steps,
        "roles": roles or {},
        "note": why_not(model, tokenizer),
    }
    parts = {}
    if live["note"] is None:
        try:
            parts = packed_model(model, tokenizer, means_over(model, windows))
            parts["worker.js"] = script_of("worker").encode()
        except InputError as error:
            live["note"] = f"The model cannot run in this page: {error}."
    return {"live.json": json_text(live).encode()} | parts


def why_not(model: GPT, tokenizer: Tokenizer) -> str | None:
    """Why a model cannot run in a page, and what to do instead; None where it can."""
    instead = 'python probe.py run=... text="..." reads a sentence.'
    if (n := model.n_parameters()) > MOST_WEIGHTS:
        return f"The model has {n:,} weights, and a page holds up to {MOST_WEIGHTS:,}; {instead}"
    if isinstance(tokenizer, IdTokenizer) and tokenizer.spaced is not None:
        return f"Names of tokens have spaces, so that text cannot be cut into names; {instead}"
    if isinstance(tokenizer, BpeTokenizer) and tokenizer.pattern not in (WORD_PATTERN, BYTE_PATTERN):
        return f"The page does not know the way in which this tokenizer cuts a text into words; {instead}"
    return None


def means_over(model: GPT, windows: Windows | None) -> dict[int, Tensor]:
    """By layer, each head's mean output [H, d] over all positions of some windows; empty without windows."""
    if windows is None:
        return {}
    some = windows.take(slice(max(2, MEAN_TOKENS // windows.length)))
    means = means_over_windows(model, some, silent).means.mean(2)
    return {layer: means[layer] for layer in model.config.layers_with_heads}


def starts_of_articles(heads: Mapping[tuple[str, str], str] | None = None) -> list[dict]:
    """The sentences of articles. ``heads``: by task and word that differs, the head to look at."""
    return [
        {
            "group": "Sentences of articles",
            "name": f"{key}: {case.text[:30]} ...",
            "text": read_part(case),
            "other": read_part(other),
            "head": (heads or {}).get((case.task, key)),
            "words": [words_at(case, case.spans.answer), case.foil],
        }
        for key, case, other in keyed_cases()
    ]


def starts_of_cases(
    cases: Iterable[Case], tokenizer: Tokenizer, group: str, heads: Mapping[str, str] | None = None
) -> list[dict]:
    """The first case of each task up to its answer, beside its counterfactual. ``heads``: by task, the head to look at.
    Cases of token ids that no text has are none to type on.
    """
    by_id, first = {}, {}
    for case in cases:
        if (text := as_typed(case, tokenizer)) is not None:
            by_id[case.id] = text
            first.setdefault(case.task, case)
    return [
        {
            "group": group,
            "name": visible_name(task),
            "text": by_id[case.id],
            "other": by_id.get(case.counterfactual),
            "head": (heads or {}).get(task),
            "words": answers(case, tokenizer),
        }
        for task, case in first.items()
    ]


def answers(case: Case, tokenizer: Tokenizer) -> list[str]:
    """The answer of a case and its foil, as text."""
    if isinstance(case.foil, str):
        return [words_at(case, case.spans.answer), case.foil]
    return [tokenizer.decode(ids).strip() for ids in (case.tokens[slice(*case.spans.answer)], case.foil)]


def starts_of_text(tokenizer: Tokenizer, windows: Windows | None) -> list[dict]:
    """The beginnings of some windows of held-out text; none without windows."""
    if windows is None:
        return []
    n = min(BEGINNING_TOKENS, windows.length // 2)  # with which there is space to type on
    if not tokenizer.has_text:
        texts = [beginning_of_ids(row[: windows.length].tolist(), tokenizer, n) for row in windows.tokens[:BEGINNINGS]]
    else:
        texts = [beginning(box_text(tokenizer.decode(row[:n]))) for row in windows.tokens[:BEGINNINGS]]
    shown = {"group": "Held-out text", "other": None, "head": None, "words": None}
    return [shown | {"name": f"{visible_text(text[:30])} ...", "text": text} for text in texts if text]


def beginning_of_ids(ids: list[int], tokenizer: Tokenizer, n: int) -> str:
    """The names of the first n ids of a window; where a sequence begins in it, of that; if that ends, of half of it."""
    if tokenizer.end in ids:
        ids = ids[ids.index(tokenizer.end) + 1 :]
        ids = ids[: -(-ids.index(tokenizer.end) // 2)] if tokenizer.end in ids else ids
    return tokenizer.decode(ids[:n]).removeprefix(tokenizer.start)


def beginning(text: str) -> str:
    """A piece of a text without what a window cuts at its ends: from its first sentence on, if one begins in its first
    half, else from its first whole word.
    """
    text = text.strip("\ufffd")
    sentence = SENTENCE_END.search(text, 0, len(text) // 2)
    return (text[sentence.end() :] if sentence else text.partition(" ")[2] or text).strip()


def live_parts_of(
    findings: Findings, tokenizer: Tokenizer, cases: Iterable[Case], windows: Windows | None = None
) -> dict[str, bytes]:
    """``live_parts`` of a probed model: the sentences of articles if it has read them, a case of each task, and the
    heads that were found.
    """
    known = {(one["task"], one["key"]): one["look"]["head"] for one in findings.sentences if one["look"]}
    chosen = {result.name: result.best for result in findings.tasks if result.resolved}
    starts = starts_of_articles(known) if findings.sentences else []
    group = "Stories" if findings.source.get("cases") == "stories" else "Cases"
    starts += starts_of_cases(cases, tokenizer, group, chosen)
    steps = []
    if why_not(findings.model, tokenizer) is None:  # else nobody could take the tour, and there may be no text to type
        beginnings = starts_of_text(tokenizer, windows)
        steps = tour(findings, tokenizer, beginnings[0]["text"] if beginnings else None)
    return live_parts(findings.model, tokenizer, starts, windows, steps, roles_in_words(findings))


def roles_in_words(findings: Findings) -> dict[str, dict]:
    """By head, its roles in tasks; of a head without any, those in the text; ``short``: for a cell of the grid."""
    roles = {}
    for head in (findings.text or {"heads": []})["heads"]:
        if own := [role_in_words(role) for role in head["roles"]]:
            short = ", ".join(role.removeprefix("needed most ").removeprefix("attends ") for role in own)
            roles[head["head"]] = {"text": ", ".join(own), "short": short, "colour": OTHER_ROLE}
    for k, name in enumerate(head_names(findings.model)):
        if own := findings.roles(name, k):
            text = ", ".join(visible_name(role.role) for role in own)
            roles[name] = {"text": text, "short": text, "colour": role_colour(own[0].role)}
    return roles


@contextmanager
def live_page_at_the_end(trainer: Trainer, stories: Stories | None) -> Iterator[None]:
    """Writes RUN/live.html when training has ended; ``stories``: those that were trained on, if any were. Where it
    cannot be written, a note says so: the run itself is saved.
    """
    yield
    if trainer.stops.agreed:  # then there is little time left
        return
    try:
        write_run_live_page(trainer, stories)
    except (InputError, OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not OUT_OF_MEMORY.search(str(error)):
            raise
        print_note(f"{LIVE_PAGE} was not written ({first_line(error)})")


def write_run_live_page(trainer: Trainer, stories: Stories | None) -> None:
    """RUN/live.html, with the weights that sample.py and probe.py take: the best, where they are not the last."""
    model, step, dataset, starts = trainer.evaluated.eval(), trainer.step, trainer.dataset, []
    runs = why_not(model, dataset.tokenizer) is None  # else the page has a sentence and no weights
    if runs and trainer.best_step != step and checkpoint.has_best(trainer.run):
        model, _, state = load_model(trainer.run, "best", trainer.device)
        step = state["step"]
    if stories:
        cases = draw("report", 2, trainer.config.seed, stories.posed)
        starts = starts_of_articles() + starts_of_cases(cases, dataset.tokenizer, "Stories")
    text = dataset.val.read(0, min(len(dataset.val), MEAN_TOKENS + 1))
    try:
        windows = cut_windows(text, dataset.tokenizer, model.config.block_size, MEAN_TOKENS)
    except InputError:  # of less than two blocks
        windows = None
    about = f"run {trainer.run.resolve().name}, step {step:,} · {in_words(model)}"
    write_live_page(trainer.run, about, live_parts(model, dataset.tokenizer, starts, windows))


def write_live_page(folder: Path, about: str, parts: Mapping[str, bytes | str]) -> list[Path]:
    """Writes FOLDER/live.html out of ``live_parts``; ``about``: the model in one line."""
    runs = "weights" in parts  # else the page's one section has the reason
    title = "The model, running" if runs else "A model that does not run in a page"
    sentences = ["Type a sentence and see the likeliest next words. The model runs in this file."]
    return write_page(folder / LIVE_PAGE, "live", Heading(about, title, sentences if runs else []), parts)
