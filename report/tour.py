"""Up to five steps through a page that runs, for someone who has never seen attention.

A step is a state of the page, as the fragment of its address (report/live/address.js), and two or three sentences.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import torch

from common.visible import visible_name
from data import EncodedCase, Tokenizer
from data.cases.case import Span, encode_case
from data.stories.articles import keyed_cases
from model import GPT
from probing.findings import Findings
from probing.heads import parse_head
from probing.in_text.ablation import OVER_POSITIONS, PER_POSITION
from probing.known_sentences import read_part
from probing.sentence import encode_sentence
from probing.tasks import TaskResult
from report import text_summary
from report.pages import percent
from report.text_summary import nats, role_in_words
from report.typed_text import as_typed, ids_in_page

CANNOT_KNOW = (
    "Up to the boxed word the two texts are the same, so every head gives the same weights in both. A causal model "
    "never looks ahead, so nobody can know yet how the text goes on."
)

MEAN = ":mean"
OFF = {MEAN: "its mean output over held-out text", "": "nothing"}  # what a head that is off gives, by how it is off


class Known(NamedTuple):
    """A sentence of articles that the model resolves, as heads.json has it; its case; its counterfactual's text."""

    sentence: Mapping
    case: EncodedCase
    other: str


def step(title: str, says: str, **state: str | int | None) -> dict:
    """A step as live.json has it; what is None is left out of the state."""
    return {"title": title, "says": says, "state": urlencode({key: value for key, value in state.items() if value})}


def tour(findings: Findings, tokenizer: Tokenizer, text: str | None) -> list[dict]:
    """Through a sentence of articles if the model resolves one whose swap is shown; else through ``text``, which is
    held out, if heads were measured in one and it fits into the block; else none. With ``text``, the page has the
    heads' mean outputs, too.
    """
    if known := find_known(findings, tokenizer):
        return tour_of_sentence(known, findings, tokenizer, MEAN if text else "")
    if text and findings.text and (tokens := ids_in_page(text, tokenizer)):
        fits = len(tokens) <= findings.model.config.block_size
        return tour_of_text(findings.model, findings.text, tokenizer, text, tokens) if fits else []
    return []


def find_known(findings: Findings, tokenizer: Tokenizer) -> Known | None:
    """The first sentence whose head looks, from a token of it, where both candidates are, and changes the answer."""
    cases = {(case.task, key): (case, other) for key, case, other in keyed_cases()}
    for sentence in findings.sentences:
        name, look = (sentence["task"], sentence["key"]), sentence["look"]
        if look is None or look["swap"] is None or sentence["next"][0]["word"] != sentence["answer"]:
            continue
        if look["swap"]["word"] == sentence["answer"] or look["gold"] <= look["distractor"]:
            continue
        own, other = cases[name]
        case = encode_case(own, tokenizer)
        n_tokens = len(encode_sentence(sentence["text"], findings.model, tokenizer))
        if case.gold and case.distractors and case.sites[look["site"]] < n_tokens:
            return Known(sentence, case, read_part(other))
    return None


def tour_of_sentence(known: Known, findings: Findings, tokenizer: Tokenizer, how: str) -> list[dict]:
    """``how`` a head is switched off: a key of OFF."""
    sentence, case, look = known.sentence, known.case, known.sentence["look"]
    row, head, swap = case.sites[look["site"]], look["head"], look["swap"]
    gold, other = sentence["gold"], sentence["distractor"]
    here = {"text": sentence["text"], "row": f"one:{row}", "for": sentence["answer"], "against": sentence["foil"]}
    likeliest = sentence["next"][0]
    return [
        step(
            "What a head attends to",
            f"The head attends from the boxed word; the tint shows what to. From “{look['from']}”, head {head} gives "
            f"{percent(look['gold'])} of its attention to “{gold}” and {percent(look['distractor'])} to “{other}”. "
            f"The model's likeliest next word is “{likeliest['word']}”.",
            **here,
            head=head,
        ),
        step(
            "Switch it off",
            f"Head {head} now gives {OFF[how]}, at every word. Compare the next words before and after: if they "
            "changed, the model needs this head; if not, the rest of the network knows the answer without it.",
            **here,
            head=head,
            off=head + how,
        ),
        step(
            "Swap its two weights",
            f"The head is on again. In this one row, “{gold}” and “{other}” have exchanged their weights; nothing else "
            f"is changed. The likeliest next word is now “{swap['word']}”.",
            **here,
            head=head,
            edit=swap_edit(case, head, row),
        ),
        *step_of_idle_head(known, findings, tokenizer, how),
        step(
            "Where nobody can know",
            CANNOT_KNOW + f" The word that decides, “{sentence['key']}”, comes later. The next words are those after "
            "the whole texts.",
            **here | {"row": f"one:{site_before_key(case)}"},
            other=known.other,
            head=head,
        ),
    ]


