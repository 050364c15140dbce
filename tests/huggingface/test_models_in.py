"""Folders that transformers saved become networks with the same logits, and runs like any other."""

import json
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import httpx2
import huggingface_hub
import inputs
import pytest
import torch
from conftest import QUICK
from exchanged import SHAPES, TOKENIZER, VOCABULARY, assert_same_logits, export, make, random_gpt2
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config

import huggingface
from common.errors import InputError
from data.text.tokenizers import TokenizerConfig, gpt2_tokenizer
from huggingface import tokenizer_json
from huggingface.gpt2 import GPT2
from model import GPT
from storage.metrics import read_rows
from storage.weights import load_model

CPU = torch.device("cpu")


def add_tokenizer(folder: Path) -> None:
    for name, content in tokenizer_json.files(TOKENIZER, 48).items():
        (folder / name).write_text(json.dumps(content))


@pytest.fixture
def theirs(tmp_path) -> torch.nn.Module:
    """A random GPT-2 that lies in tmp_path/theirs."""
    model = random_gpt2()
    model.save_pretrained(tmp_path / "theirs")
    add_tokenizer(tmp_path / "theirs")
    return model


def read(folder: Path) -> GPT:
    return huggingface.read(f"hf:{folder}").load(CPU, 0.0).eval()


def change_tensors(folder: Path, change) -> None:
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"}
    )


def change_config(folder: Path, changes: dict) -> None:
    """A key whose value is None is taken out."""
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def test_a_saved_gpt2_has_the_same_logits(theirs, tmp_path):
    assert_same_logits(read(tmp_path / "theirs"), theirs)


def test_another_name_of_a_key_may_say_the_same(theirs, tmp_path):
    assert GPT2.aliases == GPT2Config.attribute_map
    values = json.loads((tmp_path / "theirs" / "config.json").read_text())
    change_config(tmp_path / "theirs", {alias: values[key] for alias, key in GPT2.aliases.items()})
    assert_same_logits(read(tmp_path / "theirs"), theirs)


def test_a_sharded_one_too(theirs, tmp_path):
    theirs.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    add_tokenizer(tmp_path / "sharded")
    shards = sorted((tmp_path / "sharded").glob("model-*.safetensors"))
    assert len(shards) > 2
    assert_same_logits(read(tmp_path / "sharded"), theirs)
    shards[1].unlink()
    with pytest.raises(InputError, match=rf"{shards[1].name} is missing"):
        read(tmp_path / "sharded")


def with_buffers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    more = {f"h.{layer}.attn.bias": torch.ones(1, 1, 48, 48).tril() for layer in range(3)}
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    return bare | more | {"h.0.attn.masked_bias": torch.tensor(-1e4)}


@pytest.mark.parametrize("name", ["gelu_new", "gelu_pytorch_tanh", "gelu", "relu"])
def test_every_activation_with_a_name_here_is_the_same_function(tmp_path, name):
    model = random_gpt2(activation_function=name)
    model.save_pretrained(tmp_path)
    add_tokenizer(tmp_path)
    assert_same_logits(read(tmp_path), model)


def with_head(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"lm_head.weight": tensors["transformer.wte.weight"].clone()}


@pytest.mark.parametrize("change", [with_buffers, with_head])
def test_older_ways_to_write_the_same_are_read(theirs, tmp_path, change):
    change_tensors(tmp_path / "theirs", change)
    assert_same_logits(read(tmp_path / "theirs"), theirs)


def test_an_untied_head_is_read(tmp_path):
    model = random_gpt2(tie_word_embeddings=False)
    model.save_pretrained(tmp_path)
    add_tokenizer(tmp_path)
    assert not torch.equal(model.lm_head.weight, model.transformer.wte.weight)
    assert_same_logits(read(tmp_path), model)


def test_half_precision_becomes_float32(theirs, tmp_path):
    theirs.bfloat16().save_pretrained(tmp_path / "half")
    add_tokenizer(tmp_path / "half")
    ours = read(tmp_path / "half")
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}
    assert_same_logits(ours, theirs.float())


