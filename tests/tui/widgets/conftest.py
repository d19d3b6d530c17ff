from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
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
def gallery() -> ModuleType:
    """The apps with made-up data."""
    file = Path(__file__).parent.parent / "gallery.py"
    spec = importlib.util.spec_from_file_location("gallery", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = module
    spec.loader.exec_module(module)
    return module
