"""The characters of a model that nanoGPT trained on single characters: its ``meta.pkl``, which is never unpickled.

A pickle is a program, and a few bytes of one can run anything or take all memory. Of its instructions only those are
carried out here, one by one, that make dictionaries of texts and small numbers.
"""

import pickletools
from pathlib import Path

from common.errors import InputError
from data.text.pieces import LONE_SURROGATE

META, TEXT = "meta.pkl", "input.txt"
LARGEST = 16 << 20  # bytes; the characters of all scripts take a tenth of it
REMEDY = "copy that of the model's data again"
MARK = object()
NOTHING = ("PROTO", "FRAME")
CONSTANTS = ("SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2")
KEPT, RECALLED = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")


def read_characters(path: Path) -> list[str]:
    """The characters in the order of their ids; raises InputError for what is no such file."""
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: has {path.stat().st_size:,} bytes; a list of characters has at most {LARGEST:,}")
    try:
        meta = unpack(path.read_bytes())
        by_id = meta["itos"]
        characters = [by_id[i] for i in range(len(by_id))]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: is no list of characters as nanoGPT writes it ({error}); {REMEDY}") from None
    if not characters or any(not isinstance(one, str) or len(one) != 1 for one in characters):
        raise InputError(f"{path}: names what is no single character; models of characters alone can be read")
    if len(set(characters)) < len(characters) or LONE_SURROGATE.search("".join(characters)):
        raise InputError(f"{path}: has a character twice, or half of a surrogate pair; {REMEDY}")
    return characters


def characters_of_text(path: Path) -> list[str]:
    """The characters of the text that a model was trained on, in the order that nanoGPT gives them."""
    try:
        return sorted(set(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(f"{path}: is no UTF-8 ({error}); {REMEDY}") from None


def unpack(data: bytes) -> dict:
    """The dictionary that a pickle of nothing but dictionaries, texts and small numbers describes; raises ValueError
    for any other instruction, and whatever a broken pickle leads to.
    """
    stack, kept = [], {}
    for instruction, argument, _ in pickletools.genops(data):
        name = instruction.name
        if name in CONSTANTS:
            stack.append(argument)
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "MARK":
            stack.append(MARK)
        elif name == "MEMOIZE":
            kept[len(kept)] = stack[-1]
        elif name in KEPT:
            kept[argument] = stack[-1]
        elif name in RECALLED:
            stack.append(kept[argument])
        elif name in ("SETITEM", "SETITEMS"):
            start = len(stack) - 2 if name == "SETITEM" else len(stack) - 1 - stack[::-1].index(MARK)
            items = stack[start:] if name == "SETITEM" else stack[start + 1 :]
            del stack[start:]
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "STOP":
            return stack.pop()
        elif name not in NOTHING:
            raise ValueError(f"the instruction {name} makes something else")
    raise ValueError("it has no end")
