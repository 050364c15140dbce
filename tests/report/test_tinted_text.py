"""Text as a head sees it in the terminal: what is tinted, what is marked, and nothing that acts on the terminal."""

import io

import pytest
import torch
import toys
from networks import loud_model
from rich.console import Console
from uncached import generate_uncached

from common.errors import InputError
from common.visible import visible_text
from data.text.tokenizers import train_bpe
from model import GPT, GPTConfig, Sampling
from probing.heads import attention_row
from probing.sentence import require_head
from report.colours import GREY, OTHER_ROLE, ROLE_COLOURS, blend, contrast, ink_on, rgb
from report.terminal import chip
from report.tinted_text import few, show_choice, split_words, tinted

BYTES = toys.TOKENIZER
BLOCK = 8


@pytest.fixture
def coloured() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", soft_wrap=True, no_color=False)


@pytest.fixture
def plain() -> Console:
    return Console(file=io.StringIO(), color_system=None, soft_wrap=True)


def encode(text: str) -> list[int]:
    return BYTES.encode(text).tolist()


def lines_of(*arguments: object, **more: object) -> list[str]:
    return tinted(*arguments, **more).plain.split("\n")


def test_without_colour_words_that_get_enough_carry_their_share(plain):
    text, numbers = lines_of(encode("abcd"), [0.9, 0.04, 0.06], BYTES, plain, chosen=3)
    assert text == "  a[.90]b»c«[.06]»d«"
    assert numbers == "    from 'c': a .90, c .06, b .04"


def test_in_colour_the_share_is_the_ground_and_no_number_stands_in_the_text(coloured):
    line = tinted(encode("abcd"), [0.9, 0.04, 0.06], BYTES, coloured, chosen=3)
    assert line.plain.startswith("  abcd\n")
    grounds = {line.plain[span.start]: span.style.bgcolor for span in line.spans}
    assert grounds["a"].triplet.red > grounds["c"].triplet.red > grounds["c"].triplet.blue - 10
    assert grounds.get("b") is None
    styles = {line.plain[span.start]: span.style for span in line.spans}
    assert styles["c"].underline
    assert styles["d"].reverse


def test_what_the_query_did_not_see_is_pale_and_never_heavy(coloured):
    line = tinted(encode("abcd"), [0.5, 0.5], BYTES, coloured)
    styles = {line.plain[span.start]: span.style for span in line.spans}
    assert styles["c"].dim
    assert styles["d"].dim
    assert line.plain.endswith("from 'b': a .50, b .50")


def test_tokens_that_share_a_character_are_one_word_with_their_shares_added(plain):
    tokens = encode("é€x")
    assert [(word.name, word.start, word.end) for word in split_words(tokens, BYTES)] == [
        *(("é", 0, 2), ("€", 2, 5), ("x", 5, 6))
    ]
    text, numbers = lines_of(tokens, [0.1, 0.2, 0.3, 0.2, 0.1, 0.1], BYTES, plain)
    assert text == "  é[.30]€[.60]»x«[.10]"
    assert numbers == "    from 'x': € .60, é .30, x .10"


def test_a_query_and_a_choice_inside_one_character_are_shown_on_it(plain):
    text, numbers = lines_of(encode("a€"), [0.2, 0.3, 0.5], BYTES, plain, chosen=3)
    assert text == "  a[.20]»€«[.80]"
    assert "from '€': € .80, a .20" in numbers


def test_bytes_that_are_no_utf8_stand_alone(plain):
    tokens = [0xE2, 0x82, ord("a"), 0xFF, *encode("é")[:1]]
    assert [word.name for word in split_words(tokens, BYTES)] == ["\\xe2", "\\x82", "a", "\\xff", "\\xc3"]


def test_the_end_token_is_the_start_of_a_text(plain):
    text, numbers = lines_of([BYTES.end, *encode("ab")], [0.8, 0.1, 0.1], BYTES, plain)
    assert text == "  ⟨start⟩[.80] a[.10]»b«[.10]"
    assert "⟨start⟩ .80" in numbers


def test_spaces_that_are_tokens_of_their_own_are_spaces_in_the_text_and_marks_in_the_numbers(plain):
    text, numbers = lines_of(encode("a b"), [0.2, 0.7, 0.1], BYTES, plain)
    assert text == "  a[.20] [.70]»b«[.10]"
    assert numbers == "    from 'b': ␣ .70, a .20, b .10"


