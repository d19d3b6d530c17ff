from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tui import palette


@pytest.fixture(autouse=True)
def one_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same terminal for every test, whatever the tests are run from."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def in_ascii() -> Iterator[None]:
    palette.use_ascii(True)
    yield
    palette.use_ascii(False)


@pytest.fixture(scope="session")
def gallery(module_of: Callable[[Path], ModuleType]) -> ModuleType:
    """The apps with made-up data."""
    return module_of(Path(__file__).parent.parent / "gallery.py")
