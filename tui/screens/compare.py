"""Marked runs side by side: loss curves by setting, error against number of examples, and the table by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll

from engine import cells
from engine.records import ACTIVE, WAITING
from engine.tables import THRESHOLD, Row, Table, differing, grouped
from tui import palette, text
from tui.keymap import KEYMAP
from tui.live import LiveRun
from tui.messages import FeedMessage, MetricsGrew, RunsChanged
from tui.plots import MODES, WORDS, Curve, Transfer, curves_plot, transfer_plot
from tui.raster.spec import Plot
from tui.render import grid
from tui.screens.base import FeedScreen
from tui.widgets.chart import Chart
from tui.widgets.lines import Line, Lines

if TYPE_CHECKING:
    import numpy as np

QUANTITIES = ("loss", "rel_l2", "loss_residual", "gradient_norm")
_NOTHING = "nothing marked\npress 3, mark runs with space, then c to compare them"
_HEADS = {"label": "setting", "rel_l2_min": "best", "succeeded": "success", "seconds": "seconds", "samples": "examples"}
_UNDER_WAY = ACTIVE | WAITING


class CompareScreen(FeedScreen):
    """Key 4. Curves of runs that train on an equation on the left, transfer of operators on the right."""

    BINDINGS = [*KEYMAP.bindings("compare")]
    DEFAULT_CSS = """
    CompareScreen {
        & #charts { height: 3fr; min-height: 10; }
        & Chart { width: 1fr; }
        & #curves { width: 3fr; }
        & #transfer { width: 2fr; margin-left: 1; }
        & .-hidden { display: none; }
        & VerticalScroll { height: 2fr; min-height: 6; border-top: solid $foreground 15%; padding: 0 1; }
        & Lines { height: auto; }
    }
    """
    name_in_bar = "Compare"

    def __init__(self) -> None:
        super().__init__()
        self._band = False
        self._quantity = QUANTITIES[0]

    def content(self) -> ComposeResult:
        with Horizontal(id="charts"):
            yield Chart(id="curves")
            yield Chart(id="transfer", classes="-hidden")
        with VerticalScroll(can_focus=False):
            yield Lines()

    def on_mount(self) -> None:
        self.query_one("#curves", Chart).focus()

    # which runs

    def _marked(self) -> list[LiveRun]:
        library = self.sciml.library
        return [library.runs[run] for run in library.marks if run in library.runs]

    def _operators(self) -> list[LiveRun]:
        """Of the marked runs those that compare fine-tuning with scratch on the task that most of them solve."""
        found = [live for live in self._marked() if live.run.spec.params.get("mode") in (*MODES, "zeroshot")]
        tasks = Counter(_target(live) for live in found)
        return [live for live in found if _target(live) == tasks.most_common(1)[0][0]]

    def _trained(self) -> list[LiveRun]:
        """The marked runs whose curves are drawn."""
        return [live for live in self._marked() if "mode" not in live.run.spec.params]

    # what the feed says

    def refresh_all(self) -> None:
        curves, operators = self._trained(), self._operators()
        self.query_one("#transfer").set_class(not operators, "-hidden")
        self.query_one("#curves").set_class(bool(operators) and not curves, "-hidden")
        if self.sciml.feed is not None:
            self.sciml.feed.watch(live.run.id for live in curves)
        self._draw_curves()
        self._draw_transfer()
        self._tabulate()

    def changed(self, message: FeedMessage) -> None:
        if isinstance(message, MetricsGrew):
            self._draw_curves()
        elif isinstance(message, RunsChanged):
            marks = set(self.sciml.library.marks)
            if message.complete or message.removed or marks & message.changed.keys():
                self.refresh_all()

    def _draw_curves(self) -> None:
        feed, marked = self.sciml.feed, self._trained()
        chart = self.query_one("#curves", Chart)
        if feed is None or not marked:
            chart.plot(Plot(empty=_NOTHING))
            return
        colours = self.sciml.library.colours
        curves = [
            Curve(
                live.run.id,
                live.run.label,
                colours.of(live.run.id) or "",
                _columns(feed.report(live.run.id).columns),
                live.run.label,
            )
            for live in marked
        ]
        live_now = any(live.run.status in _UNDER_WAY for live in marked)
        chart.plot(curves_plot(curves, self._quantity, band=self._band, live=live_now))

    def _draw_transfer(self) -> None:
        operators = self._operators()
        if not operators:
            return
        known = [_transfer(live) for live in operators]
        live_now = any(live.run.status in _UNDER_WAY for live in operators)
        title = f"{_target_words(operators[0])}: error against examples"
        chart = self.query_one("#transfer", Chart)
        chart.plot(transfer_plot([run for run in known if run is not None], live=live_now, title=title))

    # the table

    def _tables(self) -> list[Table]:
        tables = []
        if rows := [live.row() for live in self._trained()]:
            tables.append(_by_group(rows, ["label"], ("rel_l2", "loss", "seconds"), THRESHOLD))
        if rows := [live.row() for live in self._operators()]:
            tables.append(_by_group(rows, ["mode", "samples"], ("rel_l2", "seconds"), None))
        return tables

    def _tabulate(self) -> None:
        lines = [line for table in self._tables() for line in [*_table_lines(table), []]]
        for part in (self._trained(), self._operators()):
            lines += _differences([live.run.spec.params for live in part])
        shown = self.query_one(Lines)
        shown.set_lines(lines)
        shown.styles.height = max(len(lines), 1)

    # what keys do

    def action_back(self) -> None:
        self.sciml.action_show("runs")

    def action_band(self) -> None:
        self._band = not self._band
        self._draw_curves()

    def action_quantity(self) -> None:
        self._quantity = QUANTITIES[(QUANTITIES.index(self._quantity) + 1) % len(QUANTITIES)]
        self._draw_curves()

    def action_page_up(self) -> None:
        self.query_one(VerticalScroll).scroll_page_up()

    def action_page_down(self) -> None:
        self.query_one(VerticalScroll).scroll_page_down()

    def action_export(self) -> None:
        self.sciml.export({"the marked runs": [live.row() for live in self._marked()]})


def _by_group(rows: Sequence[Row], by: list[str], values: Sequence[str], threshold: float | None) -> Table:
    """Mean ± std, best and success rate of the first value, then means of the others: what fits below the curves."""
    known = [name for name in values if any(row.get(name) is not None for row in rows)]
    table = grouped(rows, by, known, threshold=threshold, ordered=threshold is None)
    best = [f"{values[0]}_min"]
    wanted = [*by, "n", *known[:1], *best, "succeeded", *known[1:]]
    at = {column.key: i for i, column in enumerate(table.columns)}
    kept = [at[key] for key in wanted if key in at]
    return msgspec.structs.replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in table.rows),
    )


def _table_lines(table: Table) -> list[Line]:
    """The header quiet, then a line a group: no rules, no notes."""
    head = [_HEADS.get(column.key, WORDS.get(column.key, column.title)) for column in table.columns]
    body = [
        [text.shown(cells.shown(cell, column.kind)) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    if not body:
        return [[("none of these runs was finished", "muted")]]
    first, *others = grid([head, *body], [column.align for column in table.columns])
    return [[(first, "muted")], *([(line, "")] for line in others)]


def _differences(settings: Sequence[Mapping[str, Any]]) -> list[Line]:
    """The settings that differ between the runs, with their values; what only some of them have is said with a dash."""
    keys = differing(settings, dict.fromkeys(key for params in settings for key in params))
    if not keys:
        return []
    found: list[Line] = [[("settings that differ", "muted")]]
    for key in keys:
        values = dict.fromkeys(
            text.setting(params[key], key) if key in params else palette.glyph("none") for params in settings
        )
        found.append([(f"  {text.shown(key):<22}  ", "muted"), (text.shown(" | ".join(values)), "")])
    return found


def _columns(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return columns if "step" in columns else {}


def _target(live: LiveRun) -> tuple[Any, ...]:
    params = live.run.spec.params
    return (params.get("system"), _frozen(params.get("range")), params.get("grid"))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _target_words(live: LiveRun) -> str:
    params = live.run.spec.params
    return text.shown(" ".join(text.setting(params[key]) for key in ("system", "range") if params.get(key) is not None))


def _transfer(live: LiveRun) -> Transfer | None:
    """What a run adds to the chart: its test error, or while it trains its newest validation error."""
    error = live.figure("rel_l2")
    if error is None:
        error = live.figure("validation_rel_l2")
    params = live.run.spec.params
    samples = params.get("samples")
    if error is None or not isinstance(samples, int):
        return None
    return Transfer(live.run.id, str(params["mode"]), samples, error)
