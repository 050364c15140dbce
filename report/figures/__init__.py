"""Figures for papers, as png, svg or pdf: role map, stories with tints, accuracy by site, training dynamics, curves.

Each ``draw_...`` returns the files that it wrote, none where there is nothing to draw. The same findings give the same
bytes, because figures carry no date.
"""

from pathlib import Path

from data import Tokenizer
from probing.findings import Findings
from report.figures.canvas import FORMATS
from report.figures.dynamics import draw_dynamics, draw_text_dynamics
from report.figures.role_map import draw_role_map
from report.figures.sites import draw_sites
from report.figures.stories import draw_stories

NAMES = ("role_map", "stories", "sites", "dynamics", "text_dynamics")  # the figures of a probe
EARLIER_NAMES = ("film",)  # what earlier versions called dynamics


def remove_figures(folder: Path) -> None:
    """Deletes the figures that an earlier probe left in ``folder``, whatever their format."""
    for name in (*NAMES, *EARLIER_NAMES):
        for suffix in FORMATS:
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def draw_figures(findings: Findings, tokenizer: Tokenizer, folder: Path, suffix: str) -> list[Path]:
    """All figures of a probe that there is something to draw in, FOLDER/NAME.SUFFIX for NAMES."""
    role_map, stories, sites, dynamics, text_dynamics = (folder / f"{name}.{suffix}" for name in NAMES)
    return [
        *draw_role_map(findings, role_map),
        *draw_stories(findings, tokenizer, stories),
        *draw_sites(findings, sites),
        *draw_dynamics(findings.dynamics, dynamics),
        *draw_text_dynamics(findings.text, text_dynamics),
    ]
