"""Runs of earlier versions, whose files call some things by other names."""

import json

import pytest
import yaml
from test_commands import refusal, train
from test_stored import make_run

from cli.run_text import RunText
from cli.schema import ProbeCommand, TrainCommand
from storage.metrics import read_rows

EARLIER = {"micro_batch:": "tokens_at_once:", "  tasks:": "  families:"}


def test_a_run_of_an_earlier_version_has_the_settings_that_it_began_with(tmp_path):
    made = make_run(tmp_path, "micro_batch=256", "data.tasks=[cue,recall]", "seed=5")
    config = (tmp_path / "config.yaml").read_text()
    for name, earlier in EARLIER.items():
        assert name in config
        config = config.replace(name, earlier)
    (tmp_path / "config.yaml").write_text(config)
    resumed = train(f"run={tmp_path}", "resume=true")
    assert (resumed.data, resumed.micro_batch, resumed.seed) == (made.data, 256, 5)
    assert train(f"run={tmp_path}", "resume=true", "data.tasks=[cue,recall]", "micro_batch=128").micro_batch == 128
    assert RunText(tmp_path).corpora == made.corpora


def test_a_run_is_sampled_with_its_own_template_also_where_none_like_it_is_taken_today(tmp_path):
    make_run(tmp_path, "data=answers", "data.path=qa.jsonl")
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert RunText(tmp_path).as_prompt("2+2=") == "2+2=\n"
    config["data"]["template"] = r"Q: {prompt}\nA: {answer}"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert RunText(tmp_path).as_prompt("2+2=") == r"Q: 2+2=\nA:"


@pytest.mark.parametrize(
    ("earlier", "name"),
    [
        ("report/cue/worth", "report/cue/chance_loss"),
        ("frames/cue/accuracy", "templates/cue/accuracy"),
        ("probe/cue/swap_drop", "probe/cue/weight_swap_drop"),
        ("probe/cue/resample_drop", "probe/cue/resample_ablation_drop"),
        ("probe/text/0.1/nats", "probe/text/0.1/nats"),
        ("step", "step"),
    ],
)
def test_columns_of_an_earlier_record_have_the_names_of_today(tmp_path, earlier, name):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({earlier: 0.5}) + "\n")
    assert read_rows(tmp_path / "metrics.jsonl") == [{name: 0.5}]


@pytest.mark.parametrize(
    ("command", "schema", "earlier", "name"),
    [
        ("train", TrainCommand, "data.families=[cue]", "data.tasks"),
        ("train", TrainCommand, "tokens_at_once=64", "micro_batch"),
        ("probe", ProbeCommand, "families=[cue]", "tasks"),
        ("probe", ProbeCommand, "film=true", "dynamics"),
    ],
)
def test_the_name_of_today_is_given_to_who_writes_an_earlier_one(command, schema, earlier, name):
    key = earlier.partition("=")[0]
    assert f"{key}: there is no such key; it is called {name} now" in refusal(command, schema, "run=x", earlier)
