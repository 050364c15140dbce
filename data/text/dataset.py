"""From a corpus to a tokenizer and two token arrays, made once and reused while nothing changes."""

import hashlib
import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from glob import escape
from pathlib import Path
from typing import NamedTuple

from common.atomic import Held, file_sha256, lock_of, locked, move, require_writable
from common.errors import InputError
from common.progress import Progress, silent
from data.text.answers import AnsweredPrompts, Answers, require_fitting
from data.text.building import TOKENIZER, build, can_go_on, is_built
from data.text.corpora import Corpus
from data.text.pieces import Counts
from data.text.shards import FORMAT, SPLITS, Tokens, open_split, read_manifest
from data.text.token_files import TokenFiles, bytes_of_text
from data.text.tokenizers import Tokenizer, TokenizerConfig

BUILDING = ".building-"
KEPT_SECONDS = 7 * 24 * 3600


class Part(NamedTuple):
    """One corpus of a mixture: its name there, its share of the training tokens, its tokens."""

    name: str
    share: float
    dataset: "Dataset"


@dataclass(frozen=True)
class Dataset:
    """Tokens to train on and to validate with. ``key`` is a hash of all tokens and of the tokenizer; ``val_bytes``: of
    the text that is predicted, of answers alone where these are learned; None where tokens stand for no text.
    ``parts``: all corpora of a mixture, one of which the tokens here are of; empty where there is no other.
    """

    key: str
    folder: Path
    tokenizer: Tokenizer
    train: Tokens
    val: Tokens
    val_bytes: int | None
    counts: Counts
    parts: tuple[Part, ...] = ()

    @property
    def every_part(self) -> tuple[Part, ...]:
        """``parts``, or, without any, this dataset as the only one."""
        return self.parts or (Part("", 1.0, self),)

    @property
    def answers(self) -> tuple[AnsweredPrompts, AnsweredPrompts] | None:
        """Both splits where answers alone are learned; None where all tokens are."""
        train, val = self.train, self.val
        return (train, val) if isinstance(train, AnsweredPrompts) and isinstance(val, AnsweredPrompts) else None

    def require(self, block_size: int) -> None:
        """Raises InputError where a corpus is too short to train a model with this block, or answers are too long."""
        if self.answers:
            require_fitting(self.answers, block_size)
            return
        for name, _, own in self.every_part:
            corpus = f"the corpus {name}" if name else "the corpus"
            if len(own.train) <= block_size:
                raise InputError(
                    f"{corpus} has {len(own.train)} training tokens, too few for model.block_size={block_size}; "
                    "give more text or a shorter block"
                )
            if len(own.val) < 2:
                raise InputError(
                    f"{corpus} has {len(own.val)} tokens to validate with; give more of it: data.val_fraction, "
                    "data.val_path or data.n_val, whichever there is"
                )

    def with_answers(self, train: AnsweredPrompts, val: AnsweredPrompts) -> "Dataset":
        return replace(self, train=train, val=val, val_bytes=val.bytes_of_answers(self.tokenizer.lengths))


