from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.pilot import Pilot

from tui.palette import SERIES, SeriesColours
from tui.widgets.columns import Column, measured, state, words
from tui.widgets.run_table import RunTable


@dataclass(frozen=True)
class Run:
    name: str
    loss: float | None = 1.0
    status: str = "running"


COLUMNS = (
    Column("name", "run", lambda run: run.name, words, 8, importance=100),
    Column("status", "status", lambda run: (run.status, ""), state, 10),
    Column("loss", "loss", lambda run: run.loss, measured(), 8, most=11, unit="(mean)", align="right"),
)


class Tables(App[None]):
    def __init__(self, **more: object) -> None:
        super().__init__()
        self.more = more
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield RunTable(COLUMNS, **self.more)

    def on_run_table_moved(self, message: RunTable.Moved) -> None:
        self.heard.append(message)

    on_run_table_marked = on_run_table_opened = on_run_table_seen = on_run_table_moved

    def last(self, kind: type[Message]) -> Message:
        return [message for message in self.heard if isinstance(message, kind)][-1]


def runs(*names: str) -> dict[str, Run]:
    return {name: Run(name, loss=float(index)) for index, name in enumerate(names)}


def many(count: int) -> dict[str, Run]:
    return {f"r{index:05}": Run(f"r{index:05}", loss=float(index)) for index in range(count)}


@asynccontextmanager
async def shown(
    rows: dict[str, Run], size: tuple[int, int] = (40, 10), **more: object
) -> AsyncIterator[tuple[RunTable, Pilot[None]]]:
    app = Tables(**more)
    async with app.run_test(size=size) as pilot:
        table = app.query_one(RunTable)
        table.focus()
        table.set_rows(rows)
        await pilot.pause()
        yield table, pilot


def text(table: RunTable) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


async def test_rows_are_drawn_under_a_header_with_units() -> None:
    async with shown(runs("r1", "r2")) as (table, _):
        assert text(table)[:3] == [
            "  run       status      loss (mean)",
            "  r1        ● running             0",
            "  r2        ● running          1.00",
        ]


async def test_empty_table_says_what_to_press() -> None:
    async with shown({}, empty="No runs yet\nn starts one") as (table, _):
        lines = [line.strip() for line in text(table)[1:] if line.strip()]
        assert lines == ["No runs yet", "n starts one"]
        assert table.cursor is None and bool(table)
        table.set_empty("Nothing matches")
        assert "Nothing matches" in "".join(text(table))


async def test_cursor_moves_with_the_keys_and_stays_within() -> None:
    async with shown(many(100)) as (table, pilot):
        assert table.cursor == "r00000"
        for keys, expected in (
            (["k"], "r00000"),
            (["j", "j", "down"], "r00003"),
            (["up"], "r00002"),
            (["ctrl+d"], "r00011"),
            (["ctrl+u"], "r00002"),
            (["G"], "r00099"),
            (["pagedown"], "r00099"),
            (["g"], "r00000"),
        ):
            await pilot.press(*keys)
            assert table.cursor == expected, keys
            assert expected in table.in_view()


async def test_cursor_stays_with_its_run_when_rows_come_and_go() -> None:
    async with shown(runs("a", "b", "c")) as (table, _):
        table.move_cursor("b")
        table.set_rows(runs("new", "a", "x", "b", "c"))
        assert table.cursor == "b" and table.place("b") == 3
        table.remove_rows(["a", "new"])
        assert table.cursor == "b" and table.place("b") == 1
        table.sort("loss", reverse=True)
        assert table.cursor == "b" and list(table.keys) == ["c", "b", "x"]


async def test_cursor_takes_the_neighbour_of_a_row_that_is_gone() -> None:
    async with shown(runs("a", "b", "c")) as (table, _):
        table.move_cursor("b")
        table.remove_rows(["b"])
        assert table.cursor == "c"
        table.remove_rows(["c"])
        assert table.cursor == "a"
        table.remove_rows(["a"])
        assert table.cursor is None


async def test_row_under_the_cursor_stays_where_it_is_on_the_screen() -> None:
    async with shown(many(100), newest_first=True) as (table, pilot):
        table.move_cursor("r00050")
        await pilot.pause()
        before = table.in_view().index("r00050")
        table.update_rows(runs("n1", "n2", "n3"))
        await pilot.pause()
        assert table.in_view().index("r00050") == before
        assert list(table.keys[:3]) == ["n1", "n2", "n3"]


