"""The allocator of a process that trains: what is freed stays, to be used again by the next step.

glibc hands arrays of tens of megabytes, and the top of its heap, back to the system as soon as they are freed, and
every page of the next array is faulted in anew: a fifth of the CPU time of training an operator (`benchmarks.fno`).
"""

from __future__ import annotations

import ctypes

LARGEST = 2**31 - 1
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed() -> bool:
    """From here on arrays up to 2 GiB come from a heap that does not shrink. False where malloc is another one."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    trimmed, mapped = (mallopt(option, LARGEST) for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
    return bool(trimmed and mapped)