@pytest.mark.parametrize("shape", SHAPES)
def test_out_and_in_again_is_the_same_and_out_again_too(tmp_path, shape):
    ours = make(SHAPES[shape])
    found = huggingface.read(f"hf:{export(ours, tmp_path / 'one')}")
    again = found.load(CPU, ours.config.dropout)
    assert found.config == again.config == ours.config
    assert found.tokenizer.to_json() == TOKENIZER.to_json()
    for (name, one), (_, other) in zip(ours.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    export(again, tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("shape", ["gpt2", "modern, grouped, tied, no softcap"])
def test_what_transformers_makes_of_an_export_comes_in_too(tmp_path, shape):
    ours = make(SHAPES[shape])
    theirs = AutoModelForCausalLM.from_pretrained(export(ours, tmp_path / "out"))
    theirs.save_pretrained(tmp_path / "theirs")
    add_tokenizer(tmp_path / "theirs")
    found = huggingface.read(f"hf:{tmp_path / 'theirs'}")
    assert found.config == ours.config
    assert_same_logits(found.load(CPU, 0.0).eval(), theirs)


def test_rows_that_no_token_has_are_left_out_and_said_to_be(tmp_path):
    padded = random_gpt2(vocab_size=320, bos_token_id=VOCABULARY - 1, eos_token_id=VOCABULARY - 1)
    padded.save_pretrained(tmp_path)
    add_tokenizer(tmp_path)
    found = huggingface.read(f"hf:{tmp_path}")
    assert found.notes == (
        f"hf:{tmp_path} has 320 rows for {VOCABULARY} tokens; the last {320 - VOCABULARY} are left out",
    )
    ours = found.load(CPU, 0.0).eval()
    assert_same_logits(ours, padded)


def test_without_tokenizer_files_gpt2s_own_vocabulary_is_taken(tmp_path, input_folder):
    random_gpt2(vocab_size=50257, n_embd=8, n_layer=1, n_head=1).save_pretrained(tmp_path)
    found = huggingface.read(f"hf:{tmp_path}")
    assert found.tokenizer_config == TokenizerConfig("gpt2", 50257)
    assert "has no tokenizer files; its 50,257 tokens are taken to be GPT-2's" in found.notes[0]
    with inputs.gpt2_from(input_folder):
        assert found.get_tokenizer(tmp_path).to_json() == gpt2_tokenizer(tmp_path).to_json()
    random_gpt2(vocab_size=50304, n_embd=8, n_layer=1, n_head=1).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"no tokenizer files, and vocab_size=50304 is not GPT-2's 50257"):
        huggingface.read(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx=True is not supported"),
        ({"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn=True is not supported; it must be False"),
        ({"scale_attn_weights": False}, "scale_attn_weights=False is not supported"),
        ({"num_attention_heads": 2}, "num_attention_heads=2 is not supported; it must be 4 in this shape"),
        ({"num_hidden_layers": 1}, "num_hidden_layers=1 is not supported; it must be 3 in this shape"),
        ({"hidden_size": 24}, "hidden_size=24 is not supported; it must be 48 in this shape"),
        ({"max_position_embeddings": 8}, "max_position_embeddings=8 is not supported; it must be 48 in this shape"),
        ({"n_inner": 100}, "n_inner=100 is not supported; it must be 192 in this shape"),
        (
            {"activation_function": "silu"},
            "activation_function=silu is not supported; it must be gelu_new or gelu_pytorch_tanh or gelu or relu",
        ),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon=1e-06 is not supported; it must be 1e-05"),
        ({"add_cross_attention": True}, "add_cross_attention=True is not supported"),
        ({"quantization_config": {"bits": 4}}, "quantization_config={'bits': 4} is not supported"),
        ({"model_type": "llama"}, "model_type=llama cannot be read; gpt2 and nanochat can"),
        ({"n_head": 5}, "config.json describes no network (n_embd=48 does not divide"),
        ({"n_layer": "three"}, "config.json describes no network (n_layer='three': must be a whole number)"),
        ({"n_positions": True}, "config.json describes no network (block_size=True: must be a whole number)"),
        ({"n_head": None, "num_attention_heads": 4}, "config.json describes no network (n_head=None: must be"),
        ({"is_causal": False}, "is_causal=False is not supported; it must be True"),
        ({"vocab_size": 100}, "vocab_size=100, but its tokenizer has"),
        ({"vocab_size": VOCABULARY + 1}, f"the tensor transformer.wte.weight has the shape [{VOCABULARY}, 48]; by its"),
        ({"n_positions": 32}, "the tensor transformer.wpe.weight has the shape [48, 48]; by its config.json it must"),
        ({"n_positions": 2**40}, "the tensor transformer.wpe.weight has the shape [48, 48]; by its config.json"),
        ({"vocab_size": 2**40}, f"the tensor transformer.wte.weight has the shape [{VOCABULARY}, 48]; by its"),
        ({"n_layer": 4}, "the tensor transformer.h.3.ln_1.weight is missing"),
        ({"n_layer": 2}, "the tensor h.2."),
    ],
)
def test_what_cannot_be_expressed_names_the_key(theirs, tmp_path, changes, message):
    change_config(tmp_path / "theirs", changes)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "theirs")
    assert str(caught.value).startswith(f"hf:{tmp_path / 'theirs'}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "gelu_new"}, "hidden_act=gelu_new is not supported; it must be relu2"),
        ({"intermediate_size": 100}, "intermediate_size=100 is not supported"),
        ({"attention_bias": True}, "attention_bias=True is not supported"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_parameters="),
        ({"rope_theta": 5e5}, "rope_theta=500000.0 is not supported; it must be 10000.0"),
        ({"head_dim": 24}, "head_dim=24 is not supported"),
        ({"is_causal": False}, "is_causal=False is not supported"),
        ({"hidden_size": None}, r"config.json describes no network \(n_embd=None: must be a whole number\)"),
        ({"final_logit_softcapping": 0.0}, r"describes no network \(final_logit_softcapping=0.0 makes all logits 0\)"),
        ({"final_logit_softcapping": True}, r"describes no network \(softcap=True: must be a number\)"),
        ({"final_logit_softcapping": "abc"}, "config.json describes no network"),
        ({"final_logit_softcapping": [15]}, "config.json describes no network"),
    ],
)
def test_the_modern_shape_is_as_strict(tmp_path, changes, message):
    change_config(export(make({}), tmp_path / "out"), changes)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"score.weight": torch.zeros(2)}, "the tensor score.weight is not supported by GPT2LMHeadModel"),
        (lambda t: t | {"transformer.ln_f.bias": torch.zeros(48, dtype=torch.int8)}, "is torch.int8; it must be"),
        (
            lambda t: t | {"wpe.weight": torch.zeros(48, 48)},
            r"transformer\.wpe\.weight and wpe\.weight are names of the same",
        ),
        (lambda t: {k: v for k, v in t.items() if "wpe" not in k}, "the tensor transformer.wpe.weight is missing"),
        (lambda t: t | {"transformer.h.0.attn.c_attn.bias": torch.zeros(100)}, r"c_attn.bias has the shape \[100\]"),
        (lambda t: t | {"transformer.h.0.attn.c_attn.weight": torch.zeros(48)}, r"must be \[48, 144\]; give"),
    ],
)
def test_tensors_that_do_not_fit_are_named(theirs, tmp_path, change, message):
    change_tensors(tmp_path / "theirs", change)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "theirs")


