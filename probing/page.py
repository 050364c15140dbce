"""probe/report.html: what probing found, to be seen."""

import json
from pathlib import Path

from data import Tokenizer
from probing import summary
from probing.examples import Text, choose_examples, pack_examples
from probing.findings import Findings
from probing.patterns import LEVELS
from probing.roles import FAMILY_ROLES, HABIT_THRESHOLD, OTHER_ROLE, ROLE_COLOURS
from report import Heading, write_page
from report.pages import pack

LARGEST = 4_800_000  # characters that the data of a page may take; the rest of it takes some 60,000


def about(findings: Findings) -> str:
    source, config = findings.source, findings.model.config
    shape = f"{config.n_layer} layers of {config.n_head} heads"
    size = f"{findings.model.n_parameters() / 1e6:.1f} M parameters"
    run = f"run {source['run']}, step {source['step']:,}" if "run" in source else "a model"
    return f"{run} · {shape}, {size}"


def page_json(findings: Findings, examples: list[dict], left_out: int, first: str | None) -> dict:
    """What the page needs beside heads.json; ``left_out``: examples for which it has no room."""
    return {
        "examples": examples,
        "left_out": left_out,
        "levels": LEVELS,
        "colours": ROLE_COLOURS,
        "other_role": OTHER_ROLE,
        "family_roles": FAMILY_ROLES,
        "habit_threshold": HABIT_THRESHOLD,
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
    records, patterns = pack_examples(findings.model, examples, pack, LARGEST - sum(map(len, parts.values())))
    parts["page.json"] = pack(json.dumps(page_json(findings, records, len(examples) - len(records), first)).encode())
    sentences = [sentence.replace(" %", "\u00a0%") for sentence in summary.sentences(findings)]
    heading = Heading(about(findings), summary.title(findings), sentences)
    return write_page(folder / "report.html", "probe", heading, parts | patterns)
