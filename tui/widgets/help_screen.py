"""All keys, from the table that also dispatches them."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Grid, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui import text
from tui.keymap import KEYMAP, Keymap, Row, display


class HelpScreen(ModalScreen[None]):
    """Keys by group, of the screen below and its widgets, then those of the app; the screen's own come first."""

    BINDINGS = [*KEYMAP.bindings("help")]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        background: $background 60%;
        & > VerticalScroll {
            width: 96;
            max-width: 100%;
            height: auto;
            max-height: 100%;
            padding: 1 3;
            background: $panel;
            scrollbar-size-vertical: 1;
        }
        & Grid { grid-size: 2; grid-gutter: 1 4; grid-rows: auto; height: auto; }
        & .group { height: auto; }
        &.-narrow Grid { grid-size: 1; }
    }
    """

    def __init__(self, keymap: Keymap = KEYMAP) -> None:
        super().__init__()
        self.keymap = keymap

    def scopes(self) -> list[str]:
        """Scopes of the keys that somebody below declares."""
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else None
        nodes = [*([below, *below.query("*")] if below else []), self.app]
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

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False), Grid():
            for group, rows in self.groups().items():
                yield Static(self._group(group, rows), classes="group", markup=False)

    def _group(self, group: str, rows: list[Row]) -> Text:
        keys = [" ".join(map(display, row.keys)) for row in rows]
        widest = max(map(text.width, keys))
        made = Text(group + "\n", style="bold")
        for key, row in zip(keys, rows, strict=True):
            made.append(f"  {text.fit(key, widest)}  ", style="not bold")
            made.append(text.shown(row.help or row.label) + "\n", style="not bold dim")
        return made

    def on_resize(self) -> None:
        self.set_class(self.size.width < 90, "-narrow")

    def action_close(self) -> None:
        self.dismiss(None)

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up(animate=False)

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down(animate=False)