def test_damaged_and_missing_files_are_named(theirs, tmp_path):
    weights = tmp_path / "theirs" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"model.safetensors is damaged"):
        read(tmp_path / "theirs")
    weights.unlink()
    with pytest.raises(InputError, match=r"model.safetensors is missing; only safetensors files are read"):
        read(tmp_path / "theirs")
    (tmp_path / "theirs" / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json is damaged"):
        read(tmp_path / "theirs")
    (tmp_path / "theirs" / "config.json").unlink()
    with pytest.raises(InputError, match=r"has no config.json"):
        read(tmp_path / "theirs")
    for name in (f"hf:{tmp_path}/no such folder", "hf:https://huggingface.co/someone/a-model"):
        with pytest.raises(InputError) as caught:
            huggingface.read(name)
        wanted = f"{name}: there is no such folder; a model of the Hub is written hf:OWNER/NAME"
        assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, r"LocalEntryNotFoundError: \[Errno \d+\] Connection refused"),
        (httpx2.ReadTimeout("timed out"), "ReadTimeout: timed out"),
        (httpx2.ConnectTimeout("timed out"), "ConnectTimeout: timed out"),
        (httpx2.RemoteProtocolError("Server disconnected"), "RemoteProtocolError: Server disconnected"),
        (httpx2.ProxyError("407"), "ProxyError: 407"),
        (httpx2.InvalidURL("no address"), "InvalidURL: no address"),
        (hub_errors.XetDownloadError("cut"), "XetDownloadError: cut"),
        (hub_errors.HFValidationError("Repo id must be\nsomething else"), "HFValidationError: Repo id must be"),
        (OSError(28, "No space left on device"), r"OSError: \[Errno 28\] No space left on device"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_name_that_the_hub_does_not_give_is_one_line_whatever_its_library_raises(
    tmp_path, monkeypatch, error, reason
):
    monkeypatch.setitem(sys.modules, "httpx", None)  # nothing that Lookback requires brings it along
    fetch = Mock(side_effect=error)
    if not error:
        fetch = partial(huggingface_hub.snapshot_download, endpoint="http://127.0.0.1:9", cache_dir=tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    wanted = (
        rf"hf:gpt2: there is no such folder, and the Hub did not give it \({reason}\); check the name, "
        r"OWNER/NAME, and the network, or give a folder that has config\.json and model\.safetensors"
    )
    with pytest.raises(InputError) as caught:
        huggingface.read("hf:gpt2")
    assert re.fullmatch(wanted, str(caught.value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda embedding: embedding + 1, r"is not the embedding, .*config\.json must say tie_word_embeddings=false"),
        (lambda embedding: embedding[:-1].clone(), r"lm_head\.weight has the shape"),
        (lambda embedding: embedding.long(), r"lm_head\.weight is torch\.int64"),
    ],
)
def test_a_head_that_is_not_the_embedding_is_not_taken_for_it(theirs, tmp_path, change, message):
    change_tensors(tmp_path / "theirs", lambda t: t | {"lm_head.weight": change(t["transformer.wte.weight"])})
    with pytest.raises(InputError, match=message):
        read(tmp_path / "theirs")


def test_of_one_file_and_shards_of_another_time_the_one_file_is_read(theirs, tmp_path):
    folder = tmp_path / "theirs"
    (folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"transformer.wte.weight": "gone.safetensors"}}'
    )
    assert_same_logits(huggingface.read(f"hf:{folder}").load(CPU, 0.0).eval(), theirs)


