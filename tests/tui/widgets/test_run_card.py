from __future__ import annotations

from textual.app import App, ComposeResult

from engine.api import RunSpec
from engine.records import Run, Status
from tui.live import LiveRun
from tui.widgets.run_card import RunCard

REASON = "data: required a dataset on a 64 x 64 grid, got one on a 32 x 32 grid"


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        yield RunCard()


def words(card: RunCard) -> list[str]:
    return ["".join(part for part, _ in line) for line in card._lines]


async def test_why_a_run_failed_is_wrapped_and_never_cut_and_wrapped_anew_when_the_width_changes() -> None:
    app = Shown()
    async with app.run_test(size=(36, 12)) as pilot:
        card = app.query_one(RunCard)
        card.show(LiveRun(Run(id="r0001", spec=RunSpec(task="operator"), status=Status.FAILED, reason=REASON)))
        assert words(card)[2:5] == [
            "data: required a dataset on a 64 x",
            "64 grid, got one on a 32 x 32 grid",
            "seed           0",
        ]
        await pilot.resize_terminal(80, 12)
        await pilot.pause()
        assert words(card)[2] == REASON
