"""A line of a form on which one picks: all alternatives side by side where there is room for them."""

from __future__ import annotations

from tui import text
from tui.keymap import KEYMAP
from tui.widgets.form_row import FormRow
from tui.widgets.one_line import Part, width_of


class ChoiceRow(FormRow, can_focus=True):
    """`[regular] curriculum  seq2seq`; several may be chosen, which is a sweep."""

    BINDINGS = [*KEYMAP.bindings("choice")]

    @property
    def chosen(self) -> list[str]:
        return self.line.field.split(self.line.value)

    def value_parts(self, width: int) -> list[Part]:
        parts = self._side_by_side()
        beside = self.beside()
        if width_of(parts) > width - (self.columns.value if self.line.problem else 0):
            parts = self._one(min(width, self.columns.value))
        gap = self.columns.value - width_of(parts)
        if gap >= 0 or self.line.problem:
            return [*parts, (" " * max(gap, 2), ""), beside]
        return [*parts, ("  ", ""), beside]

    def _side_by_side(self) -> list[Part]:
        return [part for option in self.line.field.options for part in self._option(option.key)]

    def _option(self, key: str) -> list[Part]:
        name = text.shown(key)
        if key not in self.chosen:
            return [(f" {name} ", "muted")]
        role = "chosen" if self.active else "muted"
        return [("[", role), (name, "strong" if self.line.given or self.active else ""), ("]", role)]

    def _one(self, width: int) -> list[Part]:
        names = text.shown(", ".join(self.chosen))
        count = f" {len(self.line.field.options)}"
        return [("[", "muted"), (text.truncate(names, width - len(count) - 4), ""), ("]", "muted"), (count, "muted")]

    def action_previous(self) -> None:
        self._move(-1)

    def action_next(self) -> None:
        self._move(1)

    def action_open(self) -> None:
        self.post_message(self.Opened(self))

    def _move(self, by: int) -> None:
        keys = [option.key for option in self.line.field.options]
        at = next((i for i, key in enumerate(keys) if key in self.chosen), -1)
        if keys and (new := keys[max(0, min(at + by, len(keys) - 1))]) != self.line.value:
            self.post_message(self.Changed(self, new))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
