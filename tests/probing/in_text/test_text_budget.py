"""Small networks read all that is asked for; large ones what minutes allow, and never too little to show anything."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from common.errors import InputError
from data.text.tokenizers import byte_tokenizer
from model import GPTConfig
from probing.in_text.ablation import ABLATIONS, PER_POSITION
from probing.in_text.budget import FEWEST_WINDOWS, TOKENS, WORK, affordable, windows_within, work_per_token
from probing.in_text.language import language_of
from probing.in_text.quick import quick_text


def plan_for(**shape):
    """Weights are not needed for it, only where they are."""
    model = SimpleNamespace(config=GPTConfig(**shape), embed=torch.nn.Embedding(1, 1))
    return model.config, affordable(model)


def test_a_small_network_reads_everything_in_windows_as_long_as_its_block():
    _, plan = plan_for(vocab_size=4096, block_size=256, n_layer=3, n_head=4, n_embd=128)
    assert plan == type(plan)(256, TOKENS, ABLATIONS)


def test_a_larger_one_reads_less_and_stays_within_the_work():
    config, plan = plan_for(vocab_size=8192, block_size=512, n_layer=6, n_head=6, n_embd=384)
    assert plan.length * FEWEST_WINDOWS <= plan.n_tokens < TOKENS
    assert plan.n_tokens * work_per_token(config, len(plan.ablations)) <= WORK["cpu"]


def test_gpt2_on_a_cpu_reads_enough_short_windows_in_one_way():
    _, plan = plan_for(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
    assert plan.ablations == (PER_POSITION,)
    assert plan.n_tokens >= FEWEST_WINDOWS * plan.length
    assert plan.length == 64


def test_a_block_of_one_token_is_refused():
    _, plan = plan_for(vocab_size=4096, block_size=1, n_layer=1, n_head=1, n_embd=8)
    with pytest.raises(InputError, match=r"model\.block_size=1: a head sees its own token alone"):
        windows_within(plan, np.zeros(500, dtype=int), tokenizer=None)


@pytest.mark.parametrize(
    ("n_ids", "n_tokens", "n_windows", "length"),
    [
        (100_001, None, 195, 256),
        (100_001, 500, 7, 64),  # rather many windows than long ones
        (501, None, 7, 64),
        (301, None, 5, 60),  # never fewer than intervals need
        (11, None, 5, 2),
    ],
)
def test_few_tokens_are_read_in_short_windows(n_ids, n_tokens, n_windows, length):
    _, plan = plan_for(vocab_size=4096, block_size=256, n_layer=3, n_head=4, n_embd=128)
    windows = windows_within(plan, np.zeros(n_ids, dtype=int), SimpleNamespace(end=None), n_tokens)
    assert (len(windows), windows.length) == (n_windows, length)


def test_a_text_of_ten_tokens_is_refused():
    _, plan = plan_for(vocab_size=4096, block_size=256, n_layer=3, n_head=4, n_embd=128)
    with pytest.raises(InputError, match="the text has 10 tokens, too few to measure heads in; give at least 11"):
        windows_within(plan, np.zeros(10, dtype=int), SimpleNamespace(end=None))


def test_a_quick_probe_reads_no_more_than_a_whole_one():
    _, plan = plan_for(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
    quick = quick_text(plan, np.full(50_000, ord("a")), byte_tokenizer(), None)
    assert quick.windows.length == plan.length
    assert len(quick.part) * quick.windows.length <= plan.n_tokens


def test_a_quick_probe_counts_no_pronouns_in_another_language():
    _, plan = plan_for(vocab_size=4096, block_size=256, n_layer=3, n_head=4, n_embd=128)
    english, italian = "the cat saw him and he saw the dog. ", "quando i cani videro il gatto nel giardino. "
    for text, known in ((english, True), (italian, False)):
        ids = byte_tokenizer().encode(text * 500)
        language = language_of(np.array(ids)[None, :8_192], byte_tokenizer(), "en")
        quick = quick_text(plan, ids, byte_tokenizer(), language)
        assert ("pronoun" in quick.of_kind) == known
        assert "first_mention" in quick.of_kind


@pytest.mark.parametrize("block_size", [8, 40])
def test_windows_are_never_longer_than_the_block(block_size):
    _, plan = plan_for(vocab_size=50257, block_size=block_size, n_layer=12, n_head=12, n_embd=768)
    assert plan.length <= block_size


def test_work_is_two_for_each_weight_after_each_change():
    """A block has 12 * 2^2 = 48 weights, the vocabulary 3 * 2; two variants of each layer read two blocks, or one."""
    config = GPTConfig(vocab_size=3, n_layer=2, n_head=1, n_embd=2)
    assert work_per_token(config, ablations=5) == 5 * 2 * 2 * ((2 * 48 + 6) + (48 + 6))
