from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# The same examples every time, so that a run of the tests says something of the change and not of the dice; to search
# for new ones: HYPOTHESIS_PROFILE=search.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# What is printed is looked at as on a terminal that shows UTF-8, whatever the locale here.
for name in ("LC_ALL", "LC_CTYPE", "LANG"):
    if os.environ.get(name) in ("C", "POSIX"):
        del os.environ[name]

# A run of a test is leased the GPUs that the test says there are, and none of the machine's.
_no_gpus = tempfile.TemporaryDirectory()
os.environ["SCIML_TUI_GPUS"] = str(Path(_no_gpus.name) / "gpus.json")
Path(os.environ["SCIML_TUI_GPUS"]).write_text("[]")


@pytest.fixture(scope="session")
def module_of() -> Callable[[Path], ModuleType]:
    """Imports a file that helps tests, under its own name."""

    def load(file: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def _pretended(module_of: Callable[[Path], ModuleType]) -> ModuleType:
    return module_of(Path(__file__).parent / "pretended.py")


@pytest.fixture
def gpu(_pretended: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`with gpu() as there:` the device `there.name` has the rules of a GPU (`pretended.py`), and graphs are captured
    from the second evaluation on.
    """
    from experiments import device, graphs

    def enter() -> Any:
        there = _pretended.Device()
        monkeypatch.setattr(device, "fault", lambda: "")
        monkeypatch.setattr(graphs, "are_possible", lambda device: device.type == there.name)
        monkeypatch.setattr(graphs, "_capture", there.capture)
        monkeypatch.setattr(graphs, "CAPTURED_AFTER", 2)
        return there

    return enter


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a condition holds, and returns its value: what other processes do is not waited for by the clock."""

    def wait(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        give_up = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < give_up, "waited in vain"
            time.sleep(0.01)
        return value

    return wait
