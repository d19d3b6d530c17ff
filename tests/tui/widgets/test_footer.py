from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from tui.keymap import KEYMAP, Keymap, Row
from tui.widgets.chart import Chart
from tui.widgets.filter_bar import FilterBar
from tui.widgets.footer import Footer
from tui.widgets.run_table import RunTable

KEYS = Keymap(
    [
        Row("app.help", ("?", "f1"), "help", "General", footer=90),
        Row("app.quit", ("q",), "quit (runs go on)", "General", footer=80),
        Row("runs.copy", ("y",), "copy", "Runs"),
        Row("runs.export", ("e",), "export", "Runs", footer=35),
        Row("runs.new", ("n",), "new", "Runs", footer=70),
        Row("runs.stop", ("T",), "stop", "Runs", footer=60),
        Row("runs.filter", ("/",), "filter", "Find", footer=40),
        *(row for row in KEYMAP if row.scope in ("table", "chart", "filter")),
    ]
)


class Screens(App[None]):
    BINDINGS = KEYS.bindings("app", "runs")

    def __init__(self) -> None:
        super().__init__()
        self.can_stop = True

    def compose(self) -> ComposeResult:
        yield FilterBar()
        yield RunTable(())
        yield Chart()
        yield Footer(KEYS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.can_stop if action == "stop" else True


def words(app: App[None]) -> list[str]:
    return app.query_one(Footer).render_line(0).text.split("   ")


async def test_footer_shows_the_keys_that_matter_most() -> None:
    app = Screens()
    async with app.run_test(size=(120, 20)) as pilot:
        app.query_one(RunTable).focus()
        await pilot.pause()
        shown = [word.strip() for word in words(app) if word.strip()]
        assert shown[:5] == ["n new", "T stop", "space mark", "/ filter", "e export"]
        assert shown[5:] == ["enter open", "? help", "q quit (runs go on)"]


async def test_help_and_quit_stay_when_it_is_narrow() -> None:
    app = Screens()
    async with app.run_test(size=(50, 20)) as pilot:
        app.query_one(RunTable).focus()
        await pilot.pause()
        line = app.query_one(Footer).render_line(0).text
        assert line.startswith("n new   T stop") and line.rstrip().endswith("? help   q quit") and len(line) == 48


async def test_footer_follows_the_focus() -> None:
    app = Screens()
    async with app.run_test(size=(120, 20)) as pilot:
        app.query_one(Chart).focus()
        await pilot.pause()
        assert "x crosshair" in words(app) and "space mark" not in words(app)
        app.query_one(FilterBar).start()
        await pilot.pause()
        assert [word.strip() for word in words(app) if word.strip()] == ["enter apply", "esc clear"]


async def test_what_cannot_be_done_now_is_not_offered() -> None:
    app = Screens()
    async with app.run_test(size=(120, 20)) as pilot:
        app.query_one(RunTable).focus()
        app.can_stop = False
        app.refresh_bindings()
        await pilot.pause()
        assert "T stop" not in words(app)


async def test_what_would_do_nothing_is_left_out_and_its_key_still_works() -> None:
    app = Screens()
    stopped: list[str] = []
    app.action_stop = lambda: stopped.append("stop")
    async with app.run_test(size=(120, 20)) as pilot:
        app.query_one(RunTable).focus()
        app.query_one(Footer).leave_out(frozenset({"stop"}))
        await pilot.press("T")
        assert "T stop" not in words(app) and stopped == ["stop"]
        app.query_one(Footer).leave_out(frozenset())
        assert "T stop" in words(app)


async def test_remapped_keys_are_shown_and_pressed() -> None:
    app = Screens()
    stopped: list[str] = []
    app.action_stop = lambda: stopped.append("stop")
    keymap = KEYS.remapped({"runs.stop": "X"})
    async with app.run_test(size=(120, 20)) as pilot:
        app.set_keymap({"runs.stop": "X"})
        app.query_one(Footer).keymap = keymap
        app.query_one(RunTable).focus()
        await pilot.pause()
        assert "X stop" in words(app)
        await pilot.press("X", "T")
        assert stopped == ["stop"]


async def test_ascii_footer_is_ascii(in_ascii: None) -> None:
    app = Screens()
    async with app.run_test(size=(120, 20)):
        assert app.query_one(Footer).render_line(0).text.isascii()


@pytest.mark.parametrize("width", [10, 20, 33])
async def test_footer_never_exceeds_its_width(width: int) -> None:
    app = Screens()
    async with app.run_test(size=(width, 10)):
        footer = app.query_one(Footer)
        assert footer.render_line(0).cell_length == footer.size.width
