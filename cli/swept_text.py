"""Free text and paths of a sweep, ``-m``: several values with commas between them, each as it was typed.

Quotes around a value keep its commas. In a path, ``${...}`` that names a key is the value of that key in each job.
"""

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from cli.paths import FREE_TEXT, NULL_IS_NONE, PATHS, as_of_data, as_typed, decode_text, encoded, with_open_parts

ENCODED = re.compile(r"\$\{text:([px][0-9a-f]*)\}")
INTERPOLATION = re.compile(r"(\$\{[^{}']*\})")
RESOLVERS = ("hydra:", "now:", "oc.env:")
QUOTED = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*(?=,|\Z)""", re.DOTALL)
PLAIN = re.compile(r"(?:\$\{[^{}]*\}|[^,])*", re.DOTALL)


def encode_swept(argument: str, known: set[str]) -> str:
    """What ``cli.paths.encode_text`` makes of an argument, for all its values; ``known`` are the command's keys, those
    in groups by the group's name.
    """
    argument = with_open_parts(argument)
    key, _, value = argument.partition("=")
    kind = as_of_data(key)
    if "=" not in argument or kind not in (*PATHS, *FREE_TEXT):
        return argument
    return f"{key}={','.join(encode_one(kind, one, known) for one in values_of(value))}"


def values_of(value: str) -> list[str]:
    """The values that are meant: 1.10 stays 1.10."""
    if re.fullmatch(r"range\([^()]*\)", value):
        try:
            return [*OverridesParser.create().parse_override(f"key={value}").sweep_string_iterator()]
        except HydraException:
            return [value]
    if re.fullmatch(r"choice\(.*\)", value, re.DOTALL):
        value = value.removeprefix("choice(")[:-1]
    found, start = [], 0
    while start <= len(value) and (plain := PLAIN.match(value, start)):  # which matches anything
        quoted = QUOTED.match(value, start)
        found.append(unquoted(quoted[1]) if quoted else plain[0] if plain[0] == value else plain[0].strip())
        start = (quoted or plain).end() + 1
    return found


def unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(f"\\{quote}", quote)


def encode_one(key: str, text: str, known: set[str]) -> str:
    if text == "null" and key in NULL_IS_NONE:
        return text
    if key in FREE_TEXT:
        return f"'{encoded(key, text)}'"
    parts = INTERPOLATION.split(text)
    return f"'{''.join(part if stands_for_value(part, known) else encoded(key, part) for part in parts)}'"


def stands_for_value(part: str, known: set[str]) -> bool:
    """Whether a part of a path is ``${...}`` of a key or of one of Hydra's own values."""
    inside = part[2:-1]
    return bool(INTERPOLATION.fullmatch(part)) and (inside.startswith(RESOLVERS) or inside.split(".")[0] in known)


def unknown_values(setting: str, known: set[str]) -> list[str]:
    """Each ``${...}`` in a setting that stands for nothing."""
    return [part for part in INTERPOLATION.findall(setting) if not stands_for_value(part, known)]


def readable(setting: str) -> str:
    """An encoded setting as it was typed, without quotes; any other as it is."""
    setting = as_typed(setting)
    key, _, value = setting.partition("=")
    if not ENCODED.search(value):
        return setting
    return f"{key}={ENCODED.sub(lambda text: decode_text(text[1]), value.strip(chr(39)))}"
