"""All together: roles by rule, none for untrained networks, and JSON that says everything."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import GPT2_SHAPE
from networks import loud_model

from common.atomic import json_text
from common.errors import InputError
from common.progress import silent
from data.stories import write
from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig
from probing.in_text import cut_windows, measure_text, to_json
from probing.in_text.ablation import ABLATIONS, PER_POSITION, ablate, means_over_windows
from probing.in_text.certainty import FEWEST_TOKENS, Means
from probing.in_text.kinds import KIND_CODES, KINDS, KINDS_IN_WORDS, RELATIONS
from probing.in_text.looks import Looks
from probing.in_text.measure import untrained_bars, why_left_out
from probing.in_text.roles import LEAST_NATS, roles_by_attention, roles_by_effect

TOKENIZER = byte_tokenizer()
LENGTH = 32
TINY = {"block_size": LENGTH, "n_layer": 2, "n_head": 2, "n_embd": 16, "tie_embeddings": False}


@pytest.fixture(scope="module")
def windows():
    """Twelve stories, a document each."""
    text = [*TOKENIZER.encode("\n".join(write("train", 24, seed=0)))]
    for i in range(1, 12):
        text[len(text) * i // 12] = TOKENIZER.end
    return cut_windows(np.array(text), TOKENIZER, LENGTH, 24 * LENGTH)


@pytest.fixture(scope="module")
def profile(windows):
    return measure_text(loud_model(GPTConfig(TOKENIZER.vocab_size, **TINY)), TOKENIZER, windows)


def test_json_has_every_head_kind_and_ablation(profile, windows):
    found = json.loads(json_text(to_json(profile)))
    assert [head["head"] for head in found["heads"]] == ["0.0", "0.1", "1.0", "1.1"]
    assert found["text"]["clusters"] == "documents"
    assert found["text"]["tokens"] == 24 * LENGTH
    assert found["relations"] == RELATIONS
    assert set(found["kinds"]) <= {"all", *KINDS}
    for head in found["heads"]:
        assert set(head["effects"]) == set(ABLATIONS)
        assert sum(one["share"] for one in head["looks"]["relations"].values()) == pytest.approx(1, abs=1e-5)
        assert head["examples"]
        for effects in head["effects"].values():
            assert list(effects) == list(found["kinds"])
            assert all(one["ci"][0] <= one["nats"] <= one["ci"][1] for one in effects.values())
    assert found["how_far_back"]["points"][-1]["limit"] == LENGTH
    assert found["how_far_back"]["points"][-1]["loss"] == pytest.approx(found["kinds"]["all"]["loss"]["nats"])
    assert found["how_far_back"]["points"][-1]["cost"] == 0


def test_the_same_seed_gives_the_same_profile(profile, windows):
    again = measure_text(loud_model(GPTConfig(TOKENIZER.vocab_size, **TINY)), TOKENIZER, windows)
    assert json_text(to_json(again)) == json_text(to_json(profile))


def test_what_is_not_measured_is_said(windows):
    model = GPT(GPTConfig(TOKENIZER.vocab_size, **TINY, attention="FR")).eval()
    found = measure_text(model, TOKENIZER, windows, language=None)
    assert found.how_far_back is None
    assert found.left_out[0].startswith("Without a language, pronouns and function words")
    assert "a recurrent layer cannot be limited" in found.left_out[-1]
    assert "pronoun" not in found.columns.names
    assert "function_word" not in found.looks.names
    assert found.heads == ("0.0", "0.1")


def test_kinds_of_too_few_tokens_are_named_in_words():
    assert KINDS_IN_WORDS.keys() == {*KIND_CODES, "all"}
    few = SimpleNamespace(too_few=["inside_word", "pair_again"], n_flipped=7, unit="documents")
    assert why_left_out(few, TOKENIZER, "en") == [
        "Too few to measure, of tokens or of documents that have them: insides of words, pairs seen before."
    ]


def test_too_few_units_for_any_role_are_named():
    few = SimpleNamespace(too_few=[], n_flipped=6, flipped_unit="windows")
    assert why_left_out(few, TOKENIZER, "en") == [
        "Only 6 windows: p cannot fall below 0.01, so no head has a role by what it costs; a longer text is needed."
    ]


def test_an_unknown_language_is_refused(windows):
    with pytest.raises(InputError, match="language=xx"):
        measure_text(GPT(GPTConfig(TOKENIZER.vocab_size, **TINY)).eval(), TOKENIZER, windows, language="xx")


def test_progress_goes_from_none_to_all(windows):
    heard = []
    model = GPT(GPTConfig(TOKENIZER.vocab_size, **TINY)).eval()
    measure_text(model, TOKENIZER, windows, progress=lambda text, done, total: heard.append((done, total)))
    assert heard == sorted(heard)
    assert heard[0][0] == 0
    assert heard[-1][0] == heard[-1][1]


def effect(*columns: tuple[float, float, float]) -> tuple[Means, np.ndarray]:
    """One head's (nats, low end, p) on all tokens and two kinds."""
    nats, low, p = np.array(columns).T
    return Means(nats[None], np.stack((low, nats + 1), axis=1)[None]), p[None]


NOTHING = (0.0, -1.0, 1.0)
SURE = (0.3, 0.2, 0.001)


