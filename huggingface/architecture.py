"""An architecture of another project that computes what one of ours does, key by key and tensor by tensor.

Every table of ``transformers`` is read in both directions, so that what goes out comes in again as it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from common.errors import InputError
from model import GPT, GPTConfig
from storage.checkpoint import not_finite

Values = dict[str, Any]
OTHER = "give another checkpoint"


@dataclass(frozen=True)
class Key:
    """A key of their config.json: the field of GPTConfig that it carries, or else the only value that has our meaning.

    ``absent``: what ``transformers`` takes where the key is missing; ``same``: other values that mean the same.
    ``names``: what each of their names is called here, if both sides have names; an export writes the first that fits.
    ``written``: whether an export says it; other keys are only looked for.
    """

    theirs: str
    ours: str | None = None
    value: Any = None
    absent: Any = None
    same: tuple[Any, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    written: bool = True
    to_theirs: Callable[[Any], Any] = lambda value: value
    to_ours: Callable[[Any], Any] = lambda value: value

    def write(self, config: GPTConfig) -> Any:
        """Their value for ``config``, which has one."""
        if self.ours is None:
            return self.value
        value = vars(config)[self.ours]
        return self.to_theirs(next((theirs for theirs, ours in self.names.items() if ours == value), value))

    def read(self, values: Values, source: str) -> Any:
        """Our value for theirs; raises InputError for one that means nothing here."""
        value = values.get(self.theirs, self.absent)
        allowed = (*self.names,) if self.names else () if self.ours else (self.value, *self.same)
        if allowed and value not in allowed:
            wanted = " or ".join(map(str, allowed))
            raise InputError(f"{source}: {self.theirs}={value} is not supported; it must be {wanted}")
        return self.names[value] if self.names else self.to_ours(value)


@dataclass(frozen=True)
class Row:
    """A tensor of theirs and the parameters of ours that it holds, one after the other along their first dimension.

    ``turned``: it is stored as inputs x outputs, the transpose of a ``torch.nn.Linear`` weight.
    """

    theirs: str
    ours: tuple[str, ...]
    turned: bool = False

    def join(self, parameters: Mapping[str, Tensor]) -> Tensor:
        joined = torch.cat([parameters[name] for name in self.ours])
        return (joined.T if self.turned else joined).contiguous()

    def part(self, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        whole = tensor.T if self.turned else tensor
        return zip(self.ours, whole.tensor_split(len(self.ours)), strict=True)

    def shape(self, parameters: Mapping[str, Tensor]) -> list[int]:
        """The shape of the tensor that holds its part of these."""
        first, *others = parameters[self.ours[0]].shape
        whole = [len(self.ours) * first, *others]
        return whole[::-1] if self.turned else whole


def rows_left_out(source: str, n_rows: int, n_tokens: int) -> str:
    """The note that a vocabulary has rows without a token."""
    return f"{source} has {n_rows:,} rows for {n_tokens:,} tokens; the last {n_rows - n_tokens} are left out"


def without_prefix(names: Iterable[str], prefix: str, source: str) -> dict[str, str]:
    """Each name without ``prefix``, and as it is; raises InputError where two are the same without it."""
    whole: dict[str, str] = {}
    for name in names:
        if (other := whole.setdefault(name.removeprefix(prefix), name)) != name:
            raise InputError(f"{source}: {other} and {name} are names of the same tensor; {OTHER}")
    return whole


HEAD = Row("lm_head.weight", ("head.weight",))
VOCABULARY = ("embed.weight", *HEAD.ours)  # what has a row for each token


@dataclass(frozen=True)
class Architecture:
    """``rows``: its tensors, given the shape. ``switches``: what a GPTConfig must say to have this architecture.
    ``prefix``: what stands before all their names but the head's, and is left out in some files. ``buffers``: ends of
    names of what are no weights. ``shape_from``: where the shape is given.

    Of config.json: ``model_type``, ``keys``, ``aliases``: other names of keys, ``derived``: keys whose values follow
    from the shape, and ``dropout``: the keys for it.
    """

    name: str
    rows: Callable[[GPTConfig], Iterable[Row]]
    switches: Values
    prefix: str = ""
    buffers: tuple[str, ...] = ()
    shape_from: str = "config.json"
    model_type: str = ""
    keys: tuple[Key, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    derived: Callable[[GPTConfig], Values] = lambda config: {}
    dropout: tuple[str, ...] = ()

    def unmatched(self, config: GPTConfig) -> list[str]:
        """The settings of ``config`` that this architecture does not have, as KEY=VALUE."""
        wrong = [name for name, value in self.switches.items() if vars(config)[name] != value]
        named = {key.ours: key.names.values() for key in self.keys if key.ours and key.names}
        wrong += [name for name, known in named.items() if vars(config)[name] not in known]
        if set(config.attention_types) != {"F"}:
            wrong.insert(0, "attention")
        if config.n_kv_head != config.n_head and not any(key.ours == "n_kv_head" for key in self.keys):
            wrong.append("n_kv_head")
        settings = {name: vars(config)[name] for name in wrong}
        return [
            f"model.{key}={str(value).lower() if value is True or value is False else value}"
            for key, value in settings.items()
        ]

    def to_config(self, config: GPTConfig) -> Values:
        """Their config.json, but for what concerns tokens."""
        values = {key.theirs: key.write(config) for key in self.keys if key.written}
        about = {"architectures": [self.name], "model_type": self.model_type, "dtype": "float32"}
        return {**about, **values, **self.derived(config), **dict.fromkeys(self.dropout, config.dropout)}

    def from_config(self, values: Values, source: str) -> GPTConfig:
        """The shape that a config.json describes, without dropout; raises InputError for one that ours cannot have."""
        shape: Values = {"vocab_size": values.get("vocab_size"), **self.switches}
        try:
            for key in self.keys:
                value = key.read(values, source)
                if key.ours:
                    shape[key.ours] = value
            config = GPTConfig(**shape)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{source}: config.json describes no network ({error})") from None
        same = {alias: values[key] for alias, key in self.aliases.items()}
        for name, value in {**same, **self.derived(config)}.items():
            if values.get(name) not in (None, value):
                raise InputError(f"{source}: {name}={values[name]} is not supported; it must be {value} in this shape")
        return config

    def to_tensors(self, config: GPTConfig, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {row.theirs: row.join(parameters) for row in self.rows(config)}

    def from_tensors(
        self, config: GPTConfig, n_rows: int, names: Iterable[str], get: Callable[[str], Tensor], source: str
    ) -> dict[str, Tensor]:
        """Our parameters out of the tensors called ``names``, which ``get`` reads. ``n_rows``: of their vocabulary, of
        which those that no token has are left out.

        Raises InputError where a tensor is missing, unknown or of another shape, or holds anything but finite
        floating-point numbers; a network takes no memory before.
        """
        there = without_prefix(names, self.prefix, source)
        rows = {row.theirs.removeprefix(self.prefix): row for row in self.rows(config)}
        tied = config.tie_embeddings and HEAD.theirs in there
        if tied:
            rows[HEAD.theirs] = HEAD
        if foreign := [name for name in there if name not in rows and not name.endswith(self.buffers)]:
            raise InputError(f"{source}: the tensor {foreign[0]} is not supported by {self.name}; {OTHER}")
        if missing := [row.theirs for name, row in rows.items() if name not in there]:
            raise InputError(f"{source}: the tensor {missing[0]} is missing; {OTHER}")
        try:
            with torch.device("meta"):
                own = dict(GPT(replace(config, vocab_size=n_rows)).named_parameters(remove_duplicate=False))
        except RuntimeError as error:  # more bytes than 64 bits count
            raise InputError(f"{source}: has sizes of no network in its {self.shape_from} ({error}); {OTHER}") from None
        parameters = {}
        for name, row in rows.items():
            tensor, what = get(there[name]), f"{source}: the tensor {row.theirs}"
            if not tensor.is_floating_point():
                raise InputError(f"{what} is {tensor.dtype}; it must be floating point; {OTHER}")
            if (shape := [*tensor.shape]) != (expected := row.shape(own)):
                raise InputError(
                    f"{what} has the shape {shape}; by its {self.shape_from} it must be {expected}; {OTHER}"
                )
            parts = dict(row.part(tensor[: config.vocab_size] if row.ours[0] in VOCABULARY else tensor))
            if not_finite(parts):
                raise InputError(f"{what} is not finite (NaN or infinity); {OTHER}")
            parameters |= parts
        if tied and not torch.equal(parameters.pop("head.weight").float(), parameters["embed.weight"].float()):
            switch = next((key.theirs for key in self.keys if key.ours == "tie_embeddings"), None)
            remedy = f"{self.shape_from} must say {switch}=false" if switch else OTHER
            raise InputError(f"{source}: {HEAD.theirs} is not the embedding, to which it is tied; {remedy}")
        return parameters
