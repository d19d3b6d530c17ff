from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from engine import locks, processes
from engine.api import RunSpec
from engine.client import Client
from engine.gpus import Gpu
from engine.paths import Home
from engine.records import Claim, Run, Started, Status
from engine.store.catalog import Catalog
from tui import steering
from tui.app import SciMLApp
from tui.raster.spec import Plot
from tui.screens import runs as runs_screen
from tui.screens.runs import RunsScreen
from tui.widgets.chart import Chart
from tui.widgets.confirm import Confirm
from tui.widgets.filter_bar import FilterBar
from tui.widgets.footer import Footer
from tui.widgets.run_table import RunTable
from tui.widgets.status_line import StatusLine

Make = Callable[..., SciMLApp]
Until = Callable[..., Awaitable[None]]


def table(app: SciMLApp) -> RunTable:
    return app.screen.query_one(RunTable)


def plot(app: SciMLApp) -> Plot:
    return app.screen.query_one(Chart).content


async def test_the_list_shows_every_run_newest_first(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        assert table(app).keys[0] == "r000e"
        assert table(app).keys[-1] == "r0001"


@pytest.fixture(params=[runs_screen.AT_ONCE, 3])
def portions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs are looked at at once, and as many thousands are: portion by portion."""
    monkeypatch.setattr(runs_screen, "AT_ONCE", request.param)


@pytest.mark.usefixtures("portions")
async def test_a_filter_narrows_the_list_as_one_types_and_escape_brings_it_back(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        await pilot.press("slash", *"strategy=curriculum")
        await until(pilot, lambda: len(table(app)) == 3)
        await pilot.press("escape")
        await until(pilot, lambda: len(table(app)) == 14)
        assert app.screen.query_one(FilterBar).value == ""


async def test_a_filter_that_was_kept_goes_with_escape_from_the_list(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        table = app.screen.query_one(RunTable)
        await until(pilot, lambda: len(table) == 14)
        await pilot.press("slash", *"rho", "greater_than_sign", "9", "enter")
        await until(pilot, lambda: len(table) == 0 and table.has_focus)
        await pilot.press("escape")
        await until(pilot, lambda: len(table) == 14)


@pytest.mark.usefixtures("portions")
async def test_a_term_that_no_column_can_hold_is_told_and_left_out(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        bar = app.screen.query_one(FilterBar)
        await until(pilot, lambda: len(table(app)) == 14)
        for words, shown, said in (
            ("strategy=curriculum seed=", 3, "3 of 14 runs"),
            ("strategy=curriculum seed=x", 3, "seed=x: required a number, got x"),
            ("strategy=curriculum seed=1", 1, "1 of 14 runs"),
        ):
            bar.set_value(words)
            await until(pilot, lambda shown=shown, said=said: (len(table(app)), bar._said) == (shown, said))


@pytest.mark.usefixtures("portions")
async def test_a_filter_that_is_mistaken_says_why_it_lets_nothing_through(
    make_app: Make, until: Until, furnished: Home
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        bar = app.screen.query_one(FilterBar)
        await until(pilot, lambda: len(table(app)) == 14)
        for words, shown, said in (
            ("rho>=x", 0, "rho is a number, not x"),
            ("rho>=5", 6, "6 of 14 runs"),
            ("rho=9", 0, "0 of 14 runs"),
            ("betta=3", 0, "no run has betta (did you mean beta?)"),
            ("status=dne", 0, "no status is called dne (did you mean done?)"),
            ("", 14, "14 runs"),
        ):
            bar.set_value(words)
            await until(pilot, lambda shown=shown, said=said: (len(table(app)), bar._said) == (shown, said))
        bar.set_value("steps>=many")
        await until(pilot, lambda: bar._said.startswith("steps is a number"))
        with Client(furnished) as other:
            other.catalog.add([Run(id="", spec=RunSpec(task="walk", params={"steps": "many"}), status=Status.DONE)])
        await until(pilot, lambda: bar._said == "1 of 15 runs")


async def test_the_curves_of_the_run_under_the_cursor_are_drawn_with_its_stages(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        table(app).move_cursor("r0001")
        await until(pilot, lambda: len(plot(app).series) == 2)
        assert [series.label for series in plot(app).series] == ["loss", "rel L2"]
        assert [stage.label for stage in plot(app).stages] == [f"ρ={k}" for k in range(1, 6)]


async def test_marks_reach_the_compare_screen_with_one_colour_for_the_seeds_of_a_setting(
    make_app: Make, until: Until
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        await pilot.press("slash", *"task=pinn status=done", "enter")
        await until(pilot, lambda: len(table(app)) == 6)
        await pilot.press("G", "space", "g", "v", "c")
        await until(pilot, lambda: app.screen.query_one("#curves", Chart).content.series != ())
        series = app.screen.query_one("#curves", Chart).content.series
        assert len(series) == 6
        assert len({each.colour for each in series}) == 2
        await pilot.press("b")
        bands = app.screen.query_one("#curves", Chart).content.series
        assert {each.label for each in bands} == {"curriculum (3)", "regular (3)"}
        assert all((each.lo <= each.y).all() and (each.y <= each.hi).all() for each in bands)


async def test_a_key_that_is_pressed_twice_opens_one_screen(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        for open_one in (lambda: app.open_run("r0001"), app.launch, app.action_help):
            open_one()
            open_one()
            await pilot.pause()
            assert [isinstance(screen, RunsScreen) for screen in app.screen_stack] == [True, False]
            await app.pop_screen()


async def test_stopping_a_run_that_has_ended_says_so_and_asks_nothing(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        await pilot.press("T")
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen)
        assert any("nothing to stop" in note.message for note in app._notifications)


async def test_the_footer_offers_what_the_chosen_runs_allow_as_the_cursor_the_marks_and_the_states_change(
    make_app: Make, until: Until, furnished: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "ensure_scheduler", lambda self: None)

    def offered() -> list[str]:
        line = app.screen.query_one(Footer).render_line(0).text
        return [key for key in ("T stop", "R resume", "D remove") if key in line]

    with Client(furnished) as client:
        [waits] = client.catalog.add([Run(id="", spec=RunSpec(task="pinn", params={"system": "wave"}))])
        app = make_app()
        async with app.run_test(size=(140, 40)) as pilot:
            await until(pilot, lambda: len(table(app)) == 15)
            for run, keys in (
                (waits.id, ["T stop", "D remove"]),
                ("r0001", ["D remove"]),
                ("r000e", ["R resume", "D remove"]),
            ):
                table(app).move_cursor(run)
                await until(pilot, lambda keys=keys: offered() == keys)
            table(app).set_marks(["r0001", waits.id])
            await until(pilot, lambda: offered() == ["T stop", "D remove"])
            client.stop(waits.id)
            await until(pilot, lambda: offered() == ["R resume", "D remove"])
            table(app).set_marks([])
            table(app).move_cursor("r0001")
            await pilot.press("enter")
            await until(pilot, lambda: app.screen.name_in_bar and not isinstance(app.screen, RunsScreen))
            await until(pilot, lambda: "n vary" in app.screen.query_one(Footer).render_line(0).text)
            assert offered() == []
            await pilot.press("T")
            assert "nothing to stop: r0001 is done" in [note.message for note in app._notifications]


async def test_a_marked_run_that_a_filter_comes_to_hide_stays_marked_and_is_counted(
    make_app: Make, until: Until, furnished: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "ensure_scheduler", lambda self: None)
    with Client(furnished) as client:
        waiting = client.catalog.add([Run(id="", spec=RunSpec(task="pinn", seed=seed)) for seed in range(3)])
        app = make_app()
        async with app.run_test(size=(140, 40)) as pilot:
            bar = app.screen.query_one(FilterBar)
            bar.set_value("status=queued")
            await until(pilot, lambda: len(table(app)) == 3)
            table(app).set_marks(run.id for run in waiting[:2])
            client.stop(waiting[0].id)
            await until(pilot, lambda: bar._said == "2 of 17 runs, 2 marked")
            assert app.library.marks == tuple(run.id for run in waiting[:2])


async def test_archived_runs_are_left_out_until_the_filter_asks_for_them(
    make_app: Make, until: Until, furnished: Home
) -> None:
    with Client(furnished) as client:
        client.archive("r000e")
    app = make_app(marked=("r0002", "r0003"))
    async with app.run_test(size=(140, 40)) as pilot:
        bar = app.screen.query_one(FilterBar)
        await until(pilot, lambda: (len(table(app)), bar._said) == (13, "13 runs, 2 marked"))
        await pilot.press("A")
        await until(pilot, lambda: (len(table(app)), bar._said) == (11, "11 runs"))
        assert app.library.counts.total() == 11
        bar.set_value("archived=true")
        await until(pilot, lambda: bar._said == "3 of 14 runs")
        await until(pilot, lambda: app.library.archived == {"r0002", "r0003", "r000e"})
        table(app).set_marks(["r0002", "r0003"])
        await pilot.press("A")
        await until(pilot, lambda: bar._said == "1 of 14 runs")
        assert app.library.counts.total() == 13


async def test_marked_runs_are_removed_after_a_question(make_app: Make, until: Until, furnished: Home) -> None:
    app = make_app(marked=("r0002", "r0003"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, Confirm) and app.screen.query(Static))
        said = " ".join(str(widget.render()) for widget in app.screen.query(Static))
        assert "Remove 2 runs?" in said and "published datasets and models stay" in said
        await pilot.press("n")
        assert len(table(app)) == 14
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, Confirm) and app.screen.query(Static))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and len(table(app)) == 12)
        await until(pilot, lambda: [note.message for note in app._notifications] == ["r0002, r0003 removed"])
        assert app.library.marks == ()
        assert not furnished.run("r0002").folder.exists()


async def test_killing_one_of_a_pack_names_those_that_end_with_it_and_asks_once(
    make_app: Make, until: Until, furnished: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "ensure_scheduler", lambda self: None)  # what is asked is looked at, not done
    me = processes.identify(os.getpid())
    assert me is not None
    claim = Claim(host=processes.host_name(), boot=processes.boot_id(), pid=me.pid, at=1.0, job="r000f/1")
    with closing(Catalog(furnished)) as catalog, ExitStack() as locked:
        spec = RunSpec(task="pinn", params={"system": "convection", "beta": 1.0})
        runs = catalog.add([Run(id="", spec=spec, status=Status.RUNNING, claim=claim, attempt=1)] * 3, pack=True)
        for run in runs:  # as a supervisor holds them
            furnished.run(run.id).attempt(1).mkdir(parents=True)
            started = Started(host=claim.host, boot=claim.boot, shim=me, worker=me, at=1.0)
            furnished.run(run.id).started(1).write_bytes(msgspec.json.encode(started))
            held = locks.acquire(furnished.run(run.id).lock)
            assert held is not None
            locked.enter_context(held)
        app = make_app()
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: runs[2].id in app.library.runs)
            steering.kill(app, [app.library.runs[runs[1].id]])
            await until(pilot, lambda: isinstance(app.screen, Confirm) and len(app.screen.query(Static)) == 4)
            said = " ".join(str(widget.render()) for widget in app.screen.query(Static))
            assert "Kill 3 runs?" in said
            assert f"{runs[0].id}, {runs[2].id} run in the same process, and end with it." in said
            await pilot.press("y")
            await until(pilot, lambda: catalog.commands())
        assert [(command.verb, command.run) for _, command in catalog.commands()] == [("kill", runs[1].id)]


async def test_a_run_removed_elsewhere_leaves_the_list(make_app: Make, until: Until, furnished: Home) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(table(app)) == 14)
        with Client(furnished) as other:
            other.remove(["r000e"])
        await until(pilot, lambda: "r000e" not in table(app).keys)
        assert len(table(app)) == 13


async def test_an_empty_store_says_what_to_press(tmp_path: Any, until: Until) -> None:
    app = SciMLApp(lambda: Client(Home(tmp_path / "new")))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "press n" in table(app).empty)


async def test_a_store_that_cannot_be_opened_is_told_in_one_line(tmp_path: Any, until: Until) -> None:
    (tmp_path / "file").write_text("in the way")
    app = SciMLApp(lambda: Client(Home(tmp_path / "file")))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "home directory" in app.screen.query_one("StatusLine")._notice)  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_runs_snapshot(make_app: Make, until: Until, drawn: Until, snap_compare: Any, size: tuple[int, int]) -> None:
    async def settle(pilot: Pilot[Any]) -> None:
        app = pilot.app
        await until(pilot, lambda: len(table(app)) == 14)  # type: ignore[arg-type]
        await pilot.press("G")
        await until(pilot, lambda: len(plot(app).series) == 2)  # type: ignore[arg-type]
        await until(pilot, lambda: all(app.library.runs[f"r000{i}"].trend for i in range(1, 7)))  # type: ignore[attr-defined]
        await drawn(pilot)

    assert snap_compare(make_app(), terminal_size=size, run_before=settle)


async def test_the_bar_says_what_the_gpus_do_on_every_screen(
    make_app: Make, until: Until, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpus.json").write_bytes(
        msgspec.json.encode([Gpu(index=n, uuid=f"GPU-{n}", name="H100", memory_total=1, used=n * 0.91) for n in (0, 1)])
    )
    monkeypatch.setenv("SCIML_TUI_GPUS", str(tmp_path / "gpus.json"))
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        for key in ("3", "1"):
            await pilot.press(key)
            await until(pilot, lambda: "gpu1" in app.screen.query_one(StatusLine).render_line(0).text)
            assert "gpu0 idle  gpu1 ▇▇▇▇▇▃ 91%  ✓13 ✗1" in app.screen.query_one(StatusLine).render_line(0).text
