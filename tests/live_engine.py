"""The network of the live page in a real browser, and the same computed by PyTorch."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from conftest import ROOT
from playwright.sync_api import Browser, Page
from torch import Tensor

from data.text.tokenizers import byte_tokenizer
from model import GPT, Hooks
from model.attention import CausalSelfAttention
from probing.interventions.at_sites import cut_gold, spread, swap_masses
from report.live_model import packed_model

SCRIPTS = ("weights", "arithmetic", "interventions", "attention", "network")
LOAD = """([about, weights]) => {
  const bytes = Uint8Array.from(atob(weights), character => character.charCodeAt(0));
  window.network = new Network(about.config, readTensors(about.tensors, bytes));
}"""
READ = """([tokens, edits, pair]) => {
  const reading = new Reading(network);
  reading.read(tokens, edits);
  const rows = tokens.map((_, row) => row);
  const patterns = network.heads.map(name => rows.map(row => {
    const pattern = new Array(tokens.length).fill(0);
    reading.pattern(...name.split(".").map(Number), row).forEach((weight, key) => { pattern[key] = weight; });
    return pattern;
  }));
  return {
    logits: rows.map(row => Array.from(reading.logits(row))),
    patterns,
    contributions: pair && reading.contributions(tokens.length - 1, ...pair),
  };
}"""


@contextmanager
def blank_page(browser: Browser) -> Iterator[Page]:
    """A page with nothing but the scripts of the network."""
    source = "\n".join((ROOT / "report" / "live" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    page = browser.new_page()
    page.evaluate(f'() => {{ "use strict"; {source}\n Object.assign(window, {{ Network, Reading, readTensors }}); }}')
    yield page
    page.close()


def load(page: Page, model: GPT, means: Mapping[int, Tensor] | None = None) -> None:
    """Makes ``model`` the network of the page."""
    parts = packed_model(model, byte_tokenizer(), means)
    page.evaluate(LOAD, [json.loads(parts["model.json"]), base64.b64encode(parts["weights"]).decode()])


def read(page: Page, tokens: Sequence[int], edits: Mapping = {}, pair: Sequence[int] | None = None) -> dict:
    """What the page's network makes of ``tokens``: logits [T, V]; patterns [heads, T, T]; the contributions of heads to
    the logit of the first of ``pair`` against the second, after the last token.
    """
    result = page.evaluate(READ, [list(tokens), dict(edits), pair])
    return result | {name: torch.tensor(result[name]) for name in ("logits", "patterns")}


class Edited(Hooks):
    """The same edits in PyTorch; ``patterns`` [heads, T, T] and ``outputs`` [heads, T, d] as they leave them."""

    def __init__(self, model: GPT, edits: Mapping, means: Mapping[int, Tensor] | None = None) -> None:
        super().__init__()
        self.model, self.means, self.patterns, self.outputs = model, means, [], []
        self.off, self.row_edits = edits.get("off", {}), edits.get("rows", [])

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        pattern = pattern.clone()  # [1, H, T, T]
        for edit in self.row_edits:
            at, head = map(int, edit["head"].split("."))
            if at == layer:
                row = pattern[:, head : head + 1, edit["row"]]  # [1, 1, T]
                attention = self.model.blocks[layer].attention
                pattern[:, head : head + 1, edit["row"]] = edited_row(attention, row, edit)
        self.patterns.extend(pattern[0])
        return pattern

    def z(self, layer: int, z: Tensor) -> Tensor:
        z = z.clone()
        for name, kind in self.off.items():
            at, head = map(int, name.split("."))
            if at == layer:
                z[:, head] = 0 if kind == "zero" else self.means[layer][head]
        self.outputs.extend(z[0])
        return z


def edited_row(attention: CausalSelfAttention, row: Tensor, edit: Mapping) -> Tensor:
    """One row [1, 1, T] of a pattern after an edit."""
    keys = torch.arange(row.size(-1))
    visible = attention.visible(torch.tensor([[edit["row"]]]), len(keys))[0]
    spans = [(start <= keys) & (keys < end) for start, end in (edit[name] for name in "ab" if name in edit)]
    marks = (torch.stack(spans) & visible)[None].float()  # [1, 1 or 2, T]
    if edit["kind"] == "only":
        return spread(row, marks) if marks.any() else row
    return {"swap": swap_masses, "cut": cut_gold}[edit["kind"]](row, marks)
