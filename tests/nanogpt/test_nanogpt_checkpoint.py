"""Checkpoints of nanoGPT become networks with the same logits, and runs like any other."""

import pickle
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import checkpoints
import pytest
import torch
from checkpoints import ARGS, logits_of, random_tensors, write_checkpoint
from tolerance import additions, assert_near

import nanogpt
from common.errors import InputError

LETTERS = "\nabcdefghij"
TOKENS = torch.randint(11, (4, 16), generator=torch.Generator().manual_seed(1))
CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path) -> Path:
    """Where training left a checkpoint, with the text it was trained on where nanoGPT keeps it."""
    (tmp_path / "data" / "letters").mkdir(parents=True)
    (tmp_path / "data" / "letters" / "input.txt").write_text(LETTERS[::-1], encoding="utf-8")
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "ckpt.pt"


@pytest.mark.parametrize("bias", [{"bias": True}, {"bias": False}, {}], ids=["bias", "no bias", "before bias"])
@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
def test_logits_are_those_of_nanogpt(path, bias, prefix):
    args = ARGS | bias
    tensors = random_tensors(args)
    write_checkpoint(path, args, {prefix + name: tensor for name, tensor in tensors.items()})
    model = nanogpt.read(f"nanogpt:{path}").load(CPU, dropout=0.0).eval()
    with torch.no_grad():
        assert_near(model(TOKENS), logits_of(tensors, args, TOKENS), additions(model.config, TOKENS.size(1)))


def test_rows_that_no_token_has_are_left_out(path):
    args = ARGS | {"bias": False, "vocab_size": 16}
    write_checkpoint(path, args, random_tensors(args))
    (path.parent / "meta.pkl").write_bytes(pickle.dumps({"itos": dict(enumerate(LETTERS))}))
    origin = nanogpt.read(f"nanogpt:{path}")
    assert origin.config.vocab_size == len(LETTERS)
    assert origin.load(CPU, 0.0).embed.weight.shape == (len(LETTERS), 24)
    assert "16 rows for 11 tokens" in origin.notes[1]


def test_of_rows_that_no_token_has_nothing_is_asked(path):
    args = ARGS | {"bias": False, "vocab_size": 16}
    tensors = random_tensors(args)
    tensors["transformer.wte.weight"][11:] = float("nan")
    write_checkpoint(path, args, tensors)
    (path.parent / "meta.pkl").write_bytes(pickle.dumps({"itos": dict(enumerate(LETTERS))}))
    assert nanogpt.read(f"nanogpt:{path}").load(CPU, 0.0).embed.weight.isfinite().all()


def test_a_mask_that_older_versions_store_is_no_weight(path):
    args = ARGS | {"bias": True}
    write_checkpoint(path, args, random_tensors(args) | {"transformer.h.0.attn.bias": torch.ones(1, 1, 16, 16).tril()})
    nanogpt.read(f"nanogpt:{path}").load(CPU, 0.0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensors: tensors.pop("transformer.ln_f.weight"), "the tensor transformer.ln_f.weight is missing"),
        (
            lambda tensors: tensors.update(extra=torch.ones(2)),
            "the tensor extra is not supported by nanoGPT; give another",
        ),
        (
            lambda tensors: tensors.update({"_orig_mod.transformer.wpe.weight": torch.ones(16, 24)}),
            r"transformer\.wpe\.weight and _orig_mod\.transformer\.wpe\.weight are names of the same tensor; give",
        ),
        (lambda tensors: tensors.update(extra="text"), "has no weights under 'model'"),
        (lambda tensors: tensors.update({5: torch.ones(2)}), "has no weights under 'model'"),
        (lambda tensors: tensors.update(extra=torch.eye(2).to_sparse()), "has no weights under 'model'"),
        (lambda tensors: tensors.update(extra=torch.ones(2, device="meta")), "has no weights under 'model'"),
        (
            lambda tensors: tensors.update({"transformer.wpe.weight": torch.tensor(1.0)}),
            r"transformer.wpe.weight has the shape \[\]",
        ),
        (
            lambda tensors: tensors["transformer.wte.weight"].fill_(float("nan")),
            "transformer.wte.weight is not finite",
        ),
        (
            lambda tensors: tensors.update({"transformer.wpe.weight": torch.ones(16, 24, dtype=torch.int64)}),
            "transformer.wpe.weight is torch.int64; it must be floating point",
        ),
        (
            lambda tensors: tensors.update({"lm_head.weight": torch.ones(11, 24)}),
            "lm_head.weight is not the embedding",
        ),
        (
            lambda tensors: tensors["transformer.wpe.weight"].fill_(float("nan")),
            "transformer.wpe.weight is not finite",
        ),
    ],
)
def test_weights_that_are_not_nanogpts_are_refused_by_name(path, damage: Callable, message):
    args = ARGS | {"bias": False}
    tensors = random_tensors(args)
    damage(tensors)
    write_checkpoint(path, args, tensors)
    with pytest.raises(InputError, match=message):
        nanogpt.read(f"nanogpt:{path}")