async def test_new_rows_are_seen_where_the_view_is_at_the_top() -> None:
    async with shown(many(100), newest_first=True) as (table, pilot):
        table.update_rows(runs("n1"))
        await pilot.pause()
        assert table.in_view()[:2] == ("n1", "r00000") and table.cursor == "r00000"


async def test_rows_are_added_at_the_end_unless_the_newest_come_first() -> None:
    async with shown(runs("a")) as (table, _):
        table.update_rows(runs("b", "c"))
        assert list(table.keys) == ["a", "b", "c"]


async def test_space_marks_and_goes_on() -> None:
    async with shown(runs("a", "b", "c")) as (table, pilot):
        await pilot.press("space", "j", "space")
        assert table.marks == ("a", "c") and table.chosen() == ("a", "c")
        assert pilot.app.last(RunTable.Marked).keys == ("a", "c")
        await pilot.press("g", "space")
        assert table.marks == ("c",)
        await pilot.press("ctrl+backslash")
        assert table.marks == () and table.chosen() == ("b",)


async def test_range_marks_from_the_last_mark() -> None:
    async with shown(runs("a", "b", "c", "d", "e")) as (table, pilot):
        table.move_cursor("b")
        await pilot.press("space", "j", "j", "v")
        assert table.marks == ("b", "c", "d", "e")
        table.set_marks(["d"])
        await pilot.press("g", "v")
        assert set(table.marks) == {"a", "b", "c", "d"}


async def test_marks_survive_a_filter_but_not_a_removal() -> None:
    async with shown(runs("a", "b", "c")) as (table, _):
        table.set_marks(["a", "c"])
        table.set_rows(runs("b", "c"))
        assert table.marks == ("a", "c")
        table.remove_rows(["c"])
        assert table.marks == ("a",)


async def test_rows_that_a_filter_hides_by_and_by_stay_marked_until_they_are_removed() -> None:
    async with shown(runs("a", "b", "c")) as (table, _):
        table.set_marks(["a", "c"])
        table.remove_rows(["c"], hidden=True)
        assert (table.keys, table.marks) == (["a", "b"], ("a", "c"))
        table.remove_rows(["c"])
        assert table.marks == ("a",)


async def test_marked_rows_have_the_stripe_of_their_colour() -> None:
    colours = SeriesColours()
    async with shown(runs("a", "b", "c"), colours=colours) as (table, _):
        table.set_marks(["c", "a"])
        stripes = [next(iter(table.render_line(y))) for y in (1, 2, 3)]
        assert [stripe.text[0] for stripe in stripes] == ["▌", " ", "▌"]
        assert stripes[2].style.color.get_truecolor().hex == SERIES[0] == colours.of("c")
        assert stripes[0].style.color.get_truecolor().hex == SERIES[1] == colours.of("a")


async def test_keys_sort_by_the_next_column_and_reverse() -> None:
    rows = {"a": Run("a", 2.0, "failed"), "b": Run("b", None, "done"), "c": Run("c", 1.0, "running")}
    async with shown(rows) as (table, pilot):
        await pilot.press("s", "s")
        assert list(table.keys) == ["b", "a", "c"] and "status ▴" in text(table)[0]
        await pilot.press("s")
        assert list(table.keys) == ["c", "a", "b"]
        await pilot.press("S")
        assert list(table.keys) == ["a", "c", "b"] and "▾" in text(table)[0]
        await pilot.press("S", "s")
        assert list(table.keys) == ["a", "b", "c"] and table.order.column == ""


async def test_values_that_stream_in_do_not_move_rows() -> None:
    async with shown(runs("a", "b", "c")) as (table, _):
        table.sort("loss")
        table.update_rows({"a": Run("a", 99.0)})
        assert list(table.keys) == ["a", "b", "c"]
        table.sort("loss")
        assert list(table.keys) == ["b", "c", "a"]


async def test_unknown_columns_and_rows_are_refused() -> None:
    async with shown(runs("a")) as (table, _):
        for wrong in (lambda: table.sort("nothing"), lambda: table.move_cursor("x"), lambda: table.record("x")):
            with pytest.raises(KeyError):
                wrong()


async def test_the_least_important_columns_are_shed_when_it_is_narrow() -> None:
    async with shown(runs("a"), size=(24, 6)) as (table, pilot):
        assert text(table)[0].split() == ["run", "status"]
        await pilot.resize_terminal(60, 6)
        await pilot.pause()
        assert "status" in text(table)[0] and "loss (mean)" in text(table)[0]


