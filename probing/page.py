"""probe/report.html: what probing found, to be seen."""

from pathlib import Path

from data import Tokenizer
from data.disk import json_text
from probing import summary
from probing.examples import Text, choose_examples, pack_examples
from probing.findings import Findings
from probing.patterns import LEVELS
from probing.roles import FAMILY_ROLES, OTHER_ROLE, ROLE_COLOURS
from report import Heading, pack, write_page

REPORT = "report.html"
ROOM = 4_800_000  # characters that the data of a page may take; the rest of it takes some 60,000


def page_json(findings: Findings, examples: list[dict], left_out: int, first: str | None) -> dict:
    """What the page needs beside heads.json; ``left_out``: examples for which it has no room."""
    return {
        "examples": examples,
        "left_out": left_out,
        "levels": LEVELS,
        "colours": ROLE_COLOURS,
        "other_role": OTHER_ROLE,
        "family_roles": FAMILY_ROLES,
        "families": summary.FAMILIES,
        "baselines": summary.BASELINES,
        "first": first,
        "too_few": list(findings.too_few),
    }


def write_report(findings: Findings, tokenizer: Tokenizer, folder: Path, own: Text | None = None) -> list[Path]:
    """Writes FOLDER/report.html, out of heads.json and heads.csv in the same folder and of what the heads see now."""
    parts = {name: pack((folder / name).read_bytes()) for name in ("heads.json", "heads.csv")}
    clearest = summary.clearest(findings)
    first = clearest.name if clearest else None
    examples = choose_examples(findings, tokenizer, first, own)
    records, patterns = pack_examples(findings.model, examples, pack, ROOM - sum(map(len, parts.values())))
    parts["page.json"] = pack(json_text(page_json(findings, records, len(examples) - len(records), first)).encode())
    heading = Heading(summary.about(findings), summary.title(findings), summary.sentences(findings))
    return write_page(folder / REPORT, "probe", heading, parts | patterns)
