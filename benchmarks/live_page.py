"""How long a key press takes in the page that runs: ``python -m benchmarks.live_page [--browser PATH] [--turns 15]``

The default model (``model=tiny``) and ``model=small`` with random weights, in headless Chromium, whose worker reads a
text of so many tokens, and answers with the next words and a head's row, as after every key:

* *at the end*: one more token is typed at the end;
* *in the middle*: the token in the middle becomes another one, so that all after it are read anew;
* *new text*: nothing of it was read before;
* *a head off*: the last head of the first layer is switched off or on, which reads the whole text anew after it.

Random weights know no words, so that the next words stay short; trained ones read some tokens more. Needs playwright.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import median_and_range, print_table
from common.browser import HELP, launched
from common.one_line import run
from common.options import require_at_least
from data.text.tokenizers import N_BYTES, WORD_PATTERN, BpeTokenizer
from model import GPT, GPTConfig
from report.live_page import live_parts, write_live_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

VOCABULARY = 2048
MODELS = {
    "tiny": GPTConfig(VOCABULARY),
    "small": GPTConfig(VOCABULARY, block_size=256, n_layer=6, n_head=6, n_embd=384, tie_embeddings=False),
}
LENGTHS = 10, 40, 120, 127  # with the end token before them, the last fill the block of tiny
CASES = ("at the end", "in the middle", "new text", "a head off")
OPEN = """async () => {
  const unpack = async name => {
    const bytes = Uint8Array.from(atob(document.getElementById(name).textContent), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const text = async name => new TextDecoder().decode(await unpack(name));
  const worker = new Worker(URL.createObjectURL(new Blob([await text("worker.js")])));
  let id = 0;
  window.ask = asked => new Promise((done, failed) => {
    const own = ++id;
    const listen = ({ data }) => {
      if (data.id !== own) return;
      worker.removeEventListener("message", listen);
      data.error ? failed(Error(data.error)) : done(data);
    };
    worker.addEventListener("message", listen);
    worker.postMessage({ id: own, ...asked });
  });
  const [model, { buffer }] = [JSON.parse(await text("model.json")), await unpack("weights")];
  await window.ask({ ask: "open", model, weights: buffer });
  window.read = (text, off = {}) =>
    window.ask({ ask: "read", slot: "one", text, edits: { off, rows: [] }, row: null, head: "0.0", words: null });
}"""
TIME = """async ({ before, beforeOff, text, off }) => {
  await window.read(before, beforeOff);
  const started = performance.now();
  await window.read(text, off);
  return performance.now() - started;
}"""


def large_tokenizer() -> BpeTokenizer:
    """VOCABULARY tokens: bytes, and pairs of bytes that no text here has."""
    bytes_ = {bytes([byte]): byte for byte in range(N_BYTES)}
    pairs = (bytes([0x80 + i // 64, 0x80 + i % 64]) for i in range(VOCABULARY - N_BYTES - 1))
    return BpeTokenizer("bpe", bytes_ | {pair: N_BYTES + i for i, pair in enumerate(pairs)}, WORD_PATTERN)


def letters(n: int, first: int = 0) -> str:
    """A text of n tokens of one byte, each of which is a word of its own."""
    return "".join(";:!?"[(first + i) % 4] if i % 2 else "abcdefgh"[(first + i) % 8] for i in range(n))


def key(case: str, n: int, turn: int, n_head: int) -> dict:
    """What is read before and after the key: n tokens in the end."""
    text, off = letters(n, turn), {}
    before = {
        "at the end": text[:-1],
        "in the middle": text[: n // 2] + "*" + text[n // 2 + 1 :],
        "new text": "*",
        "a head off": text,
    }[case]
    if case == "a head off":
        off = {f"0.{n_head - 1}": "zero"}
    return {"before": before, "beforeOff": {}, "text": text, "off": off}


def measure(page: "Page", n: int, turns: int, n_head: int) -> list[str]:
    """Milliseconds of each case; cases in turns."""
    times: dict[str, list[float]] = {case: [] for case in CASES}
    for turn in range(-1, turns):  # once to warm up
        for case in CASES:
            milliseconds = page.evaluate(TIME, key(case, n, turn, n_head))
            if turn >= 0:
                times[case].append(milliseconds)
    return [median_and_range(times[case], 1) for case in CASES]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_page", description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--browser", help=HELP)
    options = parser.parse_args(arguments)
    require_at_least(options, {"turns": 1})
    tokenizer, rows = large_tokenizer(), []
    with tempfile.TemporaryDirectory() as folder, launched(options.browser) as browser:
        for name, config in MODELS.items():
            model = GPT(config).eval()
            (path,) = write_live_page(Path(folder), name, live_parts(model, tokenizer, []))
            page = browser.new_page()
            page.goto(path.resolve().as_uri())
            page.evaluate(OPEN)
            size = f"{path.stat().st_size / 1e6:.2f}"
            rows += [[name, size, n, *measure(page, n, options.turns, config.n_head)] for n in LENGTHS]
            page.close()
    print_table(("model", "MB", "tokens", *(f"{case}, ms" for case in CASES)), rows)


if __name__ == "__main__":
    run(main)
