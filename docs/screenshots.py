"""Makes the README's pictures from the demo's runs: `python docs/screenshots.py [HOME]`, after `sciml-tui demo`.

Every picture is the app itself, driven by the keys that a person would press, over real runs.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from engine.client import Client
from engine.paths import Home
from tui.app import SciMLApp
from tui.widgets.frame_view import FrameView
from tui.widgets.run_table import RunTable

FOLDER = Path(__file__).parent / "images"
SIZE = (120, 40)


async def until(pilot: Pilot[None], condition: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await pilot.pause(0.05)
    raise TimeoutError("the app did not show what was waited for")


async def drawn(pilot: Pilot[None]) -> None:
    """Every chart and heatmap on the screen shows the newest of what it was given."""
    await pilot.pause(1.0)
    views = pilot.app.screen.query(FrameView)
    await until(pilot, lambda: all(not view._stale and not view._drawing for view in views if view.size))
    await pilot.pause(0.2)


def take(app: SciMLApp, name: str) -> None:
    app.save_screenshot(f"{name}.svg", path=str(FOLDER))
    print(FOLDER / f"{name}.svg")


async def pictures(home: Home) -> None:
    with Client(home) as client:
        demo = tuple(run.id for run in client.runs("tag=demo"))
        curriculum = client.runs("tag=demo strategy=curriculum status=done")[0].id
    if not demo:
        sys.exit(f"required a home with the demo's runs, got {home.folder}: run  sciml-tui demo  first")
    app = SciMLApp(lambda: Client(home), marked=demo)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.library.complete and len(app.screen.query_one(RunTable)) >= len(demo))
        app.screen.query_one(RunTable).move_cursor(curriculum)
        await drawn(pilot)
        take(app, "runs")
        await pilot.press("4")
        await drawn(pilot)
        take(app, "compare")
        await pilot.press("3", "enter")
        await drawn(pilot)
        take(app, "run")
        await pilot.press("n")
        await pilot.pause(2.0)
        await drawn(pilot)
        take(app, "launch")


def main() -> None:
    os.environ["COLORTERM"] = "truecolor"
    FOLDER.mkdir(exist_ok=True)
    asyncio.run(pictures(Home(sys.argv[1] if len(sys.argv) > 1 else None)))


if __name__ == "__main__":
    main()
