"""Free text and paths on a command line: each reaches its command as it was typed, whatever Hydra would read in it.

A path keeps its bytes, even those that are no UTF-8 (as ``os.fsdecode`` gives them), and its ``~`` is expanded here,
once for all commands.
"""

import glob
import os
import re
from collections.abc import Mapping

from common.errors import InputError
from common.folders import HF_SCHEME, SCHEMES

STORED_PATHS = (
    "cache",
    "init_from",
    "data.path",
    "data.val_path",
    "data.names",
)  # in a run's config.yaml, from the root
PATHS = ("cases", "pairs", "run", "text_file", "to", *STORED_PATHS)
FREE_TEXT = (
    "prompt",
    "text",
    "show",  # 1.10 is a head, not a number
    "checkpoint",
    "data.field",
    "data.separator",
    "data.prompt",
    "data.answer",
    "data.template",
    "wandb.project",
)
NULL_IS_NONE = (*PATHS, "data.separator")
OF_A_PART = re.compile(r"\+*mix\.([\w-]+)(?:\.(.+))?")  # a key of a part of a mixture: the part, and what of it


def as_of_data(key: str) -> str:
    """``data.path`` for ``mix.letters.path``, a key that the parts of a mixture have, too; any other key as it is."""
    part = OF_A_PART.fullmatch(key)
    return f"data.{part[2]}" if part and part[2] else key


def with_open_parts(argument: str) -> str:
    """``mix.letters=0.1`` as Hydra takes it, ``++mix.letters.share=0.1``: what parts are called is up to the user."""
    key, sign, value = argument.partition("=")
    part = OF_A_PART.fullmatch(key)
    if not sign or not part:
        return argument
    return f"++{key.lstrip('+')}{'' if part[2] else '.share'}={value}"


def as_typed(argument: str) -> str:
    """What ``with_open_parts`` made this argument of."""
    key, sign, value = argument.partition("=")
    part = OF_A_PART.fullmatch(key)
    return f"{key.lstrip('+').removesuffix('.share')}{sign}{value}" if part else argument


def encode_text(argument: str) -> str:
    """Text would be read by Hydra's grammar (quotes, ``=``, ``1e3``, ``${}``): hand it over as hexadecimal.

    A path ``null`` is Hydra's null, none at all; the file of that name is ``./null``.
    """
    argument = with_open_parts(argument)
    key, sign, value = argument.partition("=")
    kind = as_of_data(key)
    if not sign or kind not in (*PATHS, *FREE_TEXT) or (value == "null" and kind in NULL_IS_NONE):
        return argument
    return f"{key}={encoded(kind, value)}"


def encoded(key: str, text: str) -> str:
    return f"${{text:{'p' if key in PATHS else 'x'}{os.fsencode(text).hex()}}}"


def decode_text(encoded: str) -> str:
    """Text with U+FFFD for bytes that are no UTF-8; a path with all its bytes."""
    content = bytes.fromhex(encoded[1:])
    return os.fsdecode(content) if encoded[0] == "p" else content.decode(errors="replace")


def expand_paths(values: Mapping, prefix: str = "") -> dict:
    """``values`` with ``~`` expanded in every path; raises InputError where one is empty or names an unknown user."""
    expanded = dict(values)
    for key, value in values.items():
        if isinstance(value, Mapping):
            expanded[key] = expand_paths(value, f"{prefix}{key}.")
        elif as_of_data(prefix + key) in PATHS and isinstance(value, str):
            expanded[key] = expand_home(prefix + key, value)
    return expanded


def expand_home(key: str, path: str) -> str:
    """``path`` with the home folder it begins with; ``key`` is what it was given for."""
    if not path:
        raise InputError(f"{key}= is empty; give {key}=PATH, or leave it out")
    scheme, path = split_scheme(path)
    user, slash, rest = path.partition("/")
    if user.startswith("~"):
        home = os.path.expanduser(user)
        if home == user:
            raise InputError(f"{key}={path}: {user} has no home folder; a name that begins with ~ is written ./{path}")
        path = joined(home + slash, rest)
    return scheme + path


def split_scheme(name: str) -> tuple[str, str]:
    """("hf:", the rest) of a name that begins so; ("", the name) of a path."""
    scheme = next((scheme for scheme in SCHEMES if name.startswith(scheme)), "")
    return scheme, name.removeprefix(scheme)


def joined(folder: str, path: str) -> str:
    """``path`` in ``folder``; where it is a glob, characters of ``folder`` stand for themselves all the same."""
    if glob.has_magic(path) and not os.path.exists(os.path.join(folder, path)):
        folder = glob.escape(folder)
    return os.path.join(folder, path)


def same_path(one: str, other: str) -> bool:
    """Whether two names, however they are spelled and through whatever links, are one path, or one name on the Hub."""
    (scheme, path), (other_scheme, other_path) = map(split_scheme, (one, other))
    return scheme == other_scheme and os.path.realpath(path) == os.path.realpath(other_path)


def absolute(name: str) -> str:
    """A path that means the same from anywhere; a name on the Hub stays what it is.

    ``..`` stays in it: after a symbolic link it is not the folder before.
    """
    scheme, path = split_scheme(name)
    return name if scheme == HF_SCHEME and not os.path.isdir(path) else scheme + joined(os.getcwd(), path)
