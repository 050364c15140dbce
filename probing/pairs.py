"""Which of two sentences does a model find likelier? Accuracy over minimal pairs (Warstadt et al. 2020)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from common.atomic import json_text, replace_durably
from common.errors import InputError
from data import Tokenizer
from data.cases.minimal_pairs import Pair
from model import GPT
from probing.behaviour import PREFERRED, preferred
from probing.scoring import score_sequences
from probing.statistics import binomial_intervals, require_finite


@dataclass(frozen=True)
class Accuracy:
    """``right``: the share of pairs whose good sentence is the likelier one, a tie being half; ``ci``: 95 %, exact for
    independent pairs of these paradigms. ``shorter``: what is right if the sentence of fewer tokens is always taken.
    """

    pairs: int
    right: float
    ci: tuple[float, float]
    shorter: float


@dataclass(frozen=True)
class ScoredPairs:
    """Log-probabilities in nats [N] and tokens [N] of both sentences of each pair; ``too_long``: pairs left out."""

    pairs: Sequence[Pair]
    good: np.ndarray
    bad: np.ndarray
    good_tokens: np.ndarray
    bad_tokens: np.ndarray
    too_long: int

    def accuracy(self, which: np.ndarray | None = None) -> Accuracy:
        """Of the pairs at which ``which`` [N] is true, or of all."""
        which = np.ones(len(self.pairs), bool) if which is None else which
        n, right = int(which.sum()), preferred(self.good - self.bad, PREFERRED)[which].mean()
        low, high = binomial_intervals(np.array([right]), n)[0]
        shorter = preferred(self.bad_tokens - self.good_tokens, PREFERRED)[which].mean()
        return Accuracy(n, float(right), (float(low), float(high)), float(shorter))

    def by(self, key: str) -> dict[str, Accuracy]:
        """The accuracy of each ``"paradigm"`` or ``"phenomenon"``, in order of names."""
        names = np.array([getattr(pair, key) for pair in self.pairs])
        return {str(name): self.accuracy(names == name) for name in np.unique(names)}

    @property
    def over_paradigms(self) -> float:
        """The mean of the paradigms' accuracies, however many pairs each has: the figure that is usually published."""
        return float(np.mean([accuracy.right for accuracy in self.by("paradigm").values()]))


def score_pairs(model: GPT, tokenizer: Tokenizer, pairs: Sequence[Pair]) -> ScoredPairs:
    """log P of both sentences of each pair, each at the beginning of a document: after an end token.

    Pairs that do not fit into the model's block are left out and counted; raises InputError where none fits, and for a
    model without an end token, which does not say how likely a first token is.
    """
    if tokenizer.end is None:
        raise InputError(
            "pairs: this model has no end token, so it gives the first token of a sentence no probability; use a model "
            "whose text had documents"
        )
    texts = {text: tokenizer.encode_document(text).tolist() for pair in pairs for text in (pair.good, pair.bad)}
    kept = [pair for pair in pairs if max(len(texts[pair.good]), len(texts[pair.bad])) <= model.config.block_size + 1]
    if not kept:
        shortest = min(max(len(texts[pair.good]), len(texts[pair.bad])) for pair in pairs) - 1
        raise InputError(
            f"pairs: the shortest has {shortest:,} tokens, and this model reads {model.config.block_size:,}; use a "
            "model with a longer block"
        )
    sentences = list(dict.fromkeys(text for pair in kept for text in (pair.good, pair.bad)))  # once: equal texts tie
    log_probs = score_sequences(model, [texts[text] for text in sentences])
    require_finite(log_probs.numpy(), "pairs")
    scores = dict(zip(sentences, log_probs.tolist(), strict=True))
    good, bad = (np.array([scores[getattr(pair, which)] for pair in kept]) for which in ("good", "bad"))
    n_good, n_bad = (np.array([len(texts[getattr(pair, which)]) - 1 for pair in kept]) for which in ("good", "bad"))
    return ScoredPairs(kept, good, bad, n_good, n_bad, len(pairs) - len(kept))


def write_pairs(scored: ScoredPairs, folder: Path, source: dict) -> list[Path]:
    """pairs.json: accuracies of all pairs, of each phenomenon and of each paradigm; pairs.csv: every sentence."""
    summary, table = folder / "pairs.json", folder / "pairs.csv"
    content = {
        "source": source,
        "all": asdict(scored.accuracy()),
        "mean_over_paradigms": scored.over_paradigms,
        "left_out": scored.too_long,
        "phenomena": {name: asdict(found) for name, found in scored.by("phenomenon").items()},
        "paradigms": {name: asdict(found) for name, found in scored.by("paradigm").items()},
    }
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*Pair._fields, "log_p_good", "log_p_bad", "tokens_good", "tokens_bad"])
    columns = (scored.good.tolist(), scored.bad.tolist(), scored.good_tokens, scored.bad_tokens)
    writer.writerows([*pair, *numbers] for pair, *numbers in zip(scored.pairs, *columns, strict=True))
    replace_durably(summary, json_text(content, indent=1).encode())
    replace_durably(table, text.getvalue().encode())
    return [summary, table]
