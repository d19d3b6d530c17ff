"""The list of runs: live, filtered as one types, with the run under the cursor below."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer

from engine import filters
from tui import clipboard, steering
from tui.keymap import KEYMAP
from tui.live import LiveRun
from tui.messages import FeedMessage, MetricsGrew, RunsChanged
from tui.plots import run_plot
from tui.raster.spec import Plot
from tui.run_columns import RUN_COLUMNS
from tui.screens.base import FeedScreen
from tui.widgets.chart import Chart
from tui.widgets.filter_bar import FilterBar
from tui.widgets.footer import Footer
from tui.widgets.run_card import RunCard
from tui.widgets.run_table import RunTable

_EMPTY = "no runs yet\npress n to submit the first ones\nor run  sciml-tui demo  for the two comparisons"
_NONE_MATCH = "no run matches this filter\npress / to change it, esc to clear it"
_ALL_ARCHIVED = "all runs are archived\npress / and type archived=true to see them"
_READING = "reading the store"
_FIRST_TASK = "pinn"
"""What the form for new runs opens on where there is no run yet; it shows another if there is no such task."""
_REST = 0.12
"""Seconds that the cursor must rest on a run before its curves are read."""
AT_ONCE = 1000
"""Runs that a filter is held against before keys and messages have their turn: of each it is some microseconds."""
_QUANTITIES = ("loss", "rel_l2", "validation_rel_l2")
_SEARCH = "search"


async def _in_turns(runs: Iterable[str]) -> AsyncIterator[list[str]]:
    """A portion at a time, with a turn for everything else after each."""
    listed = list(runs)
    for start in range(0, len(listed), AT_ONCE):
        yield listed[start : start + AT_ONCE]
        await asyncio.sleep(0)


class RunsScreen(FeedScreen):
    """Key 3. Marks and their colours belong to the app; the filter to this screen."""

    BINDINGS = [*KEYMAP.bindings("runs")]
    DEFAULT_CSS = """
    RunsScreen {
        & #below { height: 36%; min-height: 6; max-height: 16; border-top: solid $foreground 15%; }
        & #below Chart { width: 2fr; }
        & #below RunCard { width: 1fr; min-width: 30; padding: 0 1 0 2; }
    }
    """
    name_in_bar = "Runs"

    def __init__(self) -> None:
        super().__init__()
        self._filter = filters.parse("")
        self._slips: list[str] = []
        """Why the filter lets nothing through, where it is mistaken; said until it lets something through."""
        self._shown_run: str | None = None
        self._rest: Timer | None = None

    def content(self) -> ComposeResult:
        yield FilterBar("filter", "system=reaction rho>=5 status=running")
        yield RunTable(RUN_COLUMNS, empty=_READING, newest_first=True, colours=self.sciml.library.colours)
        with Horizontal(id="below"):
            yield Chart()
            yield RunCard()

    def on_mount(self) -> None:
        self.query_one(RunTable).focus()
        self.set_interval(1.0, self._tick)

    @property
    def table(self) -> RunTable:
        return self.query_one(RunTable)

    # what the feed says

    def refresh_all(self) -> None:
        runs = self.sciml.library.runs
        self.workers.cancel_group(self, _SEARCH)
        if self._filter and len(runs) > AT_ONCE:
            self.run_worker(self._search(), group=_SEARCH)
            return
        self._list({run: live for run, live in reversed(runs.items()) if self._lets_through(live)})
        if self._is_to_be_explained():
            from tui.slips import slips

            self._explain(slips(self._filter, (live.row() for live in runs.values())))

    async def _search(self) -> None:
        """As `refresh_all`, of very many runs: portion by portion. Another letter cancels it."""
        runs = self.sciml.library.runs
        seen, passed = dict(runs), set[str]()
        async for portion in _in_turns(seen):
            passed.update(run for run in portion if self._lets_through(seen[run]))

        def is_shown(run: str, live: LiveRun) -> bool:
            return run in passed if live is seen.get(run) else self._lets_through(live)  # it came or changed meanwhile

        self._list({run: live for run, live in reversed(runs.items()) if is_shown(run, live)})
        if self._is_to_be_explained():
            from tui.slips import Slips

            slips = Slips(self._filter)
            async for portion in _in_turns(seen):
                for run in portion:
                    slips.take(seen[run].row())
            self._explain(slips.said())

    def _list(self, rows: dict[str, LiveRun]) -> None:
        self.table.set_rows(rows)
        self.table.set_marks(self.sciml.library.marks)
        self._said()
        self._came_to(self.table.cursor)

    def _is_to_be_explained(self) -> bool:
        return not len(self.table) and bool(self._filter)

    def _explain(self, slips: list[str]) -> None:
        self._slips = slips
        self._said()

    def changed(self, message: FeedMessage) -> None:
        if isinstance(message, RunsChanged):
            self._runs_changed(message)
        elif isinstance(message, MetricsGrew) and message.run == self._shown_run:
            self._draw()

    def _runs_changed(self, message: RunsChanged) -> None:
        if message.complete:
            self.refresh_all()
            return
        shown = {run: live for run, live in reversed(list(message.changed.items())) if self._lets_through(live)}
        self.table.remove_rows(message.removed)
        self.table.remove_rows(message.changed.keys() - shown.keys(), hidden=True)
        self.table.update_rows(shown)
        self._said()
        self._offer()
        if self._shown_run in message.changed:
            self._describe()
            self._draw()

    def _lets_through(self, live: LiveRun) -> bool:
        if live.run.archived and "archived" not in self._filter.columns:
            return False
        return not self._filter or self._filter.matches(live.row())

    def _said(self) -> None:
        library = self.sciml.library
        if library.complete:
            self.table.set_empty(_NONE_MATCH if self._filter else _ALL_ARCHIVED if library.runs else _EMPTY)
        if len(self.table):
            self._slips = []
        if problems := [*self._filter.misfits, *self._slips]:
            self.query_one(FilterBar).set_problem("; ".join(problems))
        else:
            aside = 0 if "archived" in self._filter.columns else len(library.archived)
            self.query_one(FilterBar).set_count(
                len(self.table), len(library.runs) - aside, marked=len(self.table.marks)
            )

    def _tick(self) -> None:
        """The elapsed time of active runs in view goes on."""
        if self.sciml.paused or not self.is_current:
            return
        now, table = time.time(), self.table
        seen = {run: table.record(run) for run in table.in_view()}
        table.update_rows({run: live._replace(seen=now) for run, live in seen.items() if live.active})

    # the filter

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self._filter, self._slips = filters.parse(message.value, lenient=True), []
        self.refresh_all()

    def on_filter_bar_left(self, message: FilterBar.Left) -> None:
        self.table.focus()

    def action_filter(self) -> None:
        self.query_one(FilterBar).start()

    def action_clear_filter(self) -> None:
        self.query_one(FilterBar).set_value("")

    # the run under the cursor

    def on_run_table_moved(self, message: RunTable.Moved) -> None:
        self._came_to(message.key)

    def _came_to(self, run: str | None) -> None:
        """What is known of it is shown at once."""
        self._offer()
        self.query_one(RunCard).show(self._live(run))
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_REST, lambda: self._look_at(self.table.cursor))

    def on_run_table_seen(self, message: RunTable.Seen) -> None:
        if self.sciml.feed is not None:
            self.sciml.feed.want_trends(message.keys)

    def _look_at(self, run: str | None) -> None:
        feed = self.sciml.feed
        if feed is None or not self.is_current:  # a timer of a screen that was left meanwhile
            return
        self._shown_run = run
        feed.watch([run] if run else [])
        feed.want_trends(self.table.in_view())
        self._describe()
        self._draw(fresh=True)

    def _live(self, run: str | None) -> LiveRun | None:
        return self.sciml.library.runs.get(run) if run else None

    def _describe(self) -> None:
        self.query_one(RunCard).show(self._live(self._shown_run))

    def _draw(self, *, fresh: bool = False) -> None:
        live, feed = self._live(self._shown_run), self.sciml.feed
        if live is None or feed is None:
            self.query_one(Chart).plot(Plot(empty=""), fresh=True)
            return
        report = feed.report(live.run.id)
        plot = run_plot(report.columns, report.stages, _QUANTITIES, live=live.active, waits=live.waits)
        self.query_one(Chart).plot(plot, fresh=fresh)

    # what keys do

    def _offer(self) -> None:
        """In the footer, what can be done with the runs that a key would be about."""
        self.query_one(Footer).leave_out(steering.pointless(map(self._live, self.table.chosen())))

    def _chosen(self) -> list[LiveRun]:
        return [live for run in self.table.chosen() if (live := self._live(run)) is not None]

    def on_run_table_marked(self, message: RunTable.Marked) -> None:
        self.sciml.library.mark(message.keys)
        self._said()
        self._offer()

    def on_run_table_opened(self, message: RunTable.Opened) -> None:
        self.sciml.open_run(message.key)

    def action_new(self) -> None:
        live = self._live(self.table.cursor)
        self.sciml.launch(live.run.spec.task if live else _FIRST_TASK)

    def action_stop(self) -> None:
        steering.stop(self.sciml, self._chosen())

    def action_kill(self) -> None:
        steering.kill(self.sciml, self._chosen())

    def action_again(self) -> None:
        steering.again(self.sciml, self._chosen())

    def action_remove(self) -> None:
        steering.remove(self.sciml, self._chosen())

    def action_archive(self) -> None:
        steering.archive(self.sciml, self._chosen())
        self.table.set_marks([])

    def action_compare(self) -> None:
        if not self.table.marks and self.table.cursor is not None:
            self.table.set_marks([self.table.cursor])
        self.sciml.action_show("compare")

    def action_export(self) -> None:
        rows = {"the marked runs": self._rows(self.table.marks), "the runs shown": self._rows(self.table.keys)}
        self.sciml.export(rows, about=self.query_one(FilterBar).value)

    def _rows(self, runs: Iterable[str]) -> list[dict[str, object]]:
        return [live.row() for run in runs if (live := self._live(run)) is not None]

    def action_copy(self) -> None:
        if self.table.chosen():
            clipboard.copy(self.app, " ".join(self.table.chosen()))
