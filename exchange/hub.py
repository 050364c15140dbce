"""Where a model of somebody else lies: a folder, or a name on the Hugging Face Hub that is fetched once."""

import os
import re
from pathlib import Path

from data import InputError

NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
NEEDED = (
    *("config.json", "model.safetensors", "model.safetensors.index.json", "model-*.safetensors"),
    *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"),
)
TIMEOUT_SECONDS = 10


def locate(name: str) -> Path:
    """The folder called ``name``; where there is none, that repository of the Hub, fetched into the library's cache."""
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        return folder
    if not NAME.fullmatch(name):
        raise InputError(f"hf:{name}: there is no such folder")
    try:
        from httpx import HTTPError
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(
            f"hf:{name}: there is no such folder, and to fetch that name needs: pip install 'huggingface_hub>=1'"
        ) from None
    try:
        found = snapshot_download(name, allow_patterns=[*NEEDED], etag_timeout=TIMEOUT_SECONDS)
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"hf:{name}: there is no such folder, and the Hub did not give it ({type(error).__name__}: {reason}); "
            "check the name and the network, or give a folder that has config.json and model.safetensors"
        ) from None
    return Path(found)