def test_weights_of_another_shape_are_refused(path):
    args = ARGS | {"bias": False}
    write_checkpoint(path, args | {"block_size": 8}, random_tensors(args))
    with pytest.raises(InputError, match=r"wpe.weight has the shape \[16, 24\]; by its model_args it must be \[8, 2"):
        nanogpt.read(f"nanogpt:{path}")


@pytest.mark.parametrize("size", [2**40, 2**62])
@pytest.mark.parametrize("key", ["block_size", "vocab_size"])
def test_a_size_beyond_the_weights_is_refused_before_memory_is_asked_for(path, key, size):
    args = ARGS | {"bias": False}
    write_checkpoint(path, args | {key: size}, random_tensors(args))
    (path.parent / "meta.pkl").write_bytes(pickle.dumps({"itos": dict(enumerate(LETTERS))}))
    with pytest.raises(InputError, match=r"its model_args|knows \d+: give the file"):
        nanogpt.read(f"nanogpt:{path}")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (None, "has no 'model_args'"),
        ({"n_layer": 2}, r"model_args describe no network \(vocab_size=None: must be a whole number\)"),
        (ARGS | {"n_layer": "2"}, "n_layer='2': must be a whole number"),
        (ARGS | {"n_layer": True}, "n_layer=True: must be a whole number"),
        (ARGS | {"n_layer": "x" * 10**5}, r"n_layer='x{1,30}\.\.\."),
        (ARGS | {"bias": "no"}, "bias='no': must be True or False"),
        (ARGS | {"n_head": 5}, "model_args describe no network .*n_head=5"),
        (
            ARGS | {"bias": False, "activation": "relu", "softcap": 15.0},
            "model_args has 'activation', which nanoGPT has",
        ),
        (ARGS | {3: "x" * 10**5}, "model_args has 3, which nanoGPT has not; give another checkpoint"),
        (ARGS | {"n_layer": 10**9}, "model_args describe no network"),
    ],
)
def test_a_shape_that_is_none_is_refused(path, args, message):
    write_checkpoint(path, args, {})
    with pytest.raises(InputError, match=message):
        nanogpt.read(f"nanogpt:{path}")


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps({"model": 1}), pickle.dumps(print)])
def test_a_file_that_is_no_checkpoint_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no checkpoint of nanoGPT"):
        nanogpt.read(f"nanogpt:{path}")


def test_a_file_that_is_not_there_is_named(path):
    for missing in (path, path.parent / ("x" * 5000)):
        with pytest.raises(InputError, match=r"there is no such file; give the ckpt\.pt"):
            nanogpt.read(f"nanogpt:{missing}")


class Opened:
    """Whose unpickling opens a file."""

    def __reduce__(self) -> tuple:
        return open, (checkpoints.__file__, "a")


def test_nothing_in_a_checkpoint_is_run(path):
    torch.save({"model": Opened()}, path)
    with pytest.raises(InputError, match="or holds more than weights and plain values; give the"):
        nanogpt.read(f"nanogpt:{path}")


def test_a_model_whose_characters_are_not_known_is_refused_with_what_is_missing(path):
    (path.parent.parent / "data" / "letters" / "input.txt").unlink()
    args = ARGS | {"bias": False}
    write_checkpoint(path, args, random_tensors(args))
    with pytest.raises(InputError, match=r"has 11 tokens and does not say which; copy the meta.pkl or input.txt"):
        nanogpt.read(f"nanogpt:{path}")


@pytest.mark.parametrize("letters", [LETTERS + "xyz", LETTERS[:-1], ""])
def test_a_text_of_more_or_fewer_characters_than_rows_is_refused(path, letters):
    (path.parent / "input.txt").write_text(letters, encoding="utf-8")
    args = ARGS | {"bias": False}
    write_checkpoint(path, args, random_tensors(args))
    (note,) = nanogpt.read(f"nanogpt:{path}").notes
    assert note.endswith("data/letters/input.txt"), "which may be another text than this"
    (path.parent.parent / "data" / "letters" / "input.txt").unlink()
    with pytest.raises(InputError, match=rf"out/input.txt: has {len(letters)} characters; .* knows 11: give the file"):
        nanogpt.read(f"nanogpt:{path}")


