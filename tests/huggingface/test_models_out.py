"""An export is the same function in transformers and in TransformerLens, or is not written at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import GPT2_SHAPE, run_script
from exchanged import SHAPES, SIZES, TOKENIZER, VOCABULARY, assert_same_logits, export, make, tokens
from kills import kill_at_every_moment
from networks import loud_model
from tolerance import additions, assert_near
from transformers import AutoModelForCausalLM, AutoTokenizer

import huggingface
from common.atomic import waiting_path
from common.errors import InputError
from huggingface.gpt2 import GPT2
from model import GPT, GPTConfig, Sampling, generate
from probing.patterns import PatternRecorder
from storage import run

ARCHITECTURES = {"gpt2": "GPT2LMHeadModel", "modern": "NanoChatForCausalLM"}


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module", params=SHAPES)
def pair(request: pytest.FixtureRequest, tmp_path_factory) -> tuple[GPT, Path]:
    ours = make(SHAPES[request.param])
    return ours, export(ours, tmp_path_factory.mktemp("out") / "folder")


def test_logits_are_the_same(pair):
    ours, folder = pair
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    assert_same_logits(ours, theirs)


@pytest.mark.parametrize("mlp", ["gelu_exact", "relu"])
def test_every_activation_with_a_name_there_is_the_same_function(tmp_path, mlp):
    ours = make(GPT2_SHAPE | {"mlp": mlp})
    folder = export(ours, tmp_path / "out")
    assert_same_logits(ours, AutoModelForCausalLM.from_pretrained(folder))
    assert huggingface.read(f"hf:{folder}").config == ours.config


def test_greedy_continuations_are_the_same_up_to_the_end_token(pair):
    ours, folder = pair
    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert theirs.generation_config.eos_token_id == tokenizer.eos_token_id == TOKENIZER.end
    prompt = TOKENIZER.encode("Tom met")
    ids = tokenizer("Tom met", return_tensors="pt")["input_ids"]
    assert ids.tolist() == [prompt.tolist()]
    new = [int(token) for token in generate(ours, torch.from_numpy(prompt), 1, 30, Sampling(temperature=0), 0)]
    assert theirs.generate(ids, max_new_tokens=30)[0, len(prompt) :].tolist() == new
    assert len(set(new)) > 2, "or one token over and over would pass"


def test_generation_stops_at_the_end_token(tmp_path):
    ours, finals = make(SHAPES["modern"]), []
    with torch.no_grad(), ours.norm.register_forward_hook(lambda *call: finals.append(call[-1])):
        ours(tokens())
        ours.head.weight[TOKENIZER.end] = 50 * finals[0][0, -1]
    theirs = AutoModelForCausalLM.from_pretrained(export(ours, tmp_path / "out"))
    found = theirs.generate(tokens()[:1], max_new_tokens=8)
    assert found[0, 40:].tolist() == [TOKENIZER.end]


def test_the_bridge_of_transformer_lens_shows_our_patterns(pair):
    from transformer_lens.model_bridge import TransformerBridge

    ours, folder = pair
    recorder = PatternRecorder()
    with torch.no_grad():
        ours(tokens(), hooks=recorder)
    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in recorder.patterns]
    _, cache = bridge.run_with_cache(tokens(), names_filter=names)
    for layer, pattern in recorder.patterns.items():
        assert_near(cache[names[layer]], pattern, additions(ours.config, tokens().size(1)), scale=1)
    text = "Tom <|endoftext|>"
    assert bridge.to_tokens(text, prepend_bos=False).tolist() == [TOKENIZER.encode(text).tolist()]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"attention": "FW"}, "model.attention=FW is not supported by NanoChatForCausalLM"),
        ({"attention": "R"}, "model.attention=R is not supported"),
        ({"mlp": "gelu"}, "model.mlp=gelu is not supported by NanoChatForCausalLM"),
        ({"bias": True}, "model.bias=true is not supported by NanoChatForCausalLM"),
        ({"scale_attention": False}, "model.scale_attention=false is not supported by NanoChatForCausalLM"),
        ({"qk_norm": False}, "model.qk_norm=false is not supported"),
        ({"position": "learned"}, "model.position=learned is not supported"),
        ({"mlp": "relu"}, "model.mlp=relu is not supported by NanoChatForCausalLM"),
        ({"norm": "none"}, "model.norm=none is not supported by NanoChatForCausalLM"),
        ({"head_bias": True}, "model.head_bias=true is not supported by NanoChatForCausalLM"),
        (GPT2_SHAPE | {"mlp": "none"}, "model.mlp=none is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"mlp": "relu2"}, "model.mlp=relu2 is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"norm": "none"}, "model.norm=none is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"attention": "S"}, "model.attention=S is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"bias": False}, "model.bias=false is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"position": "rope"}, "model.position=rope is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"softcap": 15.0}, "model.softcap=15.0 is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"n_kv_head": 2}, "model.n_kv_head=2 is not supported by GPT2LMHeadModel"),
        (GPT2_SHAPE | {"scale_attention": False}, "model.scale_attention=false is not supported by GPT2LMHeadModel"),
    ],
)
def test_what_has_no_architecture_names_the_setting_and_writes_nothing(tmp_path, shape, message):
    model = GPT(GPTConfig(VOCABULARY, **SIZES, **shape))
    with pytest.raises(InputError) as caught:
        export(model, tmp_path / "out")
    assert str(caught.value).startswith(f"run=foo: {message}")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_mixture_names_every_setting_that_stands_in_the_way(tmp_path):
    config = GPTConfig(VOCABULARY, **SIZES, mlp="gelu", bias=True)
    with pytest.raises(
        InputError, match=r"model.mlp=gelu and model.bias=true are not supported by NanoChatForCausalLM"
    ):
        export(GPT(config), tmp_path / "out")


def test_a_run_that_waits_beside_an_export_is_not_touched(tmp_path):
    """``storage.run`` keeps what it is about to replace under such a name."""
    waiting = waiting_path(tmp_path / "out", run.KIND)
    waiting.mkdir()
    export(make({}), tmp_path / "out")
    export(make({}), tmp_path / "out", overwrite=True)
    assert waiting.exists()


def test_an_attention_type_that_no_layer_has_is_no_hindrance(tmp_path):
    config = GPTConfig(VOCABULARY, **{**SIZES, "n_layer": 1}, attention="FW", window=3)
    ours = loud_model(config)
    assert_same_logits(ours, AutoModelForCausalLM.from_pretrained(export(ours, tmp_path / "out")))


def test_a_softcap_that_is_a_whole_number_goes_out_too(tmp_path):
    ours = make({"softcap": 15})
    folder = export(ours, tmp_path / "out")
    assert isinstance(json.loads((folder / "config.json").read_text())["final_logit_softcapping"], float)
    assert_same_logits(ours, AutoModelForCausalLM.from_pretrained(folder))


def test_dropout_goes_out_but_changes_nothing(tmp_path):
    ours = GPT(replace(make({}).config, dropout=0.3)).eval()
    theirs = AutoModelForCausalLM.from_pretrained(export(ours, tmp_path / "out"))
    assert theirs.config.attention_dropout == 0.3
    assert_same_logits(ours, theirs)


def test_a_folder_is_replaced_only_where_an_export_made_it_and_told_to(tmp_path):
    first, second = make({}), make({"softcap": 7.0})
    folder = export(first, tmp_path / "out")
    with pytest.raises(InputError, match=r"exists; overwrite=true replaces it"):
        export(second, folder)
    export(second, folder, overwrite=True)
    assert json.loads((folder / "config.json").read_text())["final_logit_softcapping"] == 7.0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (folder / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"holds README.md, which no export makes"):
        export(first, folder, overwrite=True)
    (folder / "README.md").unlink()
    (folder / "export.json").unlink()
    with pytest.raises(InputError, match=r"exists and is no export"):
        export(first, folder, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"exists and is no export"):
        export(first, tmp_path / "file", overwrite=True)
    (tmp_path / "empty").mkdir()
    export(first, tmp_path / "empty")


def test_a_failure_leaves_the_earlier_export_as_it_was(tmp_path, monkeypatch):
    folder = export(make({}), tmp_path / "out")
    before = files_in(folder)
    monkeypatch.setattr("safetensors.torch.save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(make({"softcap": 7.0}), folder, overwrite=True)
    assert files_in(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_between_the_two_renames_does_so_too(tmp_path, monkeypatch):
    folder = export(make({}), tmp_path / "out")
    before = (folder / "model.safetensors").read_bytes()
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda old, new: 1 / 0 if ".unfinished-" in old.name else replace(old, new))
    with pytest.raises(ZeroDivisionError):
        export(make({"softcap": 7.0}), folder, overwrite=True)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_killed_at_any_moment_is_the_earlier_or_the_new_one_for_the_next(tmp_path):
    first, second, folder, seen = make({}), make({"softcap": 7.0}), tmp_path / "out", []
    wanted = [files_in(export(model, tmp_path / f"{i}" / "out")) for i, model in enumerate((first, second))]
    export(first, folder)
    for _ in kill_at_every_moment(lambda: export(second, folder, overwrite=True), {"rename", "replace", "unlink"}):
        with pytest.raises(InputError, match=r"exists; overwrite=true replaces it"):
            export(first, folder)
        seen.append(wanted.index(files_in(folder)))
        export(first, folder, overwrite=True)
    assert sorted(set(seen)) == [0, 1]
    assert seen == sorted(seen)


def test_the_script_exports_the_checkpoint_that_is_asked_for(script, error_of, finished_run, capsys):
    from storage.weights import load_model

    before = sorted(finished_run.rglob("*"))
    script("export", f"run={finished_run}", "to=my models/one", "checkpoint=10")
    assert f"step 10 of {finished_run} as NanoChatForCausalLM" in capsys.readouterr().out
    assert json.loads(Path("my models/one/export.json").read_text())["step"] == 10
    ours, tokenizer, _ = load_model(finished_run, "10", torch.device("cpu"))
    theirs = AutoModelForCausalLM.from_pretrained("my models/one")
    prompt = torch.from_numpy(tokenizer.encode("Tom met Anna at the park."))[None]
    assert_same_logits(ours, theirs, prompt)
    assert error_of("export", f"run={finished_run}", "to=my models/one") == (
        "error: to=my models/one: exists; overwrite=true replaces it"
    )
    assert "checkpoint=7" in error_of("export", f"run={finished_run}", "to=two", "checkpoint=7")
    assert "there is no such run" in error_of("export", "run=nowhere", "to=two")
    assert "to is missing; give to=..." in error_of("export", f"run={finished_run}")
    assert not Path("two").exists()
    run_script("export", f"run={finished_run}", "to=my models/one", "checkpoint=latest", "overwrite=true")
    assert json.loads(Path("my models/one/export.json").read_text())["step"] == 20
    assert sorted(finished_run.rglob("*")) == before


def test_a_run_that_is_called_a_dot_keeps_its_name(script, finished_run, tmp_path, monkeypatch):
    monkeypatch.chdir(finished_run)
    run_script("export", "run=.", f"to={tmp_path / 'out'}")
    assert json.loads((tmp_path / "out/export.json").read_text())["run"] == finished_run.name
    monkeypatch.setattr("huggingface.folder.ARCHITECTURES", [GPT2])
    with pytest.raises(SystemExit, match=r"^error: run=\.: .* not supported by GPT2LMHeadModel"):
        run_script("export", "run=.", f"to={tmp_path / 'two'}")
