from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from engine.api import RunSpec
from engine.paths import Home
from engine.records import Run, Status
from tui.app import SciMLApp
from tui.live import LiveRun
from tui.screens.run import RunScreen, _settings, _stages
from tui.screens.runs import RunsScreen
from tui.widgets.chart import Chart
from tui.widgets.heatmap import Heatmap
from tui.widgets.log_view import LogView
from tui.widgets.run_table import RunTable
from tui.widgets.tab_line import TabLine

Make = Callable[..., SciMLApp]
Until = Callable[..., Awaitable[None]]


async def opened(app: SciMLApp, pilot: Pilot[Any], until: Until) -> RunScreen:
    """The screen of r0001, the last of the list."""
    await until(pilot, lambda: len(app.screen.query_one(RunTable)) == 14)
    await pilot.press("G", "enter")
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.query_one(Chart).content.series)
    assert isinstance(app.screen, RunScreen)
    return app.screen


async def test_enter_opens_the_run_with_its_curves_stages_and_fields_and_escape_goes_back(
    make_app: Make, until: Until
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, until)
        assert [stage.label for stage in screen.query_one(Chart).content.stages] == [f"ρ={k}" for k in range(1, 6)]
        await until(pilot, lambda: screen.query_one("#beside #error", Heatmap).field is not None)
        error = screen.query_one("#beside #error", Heatmap).field
        assert error is not None and error.colours == "diverging" and error.note == "rel L2 1.0e-2"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_the_log_is_shown_without_escape_sequences_and_can_be_searched(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, until)
        await until(pilot, lambda: len(screen.query_one(LogView).lines) == 3)
        assert screen.query_one(LogView).lines[1] == "red line two"
        await pilot.press("slash", *"two")
        assert screen.query_one(TabLine).here == "log"
        await until(pilot, lambda: screen.query_one(LogView).wanted == "two")


async def test_a_log_that_grows_is_followed(make_app: Make, until: Until, furnished: Home) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, until)
        with furnished.run("r0001").log.open("a") as log:
            log.write("one more\n")
        await until(pilot, lambda: screen.query_one(LogView).lines[-1:] == ["one more"])


async def test_a_letter_that_is_written_in_two_parts_is_one(make_app: Make, until: Until, furnished: Home) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, until)
        for part in ("█ρ\n".encode()[:4], "█ρ\n".encode()[4:]):
            before = screen._log_read
            with furnished.run("r0001").log.open("ab") as log:
                log.write(part)
            await until(pilot, lambda before=before, part=part: screen._log_read == before + len(part))
        await until(pilot, lambda: screen.query_one(LogView).lines[-1:] == ["█ρ"])


async def test_brackets_step_through_the_tabs(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, until)
        seen = [screen.query_one(TabLine).here]
        for _ in range(4):
            await pilot.press("right_square_bracket")
            seen.append(screen.query_one(TabLine).here)
        assert seen == ["stages", "settings", "provenance", "log", "stages"]


async def test_a_narrow_screen_shows_the_fields_in_place_of_the_curves_and_the_curves_again(
    make_app: Make, until: Until
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, until)
        error = screen.query_one("#beside #error", Heatmap)
        await until(pilot, lambda: error.field is not None)
        assert not error.size
        await pilot.press("f")
        await until(pilot, lambda: error.size.width > 20 and not screen.query_one(Chart).size)
        await pilot.press("f")
        await until(pilot, lambda: not error.size and screen.query_one(Chart).has_focus)
        await pilot.press("f")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: error.size and screen.query_one(Chart).size)


async def test_long_tabs_are_read_to_their_end_without_leaving_the_chart(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, until)
        await pilot.press("right_square_bracket", "right_square_bracket")
        provenance = screen.query_one("#provenance")
        await until(pilot, lambda: provenance.max_scroll_y > 0)
        await pilot.press("pagedown")
        await until(pilot, lambda: provenance.scroll_y > 0)
        assert screen.query_one(Chart).has_focus


async def test_a_run_that_ended_without_a_word_is_not_waited_for(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable)) == 14)
        app.screen.query_one(RunTable).move_cursor("r0007")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: app.screen.query_one(LogView).empty == "this run printed nothing")


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (Status.QUEUED, "", "no fields stored yet\nthe run is queued"),
        (Status.RUNNING, "", "no fields stored yet"),
        (Status.DONE, "loss target", "this run stored no fields"),
        (Status.FAILED, "out of memory", "this run stored no fields\nfailed: out of memory"),
    ],
)
async def test_a_run_without_fields_says_why(
    make_app: Make, until: Until, furnished: Home, status: Status, reason: str, said: str
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable)) == 14)
        live = app.library.runs["r0007"]
        app.library.runs["r0007"] = LiveRun(msgspec.structs.replace(live.run, status=status, reason=reason))
        app.screen.query_one(RunTable).move_cursor("r0007")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: app.screen.query_one("#beside #predicted", Heatmap).empty == said)


def test_why_a_run_was_cut_off_stands_above_its_stages() -> None:
    run = Run(id="r1", spec=RunSpec(task="pinn"), status=Status.LOST, reason="its process and what it held are gone")
    assert next(_stages([], LiveRun(run)))[0][0] == "? its process and what it held are gone"


def test_of_a_stage_the_error_stands_before_what_it_took() -> None:
    stage = {"name": "β=5", "step": 0, "closures": 98, "iterations": 58, "loss": 1e-5, "rel_l2": 0.01}
    words = "".join(part for part, _ in next(_stages([stage], LiveRun(Run(id="r1", spec=RunSpec(task="pinn"))))))
    assert words.index("loss") < words.index("rel L2") < words.index("closures")


def test_settings_are_shown_as_one_would_type_them() -> None:
    params = {"range": [5.0, 10.0], "lr_sweep": [1e-4, 1e-3], "init": "", "strategy.start": None}
    lines = _settings(LiveRun(Run(id="r0001", spec=RunSpec(task="operator", params=params))))
    assert [line[1][0] for line in lines][1:5] == ["5:10", "0.0001,0.001", '""', "none"]


def test_a_name_longer_than_its_column_keeps_its_distance_from_the_value() -> None:
    spec = RunSpec(task="pinn", params={"optimizer.tolerance_gradient": 1e-9, "rho": 5.0})
    lines = ["".join(words for words, _ in line) for line in _settings(LiveRun(Run(id="r0001", spec=spec)))]
    assert "optimizer.tolerance_gradient  1e-9" in lines
    assert f"{'rho':<26}5" in lines


async def test_a_run_whose_fields_are_gone_says_so_and_stays_open(
    make_app: Make, until: Until, furnished: Home
) -> None:
    for file in furnished.run("r0001").fields.iterdir():
        file.write_bytes(b"torn")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, until)
        await until(pilot, lambda: any("required the fields" in note.message for note in app._notifications))
        assert isinstance(app.screen, RunScreen)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_run_looks(make_app: Make, until: Until, drawn: Until, snap_compare: Any, size: tuple[int, int]) -> None:
    async def settle(pilot: Pilot[Any]) -> None:
        app: Any = pilot.app
        screen = await opened(app, pilot, until)
        if size[0] >= 100:
            await until(pilot, lambda: screen.query_one("#beside #error", Heatmap).field is not None)
        await drawn(pilot)

    assert snap_compare(make_app(), terminal_size=size, run_before=settle)
