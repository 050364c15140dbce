"""The page of a probe, RUN/probe/report.html: what was found about heads, to be seen."""

from pathlib import Path

from common.atomic import json_text
from data import Tokenizer
from probing.findings import Findings
from probing.roles import task_roles
from report import probe_summary as summary
from report.colours import OTHER_ROLE, role_colours
from report.examples import LEVELS, Text, choose_examples, pack_examples
from report.pages import Heading, pack, write_page

PAGE = "report.html"
LARGEST = 4_800_000  # characters that the data of a page may take; the rest of it takes some 60,000


def page_json(findings: Findings, examples: list[dict], left_out: int, first: str | None) -> dict:
    """What the page needs beside heads.json; ``left_out``: examples that would make it too large."""
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
    }


def write_probe_page(findings: Findings, tokenizer: Tokenizer, folder: Path, own: Text | None = None) -> list[Path]:
    """Writes FOLDER/report.html, out of heads.json and heads.csv in the same folder and of what the heads see now."""
    parts = {name: pack((folder / name).read_bytes()) for name in ("heads.json", "heads.csv")}
    clearest = summary.clearest(findings)
    first = clearest.name if clearest else None
    examples = choose_examples(findings, tokenizer, first, own)
    records, patterns = pack_examples(findings.model, examples, LARGEST - sum(map(len, parts.values())))
    parts["page.json"] = pack(json_text(page_json(findings, records, len(examples) - len(records), first)).encode())
    heading = Heading(summary.about(findings), summary.title(findings), summary.sentences(findings))
    return write_page(folder / PAGE, "probe", heading, parts | patterns)