@pytest.mark.parametrize("shards", ['{"weight_map": []}', '{"weight_map": {"a": 1}}', "{}"])
def test_a_damaged_index_of_shards_is_one_line(theirs, tmp_path, shards):
    folder = tmp_path / "theirs"
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(shards)
    with pytest.raises(InputError, match=r"index\.json is damaged: its weight_map names no files"):
        huggingface.read(f"hf:{folder}").load(CPU, 0.0)


def test_a_name_is_fetched_with_the_needed_files_alone(theirs, tmp_path, monkeypatch):
    asked = {}

    def fetch(name: str, **settings: object) -> str:
        asked.update(settings, name=name)
        return str(tmp_path / "theirs")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.chdir(tmp_path)
    assert_same_logits(huggingface.read("hf:someone/a-model").load(CPU, 0.0).eval(), theirs)
    assert asked["name"] == "someone/a-model"
    fetched = {"model.safetensors", "tokenizer.json", "added_tokens.json", "special_tokens_map.json", "spiece.model"}
    there = [*fetched, "pytorch_model.bin", "tf_model.h5"]
    assert {*filter_repo_objects(there, allow_patterns=asked["allow_patterns"])} == fetched
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"did not give it \(that needs: pip install huggingface_hub\)"):
        huggingface.read("hf:someone/a-model")


def test_a_folder_becomes_a_run_that_samples_is_probed_trains_on_and_stands_alone(script, error_of, theirs, capsys):
    train = ("wandb.mode=disabled", "data.n_train=300", "data.n_val=40", "data.tasks=[agreement]")
    train += ("tokens_per_step=96", "run=run", "init_from=hf:theirs")
    for override in ("model.n_layer=2", "tokenizer=bytes", "model=small"):
        message = error_of("train", *train, override, "max_steps=0")
        assert message == (
            f"error: {override}: init_from=hf:theirs brings its model and tokenizer along; leave this out"
        )
    script("train", *train, "max_steps=0", "model.dropout=0.1")
    out = capsys.readouterr().out
    assert "weights from hf:theirs, GPT2LMHeadModel" in out
    assert "nothing was trained; checkpoints at 0" in out
    assert [row["step"] for row in read_rows(Path("run/metrics.jsonl"))] == [0]
    assert [path.name for path in Path("run/checkpoints").iterdir()] == ["step_000000"]
    ours, tokenizer, state = load_model(Path("run"), "best", CPU)
    assert (tokenizer.start, state["model"]["dropout"]) == (" ", 0.1), "as stories begin, which it may be trained on"
    tokenizer.start = TOKENIZER.start
    assert tokenizer.to_json() == TOKENIZER.to_json()
    assert_same_logits(ours, theirs)
    script("sample", "run=run", "prompt=Tom", "max_new_tokens=5")
    script("probe", "run=run", "n_cases=20")
    script("probe", "run=run", "text=Tom met Anna")
    assert f"init_from: hf:{Path('theirs').absolute()}" in Path("run/config.yaml").read_text()
    shutil.rmtree("theirs")
    script("train", "run=run", "resume=true", "max_steps=2")
    assert [row["step"] for row in read_rows(Path("run/metrics.jsonl")) if "val_loss" in row] == [0, 2]
    script("export", "run=run", "to=again")
    assert json.loads(Path("again/export.json").read_text())["step"] == 2


def test_training_nothing_needs_weights_to_keep(error_of):
    message = error_of("train", "max_steps=0", *QUICK)
    assert message == "error: max_steps=0: trains nothing, which makes sense with init_from=... alone"
    assert "max_steps=-1: must be at least 0" in error_of("train", "max_steps=-1", *QUICK)
