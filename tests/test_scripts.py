"""Train, sample and probe as their users do, and everything that can go wrong at the door."""

import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import inputs
import pytest
import torch
from conftest import QUICK, ROOT, SMALL
from file_server import Server

from data import Tokenizer, encode_case
from data.stories import TASKS, cases
from data.text.catalog import CATALOG, SHAKESPEARE, Source
from data.text.tokenizers import GPT2_VOCABULARY, byte_tokenizer
from storage import checkpoint
from storage.metrics import read_rows

TINY_TEXT = "The quick brown fox jumps over the lazy dog. " * 60


@pytest.fixture
def corpus(tmp_path) -> Path:
    path = tmp_path / "my texts" / "a (1).txt"
    path.parent.mkdir()
    path.write_text(TINY_TEXT)
    return path


FILES = ("wandb.mode=disabled", "tokens_per_step=128", "max_steps=4", *SMALL)


def test_a_run_holds_all_that_is_needed(finished_run):
    assert {path.name for path in finished_run.iterdir()} >= {
        "config.yaml",
        "metrics.jsonl",
        "tokenizer.json",
        "checkpoints",
    }
    rows = read_rows(finished_run / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(21))
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]
    assert {"referential/cue/loss", "referential/agreement/accuracy"} <= rows[10].keys()
    for split in ("report", "templates", "gaps", "new_role"):
        assert f"{split}/cue/accuracy" in rows[-1], "the last row says how the stories were understood in the end"
        assert f"{split}/cue/accuracy" not in rows[10]
    assert {path.name for path in (finished_run / "checkpoints" / "step_000020").iterdir()} == {
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    }


@pytest.mark.parametrize("logged", [True, False])
def test_a_run_stopped_at_the_end_of_its_budget_is_still_evaluated(script, capsys, logged):
    arguments = ("run=run", "eval_every=100", *QUICK, *SMALL)
    script("train", *arguments, "max_steps=3")
    path = Path("run/metrics.jsonl")
    rows = read_rows(path)
    last = {key: rows[-1][key] for key in ("step", "tokens", "train_loss")}
    path.write_text("".join(json.dumps(row) + "\n" for row in (*rows[:-1], last)))  # as after a signal at step 3
    if not logged:
        path.write_text(json.dumps(rows[0]) + "\n")  # step 3 was no multiple of log_every
    script("train", "run=run", "resume=true", "max_steps=3")
    resumed = read_rows(path)
    assert resumed[-1]["report/cue/loss"] == rows[-1]["report/cue/loss"]
    assert resumed[-1]["val_loss"] == rows[-1]["val_loss"]
    assert "references resolved" in capsys.readouterr().out
    script("train", "run=run", "resume=true", "max_steps=3")
    assert len(read_rows(path)) == len(resumed), "once is enough"


def test_training_on_ones_own_files(script, corpus, capsys):
    script("train", "run=run", "data=files", f"data.path={corpus.parent}", "tokenizer=bytes", *FILES)
    out = capsys.readouterr().out
    assert "bits/byte" in out
    assert "128 tokens a step = 2 sequences of 64" in out
    assert checkpoint.saved_steps(Path("run")) == [4]


def test_training_with_gpt2s_tokenizer(script, input_folder, tmp_path):
    path = tmp_path / "play.txt"
    path.write_text((input_folder / inputs.PLAY).read_text(encoding="utf-8")[:20_000], encoding="utf-8")
    with inputs.gpt2_from(input_folder):
        script("train", "run=run", "data=files", f"data.path={path}", "tokenizer=gpt2", *FILES, "max_steps=1")
    first = read_rows(Path("run/metrics.jsonl"))[0]["val_loss"]
    assert first == pytest.approx(10.825, abs=0.1), "ln 50257, nearly: a head that is the embedding is not near 0"


