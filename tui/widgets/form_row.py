"""One line of a form: what is asked for, its value, and beside it what is admitted, or what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.message import Message

from tui import palette, text
from tui.fields import Field
from tui.widgets.one_line import OneLine, Part

_MARGIN = 2
"""Cells before the label: the stripe of the line that has the focus, and a blank."""


class Line(NamedTuple):
    """What a row shows. given: whether its value was typed, and is not the default. first: of a group of rows."""

    field: Field
    value: str
    hint: str = ""
    problem: str = ""
    given: bool = False
    first: bool = False


class Columns(NamedTuple):
    """Cells of the label, with its margin, and of the value, with the blank after it."""

    label: int
    value: int


class FormRow(OneLine):
    """The base: draws label and hint; what the value looks like is up to its kinds."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"line--problem", "line--chosen"}
    DEFAULT_CSS = """
    FormRow {
        layout: horizontal;
        & > .line--problem { color: $error; }
        & > .line--chosen { color: $accent; }
        &.-first { margin-top: 1; }
    }
    """

    class Changed(Message):
        """Another value."""

        def __init__(self, row: FormRow, value: str) -> None:
            super().__init__()
            self.row, self.value = row, value

        @property
        def key(self) -> str:
            return self.row.line.field.key

    class Opened(Message):
        """The alternatives of this row are wanted, in a list."""

        def __init__(self, row: FormRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, line: Line, columns: Columns, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.line, self.columns = line, columns
        self.set_class(line.first, "-first")

    def show(self, line: Line, columns: Columns) -> None:
        """Takes the place of what was shown."""
        if (line, columns) != (self.line, self.columns):
            self.line, self.columns = line, columns
            self.set_class(line.first, "-first")
            self.refresh()

    def start(self) -> None:
        """Begins to change the value."""
        self.focus()

    @property
    def active(self) -> bool:
        return self.has_focus_within or self.has_focus

    def parts(self, width: int) -> tuple[Sequence[Part], Sequence[Part]]:
        stripe, role = (palette.glyph("stripe"), "accent") if self.active else (" ", "muted")
        label = text.fit(label_of(self.line.field), self.columns.label - _MARGIN)
        left = [(stripe, "accent"), (f" {label}", role), *self.value_parts(width - self.columns.label)]
        return left, ()

    def value_parts(self, width: int) -> list[Part]:
        """The value and what is beside it, in that many cells."""
        raise NotImplementedError

    def beside(self) -> Part:
        """The hint, or the problem."""
        if self.line.problem:
            return f"{palette.glyph('warning')} {text.shown(self.line.problem)}", "problem"
        return text.shown(self.line.hint), "muted"

    def on_descendant_focus(self) -> None:
        self.refresh()

    def on_descendant_blur(self) -> None:
        self.refresh()


def label_of(field: Field) -> str:
    """ "β beta", indented by what it hangs on; in ASCII "beta", since its symbol then says the same."""
    symbol, name = text.shown(field.symbol), text.shown(field.name)
    return "  " * field.depth + (f"{symbol} {name}" if symbol and symbol != name else name)


def columns_of(lines: Sequence[Line], width: int) -> Columns:
    """Columns that fit the labels, and share the rest between value and hint."""
    widest = max((text.width(label_of(line.field)) for line in lines), default=0)
    label = min(_MARGIN + widest + 2, max(width // 3, 12))
    return Columns(label, max(min((width - label) * 3 // 8, 32), 16))
