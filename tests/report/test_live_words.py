"""What comes next in the live page: words as probing.sentence finds them, log-odds, and tokens that are drawn."""

import base64
import math
import sys
import unicodedata
from collections.abc import Sequence

import pytest
import torch
from conftest import ROOT
from live_worker import answer, blank_file, open_model
from networks import BYTES, bigram_model, loud_model
from playwright.sync_api import Page

from common.visible import END, visible, visible_tokens
from data import Tokenizer
from data.text.tokenizers import CharacterTokenizer, train_bpe
from model import GPT, GPTConfig, Sampling, generate
from model.cache import context_start
from probing.sentence import BEGUN, encode_sentence, may_stand_inside, next_words
from report.live_model import rounded

SENTENCES = ["Tom met Anna. He said, my name is Tom.\n", "Grüße an Zoë, the cat is here. It has a hat.\n"]
BLOCK = 32
LISTED = 6  # next words
NEAR = 1e-3  # of logits: a hundred times what two programs compute differently
SCRIPTS = ("visible", "tokenizer", "arithmetic", "words")
NAMES = "Tokenizer, BEGUN, contextStart, sample, uniform"


@pytest.fixture
def scripts(open_page, tmp_path) -> Page:
    """A page that has the functions themselves."""
    page = open_page(blank_file(tmp_path))
    source = "\n".join((ROOT / "report" / "live" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    page.evaluate(f"() => {{ {source}\n Object.assign(window, {{ {NAMES} }}); }}")
    return page


def small_model(tokenizer: Tokenizer, **given: object) -> GPT:
    sizes = {"block_size": BLOCK, "n_layer": 2, "n_head": 2, "n_embd": 32}
    return loud_model(GPTConfig(tokenizer.vocab_size, **sizes | given))


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    tokenizer = train_bpe(SENTENCES * 3, 300)
    tokenizer.start = " "
    return tokenizer


def assert_same_words(found: Sequence[dict], model: GPT, tokenizer: Tokenizer, tokens: Sequence[int], n: int) -> None:
    expected = next_words(rounded(model), tokenizer, tokens, n)
    assert [word["ids"] for word in found[:n]] == [list(word.pieces) for word in expected]
    for word, other in zip(found, expected, strict=False):
        assert [piece["p"] for piece in word["pieces"]] == pytest.approx(other.probabilities, rel=1e-3)
        assert word["p"] == pytest.approx(other.probability, rel=1e-3)
        shown = [text or END for text in visible_tokens([tokenizer.pieces[id] for id in other.pieces])]
        assert [piece["text"] for piece in word["pieces"]] == shown
        assert word["text"] == (visible(tokenizer.decode_bytes(other.pieces)) or END)


@pytest.mark.parametrize("block_size", [16, 4], ids=["fits", "fills the block"])
def test_words_of_several_pieces_are_those_of_python(worker, block_size):
    """Among them half characters, one of which turns out to be no letter, and the end token."""
    model = bigram_model(block_size)
    open_model(worker, model, BYTES)
    found = answer(worker, text="Hm?")["before"]["next"]
    assert_same_words(found, model, BYTES, encode_sentence("Hm?", model, BYTES), 5)
    assert [word["text"] for word in found[:5]] == ["Aé", "x", " Pi", END, "."]


def test_a_word_without_an_end_is_cut_as_in_python(worker):
    model = bigram_model(64)
    with torch.no_grad():
        model.head.weight[ord("A"), ord("A")] = 1
    open_model(worker, model, BYTES)
    assert answer(worker, text="A")["before"]["next"][0]["text"] == "A" * 32


@pytest.mark.parametrize(
    "shape", [{}, {"position": "learned", "attention": "WL", "window": 5}], ids=["F", "WL, learned"]
)
def test_next_words_of_a_bpe_are_those_of_python(worker, bpe, shape):
    model = small_model(bpe, **shape)
    open_model(worker, model, bpe)
    several = 0
    for text in ("Tom met", "Grüße an", "my name is", "He said, ", "Anna. " * 5):
        tokens = encode_sentence(text, model, bpe)
        found = answer(worker, text=text)["before"]["next"]
        assert len(found) == LISTED
        assert_same_words(found, model, bpe, tokens, LISTED)
        several += sum(len(word["ids"]) > 1 for word in found)
    assert several > 0, "or nothing was continued"


def test_a_next_word_can_be_written_where_it_is_text_by_itself(worker):
    """After A, the first byte of é is the likeliest; after é, the end of the text."""
    open_model(worker, bigram_model(16), BYTES)
    for text in ("A", "Aé", "Hm?"):
        for word in answer(worker, text=text)["before"]["next"]:
            piece = BYTES.decode_bytes(word["ids"])
            expected = piece.decode() if piece and piece == piece.decode(errors="replace").encode() else None
            assert word["written"] == expected


@pytest.mark.parametrize(
    ("words", "odds"),
    [
        (("A", "x"), math.log(0.3 / 0.15)),  # likelier without a space than with one
        (("P", "e"), math.log(0.9) + 30),  # after a space, which both begin with
        ((" P", " ."), math.log(0.9 / 0.1)),
        (("P", "."), math.log(0.4 / 0.05)),  # a space before a letter, none before a full stop
        ((END, "."), math.log(0.1 / 0.05)),
        (("␣", END), math.log(0.4 / 0.1)),
    ],
)
def test_log_odds_are_read_where_two_words_part(worker, words, odds):
    open_model(worker, bigram_model(16), BYTES)
    view = answer(worker, text="Hm?", words=list(words))["before"]
    assert view["oddsError"] is None
    assert view["odds"] == pytest.approx(odds, abs=0.02), "weights are rounded: 30 by 0.015"


def test_next_words_get_no_space_before_them(worker):
    """After the question mark, a space is likelier than both of them."""
    open_model(worker, bigram_model(16), BYTES)
    odds = [answer(worker, text="Hm?", words=["x", "."], exact=exact)["before"]["odds"] for exact in (True, False)]
    assert odds[0] == pytest.approx(math.log(0.15 / 0.05), abs=0.02)
    assert odds[1] != pytest.approx(odds[0], abs=0.02), "as words that are typed"


@pytest.mark.parametrize("exact", [True, False])
def test_words_of_characters_among_which_there_is_no_space_have_log_odds(worker, exact):
    letters = CharacterTokenizer("abc")
    model = small_model(letters)
    open_model(worker, model, letters)
    odds = answer(worker, text="ca", words=["a", "b"], exact=exact)["before"]["odds"]
    a, b, _ = rounded(model)(torch.tensor([[2, 0]]))[0, -1].tolist()
    assert odds == pytest.approx(a - b, abs=NEAR)


@pytest.mark.parametrize("words", [("P", "Pi"), ("Pi", "P"), ("P", "P")])
def test_words_of_which_one_begins_with_the_other_have_no_log_odds(worker, words):
    open_model(worker, bigram_model(16), BYTES)
    one, other = words
    view = answer(worker, text="Hm?", words=list(words))["before"]
    assert view["oddsError"] == f"“{one}” and “{other}”: one begins with the other; choose two words that part"
    assert (view["odds"], view["adds"], view["rest"]) == (None, None, None)
    assert view["next"]


def test_what_heads_add_is_part_of_the_log_odds(worker, bpe):
    model = small_model(bpe, softcap=0.0)
    open_model(worker, model, bpe)
    one, other = (bpe.encode(word).tolist() for word in (" is", " has"))
    n = next(i for i in range(len(one)) if one[i] != other[i])
    tokens = [*encode_sentence("Tom met", model, bpe), *one[:n]]
    with torch.inference_mode():
        logits = rounded(model)(torch.tensor([tokens]))[0, -1]
    found = answer(worker, text="Tom met", words=[" is", " has"])
    view = found["before"]
    assert view["odds"] == pytest.approx(float(logits[one[n]] - logits[other[n]]), abs=NEAR)
    assert view["odds"] == pytest.approx(sum(view["adds"].values()) + view["rest"], abs=NEAR)
    assert set(view["adds"]) == {"0.0", "0.1", "1.0", "1.1"}
    assert len(found["tokens"]) == len(tokens) - n


def greedy(model: GPT, tokens: Sequence[int], n: int) -> tuple[list[int], float]:
    """n tokens, each the likeliest, and the smallest difference of a logit from the second largest."""
    exact, start = rounded(model), torch.tensor(tokens)
    new = [int(token) for token in generate(exact, start, 1, n, Sampling(temperature=0), seed=0)]
    every, gaps = [*tokens, *new], []
    for length in range(len(tokens), len(every)):
        context = torch.tensor([every[context_start(length, model.config.block_size) : length]])
        with torch.inference_mode():
            first, second = exact(context)[0, -1].topk(2).values.tolist()
        gaps.append(first - second)
    return new, min(gaps)


@pytest.mark.parametrize("attention", ["F", "W", "S", "L", "R"])
def test_fifty_greedy_tokens_are_those_of_python(worker, attention):
    """In a block of 32, so that the context moves on; no two of the logits that are compared are nearly the same."""
    model = small_model(BYTES, attention=attention, window=8, stride=4, tie_embeddings=False)
    expected, gap = greedy(model, encode_sentence("A met Anna.", model, BYTES), 50)
    assert gap > NEAR
    assert BYTES.end not in expected
    open_model(worker, model, BYTES)
    found = answer(worker, "generate", "A met Anna.", n=50)
    assert found["ids"] == [token["id"] for token in found["came"]] == expected


def test_the_same_seed_draws_the_same_tokens(worker, bpe):
    open_model(worker, small_model(bpe), bpe)
    first, again, other = (
        answer(worker, "generate", "Tom met", n=15, temperature=2.0, seed=seed)["ids"] for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_tokens_are_drawn_as_often_as_they_are_likely(scripts):
    """Within four standard deviations; a temperature of 2 draws from the square roots."""
    p = [0.5, 0.3, 0.15, 0.05]
    n, logits = 4_000, [math.log(each) for each in p]
    draws = f"""([logits, temperature]) => Array.from({{ length: {n} }}, (_, i) =>
      sample(Float32Array.from(logits), temperature, uniform(7, i)))"""
    for temperature in (1.0, 2.0):
        drawn = scripts.evaluate(draws, [logits, temperature])
        weights = [each ** (1 / temperature) for each in p]
        for i, weight in enumerate(weights):
            share = weight / sum(weights)
            assert drawn.count(i) / n == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))
    assert scripts.evaluate(draws, [logits, 0.0]) == [0] * n
    assert scripts.evaluate(draws, [logits, 1e-40]) == [0] * n


def test_drawn_numbers_are_spread_over_seeds_and_tokens(scripts):
    numbers = scripts.evaluate("() => Array.from({ length: 4000 }, (_, i) => uniform(Math.floor(i / 20), i % 20))")
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 1 for number in numbers)
    tenths = [sum(int(number * 10) == tenth for number in numbers) for tenth in range(10)]
    assert all(abs(n - 400) < 4 * math.sqrt(360) for n in tenths)


