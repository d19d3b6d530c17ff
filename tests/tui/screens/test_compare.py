from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot

from engine.api import RunSpec
from engine.records import Run, Status
from engine.tables import THRESHOLD
from tui.app import SciMLApp
from tui.live import LiveRun
from tui.screens.compare import CompareScreen, _by_group, _table_lines
from tui.widgets.chart import Chart
from tui.widgets.lines import Lines

Make = Callable[..., SciMLApp]
Until = Callable[..., Awaitable[None]]
ALL = tuple(f"r{number:04x}" for number in range(1, 14))


def chart(app: SciMLApp, name: str) -> Chart:
    return app.screen.query_one(f"#{name}", Chart)


async def test_curves_and_transfer_stand_side_by_side(make_app: Make, until: Until) -> None:
    app = make_app(first="compare", marked=ALL)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(chart(app, "curves").content.series) == 6)
        transfer = chart(app, "transfer").content
        assert {series.label: series.x.tolist() for series in transfer.series} == {
            "fine-tuned": [8, 32, 128],
            "from scratch": [8, 32, 128],
        }
        assert [rule.y for rule in transfer.rules] == [0.11]
        assert transfer.x.log and transfer.y.log


async def test_the_table_says_who_succeeds_and_what_differs(make_app: Make, until: Until) -> None:
    app = make_app(first="compare", marked=ALL[:6])
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Lines)._lines)
        words = ["".join(part for part, _ in line) for line in app.screen.query_one(Lines)._lines]
        assert any("curriculum" in line and "3/3" in line for line in words)
        assert any("regular" in line and "0/3" in line for line in words)
        assert any("strategy" in line and "curriculum | regular" in line for line in words)
        assert app.screen.query_one("#transfer").has_class("-hidden")


async def test_nothing_marked_says_what_to_press(make_app: Make, until: Until) -> None:
    app = make_app(first="compare")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.library.complete)
        assert isinstance(app.screen, CompareScreen)
        assert "mark runs with space" in chart(app, "curves").content.empty


def test_runs_of_which_none_was_finished_have_no_table_without_rows() -> None:
    lost = LiveRun(Run(id="r1", spec=RunSpec(task="pinn"), status=Status.LOST, label="convection"))
    table = _by_group([lost.row()], ["label"], ("rel_l2", "seconds"), THRESHOLD)
    assert _table_lines(table) == [[("none of these runs was finished", "muted")]]


async def test_the_table_is_read_to_its_end_without_a_mouse(make_app: Make, until: Until) -> None:
    app = make_app(first="compare", marked=ALL)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(chart(app, "curves").content.series) == 6)
        table = app.screen.query_one(VerticalScroll)
        await until(pilot, lambda: table.max_scroll_y > 0)
        for key, there in (("pagedown", lambda: table.scroll_y > 0), ("pageup", lambda: table.scroll_y == 0)):
            await pilot.press(key)
            await until(pilot, there)


async def test_the_quantity_can_be_changed(make_app: Make, until: Until) -> None:
    app = make_app(first="compare", marked=ALL[:6])
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(chart(app, "curves").content.series) == 6)
        await pilot.press("t")
        assert chart(app, "curves").content.title == "rel L2: reaction ρ=5"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_compare_looks(make_app: Make, until: Until, drawn: Until, snap_compare: Any, size: tuple[int, int]) -> None:
    async def settle(pilot: Pilot[Any]) -> None:
        app: Any = pilot.app
        await until(pilot, lambda: len(chart(app, "curves").content.series) == 6)
        await drawn(pilot)

    assert snap_compare(make_app(first="compare", marked=ALL), terminal_size=size, run_before=settle)
