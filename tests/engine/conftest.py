from __future__ import annotations

from pathlib import Path

import pytest

from engine.paths import Home

HERE = Path(__file__).parent


@pytest.fixture
def sample_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A new home; the tasks and suites of `sample_tasks` are found here and in child processes."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("SCIML_TUI_TASKS", "sample_tasks:WALK,sample_tasks:GRID")
    monkeypatch.setenv("SCIML_TUI_SUITES", "sample_tasks:SUITES")
    home = Home(tmp_path / "home").create()
    monkeypatch.setenv("SCIML_TUI_HOME", str(home.folder))
    return home
