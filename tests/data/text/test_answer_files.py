"""Prompts with answers: which are read, which are validated, and what of them is learned."""

import json
from pathlib import Path

import pytest

from common.errors import InputError
from data import Answers, Dataset, TokenizerConfig, prepare
from data.text.batches import AnswerBatches
from data.text.pieces import END
from data.text.tokenizers import CharacterTokenizer

BYTES = TokenizerConfig("bytes")
GOOD = {"prompt": "Who?", "answer": "Me"}


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records))
    return path


def numbered(n: int) -> list[dict]:
    return [{"prompt": f"{i}?", "answer": f"{i}!"} for i in range(n)]


@pytest.fixture
def read(tmp_path):
    """The dataset of some records, in bytes."""

    def made(*records: object, kind: TokenizerConfig = BYTES, **settings) -> Dataset:
        corpus = Answers(str(write(tmp_path / "qa.jsonl", *records)), **settings)
        return prepare(corpus, kind, tmp_path / "cache")

    return made


def texts(dataset: Dataset, split: str = "train") -> list[tuple[str, str]]:
    answered = getattr(dataset, split)
    return [tuple(map(dataset.tokenizer.decode, answered.prompt_and_answer(i))) for i in range(answered.n)]


@pytest.mark.parametrize("kind", [BYTES, TokenizerConfig("bpe", 300)])
def test_prompt_and_answer_are_as_the_template_joins_them(read, kind):
    records = [{"meta": {"q": f"Is {i} even, {END}?"}, "a": "yes" if i % 2 == 0 else "no"} for i in range(20)]
    template = "Q: {prompt}\nA:  {answer}"
    dataset = read(*records, kind=kind, prompt="meta.q", answer="a", template=template, val_fraction=0.5)
    every = texts(dataset) + texts(dataset, "val")
    assert sorted(every) == sorted((f"Q: {r['meta']['q']}\nA:", f"  {r['a']}") for r in records)


def test_bytes_that_are_no_text_are_replaced_and_counted(read, tmp_path):
    path = write(tmp_path / "bytes.jsonl", *numbered(20), {"prompt": "\ud83d?", "answer": "half"})
    path.write_bytes(path.read_bytes() + b'{"prompt": "caf\xe9?", "answer": "yes"}\n')
    dataset = prepare(Answers(str(path)), BYTES, tmp_path / "cache")
    assert dataset.counts.replaced == 2
    assert {("caf\ufffd?\n", "yes"), ("\ufffd?\n", "half")} <= {*texts(dataset), *texts(dataset, "val")}


def test_a_row_is_an_end_token_a_prompt_and_what_is_learned(read):
    dataset = read(GOOD, {"prompt": "", "answer": "long"}, {"prompt": "3", "answer": "4"}, template="{prompt}{answer}")
    end = dataset.tokenizer.end
    every = {tuple(row) for split in (dataset.train, dataset.val) for row in split.rows(range(split.n)).tolist()}
    rows = {tuple(id for id in row if id != -1) for row in every}
    assert rows == {(~end, *(~byte for byte in b"Who?"), *b"Me", end), (~end, *b"long", end), (~end, ~51, 52, end)}


def test_answers_alone_count_as_bytes_and_as_targets(read):
    dataset = read(*numbered(20), val_fraction=0.5)
    answers = [answer for _, answer in texts(dataset, "val")]
    assert dataset.val_bytes == len("".join(answers))
    assert dataset.val.n_targets == len("".join(answers)) + len(answers)


def test_the_text_that_heads_are_measured_in_is_what_training_reads(read):
    val = read(GOOD, {"prompt": "a", "answer": "b"}).val
    assert len(val) == val.lengths.sum() + 1


def test_equal_prompts_are_on_one_side_and_another_seed_draws_others(read):
    records = [{"prompt": f"{i % 50}?", "answer": str(i)} for i in range(100)]
    first, again, other = (
        {prompt for prompt, _ in texts(read(*records, val_fraction=0.2, seed=seed), "val")} for seed in (0, 0, 1)
    )
    assert len(first) == 10
    assert first == again != other
    assert not first & {prompt for prompt, _ in texts(read(*records, val_fraction=0.2), "train")}


def test_one_of_two_prompts_is_validated(read):
    dataset = read(*numbered(2))
    assert (dataset.train.n, dataset.val.n) == (1, 1)


