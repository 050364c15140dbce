"""Minimal pairs: which sentence a model finds likelier, counted by phenomenon."""

import json
from pathlib import Path

import pytest
import torch
from exchanged import random_gpt2, read_gpt2
from networks import loud_model
from scipy.stats import binomtest
from tolerance import additions, assert_near, tolerance

from common.errors import InputError
from data.cases.minimal_pairs import Pair, read_pairs
from data.text.tokenizers import IdTokenizer, byte_tokenizer
from model import GPTConfig
from probing.pairs import score_pairs, write_pairs
from probing.scoring import groups_of_similar_length, score_sequences

TOKENIZER = byte_tokenizer()


@pytest.fixture(scope="module")
def model():
    return loud_model(GPTConfig(TOKENIZER.vocab_size, block_size=24, n_layer=1, n_head=2, n_embd=16))


def file_of(path: Path, *records: object) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def test_scores_of_unequal_texts_are_those_that_transformers_gives():
    peer = random_gpt2(97)
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(97, (n,), generator=generator).tolist() for n in (9, 2, 30, 9, 17, 3)]
    with torch.inference_mode():
        losses = [peer(torch.tensor([text]), labels=torch.tensor([text])).loss for text in texts]
    expected = [-float(loss) * (len(text) - 1) for loss, text in zip(losses, texts, strict=True)]
    ours = read_gpt2(peer)
    scores = score_sequences(ours, texts)
    assert_near(scores.float(), torch.tensor(expected), additions(ours.config, 30) + 30)


def test_texts_of_nearly_one_length_are_scored_together_within_the_room_there_is():
    lengths = [5, 9, 2, 9, 30, 2]
    groups = list(groups_of_similar_length(lengths, 18))
    assert groups == [[2, 5, 0], [1, 3], [4]], "a text that is too long for the room still goes, alone"


def test_a_pair_is_right_where_the_good_sentence_is_likelier_and_half_right_where_they_tie(model):
    pairs = [Pair("abc", "abd", "one", "x"), Pair("abd", "abc", "one", "x"), Pair("same", "same", "two", "x")]
    scored = score_pairs(model, TOKENIZER, pairs)
    assert scored.good[0] == scored.bad[1]
    assert scored.by("paradigm")["one"].right == 0.5
    assert (scored.good > scored.bad)[:2].sum() == 1
    assert scored.by("paradigm")["two"].right == 0.5
    assert scored.by("phenomenon").keys() == {"x"}


def test_the_score_is_of_every_token_at_the_beginning_of_a_document(model):
    scored = score_pairs(model, TOKENIZER, [Pair("ab", "ba", "one", "one")])
    tokens = torch.tensor([[TOKENIZER.end, *b"ab"]])
    with torch.inference_mode():
        log_p = model(tokens).log_softmax(-1)[0]
    expected = float(log_p[0, ord("a")] + log_p[1, ord("b")])
    assert scored.good[0] == pytest.approx(expected, rel=tolerance(n_terms=additions(model.config, 3)))
    assert scored.good_tokens.tolist() == [2]


def test_intervals_are_exact_and_paradigms_weigh_the_same(model):
    pairs = [Pair("a" * 5, "a" * 6, "longer", "x")] * 30 + [Pair("a" * 6, "a" * 5, "shorter", "x")] * 10
    scored = score_pairs(model, TOKENIZER, pairs)
    found = scored.accuracy()
    assert found.right == 0.75, "a longer text of the same letters is less likely"
    expected = binomtest(30, 40).proportion_ci(method="exact")
    assert found.ci == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.shorter == 0.75
    assert scored.over_paradigms == 0.5


def test_a_model_that_has_no_end_token_scores_no_first_token_and_is_refused(model):
    with pytest.raises(InputError, match=r"pairs: this model has no end token"):
        score_pairs(model, IdTokenizer(300), [Pair("1 2", "3 4", "one", "x")])


