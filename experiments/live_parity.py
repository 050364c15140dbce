"""How far the page that runs is from PyTorch: ``python -m experiments.live_parity RUN ... [--browser PATH]``

Both compute with the run's weights rounded to half precision. Of each run: whether TEXTS have the same token ids; the
largest difference of the logits, and of all attention weights, over every row of up to 256 tokens; and how many of 50
likeliest tokens in a row, generated after the first text, are the same. Needs playwright and a Chromium.
"""

import argparse
import base64
import json
from collections.abc import Sequence
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from common import one_line
from common.browser import HELP, launched
from common.markdown import Table
from data import Tokenizer
from model import GPT, Sampling, generate
from probing.patterns import patterns_of
from report.live_model import packed_model, rounded
from report.pages import HERE, SCRIPTS
from storage.not_a_run import require_run
from storage.weights import load_model

if TYPE_CHECKING:
    from playwright.sync_api import Page

TEXTS = (
    "The animal didn't cross the street because it was too tired. Later we talked about the",
    "Tom met Anna at the park.\n\nShe said, “I am tired,” so 12 of them -- and  more   spaces\t... left?\n",
    "Übermäßig großer Эйфория, 日本語, 👩\u200d🚀 naïve café \u00a0\u2028 x\u0301",
)
NEW = 50  # tokens that are generated
MOST_TOKENS = 256  # of a text whose logits and weights are compared
CLASSES = "Network, Reading, Tokenizer, readTensors, readEnd, nextLogits, sample"
OPEN = """([about, weights]) => {
  const bytes = Uint8Array.from(atob(weights), character => character.charCodeAt(0));
  window.tokenizer = new Tokenizer(about.tokenizer);
  window.network = new Network(about.config, readTensors(about.tensors, bytes));
}"""
ENCODE = "texts => texts.map(text => Array.from(tokenizer.encodeDocument(text)))"
READ = """tokens => {
  const reading = new Reading(network);
  reading.read(tokens, {});
  const rows = tokens.map((_, row) => row);
  return {
    logits: rows.map(row => Array.from(reading.logits(row))),
    patterns: network.heads.map(name => rows.map(row => {
      const [layer, head] = name.split(".").map(Number);
      return [...reading.pattern(layer, head, row), ...Array(tokens.length - row - 1).fill(0)];
    })),
  };
}"""
GENERATE = """([tokens, n]) => {
  const reading = new Reading(network);
  let context = tokens;
  return Array.from({ length: n }, () => {
    context = readEnd(reading, context, {}).tokens;
    const token = sample(nextLogits(reading), 0, 0);
    context = [...context, token];
    return token;
  });
}"""


def blank_page(page: "Page") -> None:
    """A page with the classes that the worker of a live page has."""
    names = [name for name in SCRIPTS["worker"] if name != "live/worker"]
    source = "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)
    page.evaluate(f'() => {{ "use strict"; {source}\n Object.assign(window, {{ {CLASSES} }}); }}')


@torch.inference_mode()
def compare(page: "Page", model: GPT, tokenizer: Tokenizer) -> list[str]:
    """The cells of one run."""
    parts, model = packed_model(model, tokenizer), rounded(model)
    page.evaluate(OPEN, [json.loads(parts["model.json"]), base64.b64encode(parts["weights"]).decode()])
    encoded = [tokenizer.encode_document(text).tolist() for text in TEXTS]
    same_ids = sum(one == other for one, other in zip(page.evaluate(ENCODE, TEXTS), encoded, strict=True))
    length = min(model.config.block_size, MOST_TOKENS)
    tokens = ([*chain.from_iterable(encoded)] * length)[:length]
    in_page = page.evaluate(READ, tokens)
    logits = (torch.tensor(in_page["logits"]) - model(torch.tensor([tokens]))[0]).abs().max()
    weights = "none"
    if model.config.layers_with_heads:
        expected = torch.cat([pattern[0] for pattern in patterns_of(model, torch.tensor([tokens]))])
        weights = f"{float((torch.tensor(in_page['patterns']) - expected).abs().max()):.1e}"
    prompt = torch.tensor(encoded[0][-model.config.block_size :])
    likeliest = [int(token) for token in generate(model, prompt, 1, NEW, Sampling(temperature=0), 0)]
    generated = page.evaluate(GENERATE, [prompt.tolist(), NEW])
    pairs = zip(generated, likeliest, strict=True)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))  # after a difference, contexts differ
    return [f"{same_ids} of {len(TEXTS)}", f"{float(logits):.1e}", weights, f"{same} of {NEW}"]


def shape(model: GPT, tokenizer: Tokenizer) -> str:
    config = model.config
    size = f"{config.n_layer} x {config.n_head} x {config.n_embd}"
    return f"{config.attention_types}, {size}, {config.norm}, {config.position}, {tokenizer.kind}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.live_parity", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--browser", help=HELP)
    options = parser.parse_args(arguments)
    columns, rows = ("run", "network", "same ids, texts", "logits", "attention weights", "likeliest tokens"), []
    for run in options.runs:
        require_run(run)
    with launched(options.browser) as browser:
        for run in options.runs:
            model, tokenizer, _ = load_model(run, "latest", torch.device("cpu"))
            page = browser.new_page()
            blank_page(page)
            rows.append([run.name, shape(model, tokenizer), *compare(page, model, tokenizer)])
            page.close()
    print(Table(columns, rows).markdown())


if __name__ == "__main__":
    one_line.run(main)
