"""Memory of the C library: what is freed is kept."""

import os
import platform
import subprocess
import sys

import pytest
from conftest import ROOT

PROGRAM = """
import resource
import numpy as np
from common.memory import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    [np.ones(3 << 20) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print([faults() for _ in range(4)][-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_memory_that_was_freed_is_not_asked_of_the_system_again():
    """Four times 24 MB are 24,576 pages of 4 KB."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("LD_PRELOAD", "MALLOC_", "GLIBC_"))}
    out = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    assert int(out.stdout) < 100
