from __future__ import annotations

from textual.app import App, ComposeResult
from textual.message import Message
from textual.widgets import Static

from tui.widgets.filter_bar import FilterBar


class Filters(App[None]):
    BINDINGS = [("n", "new", "new")]

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, str]] = []
        self.made = 0

    def compose(self) -> ComposeResult:
        yield FilterBar(placeholder="system=convection")

    def action_new(self) -> None:
        self.made += 1

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self.hear("changed", message)

    def on_filter_bar_left(self, message: FilterBar.Left) -> None:
        self.hear("left", message)

    def hear(self, kind: str, message: Message) -> None:
        self.heard.append((kind, message.value))


def said(app: App[None]) -> str:
    return str(app.query_one(".said", Static).render())


async def test_typing_is_told_and_letters_are_no_commands() -> None:
    app = Filters()
    async with app.run_test(size=(60, 5)) as pilot:
        app.query_one(FilterBar).start()
        await pilot.press(*"n=5")
        assert app.query_one(FilterBar).value == "n=5" and app.made == 0
        assert app.heard[-1] == ("changed", "n=5")


async def test_enter_keeps_the_filter_and_escape_removes_it() -> None:
    app = Filters()
    async with app.run_test(size=(60, 5)) as pilot:
        app.query_one(FilterBar).start()
        await pilot.press(*"ab", "enter")
        assert app.heard[-1] == ("left", "ab")
        await pilot.press("escape")
        await pilot.pause()
        assert ("left", "") in app.heard and ("changed", "") in app.heard and app.query_one(FilterBar).value == ""


async def test_count_and_problem_are_said_as_they_are() -> None:
    app = Filters()
    async with app.run_test(size=(60, 5)):
        bar = app.query_one(FilterBar)
        bar.set_count(47, 1204)
        assert said(app) == "47 of 1,204 runs"
        bar.set_count(3, 3, "models")
        assert said(app) == "3 models"
        bar.set_problem("beta: got [red]\x1b[31mx")
        assert said(app) == "beta: got [red]x" and app.query_one(".said").has_class("-problem")
        bar.set_count(1, 1, "models")
        assert said(app) == "1 model"
        bar.set_count(2, 7, marked=3)
        assert said(app) == "2 of 7 runs, 3 marked"
        bar.set_count(1, 2)
        assert not app.query_one(".said").has_class("-problem")
