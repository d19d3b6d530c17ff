"""A line of a form in which one types."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.suggester import SuggestFromList
from textual.widgets import Input

from tui import text
from tui.keymap import KEYMAP
from tui.widgets.form_row import Columns, FormRow, Line
from tui.widgets.one_line import Part


class FieldInput(Input):
    """The part in which one types. What is pasted or filled in is made harmless first."""

    def validate_value(self, value: str) -> str:
        return text.clean(value)


class NameInput(FieldInput):
    """One in which something that there is can be named: enter opens the list of it."""

    BINDINGS = [*KEYMAP.bindings("field")]

    def action_open(self) -> None:
        if isinstance(self.parent, FormRow):
            self.parent.post_message(FormRow.Opened(self.parent))


class TextRow(FormRow):
    """Shows the default as if it were typed; it is selected on entering, so that typing replaces it."""

    DEFAULT_CSS = """
    TextRow {
        & > FieldInput {
            height: 1;
            border: none;
            padding: 0;
            background: transparent;
            color: $foreground;
            &:focus { border: none; background: transparent; background-tint: transparent; }
            &.-given { text-style: bold; }
            & > .input--placeholder { color: $foreground 35%; }
        }
    }
    """

    input_class: ClassVar[type[FieldInput]] = FieldInput

    def __init__(self, line: Line, columns: Columns, *, id: str | None = None) -> None:
        super().__init__(line, columns, id=id)
        self.input = self.input_class(line.value, placeholder=_placeholder(line))
        self._told = line.value  # what the form knows, or will once it has read its messages
        self._answered = True  # whether the line shown was made since the form was last told something

    def compose(self) -> ComposeResult:
        self._place()
        yield self.input

    def show(self, line: Line, columns: Columns) -> None:
        moved = columns != self.columns
        super().show(line, columns)
        self._answered = True
        self.input.placeholder = _placeholder(line)
        self.input.set_class(line.given, "-given")
        if moved:
            self._place()
        if not self.input.has_focus:
            self._fill()

    def start(self) -> None:
        self.input.focus()

    def suggest(self, names: list[str]) -> None:
        """Completes what is typed to one of these names."""
        self.input.suggester = SuggestFromList(names, case_sensitive=False)

    def value_parts(self, width: int) -> list[Part]:
        return [(" " * self.columns.value, ""), self.beside()]

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._told:
            self._told, self._answered = event.value, False
            self.post_message(self.Changed(self, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    def on_input_blurred(self, event: Input.Blurred) -> None:
        event.stop()
        if self._answered:  # else the line is older than what was typed, which would be lost
            self._fill()

    def _fill(self) -> None:
        self._told = self.line.value
        if self.input.value != self.line.value:
            with self.prevent(Input.Changed):
                self.input.value = self.line.value

    def _place(self) -> None:
        self.input.styles.margin = (0, 0, 0, self.columns.label)
        self.input.styles.width = self.columns.value - 2


class NameRow(TextRow):
    """Names something that there is, or several: runs, datasets, columns."""

    input_class = NameInput


def _placeholder(line: Line) -> str:
    """Where the alternatives that are chosen together do not agree on a default, all of them."""
    return text.shown(" / ".join(filter(None, line.field.defaults)))
