"""Stories as the best heads see them, as a picture: a story of each role, its twin below it, every word tinted."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from data import EncodedCase, Tokenizer
from data.cases import twin_groups
from data.visible import visible_name
from model import GPT
from probing.colours import INK, TINT, blend
from probing.families import FamilyResult, HeadQuote
from probing.figures import drawing, new_figure, save, widest, width_of
from probing.findings import Findings
from probing.heads import attention_row
from probing.roles import FAMILY_ROLES
from probing.summary import percent
from probing.tint import split_words

# In inches.
WIDTH, MARGIN, SPACE, PAD = 8.5, 0.15, 0.05, 0.03
HEADING, LINE, GAP = 0.32, 0.34, 0.14
HALF = 0.09  # the height of a word's ground
PALE = "#767676"  # the palest grey that reads well on paper


@dataclass(frozen=True)
class Drawn:
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
    """For each role one resolved family; boxed: the site, underlined: gold, pale: what comes after the site.

    Returns what was written: nothing, where the model resolves no family.
    """
    by_role: dict[str, FamilyResult] = {}
    for result in findings.families:
        if result.resolved:
            by_role.setdefault(FAMILY_ROLES.get(result.name, result.name), result)
    if not by_role:
        return []
    with drawing():
        parts = []
        for result in by_role.values():
            quoted = result.quotes[result.best]
            shortest = min(twin_groups(result.cases), key=lambda group: len(group[0].case.text))
            stories = [lay_out(findings.model, tokenizer, case, quoted) for case in shortest]
            parts.append((heading(result, quoted), stories))
        n_lines = sum(story[-1].line + 1 for _, stories in parts for story in stories)
        height = MARGIN + len(parts) * (HEADING + GAP) + n_lines * LINE
        width = max(WIDTH, 2 * MARGIN + widest([title for title, _ in parts], weight="bold"))
        figure = new_figure(width, height)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        y = MARGIN
        for title, stories in parts:
            axes.text(MARGIN, y + HEADING / 2, title, weight="bold", va="center")
            y += HEADING
            for story in stories:
                draw_story(axes, story, y)
                y += LINE * (story[-1].line + 1)
            y += GAP
        return save(figure, path)


def heading(result: FamilyResult, quoted: HeadQuote) -> str:
    right = f"picks the right one in {percent(quoted.accuracy)} of {len(result.cases)} held-out cases"
    return f"{visible_name(result.name)}: head {quoted.name} at {quoted.site}, {right}"


def lay_out(model: GPT, tokenizer: Tokenizer, case: EncodedCase, quoted: HeadQuote) -> list[Drawn]:
    """The words of a story, each on the line where it fits."""
    site = case.sites[quoted.site]
    weights = attention_row(model, case.tokens, site, quoted.name)
    gold = {token for span in case.gold for token in range(*span)}
    words = split_words(case.tokens, tokenizer)[1:]  # the first is the end token
    spaced = [bool(word.running[0]) for word in words[1:]]
    drawn, x, line = [], MARGIN, 0
    # Between words there is room; where text goes on without a space, as before a full stop, there is none.
    for word, before, behind in zip(words, [True, *spaced], [*spaced, True], strict=True):
        text, left = word.running[1], PAD * before
        width = left + width_of(text) + PAD * behind
        if x + width > WIDTH - MARGIN and x > MARGIN:
            x, line = MARGIN, line + 1
        share = sum(weights[word.start : word.end])
        is_gold = not gold.isdisjoint(range(word.start, word.end))
        drawn.append(Drawn(text, x + left, x, width, line, share, word.holds(site), is_gold, word.start > site))
        x += width + SPACE * behind
    return drawn


def draw_story(axes: Axes, story: Iterable[Drawn], top: float) -> None:
    for word in story:
        y = top + LINE * (word.line + 0.5)
        edge = INK if word.site else "none"
        ground = blend(TINT, word.share)
        axes.add_patch(
            Rectangle((word.x, y - HALF), word.width, 2 * HALF, facecolor=ground, edgecolor=edge, linewidth=0.8)
        )
        axes.text(word.text_x, y + 0.05, word.text, va="baseline", color=PALE if word.later else INK)
        if word.gold:
            axes.plot([word.x, word.x + word.width], [y + HALF + 0.035] * 2, color=INK, linewidth=1.2)
