from __future__ import annotations

import subprocess
import sys

import pytest

MEGABYTES = 64
PROGRAM = f"""
import resource
import numpy
from engine import memory
known = memory.keep_freed()
faults = []
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    numpy.ones({MEGABYTES} * 2**20, dtype=numpy.uint8)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(int(known), *faults)
"""


def test_memory_that_is_freed_is_used_again_without_faults() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    known, _, *again = map(int, said.split())
    if not known:
        pytest.skip("malloc is not that of glibc")
    pages = MEGABYTES * 2**20 // 4096
    assert max(again) < pages / 10, "its pages are there already"