async def test_enter_and_a_second_click_open_a_row() -> None:
    async with shown(runs("a", "b", "c")) as (table, pilot):
        await pilot.press("j", "enter")
        assert pilot.app.last(RunTable.Opened).key == "b"
        await pilot.click(table, offset=(5, 3))
        assert table.cursor == "c"
        await pilot.click(table, offset=(5, 3), times=2)
        assert pilot.app.last(RunTable.Opened).key == "c"


async def test_a_click_on_a_header_sorts() -> None:
    async with shown(runs("b", "a")) as (table, pilot):
        await pilot.click(table, offset=(3, 0))
        assert list(table.keys) == ["a", "b"]
        await pilot.click(table, offset=(3, 0))
        assert list(table.keys) == ["b", "a"]


async def test_movement_and_view_are_told() -> None:
    async with shown(many(50)) as (table, pilot):
        await pilot.press("G")
        await pilot.pause()
        assert pilot.app.last(RunTable.Moved).key == "r00049"
        assert pilot.app.last(RunTable.Seen).keys == table.in_view() == tuple(f"r{row:05}" for row in range(41, 50))


def recorded(table: RunTable, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Region, ...]]:
    asked: list[tuple[Region, ...]] = []
    really: Callable[..., object] = table.refresh

    def refresh(*regions: Region, **more: bool) -> object:
        asked.append(regions)
        return really(*regions, **more)

    monkeypatch.setattr(table, "refresh", refresh)
    return asked


async def test_update_of_a_cell_repaints_its_region_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown(many(50)) as (table, pilot):
        asked = recorded(table, monkeypatch)
        table.update_rows({"r00002": replace(table.record("r00002"), loss=123.0)})
        assert asked == [(Region(24, 3, 11, 1),)]
        await pilot.pause()
        assert table._repaint_regions == set()
        assert text(table)[3].endswith("123")


async def test_updates_out_of_view_or_without_a_difference_repaint_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown(many(50)) as (table, _):
        asked = recorded(table, monkeypatch)
        table.update_rows({"r00040": Run("r00040", 7.0)})
        table.update_rows({"r00001": replace(table.record("r00001"), loss=1.0000001)})
        assert asked == []
        assert table.record("r00040").loss == 7.0


async def test_only_the_changed_cells_reach_the_terminal() -> None:
    """The compositor is given the spans of the cell, not the line and not the widget."""
    async with shown(many(50)) as (table, pilot):
        await pilot.pause()
        table.update_rows({"r00002": replace(table.record("r00002"), loss=123.0)})
        table.screen._compositor.update_widgets({table})
        assert table.screen._compositor._dirty_regions == {Region(24, 3, 11, 1)}


async def test_a_hundred_thousand_rows_are_drawn_a_window_at_a_time() -> None:
    drawn: list[str] = []
    columns = (Column("name", "run", lambda run: drawn.append(run.name) or run.name, words, 8),)

    class Large(App[None]):
        def compose(self) -> ComposeResult:
            yield RunTable(columns)

    app = Large()
    async with app.run_test(size=(40, 20)) as pilot:
        table = app.query_one(RunTable)
        table.focus()
        table.set_rows(many(100_000))
        await pilot.pause()
        await pilot.press("G")
        await pilot.pause()
        assert table.cursor == "r99999" and "r99999" in table.in_view()
        assert len(drawn) < 500


async def test_hostile_names_are_drawn_harmlessly_and_in_their_columns() -> None:
    rows = {"a": Run("\x1b[2J[bold]x[/]"), "b": Run("模型模型模型"), "c": Run("plain")}
    async with shown(rows) as (table, _):
        lines = [table.render_line(y) for y in (1, 2, 3)]
        assert lines[0].text.startswith("  [bold]x…") and "\x1b" not in lines[0].text
        assert [line.cell_length for line in lines] == [40, 40, 40]
        assert lines[1].text.startswith("  模型模… ")


async def test_no_color_is_readable_and_shows_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(runs("a", "b")) as (table, pilot):
        table.set_marks(["a"])
        await pilot.press("j")
        pilot.app.export_screenshot()
        assert all(segment.style.reverse for segment in table.render_line(2) if segment.style)
        assert text(table)[1].startswith("▌ a")


async def test_ascii_table_is_ascii(in_ascii: None) -> None:
    rows = {"a": Run("β=5 naïve"), "b": Run("a name that is too long")}
    async with shown(rows) as (table, _):
        table.set_marks(["a"])
        table.sort("name")
        assert all(line.isascii() for line in text(table))
        assert text(table)[2].startswith("| beta=5")
