"""What the terminal says of heads in a text: it fits on 80 columns, and names what is sure."""

from rich.console import Console

from probing.in_text.kinds import KINDS_IN_WORDS
from report.text_terminal import costs, head_table, looks

RELATIONS = {
    "after_same_token": {"share": 0.4, "uniform": 0.1},
    "rest": {"share": 0.6, "uniform": 0.9},
}
EFFECTS = {
    "all": {"nats": 0.02, "ci": [0.01, 0.03]},
    "line_end": {"nats": 1.25, "ci": [1.0, 1.5]},
    "pair_again": {"nats": 0.3, "ci": [0.1, 0.5]},
    "pronoun": {"nats": 0.4, "ci": [-0.1, 0.9]},
}
HEAD = {
    "head": "1.0",
    "looks": {"relations": RELATIONS},
    "effects": {"mean": EFFECTS},
    "roles": [{"role": "line_end", "by": "effect"}],
}
TEXT = {"shown": "mean", "heads": [HEAD]}


def test_a_head_is_shown_by_where_it_looks_beyond_uniform_attention():
    assert looks(HEAD) == ("what followed the same token", " 40 (10)")


def test_kinds_that_surely_cost_something_are_named_and_the_role_is_marked():
    assert costs(TEXT, HEAD, 3) == "line ends 1.25*, pairs seen before 0.30"


def test_the_role_comes_first_although_another_kind_may_have_cost_more_by_chance():
    head = {**HEAD, "roles": [{"role": "pair_again", "by": "effect"}]}
    assert costs(TEXT, head, 1) == "pairs seen before 0.30*"


def test_the_widest_row_fits_on_eighty_columns():
    longest = max(KINDS_IN_WORDS, key=lambda name: len(KINDS_IN_WORDS[name]))
    worst = {"all": EFFECTS["all"], longest: EFFECTS["pair_again"]}
    roles = [{"role": longest, "by": "effect"}]
    text = {"shown": "mean", "heads": [{**HEAD, "effects": {"mean": worst}, "roles": roles}]}
    console = Console(width=80, record=True, file=None)
    with console.capture() as shown:
        console.print(head_table(text, wide=False))
    assert "…" not in shown.get()
    assert f"{KINDS_IN_WORDS[longest]} 0.30*" in shown.get()
    assert "0.020" in shown.get()


def test_of_many_heads_those_that_cost_most_are_shown():
    weak = {"all": {"nats": 0.0, "ci": [0.0, 0.0]}}
    heads = [{**HEAD, "head": f"0.{k}", "effects": {"mean": weak}} for k in range(30)]
    table = head_table({"shown": "mean", "heads": [*heads, HEAD]}, wide=False)
    assert table.row_count == 24
    assert "(7 that cost less are in heads.json)" in table.title
    assert [*table.columns[0].cells][-1] == "1.0"