def test_shakespeare_is_taken_from_the_cache_and_offline_says_where_to_put_it(
    script, error_of, input_folder, monkeypatch
):
    play = input_folder / inputs.PLAY
    nowhere = replace(inputs.expect(SHAKESPEARE, play), url="http://127.0.0.1:9/input.txt")
    assert input_folder != inputs.REAL or nowhere.sha256 == SHAKESPEARE.sha256
    monkeypatch.setitem(CATALOG, "shakespeare", Source("text", (nowhere,)))
    monkeypatch.setattr("data.text.download.TRIES_AGAIN", 0)
    message = error_of("train", "data=shakespeare", "run=run", *FILES)
    place = Path("cache/downloads/tinyshakespeare.txt")
    assert f"put the right file at {place}" in message
    assert not Path("run").exists()
    place.write_text("another text")
    assert "is not the file expected" in error_of("train", "data=shakespeare", "run=run", *FILES)
    place.write_bytes(play.read_bytes())
    script("train", "data=shakespeare", "run=run", *FILES, "max_steps=1")


def test_a_corpus_by_name_says_its_size_comes_and_trains(script, monkeypatch, capsys):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("enwik8", TINY_TEXT)
    with Server(content=archive.getvalue()) as server:
        source = Source("zip", (server.web_file("enwik8.zip"),), cut=(2_000, 2_500))
        monkeypatch.setitem(CATALOG, "enwik8", source)
        script("train", "data=enwik8", "tokenizer=bytes", "run=run", *FILES, "max_steps=1")
    out = capsys.readouterr().out
    assert "note   downloading enwik8: 0.0 MB in 1 file to cache/downloads\n" in out
    assert "2,001 tokens to train on, 501 to validate" in out
    assert "bits/byte" in out


def test_sampling_prints_and_keeps_what_it_wrote(script, finished_run, capsys):
    arguments = (f"run={finished_run}", "prompt=One day Tom, 'the' = ${best}", "n=2", "max_new_tokens=12", "seed=3")
    script("sample", *arguments)
    first = capsys.readouterr().out
    script("sample", *arguments)
    assert capsys.readouterr().out == first
    assert first.count("One day Tom, 'the' = ${best}") == 2
    kept = [json.loads(line) for line in (finished_run / "samples" / "samples.jsonl").read_text().splitlines()]
    assert kept[-1]["text"] in first
    assert kept[-1]["seed"] == 3


def test_speculation_writes_the_same_text_or_is_refused_in_a_line(script, error_of, finished_run, capsys):
    arguments = (f"run={finished_run}", "prompt=Tom met Anna. Tom met", "max_new_tokens=30", "temperature=0")
    script("sample", *arguments)
    plain = capsys.readouterr().out
    script("sample", *arguments, "speculate=8")
    assert capsys.readouterr().out == plain
    message = error_of("sample", *arguments, "speculate=8", "n=2")
    assert "speculate=8: speculation is for one text at a time, not for 2; leave it out" in message


def test_weights_of_one_byte_write_as_much(script, finished_run, capsys):
    script("sample", f"run={finished_run}", "prompt=Tom met", "max_new_tokens=9", "weights=int8", "n=2")
    assert capsys.readouterr().out.count("Tom met") == 2


def test_sampling_takes_prompts_longer_than_the_block(script, finished_run, capsys):
    prompt = "One day Tom met Anna. " * 40
    script("sample", f"run={finished_run}", f"prompt={prompt}", "max_new_tokens=5", "temperature=0")
    assert capsys.readouterr().out.startswith(prompt)


def test_sampling_shows_where_a_head_looked_when_the_last_word_was_chosen(script, finished_run, capsys):
    script("sample", f"run={finished_run}", "prompt=One day Tom met", "n=2", "max_new_tokens=2", "show=1.0")
    out = capsys.readouterr().out
    text, _, shown = out.partition("\n\nhead 1.0 when the last word was chosen (")
    last_words = [sample.split()[-1] for sample in text.split("\n---\n")]
    first, second = shown.split("sample 1:\n")[1].split("sample 2:\n")
    for part, word in zip((first, second), last_words, strict=True):
        assert part.startswith("  ⟨start⟩")
        word = re.escape(word.rstrip("\ufffd"))  # bytes that are no character are shown one by one
        assert re.search(rf"{word}\S*«\n    from '", part)
    kept = [json.loads(line) for line in (finished_run / "samples" / "samples.jsonl").read_text().splitlines()]
    assert [record["show"] for record in kept[-2:]] == ["1.0", "1.0"]


