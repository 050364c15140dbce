"""The heads of a model measured in a text: where they look, what they are worth, and how far back they need to look."""

from collections.abc import Sequence

import numpy as np

from common.progress import Count, Progress, Say, silent
from data import Tokenizer
from model import GPT
from probing.heads import head_names
from probing.in_text.ablation import ABLATIONS, AblatedLosses, ablate, means_over_windows
from probing.in_text.certainty import FEWEST_TOKENS, Columns
from probing.in_text.examples import in_context
from probing.in_text.how_far_back import measure_reach
from probing.in_text.kinds import (
    KIND_CODES,
    KINDS_IN_WORDS,
    NEED_LANGUAGE,
    kinds_for,
    relations_for,
    token_kinds,
)
from probing.in_text.language import known_language
from probing.in_text.looks import Looks, measure_looks
from probing.in_text.profile import Ablation, TextProfile
from probing.in_text.roles import ROLE_P, TextRole, roles_by_attention, roles_by_effect
from probing.in_text.windows import FEWEST_FLIPPED, Windows
from probing.statistics import require_finite
from probing.untrained import UNTRAINED, untrained_models

UNTRAINED_TOKENS = 2_000  # without heads of each untrained network; fewer make the luckiest only luckier
PARTS = 4  # of the work, for progress
NO_REACH = "How far back is not measured: the memory of a recurrent layer cannot be limited to some tokens."


def measure_text(
    model: GPT,
    tokenizer: Tokenizer,
    windows: Windows,
    language: str | None = "en",
    seed: int = 0,
    progress: Progress = silent,
    ablations: Sequence[str] = ABLATIONS,
) -> TextProfile:
    """Measures every head of ``model``, in evaluation mode, in ``windows`` of a text that it was not trained on.

    ``language``: whose pronouns and function words are kinds of their own ("en"), or None: these kinds are left out.
    ``seed`` draws untrained networks and the windows to resample from. ``ablations``: which ways to take heads away;
    roles are given by the first. ``progress`` is given (text, parts done, parts).
    Raises InputError for an unknown language and for a model whose losses are not finite; ValueError for one without
    heads.
    """
    known = known_language(language, tokenizer)
    kinds = token_kinds(windows.tokens, tokenizer, known)
    names, relations = kinds_for(tokenizer, known), relations_for(tokenizer, known)
    clusters, flipped = windows.clusters(), windows.clusters(FEWEST_FLIPPED)
    columns = Columns(kinds.kind, [*names], [KIND_CODES[name] for name in names], clusters, flipped)

    def step(i: int, what: str) -> Count:
        progress(what, i, PARTS)
        return lambda done: progress(f"{what}: {done} of {len(windows)} windows", i, PARTS)

    looks = measure_looks(model, windows, kinds, [*relations], step(0, "what heads attend to"))
    means = means_over_windows(model, windows, step(1, "mean outputs of heads"))
    lost = ablate(model, windows, means, ablations, seed, step(1, "without heads"))
    require_finite(lost.clean, "text")
    codes = [KIND_CODES[name] for name in columns.names[1:]]
    bars = untrained_bars(model, windows, kinds.kind, codes, ablations, seed, lambda what: progress(what, 2, PARTS))
    costs = {name: cost_of_heads(columns, lost, name, bars[name]) for name in ablations}
    recurrent = len(model.config.layers_with_heads) < model.config.n_layer
    back = None if recurrent else measure_reach(model, windows, columns, lost.clean, step(3, "how far back"))
    progress("heads in this text", PARTS, PARTS)
    return TextProfile(
        heads=head_names(model),
        layers=tuple(model.config.layers_with_heads),
        windows=windows,
        language=language if known else None,
        kinds=names,
        relations=relations,
        columns=columns,
        loss=columns.means(lost.clean[None]),
        looks=looks,
        examples=tuple(
            tuple(in_context(strongest, windows, tokenizer) for strongest in own) for own in looks.strongest
        ),
        ablations=costs,
        untrained_tokens=len(untrained_part(windows)) * windows.length,
        how_far_back=back,
        roles=roles_of_heads(columns, costs[ablations[0]], looks),
        left_out=(*why_left_out(columns, tokenizer, known), *[NO_REACH] * recurrent),
    )


def cost_of_heads(columns: Columns, lost: AblatedLosses, name: str, bar: float) -> Ablation:
    """What one way to take heads away costs; ``bar``: what it costs at most in untrained networks."""
    return Ablation(
        columns.means(lost.heads[name]),
        columns.p_adjusted(lost.heads[name]),
        columns.means(lost.layers[name]),
        columns.means(lost.all_heads[name]),
        bar,
    )


def roles_of_heads(columns: Columns, shown: Ablation, looks: Looks) -> tuple[tuple[TextRole, ...], ...]:
    """The roles of each head: first the one by effect, if it has one, then those by attention."""
    by_effect = roles_by_effect(columns.names, shown.heads, shown.p, shown.untrained)
    return tuple(((role,) if role else ()) + tuple(roles_by_attention(looks, k)) for k, role in enumerate(by_effect))


def why_left_out(columns: Columns, tokenizer: Tokenizer, language: object | None) -> list[str]:
    """A sentence on each of the kinds, relations and roles that are not measured."""
    found = []
    if not tokenizer.has_text:
        found.append("The tokens stand for no text: words, names, pronouns, punctuation and line ends are left out.")
    elif language is None:
        missing = " and ".join(name.replace("_", " ") + "s" for name in NEED_LANGUAGE)
        found.append(f"Without a language, {missing} count as other words.")
    if columns.too_few:
        few = ", ".join(KINDS_IN_WORDS[name] for name in columns.too_few)
        found.append(f"Too few to measure, of tokens or of {columns.unit} that have them: {few}.")
    if 0.5**columns.n_flipped >= ROLE_P:
        found.append(
            f"Only {columns.n_flipped} {columns.flipped_unit}: p cannot fall below {ROLE_P:g}, so no head has a role "
            "by what it costs; a longer text is needed."
        )
    return found


def untrained_part(windows: Windows) -> np.ndarray:
    """The indices of the windows that untrained networks read without heads, spread evenly: all networks together take
    no longer than the trained one.
    """
    n = max(2, min(len(windows) // UNTRAINED, UNTRAINED_TOKENS // windows.length))
    return np.linspace(0, len(windows) - 1, n).astype(int)


def untrained_bars(
    model: GPT,
    windows: Windows,
    kind: np.ndarray,
    codes: Sequence[int],
    ablations: Sequence[str],
    seed: int,
    say: Say,
) -> dict[str, float]:
    """For each ablation the most that any head of UNTRAINED networks of this shape costs on all tokens or on those of
    one kind among ``codes``, if there are FEWEST_TOKENS; ``kind`` [N, T] has the codes. In nats.
    """
    part = untrained_part(windows)
    few, kind = windows.take(part), kind[part]
    enough = [code for code in codes if (kind == code).sum() >= FEWEST_TOKENS]
    masks = [np.ones_like(kind, dtype=bool), *(kind == code for code in enough)]
    bars = dict.fromkeys(ablations, 0.0)
    for i, other in enumerate(untrained_models(model, seed), start=1):
        if not any(bool(layer.attention.o.weight.any()) for layer in other.blocks):
            continue  # heads that start by putting out nothing cost exactly nothing
        say(f"untrained network {i} of {UNTRAINED}")
        lost = ablate(other, few, means_over_windows(other, windows, silent), ablations, seed, silent, sets_too=False)
        for name, grown in lost.heads.items():
            bars[name] = max(bars[name], *(float(grown[:, own].mean(1).max()) for own in masks))
    return bars
