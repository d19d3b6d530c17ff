"""Memory that runs out, of a machine or of a GPU, recognised without importing the library that says so."""

from __future__ import annotations

from engine.errors import ScimlError

_NAMES = frozenset({"MemoryError", "OutOfMemoryError"})
_WORDS = ("DefaultCPUAllocator", "CUDA out of memory", "CUDA error: out of memory", "_ALLOC_FAILED")
"""How torch says so where it raises no error of these names; the last is of cuBLAS, cuSOLVER and cuFFT."""


def out_of_memory(raised: BaseException) -> str:
    """What was asked for and what there is, in short: torch goes on, in one line, with how it came to that. Empty where
    the error is about something else, or says it in words of our own.
    """
    if isinstance(raised, ScimlError):
        return ""
    names = {kind.__name__ for kind in type(raised).__mro__}
    if not (names & _NAMES or any(words in str(raised) for words in _WORDS)):
        return ""
    line = (str(raised).strip().splitlines() or [type(raised).__name__])[0]
    return ". ".join(line.split(". ")[:3]).rstrip(".")
