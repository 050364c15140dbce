"""What each command takes, as frozen dataclasses; the packages' own configurations are their parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator

from data import Answers, Files, Named, TokenFiles, TokenizerConfig
from data.mixture import Corpora, FilesPart, NamedPart, StoriesPart, corpora_of, stories_of
from data.stories import Stories, check_tasks
from data.text.tokenizers import IDS
from model import GPTConfig, Sampling
from model.config import require_count
from training import TrainConfig

SNAPSHOTS = 2  # for each doubling of the steps
MOST_SPECULATED = 64
MOST_SAMPLES, MOST_NEW_TOKENS = 1_000_000, 10_000_000  # days; whether they fit in memory is checked where they are made
MOST_CASES = 10_000  # of each task and split: intervals of half a percent
FEWEST_TOKENS, MOST_TOKENS = 100, 500_000  # of a text; more would fill memory and show nothing else

Data = Annotated[Stories | Named | Files | TokenFiles | Answers, Discriminator("name")]
Mix = Mapping[str, Annotated[StoriesPart | NamedPart | FilesPart, Discriminator("name")]]

READS_TEXT = ("run", "checkpoint", "text", "seed", "device")  # keys that go with text=; a sweep may name runs by seed


@dataclass(frozen=True)
class WandbConfig:
    mode: Literal["online", "offline", "disabled"] = "offline"
    project: str = "lookback"


@dataclass(frozen=True, kw_only=True)
class TrainCommand(TrainConfig):
    """``python train.py``. The model's vocabulary is the tokenizer's and replaces the 1 that stands here.

    ``init_from``: a run whose tokenizer, model and best weights this one begins with; or "hf:" and a folder or name of
    ``transformers``; or "nanogpt:" and a checkpoint of nanoGPT. ``weights_alone``: nothing is trained, and ``data``
    that were not asked for are not wanted. ``resume``: what ``cli.resuming.resolve_resume`` makes of "auto", too.
    ``snapshots``: None becomes SNAPSHOTS on stories, whose heads can be followed over the run, and 0 on other text, or
    where nothing is trained.
    """

    data: Data
    tokenizer: TokenizerConfig
    model: GPTConfig
    run: str | None = None
    resume: bool = False
    overwrite: bool = False
    found_nothing: bool = False  # when resume=auto looked for a checkpoint
    init_from: str | None = None
    init_changes: Mapping[str, int | float] = field(default_factory=dict)  # of what init_from=hf: or nanogpt: brings
    weights_alone: bool = False
    snapshots: int | None = None
    cache: str = "cache"
    mix: Mix = field(default_factory=dict)
    wandb: WandbConfig = field(default_factory=WandbConfig)

    def __post_init__(self) -> None:
        corpora = self.corpora
        if self.snapshots is None:
            followed = stories_of(corpora) and self.max_steps != 0
            object.__setattr__(self, "snapshots", SNAPSHOTS if followed else 0)
        super().__post_init__()
        if self.probe_every and not self.model.layers_with_heads:
            raise ValueError(f"probe_every={self.probe_every}: attention={self.model.attention} has no heads to probe")
        if self.max_steps == 0 and not self.init_from:
            raise ValueError("max_steps=0: trains nothing, which makes sense with init_from=... alone")
        if isinstance(self.data, TokenFiles) and not self.init_from and self.tokenizer.kind != IDS:
            raise ValueError(f"tokenizer.kind={self.tokenizer.kind}: data=tokens has ids already, tokenizer.kind={IDS}")
        if self.resume and not self.run:
            raise ValueError("resume=true: say which run, with run=runs/NAME")
        if self.resume and self.overwrite:
            raise ValueError("resume=true and overwrite=true contradict each other; give one of them")
        itself = self.init_from and self.run and Path(self.init_from).resolve() == Path(self.run).resolve()
        if itself and not self.resume:  # a run that goes on may have been moved to the name of its parent
            raise ValueError(f"init_from={self.init_from}: is the run itself; resume=true continues it")

    @property
    def corpora(self) -> Corpora:
        """What the run is trained on, by name."""
        return corpora_of(self.data, self.mix)


@dataclass(frozen=True, kw_only=True)
class SampleCommand(Sampling):
    """``python sample.py``."""

    run: str
    checkpoint: str = "best"
    prompt: str | None = None
    n: int = 1
    max_new_tokens: int = 200
    show: str | None = None
    speculate: int = 0
    weights: Literal["fp32", "int8"] = "fp32"
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("seed", self.seed)
        if not 0 <= self.speculate <= MOST_SPECULATED:
            raise ValueError(f"speculate={self.speculate}: must be 0 (nothing is guessed) to {MOST_SPECULATED}")
        for name, most in (("n", MOST_SAMPLES), ("max_new_tokens", MOST_NEW_TOKENS)):
            if not 1 <= vars(self)[name] <= most:
                raise ValueError(f"{name}={vars(self)[name]}: must be 1 to {most:,}")
        if self.prompt == "":
            raise ValueError('prompt="": has no tokens; give a text, or leave prompt out to begin a new document')


@dataclass(frozen=True, kw_only=True)
class ProbeCommand:
    """``python probe.py``."""

    run: str
    checkpoint: str = "best"
    text: str | None = None
    cases: str | None = None
    pairs: str | None = None
    text_file: str | None = None
    n_tokens: int | None = None
    language: str | None = "en"
    tasks: tuple[str, ...] | None = None
    n_cases: int = 400
    dynamics: bool = False
    circuits: bool = False
    to: str | None = None
    figures: Literal["png", "svg", "pdf"] = "png"
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        require_count("seed", self.seed)
        if self.text == "":
            raise ValueError('text="": has no tokens; give a sentence')
        given = [key.name for key in fields(self) if vars(self)[key.name] != key.default]
        unused = [name for name in given if name not in READS_TEXT]
        if self.text is not None and unused:
            raise ValueError(f"text=...: is read and measures nothing; leave {', '.join(unused)} out")
        if not 20 <= self.n_cases <= MOST_CASES or self.n_cases % 2:
            raise ValueError(
                f"n_cases={self.n_cases}: must be even, as stories come with counterfactuals, and 20 to {MOST_CASES:,}"
            )
        if self.tasks is not None:
            check_tasks(self.tasks)
            if self.cases is not None or self.pairs is not None:
                raise ValueError(f"tasks=[{','.join(self.tasks)}]: are of stories; leave cases and pairs out")
        if self.n_tokens is not None and not FEWEST_TOKENS <= self.n_tokens <= MOST_TOKENS:
            raise ValueError(f"n_tokens={self.n_tokens}: must be {FEWEST_TOKENS:,} to {MOST_TOKENS:,}")
        if self.pairs is not None and (self.dynamics or self.circuits or (self.cases, self.text_file) != (None, None)):
            others = "cases, text_file, dynamics and circuits"
            raise ValueError(f"pairs={self.pairs}: compares sentences and no heads; leave {others} out")


@dataclass(frozen=True, kw_only=True)
class ExportCommand:
    """``python export.py``."""

    run: str
    to: str
    checkpoint: str = "best"
    overwrite: bool = False
