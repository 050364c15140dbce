"""Lints the JavaScript of the pages, each page's scripts joined as a browser gets them; called by ``make lint``.

Joined, since they share their names: what one file uses, another defines. A name of a file that several pages have is
unused if no page uses it.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
OXLINT = Path(sys.executable).with_name("oxlint")
UNUSED = "eslint(no-unused-vars)"


class Finding(NamedTuple):
    """What is wrong in one line of a script, named below report/; ``line`` and ``column`` count from 1."""

    script: str
    line: int
    column: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"report/{self.script}.js:{self.line}:{self.column}: {self.message} [{self.rule}]"


def lint(pages: Mapping[str, Sequence[str]], sources: Mapping[str, str]) -> list[Finding]:
    """``pages``: the names of each page's scripts, in order. ``sources``: the text of each script."""
    found = Counter(finding for scripts in pages.values() for finding in lint_page(scripts, sources))
    n_pages = Counter(script for scripts in pages.values() for script in scripts)
    return sorted(finding for finding, n in found.items() if finding.rule != UNUSED or n == n_pages[finding.script])


def lint_page(scripts: Sequence[str], sources: Mapping[str, str]) -> Iterator[Finding]:
    """What the linter finds in these scripts as one; raises RuntimeError where it does not run."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "page.js").write_text(
            "(() => {\n" + "".join(f"{sources[name]}\n" for name in scripts) + "})();\n", encoding="utf-8"
        )
        command = [str(OXLINT), f"--config={ROOT / 'tests' / 'oxlint.json'}", "--format=json", "page.js"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    try:
        diagnostics = json.loads(done.stdout)["diagnostics"]
    except json.JSONDecodeError:
        raise RuntimeError(f"{OXLINT}: {done.stdout}{done.stderr}") from None
    lines = [(name, i) for name in scripts for i in range(1, sources[name].count("\n") + 2)]
    for diagnostic in diagnostics:
        span = diagnostic["labels"][0]["span"]
        script, line = lines[min(span["line"] - 2, len(lines) - 1)]  # the first and the last line are no script's
        yield Finding(script, line, span["column"], diagnostic.get("code", "syntax"), diagnostic["message"])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from report.pages import SCRIPTS

    folder = ROOT / "report"
    texts = {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.js")
    }
    findings = lint(SCRIPTS, texts)
    print("\n".join(map(str, findings)) or f"{len(texts)} scripts of {len(SCRIPTS)} pages: all checks passed")
    sys.exit(bool(findings))
