"""Colours that figures, pages and the terminal share, and the ink that can be read on them."""

from data.stories import TASKS

RGB = tuple[float, float, float]  # red, green, blue in [0, 1]

INK, PAPER, FAINT = "#222222", "#FFFFFF", "#F2F2F2"
TINT = "#D55E00"  # attention
MATTERS = "●"  # stands beside the role of a head that matters to the answer
ROLE_COLOURS = {
    "pronoun": "#D55E00",
    "key_value": "#009E73",
    "copying": "#56B4E9",
    "induction": "#117733",
    "subject_verb": "#9A8500",
    "word_sense": "#882255",
    "alignment": "#E69F00",
    "previous_token": "#0072B2",
    "fixed_offset": "#5D6D9E",
    "first_token": "#8C8C8C",
    "same_word": "#CC79A7",
}
RELATION_COLOURS = {  # what a head looks at in a text
    "first_token": "#8C8C8C",
    "itself": "#B9A44C",
    "token_before": "#0072B2",
    "after_same_token": "#117733",
    "same_token": "#CC79A7",
    "punctuation": "#D55E00",
    "space": "#E69F00",
    "function_word": "#56B4E9",
    "end_token": "#D55E00",
    "rest": "#D4D0C8",
}
SPARE_COLOURS = ("#7B4FB5", "#A0522D", "#4D7F17")  # for roles of stories that have none of their own
OTHER_ROLE = "#6f6f6f"  # roles of the user's own tasks
# Terminals may be dark or light: what is weak on both is grey, what is strong has all of its colour.
GREY = "#7C7C7C"


def role_colours() -> dict[str, str]:
    """The colour of every role that is known; one that a task of the stories brings along gets a spare colour."""
    of_stories = dict.fromkeys(task.role or name for name, task in TASKS.items())
    new = (role for role in of_stories if role not in ROLE_COLOURS)
    return ROLE_COLOURS | dict(zip(new, SPARE_COLOURS, strict=False))


def role_colour(role: str) -> str:
    return role_colours().get(role, OTHER_ROLE)


def rgb(colour: str) -> RGB:
    """The channels of "#RRGGBB"."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def blend(colour: str, strength: float, ground: str = PAPER) -> RGB:
    """``colour`` on ``ground``: a strength of 0 is the ground, 1 the colour itself."""
    strength = min(1.0, max(0.0, strength))
    channels = zip(rgb(ground), rgb(colour), strict=True)
    red, green, blue = ((1 - strength) * under + strength * over for under, over in channels)
    return red, green, blue


def luminance(colour: RGB) -> float:
    """Relative luminance of an sRGB colour, 0 for black, 1 for white (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: RGB, other: RGB) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2); text is readable from 4.5."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(ground: RGB, dark: str = INK, light: str = PAPER) -> str:
    """The one of two inks that reads better on ``ground``."""
    return max((dark, light), key=lambda ink: contrast(rgb(ink), ground))
