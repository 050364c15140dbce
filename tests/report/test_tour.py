"""The five steps of the tour: what they say is what they show, and the page takes them."""

from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs

import numpy as np
import pytest
from networks import BYTES, loud_model
from playwright.sync_api import Page, expect
from toy_text import HEAD, toy_text
from toys import BLOCK, TOKENIZER, hand_set_model

from data import encode_case
from data.stories.articles import PAIRS
from data.text.tokenizers import IdTokenizer
from model import GPT, GPTConfig
from probing import Findings
from probing.in_text import cut_windows
from probing.in_text.ablation import OVER_POSITIONS
from probing.known_sentences import read_known_sentences
from probing.quotes import HeadQuote
from probing.sentence import encode_sentence
from report.live_page import live_parts, starts_of_articles, write_live_page
from report.tour import case_in_page, find_known, first_seen, tour

BEST, IDLE = "0.1", "0.0"
CUE = [pair for pair in PAIRS if pair.task == "cue"]
WRITTEN = """([before, head]) =>
  location.hash !== before && new URLSearchParams(location.hash.slice(1)).get("head") === head"""


def quote(head: str, looks: bool, accuracy: float) -> HeadQuote:
    return HeadQuote(head, "A-1", accuracy, (accuracy, accuracy), 0.5, 0.5, 2.0, 0.001, looks)


@pytest.fixture
def found(stories) -> Findings:
    """A model of random weights that is said to resolve the cue, by a head that matters; another one only looks."""
    tokenizer = stories.tokenizer
    config = GPTConfig(tokenizer.vocab_size, block_size=64, n_layer=2, n_head=2, n_embd=32)
    model = loud_model(config, queries=0.5, rest=0.5)
    quotes = {head.name: head for head in (quote(BEST, True, 1.0), quote(IDLE, True, 0.8))}
    swap = {BEST: SimpleNamespace(drop=9.0), IDLE: SimpleNamespace(drop=0.04)}
    cases = [encode_case(case, tokenizer) for case in CUE[0].cases()]
    result = SimpleNamespace(
        name="cue", best=BEST, quotes=quotes, resolved=True, cases=cases, effects={"weight_swap": swap}
    )
    result.matters = lambda head: head == BEST
    sentences, _ = read_known_sentences(model, tokenizer, [result])
    for sentence in sentences:
        sentence["next"][0]["word"] = sentence["answer"]
        sentence["look"] |= {"gold": 0.8, "distractor": 0.1}
        sentence["look"]["swap"]["word"] = sentence["foil"]
    return Findings(model, {}, [result], [], None, None, sentences=sentences)


def states(steps: list[dict]) -> list[dict[str, str]]:
    return [{key: value for key, (value,) in parse_qs(step["state"]).items()} for step in steps]


def test_the_tour_of_a_sentence_looks_switches_off_exchanges_and_ends_where_nobody_can_know(found, stories):
    steps = tour(found, stories.tokenizer, "some text")
    looks, off, exchange, idle, unknown = states(steps)
    tokens = encode_sentence(looks["text"], found.model, stories.tokenizer)
    assert looks["text"].endswith("it was too tired. Later we talked about the")
    assert (looks["head"], looks["row"]) == (BEST, f"one:{len(tokens) - 1}")
    assert (looks["for"], looks["against"]) == ("animal", "street")
    assert off == looks | {"off": f"{BEST}:mean"}
    slot, head, row, kind, *spans = exchange["edit"].split(":")
    assert (slot, head, f"{slot}:{row}", kind) == ("one", BEST, looks["row"], "swap")
    words = [stories.tokenizer.decode(tokens[slice(*map(int, span.split("-")))]) for span in spans]
    assert words == [" animal", " street"]
    assert (idle["head"], idle["edit"].split(":")[1]) == (IDLE, IDLE)
    assert "changes the answer's log-odds by -0.04 nats" in steps[3]["says"]
    assert "too wide" in unknown["other"]
    assert stories.tokenizer.decode([tokens[int(unknown["row"].partition(":")[2])]]) == " it"


