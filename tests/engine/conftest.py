from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits until a condition holds, and returns its value."""

    def wait(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        give_up = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < give_up, "waited in vain"
            time.sleep(0.01)
        return value

    return wait
