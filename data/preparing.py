"""The tokens of a run's corpora: of one alone, or of several, for which one tokenizer is learned from all."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from itertools import chain, product
from pathlib import Path

from common.atomic import lock_of, locked, replace_durably, require_writable
from common.errors import InputError, NothingFoundError
from common.progress import Progress, silent
from data.mixture import Corpora, Share, Texts, start_of, text_of
from data.text.answers import Answers
from data.text.corpora import Corpus, Files
from data.text.dataset import Dataset, Part, answered, made_earlier, open_dataset, prepare, short_hash
from data.text.finding import identity
from data.text.learning import make_tokenizer, sample_text
from data.text.named import Named
from data.text.pieces import Counts, Piece, utf8_length
from data.text.shards import FORMAT, read_manifest
from data.text.token_files import TokenFiles
from data.text.tokenizers import Tokenizer, TokenizerConfig

SAMPLE_BYTES = 16 << 20  # of text, that the tokenizer of a mixture is learned from


def prepare_mixed(
    corpora: Corpora,
    tokenizer: TokenizerConfig | Tokenizer,
    cache: Path,
    progress: Progress = silent,
    check: bool = True,
) -> Dataset:
    """What ``data.prepare`` does, for all corpora of a run, with one tokenizer; each has a folder of its own in
    ``cache``. Of several, the tokens of ``text_of`` are in the dataset itself, and those of all in its ``parts``.
    """
    if len(corpora) == 1:
        ((_, corpus),) = corpora.values()
        return prepare(corpus, tokenizer, cache, progress, check)
    texts = {name: (share, corpus) for name, (share, corpus) in corpora.items() if not isinstance(corpus, TokenFiles)}
    fingerprints = fingerprints_of(texts, cache, progress)
    if isinstance(tokenizer, Tokenizer):
        shared = tokenizer
    else:
        shared = make_shared(texts, fingerprints, tokenizer, cache, progress)
        if tokenizer.kind == "bpe":  # with any other a corpus has the tokens that it has alone
            tokenizer = shared
    parts = []
    for name, (share, corpus) in texts.items():
        with naming(name, corpus):
            own = prepare(corpus, tokenizer, cache, progress_of(name, corpus, progress), check)
        parts.append(Part(name, share, own))
    return mixed(corpora, parts, shared)


def mixed(corpora: Corpora, parts: Sequence[Part], tokenizer: Tokenizer) -> Dataset:
    """The datasets of the corpora of a mixture as one."""
    text = next(part.dataset for part in parts if part.name == text_of(corpora))
    key = mixed_key((part.share, part.dataset.key) for part in parts)
    return replace(text, key=key, tokenizer=tokenizer, parts=tuple(parts))


def mixed_key(parts: Iterable[tuple[float, str]]) -> str:
    """The key of a mixture, from the share and the key of each part."""
    return short_hash([list(part) for part in parts])


def prepared_as(key: str, corpora: Corpora, tokenizer: Path, cache: Path, check: bool = True) -> Dataset | None:
    """What ``prepare_mixed`` made of ``corpora`` when the hash of all tokens was ``key``, if ``cache`` still has it:
    their text may have changed since, or be gone. None of ids, which are read where they lie. ``tokenizer``: the file
    of a mixture's.
    """
    shares = [share for share, _ in corpora.values()]
    folders = [made_earlier(corpus.name, cache) for _, corpus in corpora.values()]
    for keys in product(*folders):
        if key == (keys[0] if len(keys) == 1 else mixed_key(zip(shares, keys, strict=True))):
            own = [open_first(made[k], check) for made, k in zip(folders, keys, strict=True)]
            if len(own) > 1:
                return mixed(corpora, [*map(Part, corpora, shares, own)], Tokenizer.load(tokenizer))
            return answered(own[0]) if any(isinstance(corpus, Answers) for _, corpus in corpora.values()) else own[0]
    return None


def open_first(folders: Sequence[Path], check: bool) -> Dataset:
    """The first of these equal datasets that is whole; raises InputError where none is."""
    for folder in folders[:-1]:
        with suppress(InputError):
            return open_dataset(folder, check)
    return open_dataset(folders[-1], check)


def is_of_its_text(dataset: Dataset, corpora: Corpora, cache: Path) -> bool:
    """Whether the files that ``dataset`` was made of are as they were then."""
    for (_, corpus), part in zip(corpora.values(), dataset.every_part, strict=True):
        if isinstance(corpus, Files | Answers):
            try:
                now = json.loads(json.dumps(corpus.fingerprint(cache, silent)))
            except (InputError, OSError):  # they are gone, or out of reach
                return False
            equal = made_earlier(corpus.name, cache)[part.dataset.key]
            if now not in [read_manifest(folder).get("description", {}).get("source") for folder in equal]:
                return False
    return True


def fingerprints_of(corpora: Texts, cache: Path, progress: Progress) -> dict[str, dict]:
    """By name, what each corpus is; raises InputError where two are the same text, or read the same file."""
    fingerprints: dict[str, dict] = {}
    readers: dict[object, str] = {}
    for name, (_, corpus) in corpora.items():
        with naming(name, corpus):
            report = progress_of(name, corpus, progress) if isinstance(corpus, Named) else silent  # it may download
            fingerprint = corpus.fingerprint(cache, report)
            files = [*chain(*corpus.files(cache).values())] if isinstance(corpus, Files) else []
        if same := [other for other in fingerprints if fingerprints[other] == fingerprint]:
            raise InputError(f"mix.{name}: is the same text as {same[0]}; give each text once, with its whole share")
        fingerprints[name] = fingerprint
        for file in files:  # which one corpus may train on and the other validate
            if (reader := readers.setdefault(identity(file), name)) != name:
                raise InputError(f"mix.{name}: {file} is in the corpus {reader}, too; leave it out of one of them")
    return fingerprints


def make_shared(
    corpora: Texts, fingerprints: Mapping[str, dict], config: TokenizerConfig, cache: Path, progress: Progress
) -> Tokenizer:
    """The tokenizer of a mixture; one that is learned is kept in ``cache``, under a hash of what it is learned from."""
    start = start_of(corpora)
    if config.kind != "bpe":
        return make_tokenizer((), start, config, cache)
    parts = [[share, fingerprints[name]] for name, (share, _) in corpora.items()]
    description = {"format": FORMAT, "sample": SAMPLE_BYTES, "parts": parts, "tokenizer": asdict(config)}
    path = cache / "tokens" / f"mixture-{config.kind}-{short_hash(description)}.json"
    if not path.exists():
        require_writable(path.parent, "cache")
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(lock_of(path), lambda: progress("waiting for another process that learns the tokenizer", 0, None)):
            if not path.exists():
                sample = sample_text(blended(corpora, cache, progress), progress)
                replace_durably(path, make_tokenizer(sample, start, config, cache).to_json().encode())
    return Tokenizer.load(path)


def blended(corpora: Texts, cache: Path, progress: Progress) -> Iterator[tuple[str, Piece]]:
    """SAMPLE_BYTES of the training text of all corpora by their shares: the next piece is of the one that lacks most of
    its share. A corpus that is too short for its share begins again.
    """
    texts = {name: endless(name, corpus, cache, progress) for name, (_, corpus) in corpora.items()}
    read = dict.fromkeys(texts, 0)
    while sum(read.values()) < SAMPLE_BYTES:
        name = min(read, key=lambda name: read[name] / corpora[name][0])
        piece = next(texts[name])
        read[name] += utf8_length(piece.text)
        yield "train", piece


def endless(name: str, corpus: Corpus, cache: Path, progress: Progress) -> Iterator[Piece]:
    """The training text of a corpus, again and again."""
    report = progress_of(name, corpus, progress)
    with naming(name, corpus):
        total = corpus.total_bytes(cache, report)
        while True:
            n_bytes = 0
            for split, piece in corpus.pieces(cache, Counts(), total, report):
                if split != "train":
                    break
                n_bytes += utf8_length(piece.text)
                yield piece
            if not n_bytes:
                raise InputError("there is no text in data.path to train on")


def progress_of(name: str, corpus: Corpus, progress: Progress) -> Progress:
    """A report on the progress of one part that names it."""
    return lambda text, done, total: progress(f"{name}: {with_own_keys(text, name, corpus)}", done, total)


@contextmanager
def naming(name: str, corpus: Corpus) -> Iterator[None]:
    """Errors of one part name its keys."""
    try:
        yield
    except InputError as error:
        error.args = (with_own_keys(str(error), name, corpus),)
        if isinstance(error, NothingFoundError):
            error.key = with_own_keys(error.key, name, corpus)
        raise


def with_own_keys(text: str, name: str, corpus: Corpus) -> str:
    """``text`` on a corpus as a part has it: mix.NAME.path for data.path. The corpus of ``data`` keeps its own."""
    if not isinstance(corpus, Share):
        return text
    keys = "|".join(field.name for field in fields(corpus))
    return re.sub(rf"(?<![^\s(])data\.(?=(?:{keys})\b)", f"mix.{name}.", text)
