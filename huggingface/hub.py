"""Where a model of somebody else lies: a folder, or a name on the Hugging Face Hub that is fetched once."""

import re
from pathlib import Path

from common.errors import InputError, reason_of
from common.folders import HF_SCHEME, MODEL_CONFIG, WEIGHTS
from huggingface import tokenizer_json

NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
INDEX = "model.safetensors.index.json"
NEEDED = (MODEL_CONFIG, WEIGHTS, INDEX, "model-*.safetensors", *tokenizer_json.PATTERNS)


def locate(name: str) -> Path:
    """The folder called ``name``; where there is none, that repository of the Hub, fetched into the library's cache."""
    folder = Path(name)
    if folder.is_dir():
        return folder
    if not NAME.fullmatch(folder.as_posix()):
        raise InputError(f"{HF_SCHEME}{name}: there is no such folder; a model of the Hub is written hf:OWNER/NAME")
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(folder.as_posix(), allow_patterns=[*NEEDED]))
    except Exception as error:  # the library's errors, and those of what it uses, have no base in common
        raise InputError(
            f"{HF_SCHEME}{name}: there is no such folder, and the Hub did not give it ({reason_of(error)}); "
            "check the name, OWNER/NAME, and the network, or give a folder that has config.json and model.safetensors"
        ) from None
