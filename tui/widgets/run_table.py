"""A table of very many rows: only what is visible is ever drawn, and only what changed is drawn again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui import palette, text
from tui.keymap import KEYMAP
from tui.palette import SeriesColours
from tui.widgets.columns import GAP, Cell, Column, Placed, layout, sort_order

_MARGIN = 2
"""Cells before the first column: the stripe of a marked row, and a blank."""


class Order(NamedTuple):
    """What the rows are sorted by: a column's key, or nothing."""

    column: str = ""
    reverse: bool = False


class RunTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Records by key, one a row. The cursor and the marks stay with their keys whatever comes and goes.

    columns: what is shown of a record. empty: said where there are no rows, its first line the message, the others
    what to press. newest_first: rows that are added go to the top. colours: shared by all that show the same runs.

    Rows do not change places while values stream in: `sort`, or adding rows, sorts anew.
    """

    BINDINGS = [*KEYMAP.bindings("table")]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--sorted",
        "table--cursor",
        "table--muted",
        "table--message",
    }
    DEFAULT_CSS = """
    RunTable {
        width: 1fr;
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & > .table--header { color: $foreground 60%; }
        & > .table--sorted { color: $foreground; text-style: bold; }
        & > .table--muted { color: $foreground 60%; }
        & > .table--message { color: $foreground; }
        & > .table--cursor { background: $panel; }
        &:focus > .table--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    }
    """

    cursor: reactive[str | None] = reactive(None, repaint=False)
    """Key of the row under the cursor, None without rows."""

    class Moved(Message):
        """The cursor is on another row, or on none."""

        def __init__(self, table: RunTable, key: str | None) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> RunTable:
            return self.table

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RunTable.Moved) and message.table is self.table

    class Opened(Message):
        """Enter, or a second click, on a row."""

        def __init__(self, table: RunTable, key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> RunTable:
            return self.table

    class Marked(Message):
        """Other rows are marked than before; `keys` in the order of marking."""

        def __init__(self, table: RunTable, keys: tuple[str, ...]) -> None:
            super().__init__()
            self.table, self.keys = table, keys

        @property
        def control(self) -> RunTable:
            return self.table

    class Seen(Message):
        """Other rows are in view than before."""

        def __init__(self, table: RunTable, keys: tuple[str, ...]) -> None:
            super().__init__()
            self.table, self.keys = table, keys

        @property
        def control(self) -> RunTable:
            return self.table

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RunTable.Seen) and message.table is self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "nothing here",
        newest_first: bool = False,
        colours: SeriesColours | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        self.empty = empty
        self.colours = colours or SeriesColours()
        self.order = Order()
        self._newest_first = newest_first
        self._records: dict[str, Any] = {}
        self._arrived: list[str] = []
        self._shown: list[str] = []
        self._places: dict[str, int] | None = None
        self._marks: dict[str, None] = {}
        self._placed: list[Placed] = []
        self._styles_of: dict[str, Style] = {}
        self._seen: tuple[str, ...] = ()

    # Rows.

    def __len__(self) -> int:
        return len(self._shown)

    def __bool__(self) -> bool:
        return True

    @property
    def keys(self) -> Sequence[str]:
        """Keys of the rows from top to bottom."""
        return self._shown

    def record(self, key: str) -> Any:
        """The record of a row. Raises KeyError where there is none."""
        return self._records[key]

    def place(self, key: str | None) -> int | None:
        """The row, from 0, of a key."""
        if self._places is None:
            self._places = {each: row for row, each in enumerate(self._shown)}
        return self._places.get(key) if key is not None else None

    def set_rows(self, rows: Mapping[str, Any]) -> None:
        """These rows and no others, in this order unless sorted."""
        self._records = dict(rows)
        self._arrived = list(self._records)
        self._arrange()

    def update_rows(self, rows: Mapping[str, Any]) -> None:
        """Other records for rows that are there, which repaints the cells that changed; other keys are added."""
        added = [key for key in rows if key not in self._records]
        before = {key: self._records.get(key) for key in rows}
        self._records.update(rows)
        for key in rows.keys() - set(added):
            self._repaint_changes(key, before[key], rows[key])
        if added:
            self._arrived = added + self._arrived if self._newest_first else self._arrived + added
            self._arrange()

    def remove_rows(self, keys: Collection[str], *, hidden: bool = False) -> None:
        """hidden: they are left out, but still there, and stay marked."""
        gone = {key for key in keys if key in self._records}
        if not hidden:
            self._mark([key for key in self._marks if key not in keys])
        if gone:
            for key in gone:
                del self._records[key]
            self._arrived = [key for key in self._arrived if key not in gone]
            self._arrange()

    def set_empty(self, message: str) -> None:
        """Says this where there are no rows."""
        self.empty = message
        if not self._shown:
            self.refresh()

    # Order.

    def sort(self, column: str = "", *, reverse: bool = False) -> None:
        """By a column's values, for none as they came. Raises KeyError for a column that is not there."""
        if column:
            self._column(column)
        self.order = Order(column, reverse)
        self._arrange()

    def _column(self, key: str) -> Column:
        for column in self.columns:
            if column.key == key:
                return column
        raise KeyError(key)

    def _arrange(self) -> None:
        """Other rows, or in another order: the cursor stays on its row, and that row where it is in the window."""
        old_place, top = self.place(self.cursor), round(self.scroll_y)
        if self.order.column:
            value = self._column(self.order.column).value
            values = [value(self._records[key]) for key in self._arrived]
            self._shown = sort_order(self._arrived, values, self.order.reverse)
        else:
            self._shown = self._arrived[::-1] if self.order.reverse else list(self._arrived)
        self._places = None
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)
        self._keep_cursor(old_place, top)
        self.refresh()
        self._tell_seen()

    def _keep_cursor(self, old_place: int | None, top: int) -> None:
        place = self.place(self.cursor)
        if place is None:
            last = len(self._shown) - 1
            self.cursor = self._shown[min(old_place or 0, last)] if last >= 0 else None
            place = self.place(self.cursor)
        if place is None:
            return
        if old_place is not None and top > 0:
            top += place - old_place
        self._scroll_rows(top)
        self._show_cursor()

    # Cursor.

    def watch_cursor(self, before: str | None, now: str | None) -> None:
        self._repaint_row(before)
        self._repaint_row(now)
        self.post_message(self.Moved(self, now))

    def move_cursor(self, key: str) -> None:
        """Puts the cursor on a row and scrolls to it. Raises KeyError where there is none."""
        if self.place(key) is None:
            raise KeyError(key)
        self.cursor = key
        self._show_cursor()

    def _move_by(self, rows: int) -> None:
        if self._shown:
            place = (self.place(self.cursor) or 0) + rows
            self.cursor = self._shown[max(0, min(place, len(self._shown) - 1))]
            self._show_cursor()

    @property
    def _window(self) -> int:
        """Rows that are visible at a time, below the header."""
        return max(self.size.height - 1, 1)

    def _show_cursor(self) -> None:
        place, top = self.place(self.cursor), round(self.scroll_y)
        if place is not None and not top <= place < top + self._window:
            self._scroll_rows(place if place < top else place - self._window + 1)

    def _scroll_rows(self, top: int) -> None:
        self.scroll_to(y=max(0, min(top, len(self._shown) - self._window)), animate=False, force=True)

    def action_up(self) -> None:
        self._move_by(-1)

    def action_down(self) -> None:
        self._move_by(1)

    def action_page_up(self) -> None:
        self._move_by(-self._window)

    def action_page_down(self) -> None:
        self._move_by(self._window)

    def action_top(self) -> None:
        self._move_by(-len(self._shown))

    def action_bottom(self) -> None:
        self._move_by(len(self._shown))

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self, self.cursor))

    # Marks.

    @property
    def marks(self) -> tuple[str, ...]:
        """Keys of the marked rows in the order of marking; they stay marked while a filter hides them."""
        return tuple(self._marks)

    def set_marks(self, keys: Iterable[str]) -> None:
        """Marks these rows and no others."""
        self._mark(list(keys))

    def chosen(self) -> tuple[str, ...]:
        """What an action is about: the marked rows, else the one under the cursor."""
        return self.marks or (() if self.cursor is None else (self.cursor,))

    def _mark(self, keys: Sequence[str]) -> None:
        before, self._marks = self._marks, dict.fromkeys(keys)
        if list(before) != list(self._marks):
            self.colours.hold(self._marks)
            for key in {*before, *self._marks}:
                self._repaint_row(key)
            self.post_message(self.Marked(self, self.marks))

    def action_mark(self) -> None:
        """Marks or unmarks the row, and goes on to the next."""
        if self.cursor is not None:
            marked = self.cursor in self._marks
            self._mark([key for key in self._marks if key != self.cursor] if marked else [*self._marks, self.cursor])
            self._move_by(1)

    def action_mark_range(self) -> None:
        """Marks from the row marked last to this one."""
        here = self.place(self.cursor)
        if here is None:
            return
        last = next((place for key in reversed(self._marks) if (place := self.place(key)) is not None), here)
        step = 1 if here >= last else -1
        self._mark([*self._marks, *(self._shown[row] for row in range(last, here + step, step))])

    def action_clear_marks(self) -> None:
        self._mark([])

    def action_sort(self) -> None:
        """By the next of the columns in view; after the last, as they came."""
        keys = ["", *(placed.column.key for placed in self._placed if placed.column.sortable)]
        at = keys.index(self.order.column) if self.order.column in keys else 0
        self.sort(keys[(at + 1) % len(keys)], reverse=self.order.reverse)

    def action_reverse(self) -> None:
        self.sort(self.order.column, reverse=not self.order.reverse)

    # The mouse.

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._click_header(offset.x)
            return
        row = offset.y - 1 + round(self.scroll_y)
        if row < len(self._shown):
            key = self._shown[row]
            if event.chain == 2 and key == self.cursor:
                self.action_open()
            self.cursor = key

    def _click_header(self, x: int) -> None:
        for column, start, width in self._placed:
            if column.sortable and start <= x - _MARGIN < start + width:
                self.sort(column.key, reverse=self.order.column == column.key and not self.order.reverse)

    # What is in view.

    def in_view(self) -> tuple[str, ...]:
        """Keys of the rows in view."""
        top = round(self.scroll_y)
        return tuple(self._shown[top : top + self._window])

    def _tell_seen(self) -> None:
        seen = self.in_view()
        if seen != self._seen:
            self._seen = seen
            self.post_message(self.Seen(self, seen))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell_seen()

    def on_mount(self) -> None:
        if palette.is_ascii():
            self.styles.scrollbar_size_vertical = 0
        self._fit_columns()

    def on_resize(self) -> None:
        self._fit_columns()
        self._show_cursor()
        self._tell_seen()

    def _fit_columns(self) -> None:
        self._placed = layout(self.columns, self.scrollable_content_region.width - _MARGIN)
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)

    # Drawing.

    def _repaint_row(self, key: str | None) -> None:
        line = self._line_of(key)
        if line is not None:
            self.refresh(Region(0, line, self.size.width, 1))

    def _line_of(self, key: str | None) -> int | None:
        """The line of the widget in which a row is, if it is in view."""
        place = self.place(key)
        line = -1 if place is None else place - round(self.scroll_y) + 1
        return line if 1 <= line <= self._window else None

    def _repaint_changes(self, key: str, before: Any, now: Any) -> None:
        line = self._line_of(key)
        if line is None:
            return
        regions = [
            Region(_MARGIN + x, line, width, 1)
            for column, x, width in self._placed
            if column.show(column.value(before), width) != column.show(column.value(now), width)
        ]
        if regions:
            self.refresh(*regions)

    def notify_style_update(self) -> None:
        self._styles_of.clear()
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        style = self._styles_of.get(name)
        if style is None:
            style = self.rich_style if name == "" else self.get_component_rich_style(f"table--{name}")
            if name == "cursor" and self.app.no_color:
                style += Style(reverse=True)
            self._styles_of[name] = style
        return style

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._header()
        row = y - 1 + round(self.scroll_y)
        if row < len(self._shown):
            return self._row(self._shown[row])
        if not self._shown:
            return self._message(y)
        return Strip.blank(self.size.width, self._style(""))

    def _header(self) -> Strip:
        muted = self._style("header")
        segments = [Segment(" " * _MARGIN, muted)]
        for column, _, width in self._placed:
            by_this = column.key == self.order.column
            arrow = palette.glyph("descending" if self.order.reverse else "ascending")
            words = f"{text.truncate(column.header, width - 2)} {arrow}" if by_this else column.header
            style = self._style("sorted") if by_this else muted
            segments += [Segment(text.fit(text.shown(words), width, column.align), style), Segment(" " * GAP, muted)]
        return Strip(_joined(segments)).adjust_cell_length(self.size.width, muted)

    def _row(self, key: str) -> Strip:
        base = self._style("cursor" if key == self.cursor else "")
        colour = self.colours.of(key) if key in self._marks else None
        stripe = Segment(palette.glyph("stripe"), self._coloured(base, colour)) if colour else Segment(" ", base)
        segments = [stripe, Segment(" ", base)]
        record = self._records[key]
        for column, _, width in self._placed:
            segments += self._cell(column.show(column.value(record), width), width, column.align, base)
            segments.append(Segment(" " * GAP, base))
        return Strip(_joined(segments)).adjust_cell_length(self.size.width, base)

    def _cell(self, cell: Cell, width: int, align: str, base: Style) -> list[Segment]:
        if isinstance(cell, str):
            return [Segment(text.fit(cell, width, align), base)]
        spare = max(width - sum(text.width(words) for words, _ in cell), 0)
        segments, left = [], width - spare
        for words, colour in cell:
            shown = text.truncate(words, left)
            left -= text.width(shown)
            if shown:
                segments.append(Segment(shown, self._coloured(base, colour)))
        padding = Segment(" " * (spare + left), base)
        return [padding, *segments] if align == "right" else [*segments, padding]

    def _coloured(self, base: Style, colour: str) -> Style:
        if base.reverse:  # the cursor without colour: the row is one bar
            return base
        if colour == "muted":
            return base + Style(color=self._style("muted").color)
        return base + Style(color=colour) if colour else base

    def _message(self, y: int) -> Strip:
        lines = self.empty.splitlines()
        line = y - max((self.size.height - len(lines)) // 2, 1)
        if not 0 <= line < len(lines):
            return Strip.blank(self.size.width, self._style(""))
        style = self._style("muted" if line else "message")
        return Strip([Segment(text.fit(lines[line], self.size.width, "center"), style)])


def _joined(segments: Iterable[Segment]) -> list[Segment]:
    """As few pieces as can be, so few bytes over the wire: a blank takes the ink of what stands before it."""
    joined: list[Segment] = []
    for words, style, _ in segments:
        if joined and (style == joined[-1].style or not words.strip(" ")):
            joined[-1] = Segment(joined[-1].text + words, joined[-1].style)
        else:
            joined.append(Segment(words, style))
    return joined