def step_of_idle_head(known: Known, findings: Findings, tokenizer: Tokenizer, how: str) -> list[dict]:
    """Of the heads that look in some task, from where something leads to the answer, and are not shown to matter there,
    the one whose swap changes least; else the head that looks least in the task of the sentence; no step where that
    looks, too.
    """
    looking = [
        (quote, result, swap)
        for result in findings.tasks
        for quote in result.quotes.values()
        if result.resolved and quote.looks and not result.matters(quote.name)
        if (swap := result.effects["weight_swap"].get(quote.name))
    ]
    for quote, result, swap in sorted(looking, key=lambda item: abs(item[2].drop)):
        if not (in_page := case_in_page(result, quote.site, tokenizer)):
            continue
        case, text = in_page
        row = case.sites[quote.site]
        shown = step(
            "A head that looks and is not shown to matter",
            f"In {percent(quote.accuracy)} of held-out cases of “{visible_name(result.name)}”, head {quote.name} gives "
            "what is meant more attention than the other candidate, before the exchange. Here, too, two weights of one "
            f"row are exchanged, which changes the answer's log-odds by {-swap.drop:+.2f} nats on average. Compare the "
            "next words before and after: what a head attends to does not say what it costs to lose it.",
            text=text,
            head=quote.name,
            row=f"one:{row}",
            edit=swap_edit(case, quote.name, row),
        )
        return [shown]
    (result,) = (result for result in findings.tasks if result.name == known.sentence["task"])
    least = min(result.quotes.values(), key=lambda quote: quote.accuracy)
    shown = step(
        "A head that does not look",
        f"In held-out stories, head {least.name} picks what is meant in {percent(least.accuracy)} of cases. Here it is "
        "off. Compare the next words before and after.",
        text=known.sentence["text"],
        head=least.name,
        off=least.name + how,
    )
    return [] if least.looks else [shown]


def case_in_page(result: TaskResult, site: str, tokenizer: Tokenizer) -> tuple[EncodedCase, str] | None:
    """The first case of a task whose text has the same tokens in the page as in the case, up to a site; and that text.
    A list of random tokens seldom has them, and a text that ends before a space lacks the token of that space.
    """
    for case in result.cases:
        if site in case.sites and (text := as_typed(case.case, tokenizer)):
            n = case.sites[site] + 1
            if (ids_in_page(text, tokenizer) or [])[:n] == [*case.tokens[:n]]:
                return case, text
    return None


def swap_edit(case: EncodedCase, head: str, row: int) -> str:
    """What is meant and the other candidate, where they first stand, exchange their weights in one row."""
    return f"one:{head}:{row}:swap:{span(case.gold[0])}:{span(case.distractors[0])}"


def site_before_key(case: EncodedCase) -> int:
    """The pronoun, if it stands before the word that decides; else the last token before that word."""
    decides = case.sites.get("C", case.chain[0][0] if case.chain else case.sites["A-1"])
    return case.sites["P"] if case.sites.get("P", decides) < decides else decides - 1


def tour_of_text(model: GPT, measured: Mapping, tokenizer: Tokenizer, text: str, tokens: Sequence[int]) -> list[dict]:
    """``measured``: heads in a text, as heads.json has it; ``text``: some of it, which has these tokens."""
    best = text_summary.clearest(measured)
    head = best[0]["head"] if best else measured["heads"][0]["head"]
    effects = {one["head"]: one["effects"] for one in measured["heads"]}
    needed = {one["head"] for one in measured["heads"] if one["roles"]}  # on some kind of token, if not on average
    costs = {name: abs(cost_in_page(own)) for name, own in effects.items() if name != head}
    idle = min(costs, key=lambda name: (name in needed, costs[name]), default=head)
    last = len(tokens) - 1
    row = {"text": text, "row": f"one:{last}"}
    why = f"; its role in this text: {role_in_words(best[1])}" if best else ""
    little = step(
        "A head that costs little",
        f"Head {idle} attends to something, too. Here it is off.{cost_of(effects[idle], 3)} What a head attends to "
        "does not say what it costs to lose it.",
        **row,
        head=idle,
        off=idle + MEAN,
    )
    unknown = step(
        "Where nobody can know",
        CANNOT_KNOW + " The second text ends earlier. The next words are those after the whole texts.",
        text=text,
        other=tokenizer.decode(tokens[: 1 + last // 2]).removeprefix(tokenizer.start).rstrip("\ufffd"),
        head=head,
        row=f"one:{last // 4}",
    )
    return [
        step(
            "What a head attends to",
            f"The head attends from the boxed word; the tint shows what to. Head {head} is shown first{why}. Move over "
            "other words to see what it attends to from there.",
            **row,
            head=head,
        ),
        step(
            "Switch it off",
            f"Head {head} now gives {OFF[MEAN]}, at every word.{cost_of(effects[head], 2)} Compare the next words "
            "before and after.",
            **row,
            head=head,
            off=head + MEAN,
        ),
        step(
            "Put all its weight on one word",
            "The head is on again. From this one word, it now attends to nothing but the first token that it sees; "
            "nothing else is changed.",
            **row,
            head=head,
            edit=f"one:{head}:{last}:only:{span(first_seen(model, head, last))}",
        ),
        *([little] if idle != head else []),
        *([unknown] if last >= 4 else []),  # else the two texts hardly begin alike
    ]


def cost_in_page(effects: Mapping) -> float:
    """What the loss grows by, in nats per token, when a head gives one mean for all positions, as in a page; where only
    its mean at each position was measured, by that.
    """
    return effects.get(OVER_POSITIONS, effects[PER_POSITION])["all"]["nats"]


def cost_of(effects: Mapping, digits: int) -> str:
    """What it costs that a head gives its mean, as a sentence; "" where its mean was measured at each position alone,
    since a head of the page has one for all.
    """
    if OVER_POSITIONS not in effects:
        return ""
    cost = nats(cost_in_page(effects), digits)
    return f" That changes the loss in held-out text by {cost} nats per token on average."


def first_seen(model: GPT, head: str, row: int) -> Span:
    """The first token that a head sees from a row, in which layers of windows and strides may not see them all."""
    layer, _ = parse_head(head)
    seen = model.blocks[layer].attention.mask(row - torch.arange(row + 1))
    first = int(seen.nonzero()[0])
    return first, first + 1


def span(tokens: Span) -> str:
    return f"{tokens[0]}-{tokens[1]}"
