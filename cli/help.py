"""What ``--help`` prints: every key with its default and what it is, from the comments of the YAML files.

The comment that a file opens with is about the file. A key's comment stands on its line and may go on below it,
indented; where a value leaves no room, it stands above the key.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from cli.composing import FOLDER, MISSING
from common.errors import InputError

HELP = ("-h", "--help")
WIDTH, INDENT, COLUMN = 79, 2, 27
MORE = (
    "-m KEY=A,B runs one job for each value. --cfg job prints what all settings come to, --hydra-help the options that "
    "Hydra has itself."
)


@dataclass(frozen=True)
class Key:
    name: str  # as on a command line
    default: str
    about: str


def help_text(name: str, topics: list[str]) -> str:
    """The screen of ``name``.py, or that of each group in ``topics``, or the keys in them; raises InputError."""
    if not topics:
        return "\n".join(command_screen(name))
    _, keys, groups = command(name)
    every = [*keys, *(key for group in groups for key in group_keys(group))]
    lines = []
    for topic in topics:
        word = topic.lstrip("+~").partition("=")[0]
        group = next((group for group in groups if group.name == word), None)
        asked = [key for key in every if f"{key.name}.".startswith(f"{word}.") or key.name.endswith(f".{word}")]
        if not group and not asked:
            names = [key.name for key in (*groups, *every)]
            last = {name.rpartition(".")[2]: name for name in names}
            near = get_close_matches(word, names, n=1) or [last[part] for part in get_close_matches(word, last, n=1)]
            meant = f"did you mean {near[0]}?" if near else "--help alone shows all there are"
            raise InputError(f"--help {word}: there is no such key or group; {meant}")
        if group:
            lines += group_screen(group)
            asked = [key for key in keys if key.name.startswith(f"{word}.")]  # of every member
        lines += [line for key in asked for line in entry(key)]
    return "\n".join(lines)


def command_screen(name: str) -> list[str]:
    about, keys, groups = command(name)
    lines = [f"python {name}.py KEY=VALUE ...", *wrap(about, WIDTH), ""]
    if groups:
        lines.append("groups of keys (--help GROUP shows one)")
        for group in groups:
            members = ", ".join(path.stem for path in members_of(group))
            lines += beside(f"{group.name}={group.default}", f"{group.about}: {members}")
        lines.append("")
    lines.append("keys, each with its default")
    return [*lines, *(line for key in keys for line in entry(key)), "", *wrap(MORE, WIDTH)]


def group_screen(group: Key) -> list[str]:
    """The members of a group, then its keys."""
    lines = [f"{group.name}: {group.about}", ""]
    for path in members_of(group):
        lines += beside(f"{group.name}={path.stem}", parse(path)[0])
    keys = group_keys(group)
    if keys:
        lines += ["", "keys, each with its default"]
    return [*lines, *(line for key in keys for line in entry(key))]


def command(name: str) -> tuple[str, list[Key], list[Key]]:
    """What ``name``.py is, its own keys, and its groups, whose default is a member."""
    about, keys = parse(FOLDER / f"{name}.yaml")
    groups = [Key(key.name.removeprefix("defaults."), key.default, key.about) for key in keys if is_group(key)]
    return about, [key for key in keys if not is_group(key)], groups


def is_group(key: Key) -> bool:
    return key.name.startswith("defaults.")


def members_of(group: Key) -> list[Path]:
    """The files of a group, its default first."""
    return sorted((FOLDER / group.name).glob("*.yaml"), key=lambda path: (path.stem != group.default, path.stem))


def group_keys(group: Key) -> list[Key]:
    """The keys of all members, each once: as the first one has it, and how the others differ."""
    by_name: dict[str, dict[str, Key]] = {}
    paths = members_of(group)
    for path in paths:
        for key in parse(path)[1]:
            by_name.setdefault(key.name, {})[path.stem] = key
    return [one_of(group.name, name, having, len(paths)) for name, having in by_name.items()]


def one_of(group: str, name: str, having: dict[str, Key], n_members: int) -> Key:
    first = next(iter(having.values()))
    notes = [] if len(having) == n_members else [f"{group}={', '.join(having)} only"]
    others = sorted(
        (key.default, member) for member, key in having.items() if key.default not in (first.default, member)
    )
    for default, same in groupby(others, key=lambda pair: pair[0]):
        notes.append(f"{', '.join(member for _, member in same)}: {default}")
    about = f"{first.about} ({'; '.join(notes)})" if notes else first.about
    return Key(f"{group}.{name}", first.default, about)


def entry(key: Key) -> list[str]:
    if key.default == MISSING:
        return beside(f"{key.name}=...", f"required: {key.about}")
    return beside(f"{key.name}={key.default}", key.about)


def beside(setting: str, text: str) -> list[str]:
    """``text`` in a column to the right of ``setting``, and below it where that is long."""
    lines = wrap(text, WIDTH - COLUMN, break_on_hyphens=False)
    left = wrap(setting, WIDTH - INDENT, subsequent_indent="  ", break_on_hyphens=False)
    if len(setting) <= COLUMN - INDENT - 2:
        left = [setting, *[""] * (len(lines) - 1)]
    else:
        lines = [*[""] * len(left), *lines]
        left += [""] * (len(lines) - len(left))
    return [f"{'':{INDENT}}{one:{COLUMN - INDENT}}{other}".rstrip() for one, other in zip(left, lines, strict=True)]


def parse(path: Path) -> tuple[str, list[Key]]:
    """What a file is about, and its keys; an entry of its defaults list is the key ``defaults.GROUP``."""
    text = path.read_text(encoding="utf-8")
    keys, comments, about, parent = [], [], None, ""
    for line in text.splitlines():
        code, _, comment = line.partition("#")
        name, colon, default = code.strip().removeprefix("- ").partition(":")
        comment = comment.strip()
        if colon:
            if about is None:
                about, comments = " ".join(comments), []
            if not default.strip():
                parent = name
                continue
            name = f"{parent}.{name}" if code.startswith(" ") else name
            keys.append(Key(name, default.strip(), " ".join([*comments, comment]).strip()))
            comments = []
        elif code and comment:
            keys[-1] = Key(keys[-1].name, keys[-1].default, f"{keys[-1].about} {comment}")
        elif comment and not comment.startswith("@"):
            comments.append(comment)
    return about or "", [] if "@package _global_" in text else keys
