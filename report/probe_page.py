"""The page of a probe, RUN/probe/report.html: what was found about heads, to be seen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from common.atomic import json_text
from common.visible import visible_text
from data import Tokenizer
from probing.findings import Findings, task_roles
from probing.heads import head_names
from probing.in_text.kinds import KINDS_IN_WORDS
from report import live_page, text_summary
from report import probe_summary as summary
from report.colours import OTHER_ROLE, RELATION_COLOURS, role_colours
from report.examples import LEVELS, Example, choose_examples, pack_examples, text_from_its_end
from report.pages import Heading, pack, write_page
from storage.run import LIVE_PAGE

PAGE = "report.html"
LARGEST_LIVE = 3_800_000  # with the model in it; the rest takes some 150,000
LARGEST = 4_800_000  # characters that the data of a page may take; the rest of it takes some 60,000
EXCERPT_TOKENS, EXCERPT_WEIGHTS = 256, 2_000_000  # of the beginning of a window, at most


def page_json(
    findings: Findings, examples: list[dict], left_out: int, first: str | None, text: Mapping | None = None
) -> dict:
    """What the page needs beside heads.json; ``left_out``: examples that would make it too large; ``text``: see
    ``text_json``.
    """
    return {
        "examples": examples,
        "left_out": left_out,
        "levels": LEVELS,
        "colours": role_colours(),
        "other_role": OTHER_ROLE,
        "task_roles": task_roles(),
        "tasks": summary.questions(),
        "baselines": summary.BASELINES,
        "first": first,
        "too_few": list(findings.too_few),
        "not_shown": {result.name: missing for result in findings.tasks if (missing := summary.not_shown(result))},
        "text": text,
    }


def text_json(text: Mapping, leads: bool) -> dict:
    """What the page needs beside ``text`` of heads.json: names in words, colours, the head and the kind of token to
    begin with, and how far back heads need to look, in a sentence. ``leads``: whether the text comes first.
    """
    head, role = text_summary.clearest(text) or (text["heads"][0], {"by": None})
    return {
        "leads": leads,
        "head": head["head"],
        "kind": role["role"] if role["by"] == "effect" else None,
        "kinds": {name: text_summary.kind_in_words(name) for name in KINDS_IN_WORDS | text["kinds"]},
        "relations": {name: text_summary.relation_in_words(name) for name in text["relations"]},
        "colours": RELATION_COLOURS,
        "how_far_back": " ".join(text_summary.about_reach(text["how_far_back"])),
    }


def example_of_window(findings: Findings, tokenizer: Tokenizer, window: Sequence[int]) -> Example:
    """The beginning of a window, to be looked at from its last token; as long as a page can hold with all heads."""
    n = min(len(window), EXCERPT_TOKENS, int((2 * EXCERPT_WEIGHTS / len(head_names(findings.model))) ** 0.5))
    return Example(None, "held_out", [text_from_its_end(tokenizer, window[:n])])


def heading_of(findings: Findings, text: Mapping | None, leads: bool) -> Heading:
    """Of the text, of tasks, or of both: what leads gives the title."""
    about = summary.about(findings)
    if not text:
        return Heading(about, summary.title(findings), summary.sentences(findings))
    title, sentences = text_summary.title(text), text_summary.sentences(text)
    if leads:
        if any(result.resolved for result in findings.tasks):
            sentences = [*sentences, f"{summary.title(findings)}.", *summary.sentences(findings)]
        return Heading(about, title, sentences)
    file = text.get("source", {}).get("text_file")
    where = visible_text(file) if file else "held-out text"
    own = f"In {where}, {title[0].lower()}{title[1:].removesuffix(' in this text')}."
    return Heading(about, summary.title(findings), [*summary.sentences(findings), own])


def first_task(findings: Findings) -> str | None:
    """The task to begin with: of the first sentence of articles that a head is shown for, or else the clearest."""
    if known := [sentence["task"] for sentence in findings.sentences if sentence["look"]]:
        return known[0]
    clearest = summary.clearest(findings)
    return clearest.name if clearest else None


def write_probe_page(
    findings: Findings,
    tokenizer: Tokenizer,
    folder: Path,
    window: Sequence[int] | None = None,
    live: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Writes FOLDER/report.html, out of heads.json and heads.csv in the same folder and of what the heads see now.

    ``window``: tokens of the text that heads were measured in, which can be looked at word by word. ``live``: the parts
    with which the model runs in the page (``live_parts``), or in live.html beside it where the page would be large.
    """
    files = {name: (folder / name).read_bytes() for name in ("heads.json", "heads.csv")}
    parts = {name: pack(content) for name, content in files.items()}
    heads = json.loads(files["heads.json"])
    text, leads = heads.get("text"), text_summary.leads(heads)
    heading = heading_of(findings, text, leads)
    if leads:
        findings = replace(findings, tasks=[result for result in findings.tasks if result.resolved])
    first = first_task(findings)
    examples = choose_examples(findings, tokenizer, first)
    if window is not None:
        examples.insert(0 if leads else len(examples), example_of_window(findings, tokenizer, window))
    records, patterns = pack_examples(findings.model, examples, LARGEST - sum(map(len, parts.values())))
    of_text = text_json(text, leads) if text else None
    page = page_json(findings, records, len(examples) - len(records), first, of_text)
    parts |= patterns
    (folder / LIVE_PAGE).unlink(missing_ok=True)  # of an earlier time
    written = []
    if live:
        running = {name: pack(part) for name, part in live.items()}
        page["live"] = "here" if sum(map(len, (parts | running).values())) < LARGEST_LIVE else LIVE_PAGE
        if page["live"] == "here":
            parts |= running
        else:
            written = live_page.write_live_page(folder, summary.about(findings), running)
    parts["page.json"] = pack(json_text(page).encode())
    return [*write_page(folder / PAGE, "probe", heading, parts), *written]
