"""Our tokenizers as the files ``tokenizer.json`` and ``tokenizer_config.json`` of Hugging Face, and back.

Both sides cut text with one pattern and merge pairs of bytes, but ours knows a rank for every token and theirs a list
of pairs. A token's pair is what byte-pair merging leaves just before it makes the token out of its bytes: no other pair
can ever become it, as merging takes the same steps wherever these bytes stand.
"""

import json
from collections.abc import Collection
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from common.errors import InputError
from data.text.tokenizers import BYTE_PATTERN, END, N_BYTES, N_GPT2, WORD_PATTERN, BpeTokenizer, byte_of_symbol

FILE, CONFIG, OLD_FILES = "tokenizer.json", "tokenizer_config.json", ("vocab.json", "merges.txt")
ADDED, NAMED = "added_tokens.json", "special_tokens_map.json"  # which earlier versions of transformers wrote, too
PATTERNS = ("tokenizer*", "vocab*", "merges*", "*.model", "*.tiktoken", ADDED, NAMED)  # files of tokenizers of any kind
LISTS = ("additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens")
# The same cuts as WORD_PATTERN, as its authors wrote it.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

CUTS = {WORD_PATTERN: WORD_PATTERN, GPT2_PATTERN: WORD_PATTERN, BYTE_PATTERN: BYTE_PATTERN}
BYTE_LEVEL_ALONE = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}

Pair = tuple[bytes, bytes]


def pair_of(piece: bytes, ranks: dict[bytes, int]) -> Pair | None:
    """The two tokens that merging joins last to make ``piece``; None where it never gets there."""
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while len(parts) > 2:
        joined = [ranks.get(a + b, len(ranks)) for a, b in pairwise(parts)]
        lowest = min(joined)
        if lowest == len(ranks):
            return None
        at = joined.index(lowest)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    first, second = parts
    return first, second


def pairs(ranks: dict[bytes, int]) -> list[Pair | None]:
    """The pair of every token of more than one byte, in the order of their ranks."""
    return [pair_of(piece, ranks) for piece in sorted(ranks, key=ranks.__getitem__) if len(piece) > 1]


def files(tokenizer: BpeTokenizer, block_size: int) -> dict[str, dict]:
    """The content of both files.

    The end token is in the vocabulary but not among ``added_tokens``, and special tokens are split: so text that looks
    like it is text, as with us, while ``generate`` and ``decode`` still know it.
    """
    symbol = {byte: character for character, byte in byte_of_symbol().items()}

    def spell(piece: bytes) -> str:
        return "".join(symbol[byte] for byte in piece)

    ranks = {piece: i for i, piece in enumerate(tokenizer.pieces[:-1])}
    cut = {"type": "Split", "pattern": {"Regex": tokenizer.pattern}, "behavior": "Isolated", "invert": False}
    as_characters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Prepend", "prepend": tokenizer.start} if tokenizer.start else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [cut, as_characters]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,  # a word that is a token becomes it, as with tiktoken
            "vocab": {spell(piece): i for piece, i in ranks.items()} | {END: tokenizer.end},
            "merges": [[spell(part) for part in pair] for pair in pairs(ranks) if pair],
        },
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
        "model_max_length": block_size,
    }
    return {FILE: content, CONFIG: config}


def read(folder: Path) -> BpeTokenizer | None:
    """The tokenizer of a folder; None where it has no files of one, and nothing says that it is another than GPT-2's.

    Raises InputError unless ours has the same ids for every text: byte-level BPE with GPT-2's cuts (or single bytes),
    whose ids are in the order of its merges, with one end token, the last.
    """
    config = settings(folder)
    source = next((folder / name for name in (FILE, OLD_FILES[0]) if (folder / name).is_file()), folder / CONFIG)
    try:
        if config.get("add_prefix_space") or config.get("add_bos_token"):
            raise InputError(f"{folder / CONFIG}: adds a space or a token to every text; ours does not")
        if source.name == FILE:
            return from_content(require_json(source), config, source)
        if all((folder / name).is_file() for name in OLD_FILES):
            return from_content(old_content(folder), config, source)
        require_gpt2s(folder, config)
        return None
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise InputError(f"{source} is damaged or no tokenizer ({error!r})") from None


def settings(folder: Path) -> dict:
    """What tokenizer_config.json says, with the added tokens of folders that earlier versions of transformers wrote."""
    config, named, added = (
        require_json(folder / name) if (folder / name).is_file() else {} for name in (CONFIG, NAMED, ADDED)
    )
    if config.get("added_tokens_decoder") is not None:  # then transformers reads nothing else, either
        return config
    return config | named | {"added_tokens_decoder": {str(i): token for token, i in added.items()}}


def require_gpt2s(folder: Path, config: dict) -> None:
    """Raises InputError where ``folder``, which has no tokenizer that can be read, has or names one all the same."""
    files = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in (CONFIG, ADDED, NAMED))
    if others := [name for name in files if any(fnmatch(name, one) for one in PATTERNS)]:
        readable = f"{FILE}, or {' with '.join(OLD_FILES)}"
        raise InputError(f"{folder / others[0]}: belongs to a tokenizer that cannot be read; give {readable}")
    if not str(kind := config.get("tokenizer_class") or "GPT2Tokenizer").startswith("GPT2"):
        raise InputError(
            f"{folder / CONFIG}: tokenizer_class={kind}, whose files are missing; put its {FILE} beside it"
        )
    end_token({END}, added_tokens({}, config), {"eos_token": END}, folder)