def test_a_sample_that_ends_at_once_has_no_word_to_show(script, finished_run, capsys, monkeypatch):
    end = Tokenizer.load(finished_run / "tokenizer.json").end
    monkeypatch.setattr("sample.generate", lambda *_, **__: iter([torch.tensor([end, 5]), torch.tensor([5, end])]))
    script("sample", f"run={finished_run}", "prompt=One day", "n=2", "show=0.1")
    out = capsys.readouterr().out
    assert "sample 1:\n  the text ended immediately: no word was chosen\nsample 2:\n  ⟨start⟩" in out


def test_prompts_are_continued_one_after_the_other(script, error_of, finished_run, monkeypatch, capsys):
    piped = io.TextIOWrapper(io.BytesIO(b"One day Tom\n\nShe said, 'no'"))
    monkeypatch.setattr("sys.stdin", piped)
    message = error_of("sample", f"run={finished_run}", "prompt=-", "max_new_tokens=3", "temperature=0")
    assert message == "error: prompt=-: 1 of 3 lines could not be used"
    kept = [json.loads(line) for line in (finished_run / "samples" / "samples.jsonl").read_text().splitlines()[-2:]]
    assert [record["prompt"] for record in kept] == ["One day Tom", "She said, 'no'"]
    script("sample", f"run={finished_run}", "prompt=She said, 'no'", "max_new_tokens=3", "temperature=0")
    assert capsys.readouterr().out == f"She said, 'no'{kept[1]['text']}\n", "as if it had been given alone"


def test_a_sentence_is_read_in_one_go_and_nothing_is_measured(script, error_of, finished_run, monkeypatch, capsys):
    before = {path: path.stat().st_mtime_ns for path in finished_run.rglob("*")}
    monkeypatch.setattr("probe.probe", None)
    monkeypatch.setitem(sys.modules, "report.figures", None)  # whose import would take longer than all the rest
    script("probe", f"run={finished_run}", "text=One day Tom met <b>Priyanka</b>, and")
    out = capsys.readouterr().out
    assert out.count("\nhead ") == 3
    assert "note   not in the text that the model was trained on: b, Priyanka\n" in out
    assert {path: path.stat().st_mtime_ns for path in finished_run.rglob("*")} == before
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"One day Tom met\n" + b"Tom " * 99)))
    message = error_of("probe", f"run={finished_run}", "text=-")
    assert message == "error: text=-: 1 of 2 lines could not be used"


def test_show_and_text_look_from_the_same_tokens(script, finished_run, monkeypatch, capsys):
    rows = []
    for shows in ("report.tinted_text.tinted", "report.sentence.tinted"):
        monkeypatch.setattr(
            shows, lambda tokens, weights, *_, **__: rows.append((tokens[: len(weights)], weights)) or ""
        )
    script("probe", f"run={finished_run}", "text=One day Tom met")
    first = re.search(r"\nhead (\S+):", capsys.readouterr().out)[1]
    text = rows[0]
    script("sample", f"run={finished_run}", "prompt=One day Tom met", "max_new_tokens=1", f"show={first}")
    assert rows[-1] == text
    assert text[0][0] == Tokenizer.load(finished_run / "tokenizer.json").end


@pytest.mark.parametrize("head", ["9.9", "x", "1", "1.10", ""])
def test_a_head_that_is_not_there_is_refused_before_anything_is_sampled(error_of, finished_run, monkeypatch, head):
    monkeypatch.setattr("sample.generate", None)
    message = error_of("sample", f"run={finished_run}", f"show={head}")
    assert message.startswith(f"error: show={head}: is no head of this model; give LAYER.HEAD of layers 0 to 1 ")


