"""The keys that matter here: those of the focused widget, its screen and the app, as many as fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.keymap import KEYMAP, Keymap, Row, display
from tui.widgets.one_line import OneLine, Part, width_of

if TYPE_CHECKING:
    from textual.screen import Screen


class Footer(OneLine):
    """Reads the keymap, and of the screen which of its actions can be done now; `quit` says that runs go on.

    most: how many keys are shown besides help and quit.
    """

    DEFAULT_CSS = """
    Footer { dock: bottom; padding: 0 1; }
    """

    def __init__(self, keymap: Keymap = KEYMAP, *, most: int = 7, id: str | None = None) -> None:
        super().__init__(id=id)
        self.keymap, self.most = keymap, most
        self._left_out: frozenset[str] = frozenset()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_updated)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _bindings_updated(self, _screen: Screen) -> None:
        self.refresh()

    def leave_out(self, actions: frozenset[str]) -> None:
        """Actions, as the keymap calls them, that would do nothing now; unlike `check_action` it lets keys say why."""
        if actions != self._left_out:
            self._left_out = actions
            self.refresh()

    def rows(self) -> list[Row]:
        """Of the actions that can be done now those that the footer wants, the most important first."""
        found: dict[str, Row] = {}
        for active in self.screen.active_bindings.values():
            row = self.keymap.get(active.binding.id)
            if row is None or not row.footer or row.called in self._left_out:
                continue
            if active.enabled and not self._typed(row):
                found[row.id] = row
        return sorted(found.values(), key=lambda row: -row.footer)

    def _typed(self, row: Row) -> bool:
        """Whether the first key of a row is a letter for whoever has the focus."""
        focused, key = self.screen.focused, row.keys[0]
        return focused is not None and len(key) == 1 and focused.check_consume_key(key, key)

    def parts(self, width: int) -> tuple[Sequence[Part], Sequence[Part]]:
        rows = self.rows()
        general = [row for row in rows if row.scope == "app"]
        others = [row for row in rows if row.scope != "app"][: self.most]
        for brief in (False, True):
            left, right = self._keys(others), self._keys(general, brief=brief)
            if width_of(left) + width_of(right) <= width:
                break
        while others and width_of(self._keys(others)) + width_of(right) > width:
            others.pop()
        return self._keys(others), right

    def _keys(self, rows: Sequence[Row], *, brief: bool = False) -> list[Part]:
        """brief: without what a label says in brackets."""
        labels = [row.label.split(" (")[0] if brief else row.label for row in rows]
        pairs = [(display(row.keys[0]), label) for row, label in zip(rows, labels, strict=True)]
        return [part for key, label in pairs for part in ((key, "strong"), (f" {label}   ", "muted"))]