def require_json(path: Path) -> dict:
    """The object in a file; raises InputError where it has none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged: it is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged: it holds no JSON object")
    return content


def old_content(folder: Path) -> dict:
    """GPT-2's original pair of files, as the content of a tokenizer.json."""
    try:
        lines = (folder / OLD_FILES[1]).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{folder / OLD_FILES[1]} is damaged: it is no UTF-8 ({error})") from None
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    model = {"type": "BPE", "vocab": require_json(folder / OLD_FILES[0]), "merges": merges}
    return {"pre_tokenizer": BYTE_LEVEL_ALONE, "model": model}


def added_tokens(content: dict, config: dict) -> dict[str, int | None]:
    """Every token that is cut out of a text before its words are, with its id where one is given."""
    named = [value for key, value in config.items() if key.endswith("_token") and isinstance(value, str | dict)]
    for key in LISTS:
        more = config.get(key) or []
        named += more.values() if isinstance(more, dict) else more
    given = {text_of(token): int(i) for i, token in config["added_tokens_decoder"].items()}
    given |= {token["content"]: token["id"] for token in content.get("added_tokens") or []}
    return dict.fromkeys(map(text_of, named)) | given


def text_of(token: str | dict) -> str:
    return token["content"] if isinstance(token, dict) else token


def end_token(known: Collection[str], added: Collection[str], config: dict, folder: Path) -> str:
    """The one token of those ``known`` that may be added; raises InputError where another is."""
    end = text_of(config.get("eos_token") or (END if END in known else next(iter(added), END)))
    if foreign := [token for token in added if token != end]:
        raise InputError(f"{folder}: the added token {foreign[0]} is not the end token {end}; only that can be one")
    return end


def from_content(content: dict, config: dict, source: Path) -> BpeTokenizer:
    pattern, start, model = cuts(content, source), start_of_documents(content), content["model"]
    if model.get("type", "BPE") != "BPE":
        raise InputError(f"{source}: its model is {model['type']}; only byte-level BPE can be read")
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "dropout"):
        if model.get(key):
            raise InputError(f"{source}: {key}={model[key]} cannot be read; only GPT-2's kind of BPE can")
    added = added_tokens(content, config)
    ids = model["vocab"] | {token: i for token, i in added.items() if i is not None}
    end = end_token(ids, added, config, source.parent)
    if ids.get(end) != len(ids) - 1 or sorted(ids.values()) != [*range(len(ids))]:
        raise InputError(f"{source}: its end token {end} has id {ids.get(end)}; it must be the last of {len(ids)}")
    ranks = as_bytes([token for token in sorted(ids, key=ids.__getitem__) if token != end], source)
    require_merges(model, ranks, source)
    if pattern == BYTE_PATTERN:
        if [*ranks] != [bytes([byte]) for byte in range(N_BYTES)]:
            raise InputError(f"{source}: cuts text into characters, but has other tokens than one for every byte")
        return BpeTokenizer("bytes", ranks, pattern, start)
    return BpeTokenizer("gpt2" if len(ids) == N_GPT2 else "bpe", ranks, pattern, start)


def as_bytes(tokens: list[str], source: Path) -> dict[bytes, int]:
    """The bytes that each token is written for, with its rank; raises InputError unless there is one for every byte."""
    to_byte = byte_of_symbol()
    if foreign := [token for token in tokens if not to_byte.keys() >= set(token)]:
        raise InputError(f"{source}: the token {foreign[0]!r} is not written in bytes; only byte-level BPE can be read")
    ranks = {bytes(to_byte[symbol] for symbol in token): i for i, token in enumerate(tokens)}
    if not all(bytes([byte]) in ranks for byte in range(N_BYTES)):
        raise InputError(f"{source}: some bytes have no token; only byte-level BPE can be read")
    return ranks


def require_merges(model: dict, ranks: dict[bytes, int], source: Path) -> None:
    """Raises InputError unless the merges of ``model`` are those that follow from ``ranks``."""
    to_byte, ours = byte_of_symbol(), pairs(ranks)
    theirs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    spelled = [[bytes(to_byte[symbol] for symbol in part) for part in merge] for merge in theirs]
    if spelled != [[*pair] for pair in ours if pair] or (None in ours and not model.get("ignore_merges")):
        raise InputError(f"{source}: its merges are not in the order of its ids, so that ids would differ here")


def start_of_documents(content: dict) -> str:
    """What is put before every text, if that is all that is done to it."""
    normalizer = content.get("normalizer") or {}
    return normalizer["prepend"] if normalizer.get("type") == "Prepend" else ""


def cuts(content: dict, source: Path) -> str:
    """The pattern by which ``content`` cuts text; raises InputError for anything that ours does not do."""
    template = content.get("post_processor") or {}
    plain = not template or template["type"] == "ByteLevel"
    adds = not plain and any("SpecialToken" in part for part in template.get("single", ["SpecialToken"]))
    changes = None if start_of_documents(content) else content.get("normalizer")
    for key, value in (("normalizer", changes), ("post_processor", template if adds else None)):
        if value:
            raise InputError(f"{source}: {key}={value['type']} is not supported; texts are encoded as they are")
    cutter = content["pre_tokenizer"] or {"type": "none"}
    parts = cutter["pretokenizers"] if cutter["type"] == "Sequence" else [cutter]
    last = parts[-1]
    if last["type"] == "ByteLevel" and not last["add_prefix_space"]:
        if len(parts) == 1 and last.get("use_regex", True):
            return WORD_PATTERN
        if len(parts) == 2 and not last.get("use_regex", True) and parts[0]["type"] == "Split":
            split = parts[0]
            pattern = CUTS.get(split["pattern"].get("Regex"))
            if pattern and split["behavior"] == "Isolated" and not split.get("invert"):
                return pattern
    raise InputError(f"{source}: cuts text in another way than GPT-2 does; only GPT-2's cuts can be read")
