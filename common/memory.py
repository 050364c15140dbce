"""How the C library's memory is kept."""

import ctypes
from contextlib import suppress

# Numbers of parameters in glibc's malloc.h, and what they are set to.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30
LARGEST_KEPT = 32 << 20  # bytes of one block, the most that glibc takes


def keep_freed_memory() -> None:
    """Has glibc keep up to KEPT_BYTES that were freed, where by itself it hands most of it back to the system.

    A step of training or probing on a CPU frees tens of megabytes and asks for as many again; the system clears each
    page that it gives. That took 4 to 11 % of the CPU time of training and 12 to 15 % of that of probing
    (docs/log.md). Other C libraries are left as they are.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(TRIM_THRESHOLD, KEPT_BYTES)
