import resource

import pytest

from engine import atomic
from engine.errors import StoreError, StoreFull


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "file"
    atomic.write(path, b"old")
    atomic.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_block_that_fails_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "file"
    atomic.write(path, b"old")
    with pytest.raises(ZeroDivisionError), atomic.replacing(path) as file:
        file.write(b"new")
        1 / 0
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_no_room_is_said_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    atomic.write(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StoreFull, match="file: required space"):
            atomic.write(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(StoreError, match="missing"):
        atomic.write(tmp_path / "missing" / "file", b"")
