"""The sentences of articles, read by a model: the numbers that any cases would get, or a reason for none."""

import math
from types import SimpleNamespace

import pytest
from networks import loud_model
from tolerance import additions, tolerance

from data import encode_case
from data.stories.articles import PAIRS
from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig
from probing.heads import head_names, score_heads
from probing.interventions import AtSites, measure
from probing.known_sentences import pairs_of, read_known_sentences
from probing.quotes import Quoted
from probing.sentence import encode_sentence, next_words

BLOCK = 64
SHAPE = {"block_size": BLOCK, "n_layer": 2, "n_head": 2, "n_embd": 32}


def result(task: str, head: str = "0.1", site: str = "A-1", resolved: bool = True) -> SimpleNamespace:
    """Of the result of a task, what is asked for here."""
    quotes = {head: Quoted(head, site, 1.0, (0.9, 1.0))}
    return SimpleNamespace(name=task, best=head, quotes=quotes, resolved=resolved)


@pytest.fixture(scope="module")
def model(stories) -> GPT:
    return loud_model(GPTConfig(stories.tokenizer.vocab_size, **SHAPE), queries=0.5, rest=0.5)


@pytest.mark.parametrize(
    ("task", "head", "site"), [("cue", "0.1", "P"), ("cue", "1.0", "A-1"), ("chains", "0.1", "A-1")]
)
def test_a_head_is_looked_at_and_changed_as_in_any_case(model, stories, task, head, site):
    tokenizer = stories.tokenizer
    sentences, left_out = read_known_sentences(model, tokenizer, [result(task, head, site)])
    cases = [encode_case(case, tokenizer) for pair in PAIRS if pair.task == task for case in pair.cases()]
    measured = measure(model, cases, {"swap": AtSites(model, cases, [head], [site], "weight_swap")})
    masses, k = score_heads(model, cases, (site,)), head_names(model).index(head)
    limit = tolerance(n_terms=additions(model.config, BLOCK), scale=30)
    assert left_out == []
    assert float((measured["swap"] - measured["clean"]).abs().max()) > 5 * limit, "a swap changes something"
    for i, (sentence, case) in enumerate(zip(sentences, cases, strict=True)):
        look, clean = sentence["look"], float(measured["clean"][0, i])
        assert sentence["log_odds"] == pytest.approx(clean, abs=limit)
        assert math.log(sentence["p_answer"] / sentence["p_foil"]) == pytest.approx(clean, abs=limit)
        assert look["swap"]["log_odds"] == pytest.approx(float(measured["swap"][0, i]), abs=limit)
        assert look["gold"] == pytest.approx(masses.gold[i, 0, k], abs=limit)
        assert look["distractor"] == pytest.approx(masses.rival[i, 0, k], abs=limit)
        assert look["from"] == tokenizer.decode([case.tokens[case.sites[site]]]).strip()


def test_what_comes_next_is_what_a_user_who_types_the_sentence_sees(model, stories):
    (sentence, other), _ = read_known_sentences(model, stories.tokenizer, [result("chains")])
    assert sentence["text"] == "Tom met Anna at the park. She said, I am tired, so please call me"
    assert (sentence["key"], sentence["gold"], sentence["distractor"]) == ("She", "Anna", "Tom")
    assert (other["key"], other["gold"], other["distractor"]) == ("He", "Tom", "Anna")
    tokens = encode_sentence(sentence["text"], model, stories.tokenizer)
    words = next_words(model, stories.tokenizer, tokens, len(sentence["next"]))
    assert [said["probability"] for said in sentence["next"]] == [word.probability for word in words]
    assert [said["word"] for said in sentence["next"]] == [stories.tokenizer.decode(w.pieces).strip() for w in words]


def test_no_head_is_shown_of_a_task_that_is_not_resolved_and_nothing_of_one_that_was_not_measured(model, stories):
    sentences, _ = read_known_sentences(model, stories.tokenizer, [result("sense", resolved=False), result("recall")])
    assert [sentence["look"] for sentence in sentences] == [None] * 4
    assert {sentence["task"] for sentence in sentences} == {"sense"}
    assert pairs_of(sentences) == [pair for pair in PAIRS if pair.task == "sense"]


def test_from_the_last_layer_nothing_leads_on_but_at_the_end(model, stories):
    sentences, _ = read_known_sentences(model, stories.tokenizer, [result("cue", "1.0", "P")])
    assert all(sentence["look"]["swap"] is None for sentence in sentences)


@pytest.mark.parametrize(("block", "read"), [(128, 4), (80, 2), (24, 0)])
def test_a_tokenizer_of_letters_reads_what_fits_and_says_what_does_not(block, read):
    tokenizer = byte_tokenizer()
    model = loud_model(GPTConfig(tokenizer.vocab_size, **SHAPE | {"block_size": block}))
    sentences, left_out = read_known_sentences(model, tokenizer, [result("cue")])
    assert len(sentences) == read
    assert len(left_out) == (4 - read) / 2
    if left_out:
        assert left_out[0].startswith("“The animal didn't cross the street because it was too tired. Later we talked")
        assert f"this model reads {block - 1} at most" in left_out[0]
