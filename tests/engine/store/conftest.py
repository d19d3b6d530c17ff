"""Real processes and real full disks for the tests of the store."""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """`start(function, *args)` runs a function in a process of its own; none outlives the test."""
    context = multiprocessing.get_context("fork")
    started = []

    def begin(function: Callable[..., Any], *args: Any) -> Any:
        process = context.Process(target=function, args=args)
        process.start()
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.join()


class SmallDisk:
    """A folder on a file system of its own that has `room` bytes."""

    def __init__(self, folder: Path, room: int) -> None:
        self.folder = folder
        self.room = room

    def fill(self) -> None:
        """Leaves no room at all."""
        with open(self.folder / "ballast", "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def free(self) -> None:
        (self.folder / "ballast").unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small tmpfs; a plain skip where this user cannot mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    room = 1 << 18
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={room}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("a file system of its own cannot be mounted here")
    yield SmallDisk(folder, room)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """`file_limit(size)`: writes beyond that size of a file fail, in the middle of the bytes. Needs no rights."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
