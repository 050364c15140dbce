"""Tokens that are being made: killed at any moment, they become what they would have become; never half a corpus."""

import json
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.atomic import locked
from common.errors import InputError
from data import Dataset, Files, TokenizerConfig, prepare
from data.text import building, dataset, shards
from data.text.pieces import Piece
from data.text.tokenizers import byte_tokenizer

BYTES = TokenizerConfig("bytes")
BPE = TokenizerConfig("bpe", 300)
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """So few bytes between two writes of the progress file, and tokens a shard, that a small corpus has several."""
    monkeypatch.setattr(building, "SAVED_BYTES", 2_000)
    monkeypatch.setattr(building, "ITEM_CHARACTERS", 300)
    monkeypatch.setattr(shards, "SHARD_TOKENS", 5_000)
    monkeypatch.setattr(shards, "FLUSH_TOKENS", 700)


@pytest.fixture
def corpus(tmp_path) -> Files:
    lines = ({"text": f"document {i}: {'ab cdé ' * (i % 40)}" + "\udc80" * (i % 3 == 0)} for i in range(150))
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Files(str(path))


@pytest.fixture
def separated(tmp_path) -> Files:
    """A text with separators, and a validation file of its own."""
    text = "\n<|endoftext|>\n".join(f"document {i}: {'ab cdé ' * (i % 40)}" for i in range(150))
    for name in ("a", "val"):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return Files(str(tmp_path / "a.txt"), val_path=str(tmp_path / "val.txt"))


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def die_after(corpus: Files, config: TokenizerConfig, cache: Path, calls: int) -> None:
    left = [calls]

    def progress(text: str, *_: object) -> None:
        left[0] -= text == "tokenizing"
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    prepare(corpus, config, cache, progress)


def killed(corpus: Files, config: TokenizerConfig, cache: Path, calls: int) -> bool:
    process = FORK.Process(target=die_after, args=(corpus, config, cache, calls))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.parametrize("config", [BYTES, BPE], ids=["bytes", "bpe"])
def test_tokens_are_the_same_however_often_their_making_is_killed(tmp_path, corpus, config):
    peace = prepare(corpus, config, tmp_path / "peace")
    kills = 0
    while killed(corpus, config, tmp_path / "killed", calls=12):
        kills += 1
        assert [path.name for path in (tmp_path / "killed" / "tokens").glob("[!.]*")] == []
    assert kills > 2
    again = prepare(corpus, config, tmp_path / "killed")
    assert files_in(again.folder) == files_in(peace.folder)
    assert len(files_in(peace.folder)) > 4
    assert [path.name for path in again.folder.parent.iterdir()] == [again.folder.name]


@pytest.mark.parametrize("calls", [30, 90])  # in the training and in the validation text
def test_documents_between_separators_are_the_same_after_a_kill(tmp_path, separated, calls):
    assert killed(separated, BYTES, tmp_path / "killed", calls)
    again, peace = (prepare(separated, BYTES, tmp_path / cache) for cache in ("killed", "peace"))
    assert files_in(again.folder) == files_in(peace.folder)
    assert again.counts.separators == 2 * 149


@pytest.mark.parametrize("calls", [0, 2, 9, 25, 45])
def test_a_kill_costs_no_more_than_what_came_since_the_progress_file(tmp_path, corpus, calls):
    assert killed(corpus, BYTES, tmp_path, calls)
    (reached,) = (tmp_path / "tokens").glob(".building-*/progress.json")
    n_saved = sum(json.loads(reached.read_text())["n_bytes"].values())
    reports = []
    prepare(corpus, BYTES, tmp_path, lambda *now: reports.append(now))
    done = [n for text, n, _ in reports if text == "tokenizing"]
    assert done[0] >= 300 * calls - 2 * building.SAVED_BYTES
    again = [now for now in reports if now[0] == "reading what is done"]
    assert any("going on with an earlier start" in text for text, *_ in reports) == bool(again) == (calls >= 9)
    assert not again or again[-1][1:] == (n_saved, n_saved)