def test_lines_stay_lines_and_nothing_reaches_the_terminal_that_would_act_on_it(plain):
    tokens = encode("a\nb\x1b[31m\r\x07\u202e\x9b")
    assert lines_of(tokens, [0.01] * len(tokens), BYTES, plain)[:2] == ["  a↵", "  b␛[31m␍␇\\u202e»\\x9b«"]
    assert visible_text("a b\n\x1b\t\xa0é", keep="\n\t") == "a b\n␛\t\xa0é"


@pytest.mark.parametrize("system", ["truecolor", "256", "standard"])
def test_ink_can_be_read_on_every_ground(system):
    console = Console(file=io.StringIO(), force_terminal=True, color_system=system)
    for colour in (*ROLE_COLOURS.values(), OTHER_ROLE):
        for strength in (0, 0.25, 0.5, 0.75, 1):
            style = chip(colour, strength, console)
            ground, ink = (tuple(c / 255 for c in channel.get_truecolor()) for channel in (style.bgcolor, style.color))
            assert contrast(ground, ink) >= (4.5 if system != "standard" else 3.5), (colour, strength)


def test_a_strong_tint_is_the_colour_and_a_weak_one_is_grey():
    assert blend("#D55E00", 0, GREY) == rgb(GREY)
    assert blend("#D55E00", 1, GREY) == rgb("#D55E00")
    assert (ink_on(rgb("#FFFFFF")), ink_on(rgb("#000000"))) == ("#222222", "#FFFFFF")


def last_context(model: GPT, prompt: list[int], n: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """What the model was given when the last of n tokens was chosen, and all tokens, without a cache between."""
    given = []
    forward = GPT.forward
    with monkeypatch.context() as patch:
        patch.setattr(
            GPT, "forward", lambda self, tokens, **more: given.append(tokens) or forward(self, tokens, **more)
        )
        new = [int(token[0]) for token in generate_uncached(model, [torch.tensor(prompt)], 1, n, Sampling(0.0), seed=0)]
    return given[-1][0].tolist(), prompt + new


@pytest.mark.parametrize(("n_prompt", "n"), [(1, 1), (3, 5), (3, 6), (3, 9), (3, 10), (20, 1), (20, 7)])
@pytest.mark.parametrize("shape", [{}, {"position": "learned", "n_kv_head": 1, "qk_norm": False}])
def test_the_context_shown_is_the_one_the_model_saw(monkeypatch, plain, n_prompt, n, shape):
    model = loud_model(GPTConfig(BYTES.vocab_size, block_size=BLOCK, n_layer=2, n_head=2, n_embd=16, **shape))
    context, tokens = last_context(model, encode("abcdefghijklmnopqrst"[:n_prompt]), n, monkeypatch)
    shown = []
    monkeypatch.setattr("report.tinted_text.tinted", lambda *arguments, **more: shown.append((arguments, more)) or "")
    show_choice(model, BYTES, "1.1", tokens, plain)
    (((seen, weights, _, _), more),) = shown
    assert seen == [*context, tokens[-1]]
    assert more == {"chosen": len(context)}
    assert weights == attention_row(model, context, len(context) - 1, "1.1")
    assert (f"first {len(tokens) - 1 - len(context):,} tokens" in plain.file.getvalue()) == (n_prompt + n - 1 > BLOCK)


@pytest.mark.parametrize("name", ["9.9", "x", "1", "", "2.0", "0.2", "01.0", "-1.0", "1.0.0", "١.0"])
def test_a_head_that_is_not_there_is_named_with_those_that_are(name):
    model = GPT(GPTConfig(BYTES.vocab_size, n_layer=2, n_head=2, n_embd=16))
    with pytest.raises(InputError, match=r"^show=.*layers 0 to 1 with heads 0 to 1 each, as in show=1\.1$") as caught:
        require_head(name, model, "show")
    assert f"show={name}:" in str(caught.value)
    require_head("1.0", model, "show")


def test_of_many_tasks_two_are_named_and_the_rest_counted():
    assert few(["cue"]) == "cue"
    assert few(["cue", "roles", "facts"]) == "cue, roles, facts"
    assert few(["cue", "roles", "facts", "chains"]) == "cue, roles and 2 more"


def test_words_of_a_trained_tokenizer_cover_every_token_once():
    tokenizer = train_bpe(["Tom met Anna. Tom met"] * 3, 270)
    tokens = tokenizer.encode_document("Tom mét 🙂 Anna.\n\n").tolist()
    words = split_words(tokens, tokenizer)
    assert [i for word in words for i in range(word.start, word.end)] == list(range(len(tokens)))
    assert "".join("".join(word.running) for word in words) == "⟨start⟩ Tom mét 🙂 Anna.↵\n↵\n"