def test_a_terminal_gets_no_escape_sequence_and_a_file_gets_the_text_itself(script, finished_run, capsys, monkeypatch):
    arguments = (f"run={finished_run}", "prompt=One \x1b[31mday\n", "max_new_tokens=1", "show=1.0")
    script("sample", *arguments)
    text, shown = capsys.readouterr().out.split("\n\nhead 1.0")
    assert text.startswith("One \x1b[31mday\n")
    assert "\x1b" not in shown
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    script("sample", *arguments)
    assert capsys.readouterr().out.startswith("One ␛[31mday\n")


def test_probing_writes_the_stable_schema_and_pictures(script, finished_run, capsys):
    script("probe", f"run={finished_run}", "n_cases=40")
    found = json.loads((finished_run / "probe" / "heads.json").read_text())
    assert found["negative_control"] == {"accuracy": 0.5}
    assert found["tasks"].keys() == {*TASKS, "random_lists"}
    for task in found["tasks"].values():
        assert {"head", "site", "choice_accuracy", "ci", "mass", "lift", "p_adj", "looks", "matters"} <= task[
            "best"
        ].keys()
        assert task["baselines"].keys() == {
            "chance",
            "nearest",
            "first",
            "subject",
            "frequent",
            "offset",
            "shuffled",
            "untrained",
        }
        assert task["best"]["site"] != "A"
        assert not task["best"]["looks"] or task["resolved"]
    assert [len(layer) for layer in found["roles"]] == [2, 2]
    assert {"role", "score"} <= found["roles"][0][0].keys()
    table = (finished_run / "probe" / "heads.csv").read_text().splitlines()
    n_sites = 2 + sum(len(encode_case(case, byte_tokenizer()).sites) for case in cases("report", 2, 0)[::2])
    assert len(table) == 1 + n_sites * 4
    assert (finished_run / "probe" / "role_map.png").read_bytes()[:4] == b"\x89PNG"
    assert "what each head does" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sample", "probe"])
def test_a_missing_run_is_named_with_those_there_are(error_of, finished_run, name):
    assert "there is no such run" in error_of(name, "run=nowhere")
    assert f"{finished_run.parent} has run" in error_of(name, f"run={finished_run.parent}/other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data=files", "data.path=nowhere.txt"), "data.path=nowhere.txt: there is no such file or folder"),
        (("data=files", "data.path=empty.txt"), "there is no text in it"),
        (("data=files", "data.path=short.txt"), "too few for model.block_size=128"),
        (("data=files", "data.path=bad.jsonl"), "bad.jsonl, line 1: not JSON"),
        (("tokens_per_step=10",), "tokens_per_step=10: must be a multiple of model.block_size=128; give 128"),
        (("device=tpu9",), "device=tpu9"),
        (("device=meta",), "device=meta: must be auto, cpu, cuda, mps, or one of several, as cuda:1"),
        (("device=gpu",), "device=gpu: must be auto, cpu, cuda, mps, or one of several, as cuda:1"),
        (("--max_steps", "3"), "--max_steps: keys have no dashes; write max_steps=VALUE"),
        (("--max_steps=3",), "--max_steps=3: keys have no dashes; write max_steps=3"),
        (("model.n_layr=1",), "did you mean model.n_layer?"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_run(error_of, arguments, message, tmp_path):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "bad.jsonl").write_text("not json\n")
    assert message in error_of("train", "run=run", "tokenizer=bytes", "wandb.mode=disabled", *arguments)
    assert not Path("run").exists()


