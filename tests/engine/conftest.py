from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.describe import describe
from engine.paths import Home
from engine.store.catalog import Catalog

HERE = Path(__file__).parent
SEAMS = {
    "PYTHONPATH": str(HERE),
    "SCIML_TUI_TASKS": "sample_tasks:WALK,sample_tasks:GRID",
    "SCIML_TUI_SUITES": "sample_tasks:SUITES",
}


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the description of `sample_tasks`: made once for all tests, as it takes a process."""
    home = Home(tmp_path_factory.mktemp("described")).create()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        for name, value in SEAMS.items():
            patch.setenv(name, value)
        describe(home)
    return home.cache


@pytest.fixture
def sample_home(tmp_path: Path, described: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A new home; the tasks and suites of `sample_tasks` are found here and in child processes."""
    monkeypatch.syspath_prepend(HERE)
    for name, value in SEAMS.items():
        monkeypatch.setenv(name, value)
    home = Home(tmp_path / "home").create()
    shutil.copytree(described, home.cache, dirs_exist_ok=True)
    monkeypatch.setenv("SCIML_TUI_HOME", str(home.folder))
    return home


@pytest.fixture
def catalog(sample_home: Home) -> Iterator[Catalog]:
    """Of `sample_home`."""
    opened = Catalog(sample_home)
    yield opened
    opened.close()
