"""How large the probe page is, what it asks for and how soon it shows something:

``python -m benchmarks.page [FOLDER/report.html ...] [--opens 9] [--browser PATH]``

Opens each page given, of probe.py or of train.py, and one made for 12 x 12 heads of random weights and texts of up to
256 tokens, in headless Chromium, in turns. Times are of the browser, since it began to open the file: first paint, and
everything drawn, the first story of a probe included. Where ``bertviz`` can be imported, the size of its page of one of
these texts stands beside it. Needs playwright.
"""

import argparse
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

from benchmarks.measuring import print_table
from common.browser import HELP, launched
from common.errors import InputError
from common.one_line import run
from common.options import require_at_least
from data.stories import cases
from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig
from probing import Findings, probe, write_files
from probing.patterns import patterns_of
from report.probe_page import write_probe_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOKENS, SIDE, N_CASES = 256, 12, 20
GAP = 9  # sentences in between, which make most stories nearly as long
PAINT = "performance.getEntriesByName('first-paint')[0].startTime"
PAINTED = "() => performance.getEntriesByName('first-paint').length"
DRAWN = """() => {
  const canvas = document.querySelector(".strip canvas"); // 300 wide before anything is drawn on it
  return document.querySelector("main section") && canvas?.width !== 300 && performance.now();
}"""


def large_findings() -> Findings:
    """144 heads of random weights whose patterns are far from uniform, on stories of up to TOKENS byte tokens."""
    config = GPTConfig(257, block_size=TOKENS, n_layer=SIDE, n_head=SIDE, n_embd=16 * SIDE)
    model = GPT(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    select, report = (cases(split, N_CASES, 0, gap=GAP) for split in ("select", "report"))
    return probe(model, byte_tokenizer(), select, report)


def bertviz_row(findings: Findings, folder: Path) -> list[list[str]]:
    """The size of BertViz's model view of all heads on one of the texts; no row where it is not installed."""
    try:
        bertviz = import_module("bertviz")
    except ImportError:
        return []
    case = findings.tasks[0].cases[0]
    patterns = patterns_of(findings.model, torch.tensor([case.tokens]))
    words = [chr(token) for token in case.tokens]
    view = bertviz.model_view(tuple(patterns), words, html_action="return").data
    return [["BertViz, one text of it", f"{len(view.encode()) / 1e6:.1f}", "", "", ""]]


def open_once(browser: "Browser", path: Path) -> tuple[float, float, int]:
    """Milliseconds to the first paint and until all is drawn, and requests other than the file itself."""
    context = browser.new_context(offline=True)
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(path.as_uri())
    drawn = page.wait_for_function(DRAWN).json_value()
    page.wait_for_function(PAINTED)
    paint = page.evaluate(PAINT)
    context.close()
    return paint, drawn, len(asked) - 1


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", type=Path, metavar="FOLDER/report.html")
    parser.add_argument("--opens", type=int, default=9)
    parser.add_argument("--browser", help=HELP)
    options = parser.parse_args(arguments)
    require_at_least(options, {"opens": 1})
    for path in options.pages:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; give the report.html of a run or a probe")
    with tempfile.TemporaryDirectory() as folder, launched(options.browser) as browser:
        findings, folder = large_findings(), Path(folder)
        write_files(findings, folder)
        pages = [*options.pages, *write_probe_page(findings, byte_tokenizer(), folder)]
        seen = {path: [] for path in pages}
        for _ in range(options.opens):
            for path in pages:
                seen[path].append(open_once(browser, path.resolve()))
        rows = []
        for path, times in seen.items():
            *columns, asked = zip(*times, strict=True)
            milliseconds = [f"{median(column):.0f} ({max(column):.0f})" for column in columns]
            name = f"{SIDE} x {SIDE} heads, up to {TOKENS} tokens" if path.parent == folder else path
            rows.append([name, f"{path.stat().st_size / 1e6:.2f}", max(asked), *milliseconds])
        columns = ("page", "MB", "requests", "first paint, ms (most)", "all drawn, ms (most)")
        print_table(columns, [*rows, *bertviz_row(findings, folder)])


if __name__ == "__main__":
    run(main)
