"""All keys, from the table that also dispatches them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from textwrap import wrap

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui import text
from tui.keymap import KEYMAP, Keymap, Row, display

_TWO_FROM = 90
"""Cells of width from which there are two columns."""
_WIDEST = 104

Line = tuple[str, str]
"""A key, or the name of a group, and what it does."""


class HelpScreen(ModalScreen[None]):
    """Keys by group, of the screen below and its widgets, then those of the app."""

    BINDINGS = [*KEYMAP.bindings("help")]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        background: $background 60%;
        & > VerticalScroll {
            width: 112;
            max-width: 100%;
            height: auto;
            max-height: 100%;
            padding: 1 3;
            background: $panel;
            scrollbar-size-vertical: 1;
        }
        & Static { height: auto; }
    }
    """

    def __init__(self, keymap: Keymap = KEYMAP) -> None:
        super().__init__()
        self.keymap = keymap

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(markup=False)

    def on_resize(self) -> None:
        width = min(self.size.width - 7, _WIDEST)
        self.query_one(Static).update(self._text(width))

    def scopes(self) -> list[str]:
        """Scopes of the keys that somebody below declares; the app's do not reach through a dialog."""
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else None
        nodes = [*([below, *below.query("*")] if below else []), *([] if below and below.is_modal else [self.app])]
        declared = (self.keymap.get(binding.id) for node in nodes for _, binding in node._bindings)
        return list(dict.fromkeys(row.scope for row in declared if row is not None))

    def groups(self) -> dict[str, list[Row]]:
        """Rows by group; an action that two scopes have is listed once."""
        found: dict[str, list[Row]] = {}
        told: set[tuple[str, tuple[str, ...]]] = set()
        for scope in self.scopes():
            for row in self.keymap:
                if row.scope == scope and (row.label, row.keys) not in told:
                    told.add((row.label, row.keys))
                    found.setdefault(row.group, []).append(row)
        return found

    def _text(self, width: int) -> Text:
        groups = self.groups()
        columns: list[list[Line]] = [[], []] if width >= _TWO_FROM else [[]]
        cells = (width - 4 * (len(columns) - 1)) // len(columns)
        keys = max((text.width(_keys(row)) for rows in groups.values() for row in rows), default=0)
        for name, rows in groups.items():
            min(columns, key=len).extend(_lines(name, rows, max(cells - keys - 4, 1)))
        made = Text()
        for lines in zip_longest(*columns, fillvalue=("", "")):
            for index, (key, words) in enumerate(lines):
                made.append(" " * 4 if index else "")
                if words or not key:
                    made.append("  " + text.fit(key, keys) + "  ")
                    made.append(text.fit(words, cells - keys - 4), style="dim")
                else:
                    made.append(text.fit(key, cells), style="bold")
            made.append("\n")
        made.rstrip()
        return made

    def action_close(self) -> None:
        self.dismiss(None)

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up(animate=False)

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down(animate=False)


def _keys(row: Row) -> str:
    return " ".join(map(display, row.keys))


def _lines(group: str, rows: list[Row], cells: int) -> Iterator[Line]:
    yield group, ""
    for row in rows:
        first, *others = wrap(text.shown(row.help or row.label), cells)
        yield _keys(row), first
        yield from (("", other) for other in others)
    yield "", ""
