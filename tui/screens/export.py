"""What is shown, or what is marked, to a file: rows or groups, columns, format, with a look at what it will be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static

from engine.errors import ScimlError
from engine.tables import Table
from tui import clipboard, exports, palette, text
from tui.export_form import FORMAT, ExportForm, Source
from tui.fields import Field
from tui.keymap import KEYMAP
from tui.stack import lay
from tui.widgets.confirm import Confirm
from tui.widgets.footer import Footer
from tui.widgets.form_picker import Picker
from tui.widgets.form_row import FormRow, Line
from tui.widgets.form_said import Said
from tui.widgets.form_text import TextRow
from tui.widgets.form_view import FormView

_TYPING = 0.15
"""Seconds without a letter after which the table is made again."""
_PREVIEW = 40
"""Lines of the file that are shown at most."""


class ExportDialog(ModalScreen[Path | None]):
    """Gives the path of the file that was written, or None.

    sources: what can be exported, by the name that it is called by: `Rows`, or a function that makes a `Table`; it is
    called on a thread. The first is chosen at the beginning. folder: where the file goes, by default the current one.
    """

    AUTO_FOCUS = ""
    BINDINGS = [*KEYMAP.bindings("export")]
    DEFAULT_CSS = """
    ExportDialog {
        align: center middle;
        background: $background 60%;
        & > Vertical { width: 96%; max-width: 112; height: 96%; max-height: 30; padding: 1; background: $panel; }
        & .title { width: 1fr; height: 1; padding: 0 2; margin-bottom: 1; text-style: bold; }
        & FormView { height: auto; max-height: 8; }
        & .preview {
            width: 1fr;
            height: 1fr;
            padding: 0 2;
            margin: 1 0;
            color: $foreground 70%;
            text-wrap: nowrap;
            text-overflow: ellipsis;
            overflow: hidden;
        }
        & Footer { padding: 0 2; dock: none; }
    }
    """

    def __init__(self, sources: Mapping[str, Source], *, folder: Path | None = None) -> None:
        super().__init__()
        self._form = ExportForm(sources, folder=folder)
        self._table: Table | None = None
        self._trouble = ""
        self._written: Path | None = None
        self._typing: Timer | None = None
        self._writing: Path | None = None
        self._leaving = False
        """Whether the dialog is to go once the file is there."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("export", classes="title", markup=False)
            yield FormView()
            yield Static("", classes="preview", markup=False)
            yield Said(("looking at what there is", "muted"))
            yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self._begin(), name="begin")

    @property
    def _view(self) -> FormView:
        return self.query_one(FormView)

    async def _begin(self) -> None:
        await asyncio.to_thread(lambda: self._form.fields)  # many rows take a moment
        await self._show()
        next(iter(self._view.rows.values())).start()
        self._make()

    async def _show(self) -> None:
        form = self._form
        await self._view.show([self._line(form, field) for field in form.fields])

    def _line(self, form: ExportForm, field: Field) -> Line:
        value, problem = form.text(field), form.problems.get(field.key)
        wrong = f"required {problem.required}, got {problem.got}" if problem else ""
        given = value != field.defaults[0]
        return Line(field, value, hint=form.hint(field), problem=wrong, given=given, first=field.key == FORMAT)

    # the table, on a thread

    def _make(self) -> None:
        self.run_worker(self._make_table(self._form), name="table", exclusive=True, group="table")

    async def _make_table(self, form: ExportForm) -> None:
        try:
            self._table = None if form.problems else await asyncio.to_thread(form.table)
            shown = await asyncio.to_thread(_beginning, form, self._table) if self._table else ""
            self._trouble = ""
        except ScimlError as error:
            self._table, shown, self._trouble = None, "", str(error)
        self.query_one(".preview", Static).update(shown)
        self._say()

    def _say(self) -> None:
        said = self.query_one(Said)
        if self._writing is not None:
            then = "; closes when it is there" if self._leaving else ""
            said.say((f"writing {text.shown(str(self._writing))}{then}", "strong"))
        elif self._trouble:
            said.say((f"{palette.glyph('warning')} {text.shown(self._trouble)}", "problem"))
        elif self._written is not None:
            size = text.size(self._written.stat().st_size) if self._written.exists() else ""
            said.say((f"written {size}  ", "strong"), (text.shown(str(self._written)), ""))
        elif self._table is not None:
            rows, columns = len(self._table.rows), len(self._table.columns)
            said.say((f"{rows:,} row{'s' * (rows != 1)} of {columns} column{'s' * (columns != 1)}", "strong"))
        else:
            said.say()

    # what is typed and chosen

    async def on_form_row_changed(self, message: FormRow.Changed) -> None:
        message.stop()
        await self._change(message.row, message.value)

    async def _change(self, row: FormRow, value: str) -> None:
        self._form = self._form.typing(row.line.field.key, value)
        self._written, self._trouble = None, ""
        if self._typing is not None:
            self._typing.stop()
        if isinstance(row, TextRow):
            self._typing = self.set_timer(_TYPING, self._show_changed)
        else:
            await self._show_changed()

    async def _show_changed(self) -> None:
        self._typing = None
        await self._show()
        self._make()

    def on_form_row_opened(self, message: FormRow.Opened) -> None:
        message.stop()
        row, field = message.row, message.row.line.field
        marks = field.kind == "list"
        chosen = [key for key in row.line.value.split(",") if key]

        async def picked(keys: list[str] | None) -> None:
            if keys:
                if isinstance(row, TextRow):
                    row.input.value = ",".join(keys)
                await self._change(row, ",".join(keys))

        lay(self.app, Picker(field.name, field.options, chosen, marks=marks), picked)

    # what keys do

    def action_write(self) -> None:
        if self._writing is not None:
            return
        self._take_last_letters()
        form = self._form
        if form.problems:
            next(row for key, row in self._view.rows.items() if key in form.problems).start()
        elif form.path.exists() and form.path != self._written:
            question = Confirm(f"Overwrite {form.path.name}?", [str(form.path)], consequence="What it holds is lost.")
            lay(self.app, question, lambda yes: self._write(force=True) if yes else None)
        else:
            self._write(force=form.path == self._written)

    def _take_last_letters(self) -> None:
        row = self._view.focused_row
        if isinstance(row, TextRow) and row.input.value != row.line.value:
            self._form = self._form.typing(row.line.field.key, row.input.value)

    def _write(self, *, force: bool) -> None:
        self._writing = self._form.path
        self._say()
        self.run_worker(self._write_file(self._form, force), name="write", group="write")

    async def _write_file(self, form: ExportForm, force: bool) -> None:
        try:
            await asyncio.to_thread(_write, form, force)
            self._written, self._trouble = form.path, ""
        except ScimlError as error:
            self._trouble, self._leaving = str(error), False
        finally:
            self._writing = None
        if self._leaving:
            self.dismiss(self._written)
            return
        self.refresh_bindings()
        self._view.rows[FORMAT].start()  # out of what is typed in, so that `y` is a key
        self._say()

    def action_copy(self) -> None:
        if self._written is not None:
            clipboard.copy(self.app, str(self._written))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._written is not None if action == "copy" else True

    def action_close(self) -> None:
        if self._writing is None:
            self.dismiss(self._written)
        else:
            self._leaving = True
            self._say()


def _beginning(form: ExportForm, table: Table) -> str:
    """The first lines of the file, made of the first rows."""
    import msgspec

    made = form.render(msgspec.structs.replace(table, rows=table.rows[:_PREVIEW]))
    if isinstance(made, bytes):
        return ""
    return "\n".join(text.shown(line) for line in made.splitlines()[:_PREVIEW])


def _write(form: ExportForm, force: bool) -> None:
    exports.write(form.path, form.render(form.table()), force=force)
