from __future__ import annotations

import os
import time
from collections.abc import Callable
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
