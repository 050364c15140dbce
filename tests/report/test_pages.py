"""Numbers and names as every page writes them."""

import pytest
from conftest import ROOT
from live_worker import blank_file

from model import GPT, GPTConfig
from report.pages import in_words, millions, percent

IN_WORDS = {0: "0", 999: "999", 1_000: "1 k", 999_400: "999 k", 999_999: "1 M", 1_536_000: "1.54 M", 999_500_000: "1 B"}


@pytest.mark.parametrize(("n", "text"), IN_WORDS.items())
def test_large_numbers_have_the_unit_of_their_first_three_digits(n, text):
    assert millions(n).replace("\xa0", " ") == text


def test_the_scripts_write_large_numbers_in_the_same_way(open_page, tmp_path):
    source = (ROOT / "report" / "dom.js").read_text(encoding="utf-8")
    shown = open_page(blank_file(tmp_path)).evaluate(
        f"numbers => {{ {source} return numbers.map(compact); }}", [*IN_WORDS]
    )
    assert [text.replace("\xa0", " ") for text in shown] == [*IN_WORDS.values()]


def test_a_small_model_has_more_than_no_parameters():
    model = GPT(GPTConfig(16, block_size=8, n_layer=1, n_head=2, n_embd=8))
    assert in_words(model) == f"1 layer of 2 heads, {millions(model.n_parameters())} parameters"
    assert model.n_parameters() < 1_000


def test_the_scripts_round_every_share_of_two_hundred_cases_in_the_same_way(open_page, tmp_path):
    assert [percent(0.125), percent(0.0005, 1)] == ["13\xa0%", "0.1\xa0%"]
    shares = [n / 200 for n in range(201)]  # 115 / 200 is a hair less than 57.5 %
    source = (ROOT / "report" / "dom.js").read_text(encoding="utf-8")
    rounded = f"shares => {{ {source} return shares.map((share) => percent(share)); }}"
    assert open_page(blank_file(tmp_path)).evaluate(rounded, shares) == [percent(share) for share in shares]