def test_invalid_utf8_is_replaced_and_counted(script, tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(TINY_TEXT.encode() + b"\xff\xfe" * 4)
    script("train", "run=run", "data=files", "data.path=a.txt", "tokenizer=bytes", *FILES, "max_steps=1")
    assert "8 bytes or half characters were no UTF-8" in capsys.readouterr().out


def test_a_run_that_exists_is_never_overwritten_silently(script, error_of, corpus):
    arguments = ("run=run", "data=files", f"data.path={corpus}", "tokenizer=bytes", *FILES)
    script("train", *arguments)
    before = Path("run/metrics.jsonl").read_bytes()
    assert "resume=true continues it, overwrite=true replaces it" in error_of("train", *arguments)
    assert Path("run/metrics.jsonl").read_bytes() == before
    failing = ("run=run", "data=files", "data.path=nowhere", *FILES, "overwrite=true")
    error_of("train", *failing)
    assert Path("run/metrics.jsonl").read_bytes() == before, "overwriting waits until the new run can begin"
    script("train", *arguments, "overwrite=true", "max_steps=2")
    assert checkpoint.saved_steps(Path("run")) == [2]


def test_a_folder_that_is_no_run_is_never_replaced(error_of, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    (tmp_path / "thesis" / "config.yaml").touch()
    assert "is not a run" in error_of("train", "run=thesis", "overwrite=true", *QUICK, *SMALL)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize("resume", ["false", "auto"])
def test_what_wandb_wrote_of_a_start_that_was_interrupted_is_in_nobodys_way(script, resume):
    Path("run/wandb/offline-run-1").mkdir(parents=True)
    Path("run/wandb/offline-run-1/run.wandb").write_text("a record")
    script("train", "run=run", f"resume={resume}", *QUICK, *SMALL, "max_steps=1")
    assert checkpoint.saved_steps(Path("run")) == [1]
    assert Path("run/wandb/offline-run-1/run.wandb").read_text() == "a record"
    assert not list(Path().glob(".run.*"))


def test_a_resumed_run_remembers_what_it_was_told(script, error_of, corpus, monkeypatch):
    arguments = ("run=run", "data=files", "data.path=my texts", "tokenizer=bytes", *FILES)
    script("train", *arguments)
    script("train", "run=run", "resume=true", "max_steps=6")
    assert "max_steps: 6" in Path("run/config.yaml").read_text()
    (Path("elsewhere")).mkdir()
    monkeypatch.chdir("elsewhere")
    script("train", "run=../run", "resume=true", "max_steps=7")
    assert checkpoint.saved_steps(Path("../run"))[-1] == 7


def test_a_start_that_fails_late_leaves_the_earlier_run(script, error_of, corpus, monkeypatch):
    arguments = ("run=run", "data=files", f"data.path={corpus}", "tokenizer=bytes", *FILES)
    script("train", *arguments)
    before = Path("run/metrics.jsonl").read_bytes()
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("HOME", str(Path.cwd()))
    assert "try wandb.mode=offline" in error_of("train", *arguments, "overwrite=true", "wandb.mode=online")
    assert Path("run/metrics.jsonl").read_bytes() == before


def test_stories_too_long_for_the_block_are_said_to_be(script, capsys):
    script("train", "run=run", "tokenizer=bytes", "max_steps=1", *QUICK, *SMALL)
    assert "stories exceed model.block_size" in capsys.readouterr().out
    script("probe", "run=run", "n_cases=20")
    assert "fit into the block of 64 tokens; 20 cases of 4 templates are needed in each" in capsys.readouterr().out


def test_gpt2s_tokenizer_offline_says_what_to_do(error_of, corpus, monkeypatch):
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    nowhere = replace(GPT2_VOCABULARY, url="http://127.0.0.1:9/encoder.json")
    monkeypatch.setattr("data.text.tokenizers.GPT2_VOCABULARY", nowhere)
    monkeypatch.setattr("data.text.download.TRIES_AGAIN", 0)
    message = error_of("train", "run=run", "data=files", f"data.path={corpus}", "tokenizer=gpt2", *FILES)
    assert "try again, or put the right file at" in message


def test_a_prompt_without_tokens_and_a_text_too_long_are_refused(error_of, finished_run):
    assert "has no tokens" in error_of("sample", f"run={finished_run}", "prompt=")
    assert "has no tokens" in error_of("probe", f"run={finished_run}", "text=")
    long = "Tom met Anna. " * 60
    assert "this model reads 63 at most" in error_of("probe", f"run={finished_run}", f"text={long}")


def test_a_real_process_ends_with_one_line_and_status_one(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "model.n_layr=3"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "error: model.n_layr: there is no such key; did you mean model.n_layer?\n"
    assert list(tmp_path.iterdir()) == []
