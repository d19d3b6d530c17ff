from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine import provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    return subprocess.check_output(["git", "-C", str(folder), *identity, *arguments], text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "science").mkdir(parents=True)
    (folder / "science" / "task.py").write_text("beta = 1\n")
    (folder / ".gitignore").write_text("env/\n")
    git(tmp_path, "init", "-q", str(folder))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def test_code_of_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    known, diff = provenance.code(checkout / "science" / "task.py")
    assert known == {"commit": git(checkout, "rev-parse", "HEAD").strip(), "dirty": False}
    assert diff == b""


def test_a_change_anywhere_in_the_checkout_makes_it_dirty_and_is_kept_as_a_diff(checkout: Path) -> None:
    (checkout / "science" / "task.py").write_text("beta = 2\n")
    (checkout / "new.py").write_text("")
    known, diff = provenance.code(checkout / "science" / "task.py")
    assert known["dirty"] is True
    assert known["untracked"] == 1
    assert b"-beta = 1\n+beta = 2\n" in diff
    assert subprocess.run(["git", "-C", checkout, "apply", "-R", "--check"], input=diff, check=False).returncode == 0


def test_a_diff_is_cut_at_its_limit_and_says_so(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "DIFF_LIMIT", 1000)
    (checkout / "science" / "task.py").write_text("x = 1\n" * 100_000)
    known, diff = provenance.code(checkout / "science" / "task.py")
    assert known["diff_cut"] is True
    assert len(diff) == 1000


def test_code_of_an_ignored_file_in_a_checkout_is_not_the_checkouts(checkout: Path) -> None:
    (checkout / "env").mkdir()
    (checkout / "env" / "task.py").write_text("")
    assert provenance.code(checkout / "env" / "task.py") == ({}, b"")


def test_code_without_git_or_without_a_checkout_is_empty(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert provenance.code(tmp_path / "task.py") == ({}, b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.code(checkout / "science" / "task.py") == ({}, b"")


def test_a_digest_follows_names_and_contents_of_python_files(tmp_path: Path) -> None:
    assert provenance.digest(tmp_path) == provenance.digest(tmp_path / "nowhere") == ""
    (tmp_path / "systems").mkdir()
    file = tmp_path / "systems" / "mine.py"
    file.write_text("SYSTEM = 1\n")
    first = provenance.digest(tmp_path)
    file.write_text("SYSTEM = 2\n")
    second = provenance.digest(tmp_path)
    file.rename(tmp_path / "systems" / "ours.py")
    assert len({first, second, provenance.digest(tmp_path)}) == 3


def test_versions_are_told_without_importing_what_they_are_of() -> None:
    script = """
import sys
from engine import provenance
versions, machine = provenance.versions(), provenance.machine()
assert versions["torch"] and versions["python"], versions
assert machine["cpu"] and int(machine["cpus"]) > 0, machine
print([name for name in ("torch", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