@pytest.mark.parametrize(
    ("columns", "role"),
    [
        ((NOTHING, NOTHING, SURE), "pronoun"),
        ((NOTHING, SURE, (0.4, 0.3, 0.001)), "pronoun"),  # the larger of two
        ((SURE, NOTHING, NOTHING), None),  # all tokens are no kind
        ((NOTHING, NOTHING, (0.3, 0.2, 0.02)), None),  # p
        ((NOTHING, NOTHING, (0.3, 0.09, 0.001)), None),  # not above the bar with its whole interval
        ((NOTHING, NOTHING, (LEAST_NATS / 2, 0.02, 0.001)), None),  # too little
        ((NOTHING, SURE, (0.4, -0.3, 0.2)), "line_end"),  # what is larger by chance hides nothing
    ],
)
def test_a_role_is_the_kind_that_costs_most_without_a_head_if_that_is_sure(columns, role):
    bar = 0.1 if columns[-1][0] > LEAST_NATS else 0.0
    (found,) = roles_by_effect(("all", "line_end", "pronoun"), *effect(*columns), bar=bar)
    assert (found and found.role) == role


def looks(share: float, uniform: float, rows: int = FEWEST_TOKENS) -> Looks:
    """One head that gives the token before so much, in so many rows that have one."""
    shape = 1, len(RELATIONS)
    masses, equal = np.zeros(shape), np.full(shape, uniform)
    masses[0, 2] = share
    rest = {name: np.zeros(1) for name in Looks.__dataclass_fields__}
    measured = {"where_possible": masses, "uniform_where_possible": equal, "possible": np.full(shape, rows)}
    return Looks(**rest | {"names": tuple(RELATIONS)} | measured)


@pytest.mark.parametrize(
    ("share", "uniform", "roles"),
    [(0.5, 0.1, ["token_before"]), (0.39, 0.1, []), (0.5, 0.3, []), (0.6, 0.3, ["token_before"])],
)
def test_a_head_that_looks_mostly_at_one_relation_has_its_role(share, uniform, roles):
    assert [role.role for role in roles_by_attention(looks(share, uniform), 0)] == roles
    assert roles_by_attention(looks(share, uniform, rows=FEWEST_TOKENS - 1), 0) == []


@pytest.mark.parametrize(("shape", "n"), [({}, 2), (GPT2_SHAPE, 10)], ids=["modern", "gpt2"])
def test_untrained_networks_have_no_role(shape, n, windows):
    """Modern ones begin with W_O = 0: two are enough to see that no head of theirs costs anything."""
    config = GPTConfig(TOKENIZER.vocab_size, **TINY | shape)
    profiles = [
        measure_text(GPT(config, seed).eval(), TOKENIZER, windows, seed=100 * seed, ablations=[PER_POSITION])
        for seed in range(1, n + 1)
    ]
    assert sum(any(own.roles) for own in profiles) <= 1
    bars = [own.ablations[PER_POSITION].untrained for own in profiles]
    assert min(bars) > 0 if shape else max(bars) == 0


def test_a_text_of_few_tokens_is_measured_beside_untrained_networks(windows):
    few = cut_windows(windows.tokens.ravel(), TOKENIZER, 8, 16)
    model = GPT(GPTConfig(TOKENIZER.vocab_size, **TINY | GPT2_SHAPE)).eval()
    profile = measure_text(model, TOKENIZER, few, ablations=[PER_POSITION])
    assert profile.ablations[PER_POSITION].untrained > 0


def test_a_single_token_sets_no_bar(windows):
    model = GPT(GPTConfig(TOKENIZER.vocab_size, **TINY | GPT2_SHAPE)).eval()
    kind = np.zeros(windows.tokens[:, 1:].shape, dtype=int)
    alone = np.where(np.arange(kind.size).reshape(kind.shape) == LENGTH // 2, 1, kind)
    bars = [untrained_bars(model, windows, own, (0, 1), [PER_POSITION], 0, silent) for own in (kind, alone)]
    assert bars[1][PER_POSITION] == pytest.approx(bars[0][PER_POSITION], rel=0.05)


def test_the_bar_of_heads_that_start_with_nothing_is_what_measuring_them_gives(windows):
    """They are not measured, for speed."""
    model = GPT(GPTConfig(TOKENIZER.vocab_size, **TINY), seed=3).eval()
    lost = ablate(model, windows, means_over_windows(model, windows, silent), ABLATIONS, 0, silent)
    assert not any(grown.any() for grown in lost.heads.values())


def lines(n: int) -> np.ndarray:
    """Lines of five random letters: when one ends can only be known by looking back to where it began."""
    letters = np.random.default_rng(0).integers(ord("a"), ord("z") + 1, size=(n, 6))
    letters[:, 5] = ord("\n")
    return letters.ravel()


def test_a_model_that_has_learned_to_end_lines_has_a_head_that_ends_them():
    model = GPT(GPTConfig(TOKENIZER.vocab_size, **TINY | {"n_layer": 1, "n_embd": 32}))
    text = torch.from_numpy(lines(3_000))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        at = torch.randint(len(text) - LENGTH, (16, 1), generator=generator) + torch.arange(LENGTH + 1)
        loss = model(text[at][:, :-1], text[at][:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = measure_text(model.eval(), TOKENIZER, cut_windows(lines(300), TOKENIZER, LENGTH))
    assert {role.role for own in found.roles for role in own if role.by == "effect"} == {"line_end"}
    best = max((role for own in found.roles for role in own if role.nats), key=lambda role: role.nats)
    assert best.nats > 1
    assert 4 < found.how_far_back.enough <= 16
