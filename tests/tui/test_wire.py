from __future__ import annotations

import re

from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tui.wire import LeanCompositor


class Page(Widget):
    """Every line is the alphabet, in pieces of three letters and a wide one."""

    def render_line(self, y: int) -> Strip:
        return Strip([Segment(part) for part in ("abc", "def", "数ij", "klm", "nopqrstuvwxyz")])


class OnePage(Screen[None]):
    def __init__(self) -> None:
        super().__init__()
        self._compositor = LeanCompositor()

    def compose(self) -> ComposeResult:
        yield Page()


async def written(*regions: Region) -> str:
    """What goes to the terminal when these regions change."""
    app = App[None]()
    async with app.run_test(size=(40, 6)) as pilot:
        screen = OnePage()
        await app.push_screen(screen)
        await pilot.pause()
        screen._compositor._dirty_regions.update(regions)
        update = screen._compositor.render_partial_update()
        assert update is not None
        return re.sub(r"\x1b\[[\d;]*m", "", update.render_segments(app.console))


async def test_of_a_changed_line_only_the_changed_cells_are_written() -> None:
    assert await written(Region(4, 2, 2, 1)) == "\x1b[3;5Hef"


async def test_spans_of_one_line_are_written_each_in_its_place() -> None:
    assert await written(Region(1, 0, 1, 1), Region(12, 0, 3, 1)) == "\x1b[1;2Hb\x1b[1;13Hmno"


async def test_half_of_a_wide_character_becomes_a_blank() -> None:
    assert await written(Region(7, 1, 2, 1)) == "\x1b[2;8H i"


async def test_lines_are_written_from_top_to_bottom() -> None:
    assert await written(Region(0, 3, 2, 1), Region(2, 1, 1, 1)) == "\x1b[2;3Hc\n\x1b[4;1Hab"
