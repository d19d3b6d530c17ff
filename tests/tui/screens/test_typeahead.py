"""Keys that arrive in one packet do what they would have done one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import ComposeResult
from textual.events import Key
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from tui.app import SciMLApp
from tui.typeahead import TypeAhead
from tui.widgets.confirm import Confirm
from tui.widgets.filter_bar import FilterBar
from tui.widgets.run_table import RunTable

Make = Callable[..., SciMLApp]
Until = Callable[..., Awaitable[None]]


def at_once(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        pilot.app.post_message(Key(NAMES.get(key, key), key if len(key) == 1 else None))


NAMES = {"/": "slash", "=": "equals_sign", " ": "space"}


async def test_a_filter_is_typed_and_left_and_the_list_gets_what_follows(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        table = app.screen.query_one(RunTable)
        await until(pilot, lambda: len(table) == 14)
        at_once(pilot, *"/seed=2 mode=finetune", *["backspace"] * len(" mode=finetune"), "enter", "j", "space")
        await until(pilot, lambda: table.marks)
        assert app.screen.query_one(FilterBar).value == "seed=2"
        assert len(app.screen_stack) == 1, "no letter was a key of the list"
        assert table.marks == (table.keys[1],)


async def test_the_answer_to_a_question_may_come_with_the_key_that_asks_it(make_app: Make, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunTable)) == 14)
        at_once(pilot, "D", "n", "D")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert len(app.screen_stack) == 2


class _Fields(Screen[None]):
    BINDINGS = [("down", "app.focus_next")]

    def compose(self) -> ComposeResult:
        yield Input(id="one", select_on_focus=True)
        yield Input(id="two")


class _Form(TypeAhead):
    def get_default_screen(self) -> Screen[None]:
        return _Fields()


async def test_what_is_typed_after_a_move_goes_into_the_field_moved_to(until: Until) -> None:
    app = _Form()
    async with app.run_test() as pilot:
        at_once(pilot, *"12", "ctrl+u", *"34", "down", *"56", "down", "7")
        await until(pilot, lambda: [field.value for field in app.screen.query(Input)] == ["7", "56"])


async def test_a_widget_that_goes_away_does_not_hold_up_the_keys(until: Until) -> None:
    app = _Form()
    async with app.run_test() as pilot:
        app._travelling = 99  # one that never arrives
        at_once(pilot, *"12")
        await until(pilot, lambda: app.screen.query_one("#one", Input).value == "12")