def test_pairs_that_do_not_fit_are_counted_and_left_out(model):
    pairs = [Pair("b" * 24, "a", "p", "p"), Pair("b" * 25, "a", "p", "p"), Pair("a", "b" * 25, "p", "p")]
    scored = score_pairs(model, TOKENIZER, pairs)
    assert (len(scored.pairs), scored.too_long) == (1, 2)
    with pytest.raises(
        InputError, match="pairs: the shortest has 25 tokens, and this model reads 24; use a model with a longer"
    ):
        score_pairs(model, TOKENIZER, pairs[1:])


def test_what_is_written_can_be_read_back(model, tmp_path):
    scored = score_pairs(model, TOKENIZER, [Pair('a, "b"', "b\na", "p", "x"), Pair("é", "e", "q", "x")])
    summary, table = write_pairs(scored, tmp_path, {"run": "here"})
    found = json.loads(summary.read_text())
    assert found["paradigms"].keys() == {"p", "q"}
    assert found["all"]["pairs"] == 2
    assert table.read_text(encoding="utf-8").splitlines()[0].startswith("good,bad,paradigm,phenomenon,log_p_good")
    assert "é" in table.read_text(encoding="utf-8")


def test_names_that_are_no_text_are_written_nevertheless(model, tmp_path):
    line = {"sentence_good": "a", "sentence_bad": "b", "UID": "odd \ud800"}
    (pair,) = read_pairs(file_of(tmp_path / "a.jsonl", line))
    assert pair.paradigm == "odd \ufffd"
    (tmp_path / "._a.jsonl").write_bytes(b"\xff")
    assert read_pairs(tmp_path) == [pair]
    write_pairs(score_pairs(model, TOKENIZER, [pair]), tmp_path, {})


def test_names_come_from_the_line_or_else_from_the_file(tmp_path):
    both = {"sentence_good": "a", "sentence_bad": "b"}
    blimp = both | {"UID": "adjunct_island", "linguistics_term": "island_effects", "pairID": "0", "field": "syntax"}
    file_of(tmp_path / "b.jsonl", both, blimp)
    file_of(tmp_path / "a.jsonl", both | {"UID": "own"})
    (tmp_path / "notes.txt").write_text("not pairs")
    assert [pair[2:] for pair in read_pairs(tmp_path)] == [
        ("own", "own"),
        ("b", "b"),
        ("adjunct_island", "island_effects"),
    ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"sentence_good": "a"}, "line 2: sentence_bad must be a text that is not empty, not None"),
        ({"sentence_good": "", "sentence_bad": "b"}, "line 2: sentence_good must be a text that is not empty, not ''"),
        ({"sentence_good": "a", "sentence_bad": "\ud800"}, "line 2: sentence_bad has half of a surrogate pair"),
        ([1], "line 2: not a JSON object but"),
    ],
)
def test_lines_that_are_no_pairs_are_named(tmp_path, record, reason):
    path = file_of(tmp_path / "p.jsonl", {"sentence_good": "a", "sentence_bad": "b"}, record)
    with pytest.raises(InputError, match="1 of 2 lines cannot be used") as error:
        read_pairs(path)
    assert reason in str(error.value)


def test_places_without_pairs_are_named(tmp_path):
    with pytest.raises(InputError, match="there is no such file or folder"):
        read_pairs(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match=r"there is no \.jsonl file in this folder"):
        read_pairs(tmp_path)
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="has no pairs"):
        read_pairs(tmp_path)


def test_equal_sentences_tie_wherever_they_are_scored(model, monkeypatch):
    monkeypatch.setattr("probing.scoring.FEWEST_TOKENS", 40)
    monkeypatch.setattr("probing.scoring.LOGITS", {"cpu": 0})
    texts = [f"{'ab' * (i % 9)}{i}" for i in range(60)]
    scored = score_pairs(model, TOKENIZER, [Pair(text, text, "p", "p") for text in texts])
    assert (scored.good == scored.bad).all()
