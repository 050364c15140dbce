"""The text of a run that is there: its corpus as it was configured, and the tokens that its heads are measured on."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from cli.schema import Data, Mix
from cli.stored import stored_config, usable_cache
from common.errors import InputError
from common.folders import TOKENIZER
from common.progress import Progress
from data import Dataset, Files, TokenFiles, Tokenizer, TokenizerConfig
from data.mixture import Corpora, corpora_of, stories_of, text_of
from data.preparing import prepare_mixed, prepared_as
from data.text.answers import Answers, before_answer
from data.text.held_out import MOST_TOKENS, encode_files, first_tokens, read_ids
from data.text.token_files import is_raw
from storage.run import read_config


class HeldOut(NamedTuple):
    """A text to measure heads in: its ids int64 [n], and ``file``, where it is from; None: the run's validation text.
    ``notes``: what the user should know of it, a sentence each.
    """

    ids: np.ndarray
    file: str | None
    notes: list[str]


@dataclass(frozen=True)
class RunText:
    """The text of ``run``: each part of its config.yaml is read when it is needed, and once. Raises InputError where
    that file is damaged.
    """

    run: Path

    @cached_property
    def stored(self) -> dict:
        """What config.yaml says."""
        return stored_config(str(self.run), {"data", "tokenizer", "cache"})

    @cached_property
    def corpora(self) -> Corpora:
        """The corpora that it names; none for a run of weights alone."""
        data = self.stored["data"]
        if data is None:
            return {}
        return corpora_of(self.part("data", data, Data), self.part("mix", self.stored.get("mix", {}), Mix))

    @cached_property
    def tokenizer_config(self) -> TokenizerConfig:
        return self.part("tokenizer", self.stored["tokenizer"], TokenizerConfig)

    @cached_property
    def cache(self) -> Path:
        """Where its tokens are, or are made anew: see ``usable_cache``."""
        return Path(usable_cache(self.stored["cache"], "cache"))

    @cached_property
    def template(self) -> str | None:
        """What joins prompts and answers that the run, or the weights that it keeps, was trained on; None without
        these.
        """
        config = read_config(self.run)  # not ``stored``: a run that is only sampled may lack what that needs
        data = config.get("data")
        trained = data if isinstance(data, dict) and data.get("name") == "answers" else config
        return self.part("template", trained.get("template"), str | None)  # also one that is refused today

    def part(self, key: str, value: object, kind: Any) -> Any:
        """``value``, which config.yaml has under ``key``, as its type."""
        try:
            return TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            raise InputError(f"run={self.run}: its config.yaml is damaged: {key}: {error.errors()[0]['msg']}") from None

    def as_prompt(self, text: str) -> str:
        """``text`` as the run reads it: in the template of its answers, if it was trained on these."""
        return text if self.template is None else before_answer(self.template, text)

    def validation(self, key: str | None, progress: Progress) -> HeldOut:
        """The validation tokens, made anew where the cache has lost them; of a mixture, those of ``text_of``. ``key``:
        the hash of all tokens that the run was trained on.

        Raises InputError where there is no text, where it is gone, or is another one now.
        """
        if not self.corpora:
            raise InputError("there is none, because the run has no corpus")
        dataset = self.prepared(key)
        if dataset is None:
            own = self.stored.get("init_from") or len(self.corpora) == 1
            tokenizer = Tokenizer.load(self.run / TOKENIZER) if own else self.tokenizer_config
            dataset = prepare_mixed(self.corpora, tokenizer, self.cache, progress)
        if dataset.key != key:
            raise InputError("it is not the text that the run was trained on any more")
        return HeldOut(first_tokens(dataset.val), None, [])

    def prepared(self, key: str | None) -> Dataset | None:
        """The tokens that the run was trained on, if the cache still has them, whatever has become of the text."""
        return prepared_as(key, self.corpora, self.run / TOKENIZER, self.cache) if key else None

    def trained_stories(self, key: str | None) -> np.ndarray | None:
        """All tokens that the run was trained on, int64 [n], if all are stories, at most MOST_TOKENS, its cache still
        has them, and its weights have seen no other text before; else None. ``key``: see ``validation``.
        """
        corpus = stories_of(self.corpora)
        if corpus is None or len(self.corpora) > 1 or self.stored.get("init_from"):
            return None
        dataset = self.prepared(key)
        if dataset is None or len(dataset.train) > MOST_TOKENS:
            return None
        return dataset.train.read(0, len(dataset.train))

    def of_file(self, path: str, tokenizer: Tokenizer, progress: Progress, key: str = "text_file") -> HeldOut:
        """The tokens of the file, folder or glob ``path``, the value of ``key``, read as the run's own files were, if
        it was trained on files; of a file of ids, where tokens stand for no text. Raises InputError where there is
        nothing to read.
        """
        corpus = self.corpora[text_of(self.corpora)].corpus if self.corpora else None
        if not tokenizer.has_text:
            dtype = corpus.dtype if isinstance(corpus, TokenFiles) and is_raw(path) else None
            return HeldOut(read_ids(path, key, tokenizer, dtype), path, [])
        files = replace(corpus, path=path) if isinstance(corpus, Files) else Files(path)
        # The folder that the run had: files are not looked for in it, and nothing is written there.
        ids, notes = encode_files(files, key, tokenizer, Path(self.stored["cache"]), progress)
        return HeldOut(ids, path, notes)


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
