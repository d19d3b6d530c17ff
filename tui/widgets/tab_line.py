"""The names of a screen's tabs in one line."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.widgets.one_line import OneLine, Part


class TabLine(OneLine):
    """Shows the tabs and which is open; keys belong to the screen."""

    DEFAULT_CSS = """
    TabLine { padding: 0 1; }
    """
    here: reactive[str] = reactive("")

    def __init__(self, tabs: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tabs = tuple(tabs)
        self.set_reactive(TabLine.here, self.tabs[0])

    def step(self, by: int) -> str:
        """Opens the tab that is `by` places on, and returns its name."""
        self.here = self.tabs[(self.tabs.index(self.here) + by) % len(self.tabs)]
        return self.here

    def parts(self, width: int) -> tuple[Sequence[Part], Sequence[Part]]:
        return [(f" {tab} ", "accent" if tab == self.here else "muted") for tab in self.tabs], []
