"""The role map in the terminal fits its width, names every role, and says as much without colour."""

import io
from dataclasses import dataclass

import pytest
from rich.cells import cell_len
from rich.console import Console

from model import GPT, GPTConfig
from probing.findings import Role
from report.colours import ROLE_COLOURS
from report.role_table import abbreviations, role_table


@dataclass
class Found:
    """Findings as far as the role map looks at them."""

    heads: list[list[list[Role]]]
    model: GPT

    def role_map(self) -> list[list[list[Role]]]:
        return self.heads


def found(n_layer: int, n_head: int, roles: list[str], each: int = 1) -> Found:
    """A model whose k-th head has ``each`` roles, in turns; every third head matters, head 11 has no role."""
    model = GPT(GPTConfig(8, block_size=4, n_layer=n_layer, n_head=n_head, n_embd=2 * n_head, position="learned"))
    heads = [
        [
            [
                Role(roles[(k + i) % len(roles)], 0.5 + 0.01 * layer, 0.5, (layer + k) % 3 == 0)
                for i in range(0 if k == 11 else each)
            ]
            for k in range(n_head)
        ]
        for layer in range(n_layer)
    ]
    return Found(heads, model)


def drawn(findings: Found, width: int, system: str | None = None) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=system, force_terminal=bool(system), no_color=False)
    console.print(role_table(findings, console))
    return console.file.getvalue()


def test_a_small_model_has_its_roles_in_words():
    text = drawn(found(2, 4, ["subject_verb", "previous_token", "pronoun"]), 80)
    assert "previous token .50" in text
    assert "subject verb .50 ●" in text
    assert "and" not in text


@pytest.mark.parametrize("shape", [(12, 12), (2, 16), (1, 40), (24, 16)])
@pytest.mark.parametrize("each", [1, 4])
def test_large_models_fit_into_eighty_columns(shape, each):
    text = drawn(found(*shape, list(ROLE_COLOURS), each), 80)
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "…" not in text, "nothing is cut"
    for role in ROLE_COLOURS:
        assert f" {role.replace('_', ' ')}: " in text, "the legend has every role"
    head_numbers = [line.split() for line in text.splitlines() if line.split() and line.split()[0].isdigit()]
    assert {str(head) for head in range(shape[1])} <= {number for line in head_numbers for number in line}


def test_the_legend_names_the_strongest_heads_first_and_counts_the_rest():
    text = drawn(found(12, 12, ["pronoun"]), 80)
    assert "pr pronoun: 0.0 .50●, 0.1 .50, 0.2 .50, 0.3 .50●" in text
    assert "and 126 more" in text
    assert "pr●" in text


def test_a_cell_without_room_for_all_roles_says_that_there_are_more():
    assert "pr●+" in drawn(found(2, 12, ["pronoun", "copying", "recall"], each=3), 80)
    assert "pr● co● re●" in drawn(found(2, 12, ["pronoun", "copying", "recall"], each=3), 150)


def test_colour_adds_nothing_that_words_do_not_say():
    findings = found(12, 12, list(ROLE_COLOURS), 2)
    console = Console(file=io.StringIO(), width=80, color_system="truecolor", force_terminal=True, record=True)
    console.print(role_table(findings, console))
    assert console.export_text() == drawn(findings, 80)
    assert "48;2;" in drawn(findings, 80, "truecolor")


def test_no_two_roles_share_their_letters():
    known = abbreviations(ROLE_COLOURS)
    assert known["pronoun"] == "pr"
    assert known["key_value"] == "kv"
    assert len(set(known.values())) == len(known)
    own = [
        "a",
        "b b",
        "代名詞",
        "__",
        "",
        "$\n",
        *(f"task {i}" for i in range(300)),
        *("pronoun" + "s" * i for i in range(9)),
    ]
    letters = abbreviations(own)
    assert len(set(letters.values())) == len(set(own))
    assert all(len(code) == 2 and code.isascii() and code.isalnum() for code in letters.values())


def test_names_of_tasks_cannot_act_on_the_terminal():
    text = drawn(found(1, 2, ["a\x1b[31m\nb", "ordinary"]), 60)
    assert "\x1b" not in text
    assert "a␛[31m↵b" in text
