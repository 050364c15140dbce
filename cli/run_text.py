"""The text of a run that is there: its corpus as it was configured, and the tokens that its heads are measured on."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from cli.schema import Data, Mix
from cli.stored import stored_config, usable_cache
from common.errors import InputError
from common.folders import TOKENIZER
from common.progress import Progress
from data import Files, TokenFiles, Tokenizer, TokenizerConfig
from data.mixture import Corpora, corpora_of, stories_of, text_of
from data.preparing import prepare_mixed
from data.text.answers import Answers, before_answer
from data.text.dataset import kept
from data.text.held_out import MOST_TOKENS, encode_files, first_tokens, read_ids
from data.text.token_files import is_raw
from data.text.tokenizers import IDS
from storage.run import read_config


class HeldOut(NamedTuple):
    """A text to measure heads in: its ids int64 [n], and ``file``, where it is from; None: the run's validation text.
    ``notes``: what the user should know of it, a sentence each.
    """

    ids: np.ndarray
    file: str | None
    notes: list[str]


def corpora_of_run(run: Path) -> Corpora:
    """The corpora that a run's configuration names; none for a run of weights alone. Raises InputError where the
    configuration is damaged.
    """
    stored = read_stored(run)
    data = stored["data"]
    if data is None:
        return {}
    return corpora_of(part_of(run, "data", data, Data), part_of(run, "mix", stored.get("mix", {}), Mix))


def as_prompt(run: Path, text: str) -> str:
    """``text`` as ``run`` reads it: in the template of its answers, if it was trained on these. Raises InputError where
    its configuration is damaged.
    """
    template = template_of(run)
    return text if template is None else before_answer(template, text)


def template_of(run: Path) -> str | None:
    """What joins prompts and answers that ``run``, or the weights that it keeps, was trained on; None without these."""
    config = read_config(run)
    data = config.get("data")
    trained = data if isinstance(data, dict) and data.get("name") == "answers" else config
    return part_of(run, "template", trained.get("template"), str | None)  # also one that is refused today


def part_of(run: Path, key: str, value: object, kind: Any) -> Any:
    """``value``, which a run's configuration has under ``key``, as its type; raises InputError where it is none."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise InputError(f"run={run}: its config.yaml is damaged: {key}: {error.errors()[0]['msg']}") from None


def read_stored(run: Path) -> dict:
    return stored_config(str(run), {"data", "tokenizer", "cache"})


def validation_text(run: Path, key: str | None, progress: Progress) -> HeldOut:
    """The validation tokens of ``run``, made anew where its cache has lost them; of a mixture, those of ``text_of``.
    ``key``: the hash of all tokens that it was trained on.

    Raises InputError where there is no text, where it is gone, or is another one now.
    """
    stored, corpora = read_stored(run), corpora_of_run(run)
    if not corpora:
        raise InputError("there is none, because the run has no corpus")
    cache = Path(usable_cache(stored["cache"], "cache"))
    tokenizer = part_of(run, "tokenizer", stored["tokenizer"], TokenizerConfig)
    if stored.get("init_from") or tokenizer.kind == IDS:
        tokenizer = Tokenizer.load(run / TOKENIZER)
    dataset = prepare_mixed(corpora, tokenizer, cache, progress)
    if dataset.key != key:
        raise InputError("it is not the text that the run was trained on any more")
    return HeldOut(first_tokens(dataset.val), None, [])


def read_otherwise(corpora: Corpora, own: bool = True) -> list[str]:
    """How reading the text in which heads are measured differs from training on ``corpora``: a sentence each. ``own``:
    it is the run's validation text.
    """
    read = [corpus for _, corpus in corpora.values()]
    sentences = []
    if any(corpus.document_mask for corpus in read):
        sentences.append(
            "data.document_mask=true: in the text that heads are measured in, documents see each other, as they did "
            "not in training; if they are short, these numbers mislead"
        )
    if own and any(isinstance(corpus, Answers) for corpus in read):
        sentences.append(
            "data=answers: in the text that heads are measured in, prompts see each other and are predicted as well, "
            "as they were not in training; these numbers mislead, and probe.py text_file=PATH takes another text"
        )
    return sentences


def trained_stories(run: Path, key: str | None) -> np.ndarray | None:
    """All tokens that ``run`` was trained on, int64 [n], if all are stories, at most MOST_TOKENS, its cache still has
    them, and its weights have seen no other text before; else None. ``key``: see ``validation_text``.
    """
    stored, corpora = read_stored(run), corpora_of_run(run)
    corpus = stories_of(corpora)
    if corpus is None or len(corpora) > 1 or stored.get("init_from"):
        return None
    cache = Path(usable_cache(stored["cache"], "cache"))
    dataset = kept(corpus, part_of(run, "tokenizer", stored["tokenizer"], TokenizerConfig), cache)
    if dataset is None or dataset.key != key or len(dataset.train) > MOST_TOKENS:
        return None
    return dataset.train.read(0, len(dataset.train))


def text_of_file(run: Path, path: str, tokenizer: Tokenizer, progress: Progress, key: str = "text_file") -> HeldOut:
    """The tokens of the file, folder or glob ``path``, the value of ``key``, read as the files of ``run`` were, if it
    was trained on files; of a file of ids, where tokens stand for no text. Raises InputError where there is nothing to
    read.
    """
    corpora = corpora_of_run(run)
    corpus = corpora[text_of(corpora)].corpus if corpora else None
    if not tokenizer.has_text:
        dtype = corpus.dtype if isinstance(corpus, TokenFiles) and is_raw(path) else None
        return HeldOut(read_ids(path, key, tokenizer, dtype), path, [])
    files = replace(corpus, path=path) if isinstance(corpus, Files) else Files(path)
    ids, notes = encode_files(files, key, tokenizer, Path(read_stored(run)["cache"]), progress)
    return HeldOut(ids, path, notes)