def test_an_interrupt_keeps_what_is_done(tmp_path, corpus):
    def interrupt(text: str, done: int, _: int | None) -> None:
        if text == "tokenizing" and done > 8_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(corpus, BYTES, tmp_path, interrupt)
    reports = []
    prepare(corpus, BYTES, tmp_path, lambda *now: reports.append(now))
    assert min(done for text, done, _ in reports if text == "tokenizing") > 6_000


def test_an_error_that_may_pass_keeps_what_is_done(tmp_path, corpus, monkeypatch):
    assert killed(corpus, BYTES, tmp_path, calls=40)
    (half_made,) = (tmp_path / "tokens").glob(".building-*")
    before = files_in(half_made)
    with monkeypatch.context() as patch:
        patch.setattr(Files, "pieces", lambda *_: iter_of_error())
        with pytest.raises(InputError, match="no network"):
            prepare(corpus, BYTES, tmp_path)
    assert files_in(half_made) == before
    prepare(corpus, BYTES, tmp_path)


def iter_of_error():
    raise InputError("no network")
    yield


def test_a_kill_between_the_manifest_and_the_end_leaves_nothing_that_looks_whole(tmp_path, corpus, monkeypatch):
    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda self, **how: unlink_but_progress(unlink, self, how))
        with pytest.raises(KeyboardInterrupt):
            prepare(corpus, BYTES, tmp_path / "killed")
    (half_made,) = (tmp_path / "killed" / "tokens").glob(".building-*")
    assert (half_made / "manifest.json").exists()
    assert killed(corpus, BYTES, tmp_path / "killed", calls=0)
    assert not (half_made / "manifest.json").exists()
    again, fresh = prepare(corpus, BYTES, tmp_path / "killed"), prepare(corpus, BYTES, tmp_path / "fresh")
    assert files_in(again.folder) == files_in(fresh.folder)


def unlink_but_progress(unlink, path: Path, how: dict) -> None:
    if path.name == building.PROGRESS_FILE:
        raise KeyboardInterrupt
    unlink(path, **how)


def test_saved_tokens_that_were_altered_are_made_anew(tmp_path, corpus):
    assert killed(corpus, BYTES, tmp_path / "killed", calls=40)
    (half_made,) = (tmp_path / "killed" / "tokens").glob(".building-*")
    open_shard = half_made / f"train_{len(list(half_made.glob('train_*.bin'))) - 1:05d}.bin"
    open_shard.write_bytes(b"\1\0" + open_shard.read_bytes()[2:])
    again, fresh = prepare(corpus, BYTES, tmp_path / "killed"), prepare(corpus, BYTES, tmp_path / "fresh")
    assert files_in(again.folder) == files_in(fresh.folder)


def test_what_another_process_just_finished_is_no_leftover(tmp_path, corpus, monkeypatch):
    (tmp_path / "tokens").mkdir()
    gone = tmp_path / "tokens" / f"{dataset.BUILDING}other"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [gone])
    prepare(corpus, BYTES, tmp_path)


def test_a_changed_source_starts_over(tmp_path, corpus):
    assert killed(corpus, BYTES, tmp_path / "killed", calls=40)
    with open(corpus.path, "a") as file:
        file.write('{"text": "one more"}\n')
    again, fresh = prepare(corpus, BYTES, tmp_path / "killed"), prepare(corpus, BYTES, tmp_path / "fresh")
    assert files_in(again.folder) == files_in(fresh.folder)


def test_a_version_that_cuts_text_elsewhere_starts_over(tmp_path, monkeypatch):
    for module in ("files", "pieces"):
        monkeypatch.setattr(f"data.text.{module}.CHUNK", 1_000)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{i} words\r\n" for i in range(2_000)), newline="")
    corpus = Files(str(path))
    with monkeypatch.context() as patch:
        for module in ("pieces", "building"):
            patch.setattr(f"data.text.{module}.WORD_END", re.compile("w(?=ords)"))
        assert killed(corpus, BYTES, tmp_path / "killed", calls=12)
    again, fresh = prepare(corpus, BYTES, tmp_path / "killed"), prepare(corpus, BYTES, tmp_path / "fresh")
    assert files_in(again.folder) == files_in(fresh.folder)


