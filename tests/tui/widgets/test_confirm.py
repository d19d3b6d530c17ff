from __future__ import annotations

import pytest
from textual.app import App
from textual.widgets import Static

from tui.widgets.confirm import Confirm


class Asked(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.answers: list[bool | None] = []

    def ask(self, *names: str) -> None:
        self.push_screen(Confirm(f"Kill {len(names)} runs?", names, consequence="Work is lost."), self.answers.append)


@pytest.mark.parametrize(("key", "answer"), [("y", True), ("n", False), ("escape", False), ("q", False)])
async def test_only_yes_agrees(key: str, answer: bool) -> None:
    app = Asked()
    async with app.run_test() as pilot:
        app.ask("r1")
        await pilot.press("enter", key)
        await pilot.pause()
        assert app.answers == [answer]


async def test_what_it_is_about_is_named_as_it_is() -> None:
    app = Asked()
    async with app.run_test() as pilot:
        app.ask("[red]r1\x1b[2J", *(f"r{index}" for index in range(2, 12)))
        await pilot.pause()
        shown = "\n".join(str(static.render()) for static in app.screen.query(Static))
        assert "Kill 11 runs?" in shown and "[red]r1\n" in shown and "and 3 more" in shown and "r9" not in shown
        assert "Work is lost." in shown and "y yes   n no" in shown