def test_the_context_moves_on_as_in_python(scripts):
    cases = [(length, block) for block in (1, 2, 5, 8, 128) for length in range(1, 3 * block + 2)]
    found = scripts.evaluate("cases => cases.map(([length, block]) => contextStart(length, block))", cases)
    assert found == [context_start(length, block) for length, block in cases]


def test_a_word_may_go_on_with_the_same_characters_as_in_python(scripts):
    """Those that are assigned in this Python's Unicode."""
    characters = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
    sort = "(match => match ? (match[1] ? 2 : 1) : 0)(BEGUN.exec(c))"  # 2: an ideograph, after which none may follow
    found = scripts.evaluate(f"text => Array.from(text, c => {sort}).join('')", "".join(characters))
    expected = [0 if not (match := BEGUN.fullmatch(c)) else 2 if match[1] else 1 for c in characters]
    assert [c for c, one, other in zip(characters, found, expected, strict=True) if int(one) != other] == []


def test_the_same_tokens_may_stand_inside_a_word_as_in_python(scripts):
    pieces = [bytes([byte]) for byte in range(256)] + [b"", b"\xe6\x97", b"\x97\xa5", b" a"]
    pieces += [text.encode() for text in ("é", "日本", "。", "”", "’s", "²", "٣", "\ufeffa", "\ufffd", "\u0301")]
    tokens = [base64.b64encode(piece).decode() for piece in pieces]
    made = "new Tokenizer({ kind: 'bpe', start: '', end: null, tokens })"
    found = scripts.evaluate(f"tokens => Array.from({made}.inside)", tokens)
    assert [piece for piece, inside in zip(pieces, found, strict=True) if inside != may_stand_inside(piece)] == []
