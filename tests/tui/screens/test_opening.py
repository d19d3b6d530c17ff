"""The app opened as on a terminal: by `run_async`, which sets up the event loop otherwise than `run_test` does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from tui.app import SCREENS, SciMLApp
from tui.widgets.status_line import StatusLine

Make = Callable[..., SciMLApp]
Until = Callable[..., Awaitable[None]]


@pytest.mark.parametrize("first", SCREENS)
async def test_it_opens_on_every_screen_and_goes_to_every_other(make_app: Make, until: Until, first: str) -> None:
    app = make_app(first=first)
    seen = []

    async def look(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: app.library.complete)
        for key in ("1", "2", "3", "4"):
            await pilot.press(key)
            await until(pilot, lambda: app.screen.query(StatusLine))
            seen.append(type(app.screen).__name__)
        app.exit()

    await app.run_async(headless=True, size=(120, 40), auto_pilot=look)
    assert seen == ["DatasetsScreen", "ModelsScreen", "RunsScreen", "CompareScreen"]
    assert app.return_code == 0


async def test_the_command_palette_does_what_the_keys_of_this_screen_do(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.library.complete)
        listed = [*app.get_system_commands(app.screen)]
        commands = {command.title: command for command in listed}
        assert len(commands) == len(listed)
        assert {"new", "filter", "export", "compare", "go to Compare", "quit (runs go on)"} <= commands.keys()
        assert commands["mark"].help == "space  mark or unmark the row for comparing, stopping, exporting"
        assert not {"Theme", "Maximize", "up"} & commands.keys()
        await pilot.press("colon", *"compare")
        await until(pilot, lambda: app.screen.query("CommandList > *") or app.screen.query("CommandList"))
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "CompareScreen")
