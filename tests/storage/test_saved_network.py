"""A run that is made of a network alone: whole, or not there."""

from pathlib import Path

import pytest
import torch
from networks import loud_model

from common.errors import InputError
from data.text.tokenizers import IdTokenizer
from model import GPTConfig
from storage import checkpoint
from storage.run import is_run, renew
from storage.weights import get_parameters, load_model, save_run

NAMES = IdTokenizer(["e4", "e5", "Nf3"])
MODEL = loud_model(GPTConfig(3, block_size=8, n_layer=1, n_head=2, n_embd=8))


def refusal(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        save_run(*arguments, **options)
    return str(caught.value)


def test_it_has_the_network_and_its_tokens(tmp_path):
    save_run(tmp_path / "run", MODEL, NAMES)
    model, tokenizer, state = load_model(tmp_path / "run", "best", torch.device("cpu"))
    assert (model.config, tokenizer.to_json(), state["step"]) == (MODEL.config, NAMES.to_json(), 0)
    assert all(weights.equal(get_parameters(MODEL)[name]) for name, weights in get_parameters(model).items())


def test_a_tokenizer_of_another_run_or_none_is_named(tmp_path):
    run = tmp_path / "run"
    save_run(run, MODEL, NAMES)
    (run / "tokenizer.json").write_text(IdTokenizer(["e4", "e5"]).to_json())
    with pytest.raises(InputError, match=r"run/tokenizer.json has 2 tokens, and the model 3: it is of another run"):
        load_model(run, "best", torch.device("cpu"))
    (run / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"run: lacks tokenizer.json; put it back"):
        load_model(run, "best", torch.device("cpu"))
    renew(run, (run / "config.yaml").read_text(), NAMES)
    assert load_model(run, "best", torch.device("cpu"))[1].pieces == NAMES.pieces


def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path):
    run = tmp_path / "run"
    save_run(run, MODEL, NAMES)
    assert (
        refusal(run, MODEL, IdTokenizer(3))
        == f"run={run}: exists; resume=true continues it, overwrite=true replaces it"
    )
    save_run(run, MODEL, IdTokenizer(3), overwrite=True)
    assert load_model(run, "latest", torch.device("cpu"))[1].pieces[2] == b" 2"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert refusal(tmp_path / "mine", MODEL, NAMES, overwrite=True).endswith(
        "exists and is not a run; give another name"
    )


def test_nothing_is_left_where_it_fails_and_an_earlier_run_stays(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("disk full")

    save_run(tmp_path / "earlier", MODEL, NAMES)
    monkeypatch.setattr(checkpoint, "save", full)
    for name in ("run", "earlier"):
        with pytest.raises(OSError, match="disk full"):
            save_run(tmp_path / name, MODEL, NAMES, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["earlier"]
    assert is_run(tmp_path / "earlier")


def test_what_does_not_go_together_and_what_is_not_finite_is_refused(tmp_path):
    other, broken = IdTokenizer(4), loud_model(MODEL.config)
    assert refusal(Path("run"), MODEL, other) == (
        "run=run: the tokenizer has 4 tokens, and the model's vocab_size is 3; they must be equal"
    )
    with torch.no_grad():
        broken.embed.weight[0, 0] = torch.nan
    assert refusal(tmp_path / "run", broken, NAMES).endswith("embed.weight is not finite; nothing was written")
    assert not (tmp_path / "run").exists()
