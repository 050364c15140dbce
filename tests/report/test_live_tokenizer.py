"""The tokenizers of the page that runs: the ids are those of tiktoken, for any text."""

import itertools
import json
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import inputs
import pytest
from conftest import ROOT
from playwright.sync_api import Error, Page

from common.visible import END, visible, visible_tokens
from data import Tokenizer
from data.text.tokenizers import (
    N_BYTES,
    WORD_PATTERN,
    BpeTokenizer,
    CharacterTokenizer,
    IdTokenizer,
    byte_tokenizer,
    gpt2_tokenizer,
    train_bpe,
)
from report.live_model import tokenizer_json

SCRIPTS = [ROOT / "report" / "live" / name for name in ("visible.js", "tokenizer.js")]
SENTENCES = [
    "Tom met Anna. He said, my name is Tom.\n",
    "don't   stop\n\n  now, it's 2026; they'll have 1,000 of'em",
    "Grüße, 日本語 😀 Привет мир",
]
BYTES = [bytes([byte]) for byte in range(N_BYTES)]
HARD = [
    "",
    " ",
    "\n",
    "a  b   c \n\n d\t\t\te  ",
    "   \n  x\r\n\r\ny   ",
    "don't DON'T we'll WE'LL they've I'm you're he'd it's 'tis ''s '",
    "1 12 123 １２３ ² ½ Ⅻ 1a a1 ٣٤ x²",
    "<|endoftext|> and <|endoftext|>",
    "\x00\x00 a\x00b\x1c\x1d\x1e\x1f\x7f",
    "a\u0085b \u0085c\u0085\u0085d",
    "\ufeffa \ufeff \ufeffb\ufeff\ufeff",
    "a\u00a0b\u00a0\u00a0 \u00a0c",
    "a\u2028b\u2029c \u2028\u2028d",
    "a\u200bb\u200cc\u200dd\u180ee\u3000f\u1680g\u202fh",
    "e\u0301 n\u0303a \u0301\u0301 Z\u0351\u036b\u0343",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ 😀😀😀",
    "नमस्ते दुनिया สวัสดีชาวโลก שלום עולם مرحبا بالعالم 你好，世界。 안녕하세요 ᚠᛇᚻ 𝔘𝔫𝔦 𐐷 ꙮ",
    "Ǆ ﬁ ß İ ı Σς ŉ",
    "\ufffd\ufffe\uffff\U0010ffff\ue000\U000e0001",
    "a" * 3_000,
    "ab" * 2_000 + "!" * 1_000 + " " * 1_000,
    "日" * 1_500,
    "x" + "\n" * 700 + "y",
    *SENTENCES,
]
ALPHABETS = (
    "ab c'sdtml\n",
    " \t\n\r\u0085\u00a0\u2028\ufeffa1.",
    "eéßж日😀\u0301\u200d ",
    "aA1.,;'!? <|endoftext|>",
    "".join(map(chr, range(256))),
)


def random_texts(n: int) -> list[str]:
    rng = Random(0)
    return ["".join(rng.choices(rng.choice(ALPHABETS), k=rng.randrange(60))) for _ in range(n)]


def pairs_tokenizer() -> Tokenizer:
    """Any two bytes are a token, so that where a text is cut shows in its ids."""
    pairs = [bytes(pair) for pair in itertools.product(range(N_BYTES), repeat=2)]
    Random(0).shuffle(pairs)
    return BpeTokenizer("bpe", {piece: i for i, piece in enumerate([*BYTES, *pairs])}, WORD_PATTERN)


MAKERS = {"bytes": byte_tokenizer, "bpe": lambda: train_bpe(SENTENCES * 3, 400), "pairs": pairs_tokenizer}