@pytest.mark.parametrize("name", ["train_*.bin", "tokenizer.json", "progress.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{")], ids=["gone", "damaged"])
def test_half_made_tokens_that_were_damaged_are_made_anew(tmp_path, corpus, name, damage):
    assert killed(corpus, BPE, tmp_path / "killed", calls=40)
    (half_made,) = (tmp_path / "killed" / "tokens").glob(".building-*")
    damage(sorted(half_made.glob(name))[-1])
    again, fresh = prepare(corpus, BPE, tmp_path / "killed"), prepare(corpus, BPE, tmp_path / "fresh")
    assert files_in(again.folder) == files_in(fresh.folder)


def test_a_finished_shard_that_is_damaged_meanwhile_is_found_out(tmp_path, corpus):
    assert killed(corpus, BYTES, tmp_path, calls=40)
    (first,) = tmp_path.glob("tokens/.building-*/train_00000.bin")
    first.write_bytes(bytes(first.stat().st_size))
    with pytest.raises(InputError, match=r"train_00000.bin is damaged .* delete"):
        prepare(corpus, BYTES, tmp_path)


def test_tokens_that_are_whole_but_not_at_their_path_are_only_moved_there(tmp_path, corpus, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "move", fail)
        with pytest.raises(OSError, match="no"):
            prepare(corpus, BYTES, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "build", fail)
        assert len(prepare(corpus, BYTES, tmp_path).train) > 0


def test_few_items_are_in_memory_together(monkeypatch):
    monkeypatch.setattr(building, "usable_cores", lambda: 2)
    read = []

    def items() -> Iterator[building.WorkItem]:
        for i in range(100):
            read.append(i)
            yield building.WorkItem("train", [Piece("a", True)])

    for done, _ in enumerate(building.encode_in_order(items(), byte_tokenizer()), 1):
        assert len(read) <= done + 5
    assert done == 100


def test_a_corpus_that_changes_while_it_is_read_is_refused(tmp_path, corpus):
    def touch(text: str, *_: object) -> None:
        if text == "tokenizing":
            os.utime(corpus.path, (1, 1))

    with pytest.raises(InputError, match="changed while it was read; start again"):
        prepare(corpus, BYTES, tmp_path / "cache", touch)
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []


def prepare_counting(corpus: Files, cache: Path, waits: object, answers: object) -> None:
    """Who makes the tokens goes on as soon as the other waits."""
    reports = []

    def progress(text: str, *_: object) -> None:
        reports.append(text)
        if "waiting for another process" in text:
            waits.set()
        elif text == "tokenizing":
            waits.wait(60)

    made: Dataset = prepare(corpus, BYTES, cache, progress)
    answers.put((made.key, "tokenizing" in reports, any("waiting for another process" in text for text in reports)))


def test_of_two_processes_one_makes_the_tokens_and_the_other_waits(tmp_path, corpus):
    waits, answers = FORK.Event(), FORK.Queue()
    both = [FORK.Process(target=prepare_counting, args=(corpus, tmp_path, waits, answers)) for _ in range(2)]
    for process in both:
        process.start()
    one, other = sorted((answers.get() for _ in both), key=lambda answer: answer[1])
    for process in both:
        process.join()
    assert one[0] == other[0]
    assert one[1:] == (False, True)
    assert other[1:] == (True, False)


def test_what_earlier_processes_left_is_swept_unless_it_can_be_gone_on_with_or_is_held(tmp_path, corpus):
    tokens = tmp_path / "cache" / "tokens"
    assert killed(corpus, BYTES, tmp_path / "cache", calls=40)
    (young,) = tokens.glob(".building-*")
    old, held = (shutil.copytree(young, tokens / f".building-{name}") for name in ("old", "held"))
    for path in (old, held):
        os.utime(path, (1, 1))
    (tokens / ".building-x7g3k_").mkdir()  # as earlier versions left them
    other = tmp_path / "b.txt"
    other.write_text("another corpus " * 100)
    with locked(tokens / ".held.lock", None):
        prepare(Files(str(other)), BYTES, tmp_path / "cache")
        assert sorted(path.name for path in tokens.glob(".building-*")) == sorted([held.name, young.name])
    prepare(corpus, BYTES, tmp_path / "cache")
    assert list(tokens.glob(".*")) == []
