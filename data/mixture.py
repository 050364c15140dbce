"""Which corpora a run has, each with its share of the training tokens: a book, and a tenth of stories."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from common.errors import InputError
from data.stories import Stories
from data.text.answers import Answers
from data.text.corpora import PLAIN, Corpus, Files
from data.text.named import Named
from data.text.token_files import TokenFiles

NAME = re.compile(r"[\w-]+")
UNMIXED = (TokenFiles, Answers)  # corpora whose tokens are no running text


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a corpus has as a part of a mixture: its share of the training tokens. 0: it is left out."""

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"share={self.share}: must be at least 0 and below 1")
        # pyrefly: ignore [missing-attribute] the corpus that this is mixed into has one
        super().__post_init__()


@dataclass(frozen=True)
class StoriesPart(Share, Stories):
    """Stories as a part of a mixture."""


@dataclass(frozen=True)
class NamedPart(Share, Named):
    """A corpus known by name as a part of a mixture."""


@dataclass(frozen=True)
class FilesPart(Share, Files):
    """Files as a part of a mixture."""


class Weighted(NamedTuple):
    """A corpus and its share of the training tokens."""

    share: float
    corpus: Corpus | TokenFiles  # the one of ids, and that of answers, stand alone


Corpora = Mapping[str, Weighted]  # those of a run by name, first the one that ``data`` names; one alone: share 1
Texts = Mapping[str, tuple[float, Corpus]]  # those of a mixture, all of which are text


def corpora_of(
    data: Corpus | TokenFiles, mix: Mapping[str, StoriesPart | NamedPart | FilesPart]
) -> dict[str, Weighted]:
    """The corpora that a run mixes: the parts with a share, by name, after ``data``, which has the rest.

    Raises InputError where nothing is left for ``data``, or a name cannot be a part's.
    """
    parts = {name: Weighted(part.share, part) for name, part in sorted(mix.items()) if part.share}
    if parts and isinstance(data, UNMIXED):
        raise InputError(f"mix.{min(parts)}: no other corpus can be mixed with data={data.name}; leave it out")
    for name in parts:
        if not NAME.fullmatch(name):
            raise InputError(f"mix.{name}: a part is named by letters, digits, - and _")
        for key, default in vars(PLAIN).items():
            if vars(mix[name])[key] != default:
                raise InputError(f"mix.{name}.{key}: all parts are read as data is; give data.{key}")
        if name == data.name:
            raise InputError(
                f"mix.{name}: data={name} is this corpus already; name another with data=..., or call the part "
                f"something else, as in mix.other={parts[name].share} mix.other.name={name}"
            )
    rest = 1 - sum(part.share for part in parts.values())
    if rest < 1e-9:
        raise InputError(
            f"mix: the shares come to {1 - rest:g}, and data={data.name} has the rest; they must come to less than 1"
        )
    return {data.name: Weighted(rest, data), **parts}


def stories_of(corpora: Corpora) -> Stories | None:
    """The stories among the corpora of a run, if there are any."""
    return next((corpus for _, corpus in corpora.values() if isinstance(corpus, Stories)), None)


def only_stories(corpora: Corpora) -> bool:
    """Whether a run was trained on stories and on nothing else."""
    return bool(corpora) and all(isinstance(corpus, Stories) for _, corpus in corpora.values())


def text_of(corpora: Corpora) -> str:
    """The name of the corpus whose validation text heads are measured in: the first that is not of stories, if any."""
    others = [name for name, (_, corpus) in corpora.items() if not isinstance(corpus, Stories)]
    return [*others, *corpora][0]


def start_of(corpora: Corpora | Texts) -> str:
    """What prompts and cases begin with: what the documents of a part do, if those of any part share a beginning."""
    starts = (corpus.start for _, corpus in corpora.values() if not isinstance(corpus, TokenFiles))
    return next(filter(None, starts), "")