def test_a_head_that_only_looks_is_shown_in_a_case_that_reads_the_same_in_the_page(found, stories):
    """Tokens that no text has, as lists of random ones are, and a text that is cut before the space that looks."""
    (result,) = found.tasks
    whole, other = result.cases
    retokenised = replace(whole, tokens=(whole.tokens[0], *BYTES.encode(" The animal").tolist(), *whole.tokens[3:]))
    result.cases = [retokenised, other]
    idle = states(tour(found, stories.tokenizer, None))[3]
    assert idle["text"].endswith("it was too wide. Later we talked about the")
    spelled = encode_case(whole.case, BYTES)
    assert bytes([spelled.tokens[spelled.sites["A-1"]]]) == b" "
    assert case_in_page(SimpleNamespace(cases=[spelled]), "A-1", BYTES) is None
    assert case_in_page(SimpleNamespace(cases=[spelled]), "C", BYTES) is not None


def test_without_held_out_text_heads_are_off_by_zero_since_no_mean_is_known(found, stories):
    assert states(tour(found, stories.tokenizer, None))[1]["off"] == BEST


def test_where_every_head_that_looks_matters_the_tour_shows_one_that_does_not_look(found, stories):
    found.tasks[0].quotes[IDLE] = quote(IDLE, False, 0.4)
    step = tour(found, stories.tokenizer, None)[3]
    assert step["title"] == "A head that does not look"
    assert "head 0.0 picks what is meant in 40" in step["says"]


def test_a_head_from_where_nothing_leads_to_the_answer_is_not_shown_with_its_weights_exchanged(found, stories):
    quotes, swap = found.tasks[0].quotes, found.tasks[0].effects["weight_swap"]
    quotes["1.0"] = quote("1.0", True, 0.9)
    swap["1.0"] = None
    assert states(tour(found, stories.tokenizer, None))[3]["head"] == IDLE
    swap[IDLE] = None
    titles = [step["title"] for step in tour(found, stories.tokenizer, None)]
    assert "A head that looks and is not shown to matter" not in titles


def test_no_head_that_looks_is_said_not_to(found, stories):
    found.tasks[0].matters = lambda _: True
    titles = [step["title"] for step in tour(found, stories.tokenizer, None)]
    assert len(titles) == 4
    assert "A head that does not look" not in titles


def test_nor_is_one_whose_head_looks_elsewhere_or_whose_swap_changes_no_answer(found, stories):
    first, second, third = found.sentences[:3]
    first["look"]["gold"] = 0.05
    second["look"]["swap"]["word"] = second["answer"]
    assert find_known(found, stories.tokenizer).sentence["key"] == third["key"]


def test_a_sentence_that_the_model_gets_wrong_is_not_shown(found, stories):
    for sentence in found.sentences[:2]:
        sentence["next"][0]["word"] = "nothing"
    assert find_known(found, stories.tokenizer).sentence["key"] == found.sentences[2]["key"]
    for sentence in found.sentences:
        sentence["next"][0]["word"] = "nothing"
    assert tour(found, stories.tokenizer, "no heads were measured in it") == []


def test_a_text_has_a_tour_of_its_own():
    findings = Findings(hand_set_model(), {}, [], [], None, None, text=toy_text())
    steps = tour(findings, TOKENIZER, "A.k?A")
    assert "Head 1.0 is shown first; its role in this text: needed most for line ends." in steps[0]["says"]
    assert {state["head"] for state in states(steps)[:3]} == {HEAD}
    assert states(steps)[2]["edit"] == f"one:{HEAD}:5:only:0-1"
    assert states(steps)[3]["head"] != HEAD
    unknown = states(steps)[4]
    assert (unknown["other"], unknown["row"]) == ("A.", "one:1"), "the same text, which ends earlier"
    assert "A.k?A".startswith(unknown["other"])
    assert tour(findings, TOKENIZER, "A" * BLOCK) == [], "with the end token before it, it does not fit"


def test_of_a_head_at_its_mean_the_page_quotes_what_one_mean_for_all_positions_costs():
    text = toy_text()
    findings = Findings(hand_set_model(), {}, [], [], None, None, text=text)
    assert not any("nats" in step["says"] for step in tour(findings, TOKENIZER, "A.k?A")), "it was not measured"
    costs = {head["head"]: 0.75 - i / 8 for i, head in enumerate(text["heads"])}
    for head in text["heads"]:
        head["effects"][OVER_POSITIONS] = {"all": {"nats": costs[head["head"]]}}
    steps = tour(findings, TOKENIZER, "A.k?A")
    assert f"by {costs[HEAD]:.2f} nats per token on average" in steps[1]["says"]
    idle = states(steps)[3]["head"]
    assert costs[idle] == min(costs.values()), "it costs little in the way in which it is off here"
    assert f"by {costs[idle]:.3f} nats per token on average" in steps[3]["says"]
    cheapest = next(head for head in text["heads"] if head["head"] == idle)
    cheapest["roles"] = [role for head in text["heads"] for role in head["roles"]][:1]
    assert states(tour(findings, TOKENIZER, "A.k?A"))[3]["head"] not in (idle, HEAD), "some kind of token needs it"


