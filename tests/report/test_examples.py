"""Texts of a page have all rows of their patterns where there is space, also where a later text finds none."""

from model import GPT, GPTConfig
from report.examples import Example, Site, Text, pack_examples

SHAPE = {"vocab_size": 64, "block_size": 64, "n_layer": 1, "n_head": 2, "n_embd": 8}


def example(length: int, sites: int) -> Example:
    text = Text(tuple(range(length)), ["x"] * length, [Site("A", "the answer", i) for i in range(sites)])
    return Example(None, "text", [text])


def test_a_text_that_is_left_out_takes_no_space():
    model, short, long = GPT(GPTConfig(**SHAPE)), example(8, 2), example(64, 60)
    whole, blocks = pack_examples(model, [short], 1_000_000)
    assert whole[0]["texts"][0]["rows"] == list(range(8))
    assert pack_examples(model, [short, long], sum(map(len, blocks.values()))) == (whole, blocks)