def test_answers_of_their_own_file_are_validated(read, tmp_path):
    dataset = read(GOOD, GOOD, val_path=str(write(tmp_path / "val.jsonl", {"prompt": "x", "answer": "y"})))
    assert (texts(dataset), texts(dataset, "val")) == ([("Who?\n", "Me")] * 2, [("x\n", "y")])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"prompt": "Who?"}, "line 2: has no text under 'answer'; 1 of 3 lines have none: complete or delete them"),
        ({"answer": "Me"}, "line 2: has no text under 'prompt'; 1 of 3 lines have none: complete or delete them"),
        ({"prompt": "2+2=", "answer": 4}, "line 2: has 4 under 'answer', which is no text; quote it"),
        ({"prompt": True, "answer": "yes"}, "line 2: has true under 'prompt', which is no text; quote it"),
        (
            {"prompt": "Who?", "answer": None},
            "line 2: has no text under 'answer'; 1 of 3 lines have none: complete or delete them",
        ),
        (["Who?", "Me"], "line 2: has no text under 'prompt'"),
        ({"prompt": "Who?", "answer": ""}, "line 2: its 'answer' is empty, so there is nothing to learn; leave it out"),
        ('{"prompt": "Who?"', "line 2: not JSON"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(read, line, message):
    with pytest.raises(InputError) as caught:
        read(GOOD, line, GOOD)
    assert f"qa.jsonl, {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_no_line_has_is_asked_for(read):
    with pytest.raises(InputError, match=r"line 1: has no text under 'answer'; name the key with data\.answer=...$"):
        read({"prompt": "Who?"}, {"prompt": "When?"})


def test_other_files_and_a_single_prompt_are_refused(read, tmp_path):
    (tmp_path / "notes.txt").write_text("a text")
    with pytest.raises(InputError, match=r"notes.txt: prompts with answers are read from .jsonl files alone"):
        prepare(Answers(str(tmp_path)), BYTES, tmp_path / "cache")
    with pytest.raises(InputError, match="has 1 different prompts"):
        read(GOOD, GOOD)


@pytest.mark.parametrize("template", ["{prompt}", "{answer}", "{prompt}{prompt}{answer}", "{prompt} {answer}."])
def test_a_template_needs_one_prompt_and_ends_with_the_answer(template):
    with pytest.raises(ValueError, match=r"must have \{prompt\} once, and \{answer\} at its end"):
        Answers("qa.jsonl", template=template)


def test_a_backslash_and_an_n_in_a_template_are_refused_with_what_bash_makes_a_new_line_of():
    with pytest.raises(ValueError, match="for a new line write") as caught:
        Answers("qa.jsonl", template=r"It's: {prompt}\nA: {answer}")
    assert r"$'It\'s: {prompt}\nA: {answer}'" in str(caught.value)


def test_tokens_without_an_end_cannot_learn_where_an_answer_ends(tmp_path):
    path = write(tmp_path / "qa.jsonl", *numbered(4))
    with pytest.raises(InputError, match="no end token, so that no answer could end"):
        prepare(Answers(str(path)), CharacterTokenizer("0123456789?!\n"), tmp_path / "cache")


def test_what_is_too_long_is_counted_or_left_out(read):
    dataset = read(*numbered(10), {"prompt": "long" * 10, "answer": "answer"}, seed=1)
    with pytest.raises(InputError, match=r"^1 of 11 prompts .* up to 48 tokens; .*data.skip_too_long=true$"):
        dataset.require(47)
    dataset.require(48)
    assert (dataset.train.fitting(47).n, dataset.val.fitting(47).n) == (9, 1)
    with pytest.raises(InputError, match="no prompt with its answer is left"):
        dataset.with_answers(dataset.train.fitting(2), dataset.val.fitting(2)).require(2)


def learned(batches: AnswerBatches) -> set[tuple[int, ...]]:
    """The tokens to be learned of each row of the next batch."""
    return {tuple(row[row >= 0].tolist()) for row in batches.next()}


def test_every_answer_is_learned_once_an_epoch_and_by_one_process(read):
    train = read(*numbered(40)).train
    alone = AnswerBatches(train, 32, 6, seed=3)
    shared = [AnswerBatches(train, 32, 6, seed=3, rank=rank, size=3) for rank in range(3)]
    seen = []
    for _ in range(6):
        rows = learned(alone)
        assert rows == set().union(*map(learned, shared))
        assert {batches.n_targets for batches in shared} == {alone.n_targets} == {sum(map(len, rows))}
        assert all(batches.state() == alone.state() for batches in shared)
        seen += rows
    assert len(set(seen)) == len(seen) == train.n == 36
    later = AnswerBatches(train, 32, 6, seed=3)
    later.load_state(alone.state())
    assert (later.next() == alone.next()).all()
