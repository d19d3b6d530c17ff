"""A terminal of any size, and one that changes while the app is open, breaks no screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tui.app import SciMLApp
from tui.widgets.run_table import RunTable

SIZES = [(10, 3), (200, 60), (1, 1), (80, 24)]


@pytest.mark.parametrize("keys", [(), ("4",), ("enter",), ("e",), ("question_mark",), ("n",)])
async def test_every_screen_can_be_resized(
    make_app: Callable[..., SciMLApp], until: Callable[..., Awaitable[None]], keys: tuple[str, ...]
) -> None:
    app = make_app(marked=("r0001", "r0004", "r0007", "r000a"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable)) == 14)
        await pilot.press("G", *keys)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause(0.05)
            assert app.screen.size == size
