"""Stories as the best heads see them: a case of each role, its counterfactual below it, every word tinted. Inches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from common.visible import visible_name
from data import EncodedCase, Tokenizer
from data.cases.case import counterfactual_groups
from model import GPT
from probing.findings import Findings, role_of
from probing.heads import attention_row
from probing.quotes import HeadQuote, Quoted
from probing.tasks import TaskResult
from report.colours import INK, TINT, blend
from report.figures.canvas import drawing, new_canvas, save, widest, width_of
from report.pages import percent
from report.tinted_text import split_words

WIDTH, MARGIN, SPACE, PAD = 8.5, 0.15, 0.05, 0.03
HEADING, LINE, GAP = 0.32, 0.34, 0.14
HALF = 0.09  # the height of a word's ground
PALE = "#767676"  # the palest grey that reads well on paper


@dataclass(frozen=True)
class DrawnWord:
    """A word on its ground, ``width`` from ``x`` on. ``share`` of attention; ``site``: boxed; ``gold``: underlined."""

    text: str
    text_x: float
    x: float
    width: float
    line: int
    share: float
    site: bool
    gold: bool
    later: bool


def draw_stories(findings: Findings, tokenizer: Tokenizer, path: Path) -> list[Path]:
    """For each role one resolved task; boxed: the site, underlined: gold, pale: what comes after the site."""
    by_role: dict[str, TaskResult] = {}
    for result in findings.tasks:
        if result.resolved:
            by_role.setdefault(role_of(result.name), result)
    if not by_role:
        return []
    with drawing():
        parts = []
        for result in by_role.values():
            quoted = result.quotes[result.best]
            shortest = min(counterfactual_groups(result.cases), key=lambda group: len(group[0].tokens))
            stories = [lay_out(findings.model, tokenizer, case, quoted) for case in shortest]
            parts.append((heading(result, quoted), stories))
        return draw_parts(parts, path)


def draw_parts(parts: Sequence[tuple[str, Sequence[Sequence[DrawnWord]]]], path: Path) -> list[Path]:
    """Stories below each other, those of each part under its title; to be called inside ``drawing``."""
    height = MARGIN + sum(HEADING + GAP + sum(map(height_of, stories)) for _, stories in parts)
    width = max(WIDTH, 2 * MARGIN + widest([title for title, _ in parts], weight="bold"))
    figure, axes = new_canvas(width, height)
    y = MARGIN
    for title, stories in parts:
        axes.text(MARGIN, y + HEADING / 2, title, weight="bold", va="center")
        y += HEADING
        for story in stories:
            draw_story(axes, story, y)
            y += height_of(story)
        y += GAP
    return save(figure, path)


def heading(result: TaskResult, quoted: HeadQuote) -> str:
    right = f"picks the right one in {percent(quoted.accuracy, 1)} of {len(result.cases)} held-out cases"
    return f"{visible_name(result.name)}: head {quoted.name} at {quoted.site}, {right}"


def lay_out(model: GPT, tokenizer: Tokenizer, case: EncodedCase, quoted: Quoted) -> list[DrawnWord]:
    """The words of a story, each on the line where it fits."""
    site = case.sites[quoted.site]
    weights = attention_row(model, case.tokens, site, quoted.name)
    gold = {token for span in case.gold for token in range(*span)}
    words = split_words(case.tokens, tokenizer)
    words = words if words[0].raw else words[1:]  # an end token, which most cases begin with, has no bytes
    spaced = [bool(word.running[0]) for word in words[1:]]
    drawn, x, line = [], MARGIN, 0
    # Between words there is a space; where text goes on without one, as before a full stop, there is none.
    for word, before, after in zip(words, [True, *spaced], [*spaced, True], strict=True):
        text, left = word.running[1], PAD * before
        width = left + width_of(text) + PAD * after
        if x + width > WIDTH - MARGIN and x > MARGIN:
            x, line = MARGIN, line + 1
        share = sum(weights[word.start : word.end])
        is_gold = not gold.isdisjoint(range(word.start, word.end))
        drawn.append(DrawnWord(text, x + left, x, width, line, share, word.holds(site), is_gold, word.start > site))
        x += width + SPACE * after
    return drawn


def height_of(story: Sequence[DrawnWord]) -> float:
    return LINE * (story[-1].line + 1)


def draw_story(axes: Axes, story: Iterable[DrawnWord], top: float) -> None:
    for word in story:
        y = top + LINE * (word.line + 0.5)
        box = {"facecolor": blend(TINT, word.share), "edgecolor": INK if word.site else "none", "linewidth": 0.8}
        axes.add_patch(Rectangle((word.x, y - HALF), word.width, 2 * HALF, **box))
        axes.text(word.text_x, y + 0.05, word.text, va="baseline", color=PALE if word.later else INK)
        if word.gold:
            axes.plot([word.x, word.x + word.width], [y + HALF + 0.035] * 2, color=INK, linewidth=1.2)
