from __future__ import annotations

from textual.app import App, ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.keymap import KEYMAP
from tui.widgets.help_screen import HelpScreen
from tui.widgets.run_table import RunTable


class Helped(App[None]):
    BINDINGS = KEYMAP.bindings("app", "runs")

    def compose(self) -> ComposeResult:
        yield RunTable(())

    def action_help(self) -> None:
        self.push_screen(HelpScreen())


def text(app: App[None]) -> str:
    return str(app.screen.query_one(Static).render())


async def test_help_lists_every_key_that_works_here_and_no_other() -> None:
    app = Helped()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        shown = text(app)
        for row in KEYMAP:
            if row.scope in ("app", "runs", "table"):
                assert (row.help or row.label).split()[0] in shown, row.id
        assert "crosshair" not in shown and "ctrl+\\" in shown


async def test_help_is_one_column_where_it_is_narrow_and_scrolls() -> None:
    app = Helped()
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert all(len(line.rstrip()) <= 53 for line in text(app).splitlines())
        scroll = app.screen.query_one("VerticalScroll")
        await pilot.press("j", "j")
        await pilot.pause()
        assert scroll.scroll_y == 2


async def test_help_closes_with_the_key_that_opened_it_and_with_escape() -> None:
    app = Helped()
    async with app.run_test(size=(120, 40)) as pilot:
        for key in ("question_mark", "escape", "q"):
            await pilot.press("question_mark")
            assert isinstance(app.screen, HelpScreen)
            await pilot.press(key)
            assert not isinstance(app.screen, HelpScreen)


class Dialog(ModalScreen[None]):
    BINDINGS = KEYMAP.bindings("launch")


async def test_help_over_a_dialog_leaves_out_the_keys_of_the_app_that_do_not_reach_it() -> None:
    app = Helped()
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(Dialog())
        await pilot.pause()
        app.push_screen(HelpScreen())
        await pilot.pause()
        assert "submit" in text(app) and "quit" not in text(app) and "Datasets" not in text(app)
