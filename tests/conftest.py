from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest


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
