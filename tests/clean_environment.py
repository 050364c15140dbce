"""Takes out of the environment what would change results: to be imported before any library that reads it once."""

import os

for name in (
    *("HF_HUB_OFFLINE", "HF_ENDPOINT", "TIKTOKEN_CACHE_DIR"),  # where files come from
    *("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS"),  # how the terminal looks
    *("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # of a job in which the tests may run
):
    os.environ.pop(name, None)
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"  # servers that tests start are here
