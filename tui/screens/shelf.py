"""What datasets and models have in common: a list of published files, filtered, with the one under the cursor below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from textual.app import ComposeResult

from engine import filters
from engine.records import Shelved
from tui import clipboard, steering, text
from tui.facts import parted
from tui.messages import FeedMessage, ShelfChanged
from tui.screens.base import FeedScreen
from tui.widgets import columns
from tui.widgets.columns import Column
from tui.widgets.filter_bar import FilterBar
from tui.widgets.footer import Footer
from tui.widgets.lines import Line, Lines
from tui.widgets.run_table import RunTable

_ABOUT_ROWS = frozenset({"open", "mark", "remove", "export", "fields", "verify"})
"""Actions that do nothing where no row is shown."""
_NONE_MATCH = "nothing matches this filter\npress / to change it, esc to clear it"


def fact(key: str, title: str, width: int, **more: Any) -> Column:
    """A column over the facts that were published with a file."""
    return Column(key, title, lambda item: item.facts.get(key), columns.setting, width=width, **more)


NAME = Column("name", "name", lambda item: item.name, columns.words, width=26, least=14, most=50, importance=100)
SIZE = Column("size", "size", lambda item: item.size, columns.memory, width=8, align="right", importance=40)
RUN = Column("run", "run", lambda item: item.run, columns.quiet, width=6, importance=60)
CREATED = Column("created", "made", lambda item: text.clock(item.created), columns.quiet, width=19, importance=20)


class ShelfScreen(FeedScreen):
    """Rows are `Shelved` by name."""

    columns_shown: ClassVar[Sequence[Column]] = ()
    empty = ""
    what = ""
    kind: ClassVar[Literal["dataset", "model"]]
    DEFAULT_CSS = """
    ShelfScreen Lines { height: 36%; min-height: 5; max-height: 14; border-top: solid $foreground 15%; padding: 0 2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._filter = filters.parse("")

    def items(self) -> Sequence[Shelved]:
        raise NotImplementedError

    def content(self) -> ComposeResult:
        yield FilterBar("filter")
        yield RunTable(self.columns_shown, empty="reading the store")
        yield Lines()

    def on_mount(self) -> None:
        self.query_one(RunTable).focus()

    def refresh_all(self) -> None:
        table, items = self.query_one(RunTable), self.items()
        table.set_rows({item.name: item for item in items if self._lets_through(item)})
        names = {item.name for item in items}
        table.set_marks(name for name in table.marks if name in names)
        if self.sciml.library.complete:
            table.set_empty(_NONE_MATCH if items else self.empty)
        self._said()
        self.query_one(Footer).leave_out(frozenset() if len(table) else _ABOUT_ROWS)
        self._describe(table.cursor)

    def _said(self) -> None:
        table = self.query_one(RunTable)
        if problems := [*self._filter.misfits, *self._slips()]:
            self.query_one(FilterBar).set_problem("; ".join(problems))
        else:
            self.query_one(FilterBar).set_count(len(table), len(self.items()), self.what, len(table.marks))

    def changed(self, message: FeedMessage) -> None:
        if isinstance(message, ShelfChanged):
            self.refresh_all()

    def row(self, item: Shelved) -> dict[str, Any]:
        """The flat row that filters and exports look at."""
        own = {"id": item.name, "label": "", "tags": (), "name": item.name, "size": item.size, "run": item.run}
        return {**own, "sha256": item.sha256, "path": item.path, "created": item.created, **parted(item.facts)[0]}

    def _lets_through(self, item: Shelved) -> bool:
        return not self._filter or self._filter.matches(self.row(item))

    def _slips(self) -> list[str]:
        """Why the filter lets nothing through, where it is mistaken."""
        if len(self.query_one(RunTable)) or not self._filter.columns:
            return []
        from tui.slips import slips

        return slips(self._filter, [self.row(item) for item in self.items()], self.kind)

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self._filter = filters.parse(message.value, lenient=True)
        self.refresh_all()

    def on_filter_bar_left(self, _message: FilterBar.Left) -> None:
        self.query_one(RunTable).focus()

    def on_run_table_moved(self, message: RunTable.Moved) -> None:
        self._describe(message.key)

    def on_run_table_marked(self, message: RunTable.Marked) -> None:
        self._said()

    def on_run_table_opened(self, message: RunTable.Opened) -> None:
        """The run that made it."""
        run = self.query_one(RunTable).record(message.key).run
        if run in self.sciml.library.runs:
            self.sciml.open_run(run)

    def _describe(self, name: str | None) -> None:
        item = next((item for item in self.items() if item.name == name), None)
        self.query_one(Lines).set_lines(list(_described(item, self.facts(item))) if item else [])

    def facts(self, item: Shelved) -> dict[str, Any]:
        """What is shown of the one under the cursor."""
        return parted(item.facts)[0]

    def action_filter(self) -> None:
        self.query_one(FilterBar).start()

    def action_clear_filter(self) -> None:
        self.query_one(FilterBar).set_value("")

    def action_export(self) -> None:
        table = self.query_one(RunTable)
        rows = [self.row(table.record(key)) for key in table.keys]
        self.sciml.export({f"the {self.what} shown": rows}, about=self.query_one(FilterBar).value, noun=self.what)

    def action_remove(self) -> None:
        chosen = self.query_one(RunTable).chosen()
        steering.discard(self.sciml, self.kind, [item for item in self.items() if item.name in chosen])

    def action_copy(self) -> None:
        table = self.query_one(RunTable)
        if table.cursor is not None and self.sciml.client is not None:
            clipboard.copy(self.app, str(self.sciml.client.home.folder / table.record(table.cursor).path))


def _described(item: Shelved, facts: dict[str, Any]) -> Iterator[Line]:
    made = f"made by {item.run}" if item.run else "imported"
    yield [(text.shown(item.name), "strong"), (f"  {text.size(item.size)}  {made}", "muted")]
    for key, value in facts.items():
        yield [(f"{text.shown(key):<18}  ", "muted"), (text.shown(text.setting(value, key)), "")]
    yield [(f"{'file':<18}  ", "muted"), (text.shown(item.path), "")]
    yield [(f"{'sha256':<18}  ", "muted"), (item.sha256, "")]
