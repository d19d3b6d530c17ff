"""How an attempt ends, whatever ends it, and that its result is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import attempts
from engine.errors import StoreFull
from engine.evidence import read
from engine.records import Result


def test_torchs_out_of_memory_is_known_by_its_name_and_its_words() -> None:
    class OutOfMemoryError(RuntimeError):
        """Named as torch's."""

    for error in (
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 800 bytes"),
    ):
        outcome, message = attempts.ending(error)
        assert outcome == "failed"
        assert message.startswith("out of memory: ")
        assert "\n" not in message


def test_the_result_is_written_in_the_space_that_was_set_aside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from engine import atomic

    reserve, write = tmp_path / "reserve", atomic.write

    def write_if_room(path: Path, data: bytes) -> None:
        if reserve.exists():
            raise StoreFull("no room")
        write(path, data)

    attempts._reserve(reserve)
    assert reserve.stat().st_blocks * 512 >= attempts._RESERVED
    monkeypatch.setattr(atomic, "write", write_if_room)
    attempts._write_result(tmp_path / "result.json", Result(outcome="failed", error="full"), reserve)
    assert read(tmp_path / "result.json", Result) == Result(outcome="failed", error="full")


def test_figures_that_are_not_finite_survive_in_the_result(tmp_path: Path) -> None:
    made = Result(outcome="done", summary={"rel_l2": float("inf")})
    attempts._write_result(tmp_path / "result.json", made, tmp_path / "reserve")
    assert read(tmp_path / "result.json", Result) == made
