"""The command line, called in this process on homes with the tasks of tests/engine/sample_tasks.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine import scheduler
from engine.paths import Home
from tui import cli, palette

ENGINE_TESTS = Path(__file__).parents[2] / "engine"
SEAMS = {
    "PYTHONPATH": str(ENGINE_TESTS),
    "SCIML_TUI_TASKS": "sample_tasks:WALK,sample_tasks:GRID",
    "SCIML_TUI_SUITES": "sample_tasks:SUITES",
}


class Ended(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture(scope="session", autouse=True)
def seams() -> Iterator[None]:
    """The sample tasks are found here and in child processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ENGINE_TESTS)
        for name, value in SEAMS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def filled(seams: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with runs that have ended, to be copied: r0001 to r0003 done, r0004 failed, r0005 diverged."""
    home = tmp_path_factory.mktemp("filled") / "home"
    walk = ["run", "walk", "steps=3", "kind=drift", "--launcher", "inline", "--home", str(home)]
    assert cli.main([*walk, "--seeds", "0-2", "--tag", "good", "--name", "drifting"]) == 0
    assert cli.main([*walk, "ending=task error"]) == 1
    assert cli.main([*walk, "ending=divergence"]) == 1
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    """A copy of the filled home."""
    return Path(shutil.copytree(filled, tmp_path / "home"))


@pytest.fixture
def empty(filled: Path, tmp_path: Path) -> Path:
    """A home without runs, its tasks described already."""
    fresh = Home(tmp_path / "empty").create()
    shutil.copytree(filled / "cache", fresh.cache, dirs_exist_ok=True)
    return fresh.folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """Runs a command line: `call("ls", "--json", home=...)`."""

    def called(*words: str, home: Path | None = None) -> Ended:
        capsys.readouterr()
        code = cli.main([*(("--home", str(home)) if home else ()), *words])
        return Ended(code, *capsys.readouterr())

    yield called
    palette.use_ascii(False)


@pytest.fixture
def busy(empty: Path) -> Iterator[Path]:
    """An empty home whose scheduler and runs end with the test."""
    yield empty
    cli.main(["--home", str(empty), "kill", *_active(empty)]) if _active(empty) else None
    scheduler.stop(Home(empty))


def _active(home: Path) -> list[str]:
    from engine.client import Client
    from engine.records import ENDED

    with Client(home) as client:
        return [run.id for run in client.runs() if run.status not in ENDED]
