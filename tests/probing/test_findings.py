"""What is said of a model whose heads are known: the one that looks and matters is named, the others are not.

The planted model has one layer and two heads. At the site A-1 of every case head 1 puts its attention on gold and
head 0 on the first candidate; the output is what head 1 looks at, so the answer is right and only head 1 decides it.
"""

import io
from dataclasses import dataclass

import pytest
import torch
from rich.console import Console
from torch import Tensor

from data import Dataset, encode_case
from data.stories import FAMILIES, cases
from model import GPT, GPTConfig
from probing import print_findings, probe, to_json
from probing.families import measure_family
from probing.figures import draw_role_map, draw_stories
from probing.report import ROLE_COLOURS
from probing.roles import FAMILY_ROLES, HABITS
from probing.sentence import encode_sentence, show_sentence

N_CASES, SOME = 60, ("agreement", "cue", "recall")


@dataclass
class Plant:
    """Patterns by text: which token each head looks at from which row."""

    targets: dict[tuple[int, ...], tuple[int, int, int]]  # tokens -> site, head 0's target, head 1's target
    tokens: Tensor | None = None

    def whole(self, q: Tensor) -> Tensor:
        """Weights [B, H, T, T]: every row looks at itself, except the planted ones."""
        pattern = torch.eye(q.size(2)).repeat(q.size(0), 2, 1, 1)
        for b, row in enumerate(self.tokens.tolist()):
            for sequence, (site, *targets) in self.targets.items():
                if tuple(row[: site + 1]) == sequence:
                    for head, target in enumerate(targets):
                        pattern[b, head, site] = 0.02 / q.size(2)
                        pattern[b, head, site, target] += 0.98
        return pattern.tril()


@pytest.fixture(scope="module")
def planted(stories: Dataset):
    """Findings on the planted model, and the model itself."""
    tokenizer = stories.tokenizer
    select, report = ([*cases(split, N_CASES, 0, ("agreement",))] for split in ("select", "report"))
    plant = Plant({})
    for case in (encode_case(case, tokenizer) for case in (*select, *report)):
        site, gold = case.sites["A-1"], case.gold[0][0]
        plant.targets[case.tokens[: site + 1]] = (site, min(gold, case.distractors[0][0]), gold)
    model = GPT(GPTConfig(tokenizer.vocab_size, block_size=64, n_layer=1, n_head=2, n_embd=256, softcap=0.0)).eval()
    with torch.no_grad():
        attention = model.blocks[0].attention
        attention.v.weight.zero_()
        attention.v.weight[128:] = torch.eye(256)[:128]  # head 1 reads half of a word's embedding
        attention.o.weight.zero_()
        attention.o.weight[:128, 128:] = 8 * torch.eye(128)  # and writes it where the head expects it
        model.head.weight.copy_(model.embed.weight)
        model.head.weight[:, 128:] = 0

    def remember(module, inputs):
        plant.tokens = inputs[0]

    def explicit(self, q, k, rows):
        return plant.whole(q).gather(2, rows[:, None, :, None].expand(-1, 2, -1, q.size(2)))

    with pytest.MonkeyPatch.context() as patch:
        hook = model.register_forward_pre_hook(remember)
        fused, pattern = (model.blocks[0].attention.__class__.__dict__[name] for name in ("forward", "pattern"))
        is_planted = lambda self: self is model.blocks[0].attention  # noqa: E731
        patch.setattr(
            "model.attention.FullAttention.pattern",
            lambda self, q, k, rows: explicit(self, q, k, rows) if is_planted(self) else pattern(self, q, k, rows),
        )

        def forward(self, x, rotary, watch, layer):
            if not is_planted(self):
                return fused(self, x, rotary, watch, layer)
            q, k, v = self.project(x, rotary)
            z = plant.whole(q) @ v
            z = self.observe(q, k, v, z, watch, layer) if watch is not None else z
            return self.o(z.transpose(1, 2).flatten(2))

        patch.setattr("model.attention.FullAttention.forward", forward)
        yield probe(model, tokenizer, select, report), tokenizer
        hook.remove()


def test_the_head_that_decides_is_named_and_no_other(planted):
    found, _ = planted
    (family,) = to_json(found)["families"].values()
    assert family["model_accuracy"] == 1
    assert family["resolved"]
    best = family["best"]
    assert (best["head"], best["site"]) == ("0.1", "A-1")
    assert best["choice_accuracy"] == 1
    assert best["mass"] == pytest.approx(0.98, abs=0.01)
    assert best["looks"]
    assert best["matters"]
    assert best["swap_flip"] == 1
    other = family["heads"][0]
    assert not other["looks"]
    assert not other["matters"]
    assert other["swap_drop"] == pytest.approx(0, abs=1e-3)


def test_the_report_and_the_pictures_say_so(planted, tmp_path):
    found, tokenizer = planted
    console = Console(file=io.StringIO(), width=200)
    print_findings(found, console)
    show_sentence(found.model, tokenizer, found, encode_sentence("Tom met Anna. She", found.model, tokenizer), console)
    text = console.file.getvalue()
    assert "head 0.1 at A-1 looks and matters: it picks the right one in 100.0%" in text
    assert "pronoun 1.00 ●" in text
    assert "head 0.1, the best on agreement:" in text
    for path in (
        *draw_role_map(found, tmp_path / "map.png"),
        *draw_stories(found, tokenizer, tmp_path / "stories.png"),
    ):
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_a_model_that_resolves_nothing_has_no_head_named(stories, tmp_path):
    tokenizer = stories.tokenizer
    model = GPT(GPTConfig(tokenizer.vocab_size), seed=0).eval()
    found = probe(model, tokenizer, *(cases(split, N_CASES, 0, SOME) for split in ("select", "report")))
    for family in to_json(found)["families"].values():
        assert not family["resolved"]
        assert not any(head["looks"] or head["matters"] for head in family["heads"])
    assert draw_stories(found, tokenizer, tmp_path / "stories.png") == []


def test_untrained_heads_rarely_beat_the_luckiest_untrained_model(stories):
    """Even without asking whether the model resolves the family, which none of these does."""
    tokenizer = stories.tokenizer
    select, report = (
        [encode_case(case, tokenizer) for case in cases(split, 100, 0, ("agreement",))]
        for split in ("select", "report")
    )
    lucky = 0
    for seed in range(10):
        result = measure_family(GPT(GPTConfig(tokenizer.vocab_size), seed=seed).eval(), select, report, seed=100)
        bar = result.best_baseline[1].accuracy
        lucky += any(quoted.ci[0] > bar and quoted.p_adj < 0.01 for quoted in result.quotes.values())
    assert lucky <= 1


def test_every_role_has_a_colour_of_its_own():
    roles = {FAMILY_ROLES.get(family, family) for family in FAMILIES} | set(HABITS)
    assert roles == ROLE_COLOURS.keys()
    assert len(set(ROLE_COLOURS.values())) == len(ROLE_COLOURS)


@pytest.mark.parametrize("split", ["select", "report"])
def test_every_family_has_pairs_and_frames_enough_to_be_sure(split):
    """With fewer than eight groups no p can fall below .01, whatever a head does."""
    for family in FAMILIES:
        told = cases(split, 400, 0, (family,))
        assert len({case.candidates for case in told}) >= 8, family
        assert len({case.frame for case in told}) >= 7, family