@pytest.fixture(scope="module", params=MAKERS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return MAKERS[request.param]()


@pytest.fixture(scope="module")
def gpt2(input_folder: Path) -> Tokenizer:
    with inputs.gpt2_from(input_folder):
        return gpt2_tokenizer(input_folder)


@pytest.fixture
def page(open_page, tmp_path) -> Page:
    path = tmp_path / "page.html"
    scripts = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    path.write_text(f'<meta charset="utf-8"><script>{scripts}</script>', encoding="utf-8")
    return open_page(path)


def give(page: Page, tokenizer: Tokenizer) -> None:
    text = json.dumps(tokenizer_json(tokenizer))
    page.evaluate("text => { window.tokenizer = new Tokenizer(JSON.parse(text)); }", text)


def ask(page: Page, expression: str, argument: object = None) -> Any:
    """What a JavaScript expression of ``argument`` gives, as one string on its way: many numbers take seconds."""
    return json.loads(page.evaluate(f"argument => JSON.stringify({expression})", argument))


def ids_in_page(page: Page, texts: Sequence[str]) -> list[list[int]]:
    return ask(page, "argument.map(text => tokenizer.encode(text))", list(texts))


def assert_same_ids(page: Page, tokenizer: Tokenizer) -> None:
    give(page, tokenizer)
    texts = [*HARD, *random_texts(400)]
    for text, ids in zip(texts, ids_in_page(page, texts), strict=True):
        assert ids == tokenizer.encode(text).tolist(), repr(text[:80])


def test_ids_are_those_of_python(page, tokenizer):
    assert_same_ids(page, tokenizer)


def test_ids_of_gpt2s_vocabulary_are_those_of_tiktoken(page, gpt2):
    assert_same_ids(page, gpt2)


def test_every_character_is_of_the_same_kind_when_words_are_cut(page):
    """Those that are assigned in this Python's Unicode, in random order."""
    tokenizer = pairs_tokenizer()
    give(page, tokenizer)
    assigned = [chr(i) for i in range(sys.maxunicode + 1) if unicodedata.category(chr(i)) not in ("Cn", "Cs", "Co")]
    characters = [c for c in assigned for _ in range(1 if c.isalpha() else 5)]  # a wrong cut need not show every time
    Random(0).shuffle(characters)
    text = "".join(characters)
    assert ids_in_page(page, [text])[0] == tokenizer.encode(text).tolist()


def test_half_of_a_surrogate_pair_becomes_the_replacement_character(page):
    tokenizer = MAKERS["bpe"]()
    give(page, tokenizer)
    halves = ask(page, "['a\\ud83d', '\\ude00b', '\\ude00\\ud83d c'].map(text => tokenizer.encode(text))")
    assert halves == [tokenizer.encode(text).tolist() for text in ("a\ufffd", "\ufffdb", "\ufffd\ufffd c")]


def test_a_word_that_is_a_token_is_that_token_even_if_no_merges_lead_there(page):
    tokenizer = BpeTokenizer("bpe", {piece: i for i, piece in enumerate([*BYTES, b"abc"])}, WORD_PATTERN)
    give(page, tokenizer)
    assert ids_in_page(page, ["abc", "xabc"]) == [[N_BYTES], [*b"xabc"]]
    assert tokenizer.encode("abc").tolist() == [N_BYTES]


@pytest.mark.parametrize("start", ["", " "])
def test_a_document_begins_with_the_end_token_and_its_start(page, start):
    tokenizer = MAKERS["bpe"]()
    tokenizer.start = start
    give(page, tokenizer)
    texts = ["", "Tom met", " Tom met", "  Tom", "\nTom"]
    found = ask(page, "argument.map(text => tokenizer.encodeDocument(text))", texts)
    assert found == [tokenizer.encode_document(text).tolist() for text in texts]


@pytest.mark.parametrize(
    ("tokenizer", "texts", "unknown"),
    [
        (IdTokenizer(["e4", "e5", "start", "Nf3"], end="start"), ["e4 Nf3", " e5", "", "e5 e5 e4", "3 0 2"], "d4"),
        (IdTokenizer(12), ["3 11 0"], "12"),
        (IdTokenizer([*map(str, range(12))], end="0"), ["0 5 7", "5 0 7"], "12"),
        (IdTokenizer([*map(str, range(21, 109))]), ["21 108"], "5"),
        (IdTokenizer(["to move", "5", "e4"]), ["1 0"], "3"),
        (CharacterTokenizer(["b", "é", " ", "\n"]), ["b é\n", " b", ""], "c"),
    ],
    ids=["names", "numbers", "end_is_a_number", "other_numbers", "spaces", "characters"],
)
def test_names_and_characters_are_read_as_in_python(page, tokenizer, texts, unknown):
    give(page, tokenizer)
    documents = [tokenizer.encode_document(text).tolist() for text in texts]
    assert ask(page, "argument.map(text => tokenizer.encodeDocument(text))", texts) == documents
    shown = [[text or END for text in visible_tokens([tokenizer.pieces[id] for id in ids])] for ids in documents]
    assert ask(page, "argument.map(ids => tokenizer.show(ids))", documents) == shown
    with pytest.raises(Error, match=f"“{unknown}” is no token of this model"):
        ask(page, "tokenizer.encode(argument)", unknown)
    if not tokenizer.has_text:
        with pytest.raises(Error, match="“0↵” is no token of this model"):
            ask(page, "tokenizer.encode(argument)", "0\n")


def test_tokens_are_decoded_and_shown_as_in_python(page, tokenizer):
    give(page, tokenizer)
    assert ask(page, "tokenizer.shown") == [*map(visible, tokenizer.pieces[:-1]), END]
    assert list(map(bytes, ask(page, "tokenizer.pieces.map(piece => [...piece])"))) == tokenizer.pieces
    rng = Random(0)
    runs = [rng.choices(range(tokenizer.vocab_size), k=9) for _ in range(200)]
    runs.append(tokenizer.encode("\ufeffa").tolist())
    assert ask(page, "argument.map(ids => tokenizer.decode(ids))", runs) == list(map(tokenizer.decode, runs))
    older = [run for run in runs if "Cn" not in map(unicodedata.category, tokenizer.decode(run))]  # than the browser
    shown = [[text or END for text in visible_tokens([tokenizer.pieces[id] for id in run])] for run in older]
    assert ask(page, "argument.map(ids => tokenizer.show(ids))", older) == shown


def test_every_character_is_shown_as_in_python(page):
    give(page, MAKERS["bytes"]())
    characters = [chr(i) for i in range(0x110000) if unicodedata.category(chr(i)) not in ("Cn", "Cs")]
    assert ask(page, "argument.map(text => visible(utf8.encode(text)))", characters) == [
        visible(character.encode()) for character in characters
    ]


def test_typing_into_a_thousand_tokens_takes_a_few_milliseconds(page):
    """The median of fifty keys, each of which changes a word in the middle."""
    tokenizer = MAKERS["bpe"]()
    give(page, tokenizer)
    text = " ".join(f"word{i} of the number {i * 7919}." for i in range(400))
    assert len(tokenizer.encode(text)) > 1_000
    milliseconds = page.evaluate(
        """text => {
          const middle = text.length >> 1;
          const times = [];
          for (let i = 1; i <= 50; i++) {
            const typed = text.slice(0, middle) + "x".repeat(i) + text.slice(middle);
            const before = performance.now();
            tokenizer.encode(typed);
            times.push(performance.now() - before);
          }
          return times.sort((one, other) => one - other)[25];
        }""",
        text,
    )
    assert milliseconds < 20, "a fifth of a millisecond where nothing else runs"
