"""From the values that a configuration has to a frozen dataclass: each key known, each value of its key's type."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cli.composing import FOLDER, MISSING, hint, leaves, nested_keys, written
from cli.originals import initialized, with_ids
from cli.paths import FREE_TEXT, expand_paths
from cli.resuming import resolve_resume, resumed
from common.errors import InputError

CORPORA = {path.stem for path in (FOLDER / "data").glob("*.yaml")}
UNMIXED = {"tokens", "answers"}  # which are no running text


def typed(schema: type, values: dict, overrides: Sequence[str] = ()) -> Any:
    """Values as a frozen dataclass; where the command resumes a run, that run's own values with the changes allowed."""
    if "mix" in values:
        if not isinstance(values["mix"], Mapping):
            raise InputError(f"mix={written(values['mix'])}: parts have shares, as in mix.stories=0.1")
        values = values | {"mix": {name: as_part(name, part) for name, part in values["mix"].items()}}
    values = expand_paths(values)
    if "resume" in values:
        values |= resolve_resume(values["resume"], values["run"], values["overwrite"])
    if values.get("resume") and values.get("run"):
        values = resumed(values, overrides, partial(validated, schema))
    elif values.get("init_from"):
        values = initialized(values, overrides)
    elif (values.get("data") or {}).get("name") == "tokens":
        values = with_ids(values, overrides)
    return validated(schema, values)


def as_part(name: str, given: Any) -> dict:
    """A part of a mixture as a configuration has it: its share alone is enough where its name is a corpus's."""
    return {"name": name} | (dict(given) if isinstance(given, Mapping) else {"share": given})


def validated(schema: type, values: dict) -> Any:
    """Values as a frozen dataclass; raises InputError for one that is missing, unknown or none of those allowed."""
    for key, value in leaves(values):
        if value == MISSING and key not in FREE_TEXT:  # where it is a text
            raise InputError(f"{key} is missing; give {key}=...")
    if "model" in values:
        values = values | {"model": {**values["model"], "vocab_size": 1}}
    try:
        command = TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        tag = 2 if first["loc"][:1] == ("mix",) else 1  # where pydantic puts the name of the corpus
        path = ".".join(str(part) for i, part in enumerate(first["loc"]) if i != tag or part not in CORPORA)
        if first["type"] == "union_tag_invalid" and tag == 2:
            known = f"there is no such corpus; known are {', '.join(sorted(CORPORA - UNMIXED))}"
            raise InputError(
                f"{path}={first['ctx']['tag']}: {known}, and {path}.name=... says which this part is"
            ) from None
        if first["type"] == "value_error":  # the dataclasses' own
            message = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{path}.{message}" if path else message) from None
        raise InputError(mistyped(path, first["type"], first["input"], first["msg"])) from None
    made = asdict(command)
    known = set(nested_keys(made))
    for key in nested_keys(values):
        if key not in known:
            raise InputError(f"{key}: there is no such key; {hint(key, known)}")
    refuse_booleans_as_numbers(values, made)
    return command


def mistyped(key: str, kind: str, given: Any, message: str) -> str:
    """What is wrong with a value of another type than its key's, of pydantic's words ``kind`` and ``message``."""
    *outer, last = key.split(".")
    if isinstance(given, tuple | list) and (kind == "too_long" or last.isdigit()):  # of a list of fixed length
        return f"{'.'.join(outer) if last.isdigit() else key}=[{','.join(map(written, given))}]: must be two numbers"
    if kind == "missing" or (kind, given) == ("string_type", None):
        return f"{key} is missing; give {key}=..."
    if kind == "tuple_type":
        example = (given.strip("[] ") if isinstance(given, str) else "") or "A,B"
        return f"{key}={written(given)}: must be a list, as in {key}=[{example}]"
    if kind == "dataclass_type":
        return f"{key}={written(given)}: is a group of keys; give them one by one, as in {key}.KEY=..."
    if kind.startswith("int_") or kind == "finite_number":
        message = "must be a whole number" + " below 2**63" * (kind == "int_parsing_size")
    elif kind.startswith("float_"):
        message = "must be a number"
    return f"{key}={written(given)}: {message.replace('Input should be', 'must be')}"


def refuse_booleans_as_numbers(given: Any, made: Any, key: str = "") -> None:
    """Raises InputError where a number was made of true or false."""
    if isinstance(given, Mapping):
        for name, value in given.items():
            refuse_booleans_as_numbers(value, made[name], f"{key}.{name}" if key else name)
    elif isinstance(given, list):
        for value, number in zip(given, made, strict=True):
            refuse_booleans_as_numbers(value, number, key)
    elif isinstance(given, bool) and not isinstance(made, bool):
        raise InputError(f"{key}={written(given)}: must be a number")
