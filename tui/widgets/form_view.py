"""The lines of a form, one below the other; those that stay keep their place and their focus while others change."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll

from tui.keymap import KEYMAP
from tui.widgets.form_choice import ChoiceRow
from tui.widgets.form_row import Columns, FormRow, Line, columns_of
from tui.widgets.form_text import NameRow, TextRow


class FormView(VerticalScroll, can_focus=False):
    """Rows by the key of their field. Their messages (`FormRow.Changed`, `FormRow.Opened`) go to the screen."""

    BINDINGS = [*KEYMAP.bindings("form")]
    DEFAULT_CSS = """
    FormView { height: 1fr; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: dict[str, FormRow] = {}
        self._lines: dict[str, Line] = {}

    async def show(self, lines: Sequence[Line]) -> None:
        """Makes, keeps and drops rows, so that there is one for each line, in this order."""
        self._lines = {line.field.key: line for line in lines}
        columns, kept = self.columns, self._kept()
        self.rows = {key: kept.get(key) or _kind(line)(line, columns) for key, line in self._lines.items()}
        fresh: list[FormRow] = []
        with self.app.batch_update():
            await self.remove_children([row for row in self.query(FormRow) if row not in kept.values()])
            for key, row in self.rows.items():
                if key not in kept:
                    fresh.append(row)
                    continue
                if fresh:
                    await self.mount(*fresh, before=row)
                    fresh = []
                row.show(self._lines[key], columns)
            if fresh:
                await self.mount(*fresh)

    def _kept(self) -> dict[str, FormRow]:
        """Rows that stay: of the same kind as what is to be shown, and in the same order; else none."""
        lines = self._lines
        stays = [key for key, row in self.rows.items() if key in lines and type(row) is _kind(lines[key])]
        kept = {key: self.rows[key] for key in stays}
        return kept if list(kept) == [key for key in lines if key in kept] else {}

    @property
    def focused_row(self) -> FormRow | None:
        return next((row for row in self.rows.values() if row.active), None)

    @property
    def columns(self) -> Columns:
        return columns_of(list(self._lines.values()), self.size.width or 80)

    def on_resize(self) -> None:
        columns = self.columns
        for row in self.rows.values():
            row.show(row.line, columns)

    def action_next(self) -> None:
        self.screen.focus_next()

    def action_previous(self) -> None:
        self.screen.focus_previous()

    def action_next_group(self) -> None:
        rows = list(self.rows.values())
        self._start(rows[self._at() + 1 :], rows[-1:])

    def action_previous_group(self) -> None:
        rows = list(self.rows.values())
        self._start(rows[: max(self._at(), 0)][::-1], rows[:1])

    def _at(self) -> int:
        return next((at for at, row in enumerate(self.rows.values()) if row.active), -1)

    def _start(self, rows: list[FormRow], otherwise: list[FormRow]) -> None:
        for row in [*(row for row in rows if row.line.first), *otherwise][:1]:
            row.start()


def _kind(line: Line) -> type[ChoiceRow | TextRow]:
    if line.field.kind == "choice":
        return ChoiceRow
    return NameRow if line.field.refers or line.field.options else TextRow