def test_names_of_fewer_characters_than_padding_explains_are_refused(path):
    args = ARGS | {"bias": False, "vocab_size": 49}
    write_checkpoint(path, args, random_tensors(args))
    (path.parent / "meta.pkl").write_bytes(pickle.dumps({"itos": dict(enumerate(LETTERS))}))
    with pytest.raises(InputError, match=r"meta.pkl: has 11 characters; .* knows 49: give the file of its data"):
        nanogpt.read(f"nanogpt:{path}")


def test_a_byte_that_is_another_one_is_noticed_wherever_it_stands(path):
    """In the weights too, of which PyTorch does not check the sums; and nothing but one line comes of it."""
    args = ARGS | {"bias": True}
    write_checkpoint(path, args, random_tensors(args))
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    start = whole.index(largest.filename.encode()) + len(largest.filename) + 200
    for at in (start, *range(0, len(whole), len(whole) // 40)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        refused = pytest.raises(InputError, match="damaged") if at == start else suppress(InputError)
        with refused:
            nanogpt.read(f"nanogpt:{path}")


@pytest.mark.parametrize("error", [AttributeError, TypeError, IndexError, AssertionError, struct.error])
def test_whatever_the_reader_trips_over_is_one_line(path, monkeypatch, error):
    args = ARGS | {"bias": True}
    write_checkpoint(path, args, random_tensors(args))

    def trip(*_: object, **__: object) -> None:
        raise error("over this")

    monkeypatch.setattr(torch, "load", trip)
    with pytest.raises(InputError, match="is no checkpoint of nanoGPT, or damaged"):
        nanogpt.read(f"nanogpt:{path}")


@pytest.mark.parametrize("vocab_size", [50257, 50304])
def test_a_text_does_not_make_a_model_of_gpt2s_tokens_one_of_characters(path, vocab_size):
    args = ARGS | {"bias": False, "vocab_size": vocab_size}
    write_checkpoint(path, args, random_tensors(args))
    origin = nanogpt.read(f"nanogpt:{path}")
    assert origin.tokenizer is None
    assert origin.config.vocab_size == 50257


def test_more_rows_than_gpt2s_tokens_are_padded_to_are_of_other_tokens(path):
    args = ARGS | {"bias": False, "vocab_size": 100277}
    write_checkpoint(path, args, random_tensors(args))
    with pytest.raises(InputError, match="has 100277 tokens and does not say which"):
        nanogpt.read(f"nanogpt:{path}")


def test_a_data_set_of_a_hostile_name_is_not_looked_for(path):
    args = ARGS | {"bias": False}
    write_checkpoint(path, args, random_tensors(args), config={"dataset": "x" * 5000})
    with pytest.raises(InputError, match=r"of data/x{80} into"):
        nanogpt.read(f"nanogpt:{path}")


def test_a_checkpoint_becomes_a_run_that_samples_and_is_trained_on(path, script, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    args = ARGS | {"bias": False}
    write_checkpoint(path, args, random_tensors(args))
    script("train", f"init_from=nanogpt:{path}", "run=mine", "max_steps=0", "wandb.mode=disabled")
    script("sample", "run=mine", "prompt=cab", "max_new_tokens=4", "seed=1")
    assert capsys.readouterr().out.splitlines()[-1].startswith("cab")
    (tmp_path / "more.txt").write_text("abcdefghij\n" * 60, encoding="utf-8")
    text = ("data=files", "data.path=more.txt", "optimizer=finetune", "tokens_per_step=32", "max_steps=2")
    script("train", "init_from=mine", "run=tuned", *text, "wandb.mode=disabled")
    script("train", f"init_from=nanogpt:{path}", "run=other", *text, "wandb.mode=disabled")
    first, second = (Path(run, "checkpoints/step_000002/model.safetensors").read_bytes() for run in ("tuned", "other"))
    assert first == second


def test_characters_that_the_model_does_not_know_are_named_with_their_file(
    path, script, error_of, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    args = ARGS | {"bias": False}
    write_checkpoint(path, args, random_tensors(args))
    script("train", f"init_from=nanogpt:{path}", "run=mine", "max_steps=0", "wandb.mode=disabled")
    assert "'x' is none of the 11 characters that this model knows" in error_of("sample", "run=mine", "prompt=xa")
    (tmp_path / "more.txt").write_text("zyabc\nwvu tx" * 60, encoding="utf-8")
    unknown = "more.txt: ' ', 't', 'u', 'v', 'w' and 3 more are none of the 11 characters that this model knows; give a"
    text = ("data=files", "data.path=more.txt", "tokens_per_step=32", "max_steps=2", "wandb.mode=disabled")
    assert f"error: {unknown}" in error_of("train", "init_from=mine", "run=tuned", *text)
    assert f"text_file={unknown}" in error_of("probe", "run=mine", "text_file=more.txt")
