"""The worker of the live page in a real browser: questions and answers as the page has them."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import quiet_pages
from playwright.sync_api import Page

from data import Tokenizer
from model import GPT
from report.live_model import packed_model
from report.pages import script_of

START = """source => {
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const asked = new Map();
  worker.onmessage = ({ data: { id, ...answer } }) => {
    const { resolve, came } = asked.get(id);
    if (answer.token) came.push(answer.token);
    else resolve({ ...answer, came });
  };
  window.ask = (question, came = []) => new Promise(resolve => {
    const id = asked.size;
    asked.set(id, { resolve, came });
    worker.postMessage({ id, ...question });
  });
}"""
OPEN = """([model, weights]) => {
  const bytes = Uint8Array.from(atob(weights), character => character.charCodeAt(0));
  return ask({ ask: "open", model, weights: bytes.buffer });
}"""


def start_worker(page: Page) -> None:
    """``ask(question, came)`` in the page gives a promise of the last answer; tokens that come before it are added to
    ``came``, and are in the answer, too.
    """
    page.evaluate(START, script_of("worker"))


@pytest.fixture(scope="module")
def worker(browser, tmp_path_factory) -> Iterator[Page]:
    """A page with a worker, in which every test opens a model of its own."""
    with quiet_pages(browser) as open_page:
        page = open_page(blank_file(tmp_path_factory.mktemp("worker")))
        start_worker(page)
        yield page


def open_model(page: Page, model: GPT, tokenizer: Tokenizer, weights: bytes | None = None) -> dict:
    """Opens ``model`` in the worker, with other ``weights`` where they are given."""
    parts = packed_model(model, tokenizer)
    weights = parts["weights"] if weights is None else weights
    return page.evaluate(OPEN, [json.loads(parts["model.json"]), base64.b64encode(weights).decode()])


def question(ask: str = "read", text: str = "", **given: object) -> dict:
    """A question with whatever is not given as it is at first."""
    kinds = {
        "read": {"row": None, "head": None, "words": None},
        "generate": {"n": 20, "temperature": 0, "seed": 0},
    }
    edits = {"off": given.pop("off", {}), "rows": given.pop("rows", [])}
    return {"ask": ask, "slot": "one", "text": text, "edits": edits, **kinds.get(ask, {}), **given}


def answer(page: Page, ask: str = "read", text: str = "", **given: object) -> dict:
    """The last answer to one question."""
    return page.evaluate("question => ask(question)", question(ask, text, **given))


def blank_file(folder: Path) -> Path:
    """A page with nothing on it."""
    path = folder / "blank.html"
    path.write_text('<!doctype html><meta charset="utf-8">', encoding="utf-8")
    return path
