"""Where a result comes from: the commit of the code, what was changed since, the versions, the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from engine.api import Value

DIFF_LIMIT = 1_000_000
"""Bytes of a diff that are kept."""

_PACKAGES = ("sciml-tui", "torch", "numpy")
_PATIENCE = 10.0
_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
"""Looking must not write to a checkout that somebody works in."""


def code(file: Path) -> tuple[dict[str, Value], bytes]:
    """The git commit of the checkout that a source file belongs to and whether anything in it differs; and the diff.

    Empty where there is no git, no checkout, no commit yet, or the file is not part of it (an environment inside a
    checkout). The diff is of tracked files against the commit, cut at DIFF_LIMIT bytes: `diff_cut` is then true. Files
    that git does not know are counted in `untracked`.
    """
    folder = file.parent
    if not _git(folder, "ls-files", "--cached", "--others", "--exclude-standard", "--", file.name):
        return {}, b""
    commit = _git(folder, "rev-parse", "HEAD").decode().strip()
    root = _git(folder, "rev-parse", "--show-toplevel").decode().strip()
    if not (commit and root):
        return {}, b""
    diff = _git(Path(root), "diff", "HEAD", "--no-color", "--no-ext-diff", "--submodule=short", limit=DIFF_LIMIT + 1)
    untracked = _git(Path(root), "ls-files", "--others", "--exclude-standard", "-z").count(b"\0")
    known: dict[str, Value] = {"commit": commit, "dirty": bool(diff or untracked)}
    if untracked:
        known["untracked"] = untracked
    if len(diff) > DIFF_LIMIT:
        known["diff_cut"] = True
    return known, diff[:DIFF_LIMIT]


def _git(folder: Path, *arguments: str, limit: int = DIFF_LIMIT) -> bytes:
    """What git prints, at most `limit` bytes of it; nothing where it fails or is not there."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        ) as process:
            assert process.stdout is not None
            read = process.stdout.read(limit)
            if len(read) == limit:
                process.kill()  # more is not wanted
                return read
            return read if process.wait(_PATIENCE) == 0 else b""
    except (OSError, subprocess.TimeoutExpired):
        return b""


def digest(folder: Path) -> str:
    """A hash of the Python files below a folder, by name and contents; empty where there is none."""
    known = hashlib.sha256()
    files = sorted(folder.rglob("*.py"))
    for file in files:
        known.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return known.hexdigest()[:16] if files else ""


def versions() -> dict[str, str]:
    """Of Python and the packages that decide a result, from their metadata: nothing is imported."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """The host, its system, its CPU and how many of them this process may use."""
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_model(),
        "cpus": str(len(os.sched_getaffinity(0))),
    }


def _cpu_model() -> str:
    try:
        with Path("/proc/cpuinfo").open() as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "Model", "cpu model"):
                    return value.strip()
    except OSError:
        pass
    return platform.machine()