def test_a_text_of_few_tokens_has_no_two_beginnings():
    findings = Findings(hand_set_model(), {}, [], [], None, None, text=toy_text())
    assert "Where nobody can know" not in [step["title"] for step in tour(findings, TOKENIZER, "A.")]


def test_a_model_of_one_head_has_no_other_one_that_costs_little():
    text = toy_text()
    text["heads"] = [head for head in text["heads"] if head["head"] == HEAD]
    steps = tour(Findings(hand_set_model(), {}, [], [], None, None, text=text), TOKENIZER, "A.k?A")
    assert [step["title"] for step in steps].count("A head that costs little") == 0
    assert len(steps) == 4


@pytest.mark.parametrize(("attention", "seen"), [("F", 0), ("W", 7), ("S", 1), ("L", 0)])
def test_all_weight_goes_to_the_first_token_that_the_head_sees(attention, seen):
    model = GPT(GPTConfig(16, block_size=16, n_layer=1, n_head=2, n_embd=16, attention=attention, window=3, stride=4))
    assert first_seen(model, "0.1", 9) == (seen, seen + 1)


def test_tokens_that_are_not_text_have_a_tour_whose_second_text_is_of_the_same_tokens():
    """None of them is cut, and no word is added."""
    moves = IdTokenizer(["start", "e2e4", "e7e5", "g1f3", "b8c6"], "start")
    findings = Findings(hand_set_model(), {}, [], [], None, None, text=toy_text())
    text = "e2e4 e7e5 g1f3 b8c6 e2e4 e7e5 g1f3"
    unknown = states(tour(findings, moves, text))[-1]
    assert unknown["other"] == "e2e4 e7e5 g1f3"


def test_rows_of_a_text_count_tokens_of_what_a_box_holds():
    findings = Findings(hand_set_model(), {}, [], [], None, None, text=toy_text())
    assert states(tour(findings, TOKENIZER, "A\r\nk\r?A"))[0]["row"] == f"one:{len('A k ?A')}"


def test_the_page_takes_every_step(found, stories, open_page, tmp_path):
    tokenizer = stories.tokenizer
    text = tokenizer.encode("Tom met Anna at the park. She was tired. " * 40)
    windows = cut_windows(np.array(text), tokenizer, 32)
    steps = tour(found, tokenizer, "some text")
    parts = live_parts(found.model, tokenizer, starts_of_articles(), windows, steps)
    take_every_step(open_page(*write_live_page(tmp_path, "toy", parts)), steps)


def test_the_page_takes_every_step_of_a_text_in_the_end_with_the_same_word_boxed_twice(open_page, tmp_path):
    model, text = hand_set_model(), "A.k?A\nKAs? BC.h"
    windows = cut_windows(np.frombuffer(text.encode() * 30, dtype=np.uint8), TOKENIZER, BLOCK)
    steps = tour(Findings(model, {}, [], [], None, None, text=toy_text()), TOKENIZER, text)
    parts = live_parts(model, TOKENIZER, [], windows, steps)
    page = open_page(*write_live_page(tmp_path, "toy", parts))
    take_every_step(page, steps)
    expect(page.locator(".slots .from")).to_have_text(["k", "k"])
    assert page.locator("textarea").nth(1).input_value() == text[:7]


def take_every_step(page: Page, steps: list[dict]) -> None:
    page.wait_for_selector(".live:not(.pending)")
    for i, step in enumerate(steps):
        (head,) = parse_qs(step["state"])["head"]
        before = page.evaluate("location.hash")
        page.get_by_role("button", name="Next" if i else "Take the tour", exact=True).click()
        assert page.locator(".live h3", has_text=step["title"]).count() == 1
        page.wait_for_function(WRITTEN, arg=[before, head])
        assert page.locator(".livenote").inner_text() == "", step["state"]