def short_hash(value: object) -> str:
    """A name for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def prepare(
    corpus: Corpus | TokenFiles,
    tokenizer: TokenizerConfig | Tokenizer,
    cache: Path,
    progress: Progress = silent,
    check: bool = True,
) -> Dataset:
    """The tokens of ``corpus``, from ``cache`` where they are there already and still whole; ids where they lie.

    ``tokenizer``: how to make one, or one that exists already. Without ``check`` nothing is hashed, since another
    process has done so; ``key`` is then wrong for ids.
    """
    if isinstance(corpus, TokenFiles):
        return dataset_of_ids(corpus, tokenizer if isinstance(tokenizer, Tokenizer) else None, progress, check)
    folder, description = folder_of(corpus, tokenizer, cache, progress)
    if not folder.exists():
        require_writable(folder.parent, "cache")
        folder.parent.mkdir(parents=True, exist_ok=True)
        waiting = f"waiting for another process that makes tokens of {corpus.name}"
        with locked(lock_of(folder), lambda: progress(waiting, 0, None)):
            if not folder.exists():
                sweep(folder.parent)
                make(folder, corpus, tokenizer, cache, description, progress)
    dataset = open_dataset(folder, check)
    return answered(dataset) if isinstance(corpus, Answers) else dataset


def answered(dataset: Dataset) -> Dataset:
    """The tokens of ``Answers`` as these are trained on."""
    end = dataset.tokenizer.end
    if end is None:
        raise InputError("data=answers: these tokens have no end token, so that no answer could end; use other weights")
    train, val = (AnsweredPrompts.of(tokens, end) for tokens in (dataset.train, dataset.val))
    return dataset.with_answers(train, val)


def dataset_of_ids(corpus: TokenFiles, tokenizer: Tokenizer | None, progress: Progress, check: bool) -> Dataset:
    """Files of ids as they are. ``tokenizer``: None makes one of as many tokens as there are ids or names."""
    train, val = corpus.read(progress, check).values()
    largest = max(train.largest, val.largest)
    tokenizer = tokenizer or corpus.make_tokenizer(largest)
    if largest >= tokenizer.vocab_size:
        raise InputError(
            f"data.path={corpus.path}: its ids go up to {largest:,}, and those {corpus.which_tokens()} to "
            f"{tokenizer.vocab_size - 1:,}"
        )
    types = [ids.array.dtype.str for ids in (train, val)]
    key = short_hash([short_hash(tokenizer.to_json()), *types, train.sha256, val.sha256])
    n_bytes = bytes_of_text(val.array, tokenizer)
    return Dataset(
        key, Path(corpus.path).parent, tokenizer, Tokens([train.array]), Tokens([val.array]), n_bytes, Counts()
    )


def made_earlier(name: str, cache: Path) -> dict[str, list[Path]]:
    """The folders in ``cache`` with tokens of a corpus of this name, by their key; those that can be read."""
    folders: dict[str, list[Path]] = {}
    for folder in sorted((cache / "tokens").glob(f"{escape(name)}-*")):
        with suppress(InputError):
            folders.setdefault(key_of(read_manifest(folder)), []).append(folder)
    return folders


def folder_of(
    corpus: Corpus, tokenizer: TokenizerConfig | Tokenizer, cache: Path, progress: Progress
) -> tuple[Path, dict]:
    """The folder of a corpus' tokens, and the description that it is named by."""
    made = {"content": short_hash(tokenizer.to_json())} if isinstance(tokenizer, Tokenizer) else asdict(tokenizer)
    description = {"format": FORMAT, "source": corpus.fingerprint(cache, progress), "tokenizer": made}
    return cache / "tokens" / f"{corpus.name}-{tokenizer.kind}-{short_hash(description)}", description


def open_dataset(folder: Path, check: bool = True) -> Dataset:
    """The tokens in ``folder``; raises InputError where some are missing or, if to ``check``, damaged."""
    manifest = read_manifest(folder)
    train, val = (open_split(folder, manifest, split, check) for split in SPLITS)
    if file_sha256(folder / TOKENIZER) != manifest["tokenizer"]:
        raise InputError(f"{folder}/{TOKENIZER} is damaged; delete {folder} and the tokens are made anew")
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    counts = Counts(**{field.name: manifest.get(field.name, 0) for field in fields(Counts)})
    return Dataset(key_of(manifest), folder, tokenizer, train, val, manifest["val"]["bytes"], counts)


def key_of(manifest: dict) -> str:
    """The hash of all tokens and of the tokenizer."""
    shards = (shard["sha256"] for split in SPLITS for shard in manifest[split]["shards"])
    return short_hash([manifest["tokenizer"], *shards])


def make(
    folder: Path,
    corpus: Corpus,
    tokenizer: TokenizerConfig | Tokenizer,
    cache: Path,
    description: dict,
    progress: Progress,
) -> None:
    """Builds beside ``folder`` and moves what is whole there; what is not stays, if it can be continued."""
    building = folder.with_name(BUILDING + folder.name)
    try:
        if not is_built(building):
            build(building, corpus, tokenizer, cache, description, progress)
        move(building, folder)
    except BaseException:
        if not can_go_on(building):
            shutil.rmtree(building, ignore_errors=True)
        raise


def sweep(tokens: Path) -> None:
    """Removes what earlier processes left half done and nobody can continue, or did within a week."""
    for building in tokens.glob(f"{BUILDING}*"):
        lock = lock_of(tokens / building.name.removeprefix(BUILDING))
        with suppress(Held, FileNotFoundError), locked(lock, None):  # another process may just have finished it
            abandoned = time.time() - building.stat().st_mtime > KEPT_SECONDS
            if abandoned or not can_go_on(building):
                shutil.rmtree(building, ignore_errors=True)
