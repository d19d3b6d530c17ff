"""One run: its curves with the stages, its fields, its settings and provenance, what it printed."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from engine.errors import ScimlError
from engine.records import ENDED, WAITING, Status
from tui import clipboard, palette, steering, text
from tui.keymap import KEYMAP
from tui.live import LiveRun
from tui.messages import FeedMessage, MetricsGrew, RunsChanged
from tui.plots import WORDS, run_plot
from tui.run_columns import step_of
from tui.screens.base import FeedScreen
from tui.widgets.chart import Chart
from tui.widgets.fields_view import FieldsView
from tui.widgets.filter_bar import FilterBar
from tui.widgets.footer import Footer
from tui.widgets.lines import Line, Lines
from tui.widgets.log_view import LogView
from tui.widgets.tab_line import TabLine

if TYPE_CHECKING:
    import numpy as np

    from engine.report import Report

QUANTITIES = (
    *("loss", "loss_residual", "loss_initial", "loss_boundary"),
    *("rel_l2", "rel_l2_stage", "validation_rel_l2", "loss_data"),
)
TABS = ("stages", "settings", "provenance", "log")
_WIDE = 100
"""Cells from which the fields have room beside the curves."""
_STAGE_FIGURES = ("loss", "rel_l2", "rel_l2_stage", "validation_rel_l2", "closures", "iterations", "seconds")
_LOG_EVERY = 0.5
_CHUNK = 1 << 20


class RunScreen(FeedScreen):
    """On top of the list that it was opened from."""

    BINDINGS = [*KEYMAP.bindings("run")]
    DEFAULT_CSS = """
    RunScreen {
        & #head { height: 1; padding: 0 1; }
        & #above { height: 3fr; min-height: 8; }
        & #above > Chart { width: 1fr; }
        & #above FieldsView { width: 44%; padding-left: 1; display: none; }
        &.-wide #above FieldsView { display: block; }
        &.-fields #above > Chart { display: none; }
        &.-fields #above FieldsView { display: block; width: 1fr; padding: 0 1; }
        & TabLine { border-top: solid $foreground 15%; height: 2; }
        & ContentSwitcher { height: 2fr; min-height: 5; }
        & ContentSwitcher Lines { height: auto; padding: 0 2; }
        & FilterBar { display: none; }
        & FilterBar.-open { display: block; }
    }
    """
    name_in_bar = "Runs"

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run
        self._fields_shown: tuple[int, str] | None = None
        self._log_read = 0
        self._log_letters = getincrementaldecoder("utf-8")("replace")  # a reading may end inside of one

    def content(self) -> ComposeResult:
        yield Lines(id="head")
        with Horizontal(id="above"):
            yield Chart()
            yield FieldsView(id="beside")
        yield TabLine(TABS)
        with ContentSwitcher(initial="stages"):
            yield VerticalScroll(Lines(id="stage-lines"), id="stages")
            yield VerticalScroll(Lines(id="setting-lines"), id="settings")
            yield VerticalScroll(Lines(id="provenance-lines"), id="provenance")
            yield LogView(id="log")
        yield FilterBar("search")

    def on_mount(self) -> None:
        self.query_one(Chart).focus()
        self.set_interval(_LOG_EVERY, self._read_log)
        self.set_interval(1.0, self._show_head)

    def on_resize(self) -> None:
        wide = self.size.width >= _WIDE
        self.set_class(wide, "-wide")
        self.query_one(FieldsView).set_class(not wide, "-across")
        if wide:
            self._show_in_place(fields=False)
        self.refresh_bindings()

    def _show_in_place(self, *, fields: bool) -> None:
        """Where there is no room for both: the fields, or the curves."""
        self.set_class(fields, "-fields")
        if not fields and self.query_one(TabLine).here != "log":
            self.query_one(Chart).focus()

    @property
    def live(self) -> LiveRun | None:
        return self.sciml.library.runs.get(self._run)

    @property
    def report(self) -> Report | None:
        return self.sciml.feed.report(self._run) if self.sciml.feed else None

    # what the feed says

    def refresh_all(self) -> None:
        if self.sciml.feed is not None:
            self.sciml.feed.watch([self._run])
        self._show_record()
        self._draw()
        self._read_log()

    def changed(self, message: FeedMessage) -> None:
        if isinstance(message, RunsChanged) and self._run in message.removed:
            self.app.notify(f"{self._run} was removed", severity="warning", markup=False)
            self.dismiss()
        elif isinstance(message, RunsChanged) and self._run in message.changed:
            self._show_record()
            self._draw()
        elif isinstance(message, MetricsGrew) and message.run == self._run:
            self._draw()

    def _show_head(self) -> None:
        live = self.live
        if live is not None:
            self.query_one("#head", Lines).set_lines([_head(live)])

    def _show_record(self) -> None:
        live = self.live
        if live is None:
            return
        self._show_head()
        self.query_one(Footer).leave_out(steering.pointless([live]))
        ended = live.run.status in ENDED
        self.query_one(LogView).set_empty("this run printed nothing" if ended else "nothing printed yet")
        self._fill("setting-lines", list(_settings(live)))
        self._fill("provenance-lines", list(_provenance(live)))

    def _fill(self, name: str, lines: list[Line]) -> None:
        shown = self.query_one(f"#{name}", Lines)
        shown.set_lines(lines)
        shown.styles.height = max(len(lines), 1)

    def _draw(self) -> None:
        live, report = self.live, self.report
        if live is None or report is None:
            return
        stages = report.stages
        plot = run_plot(report.columns, stages, QUANTITIES, live=live.active, waits=live.waits)
        self.query_one(Chart).plot(plot)
        self._fill("stage-lines", list(_stages(stages, live)))
        self._draw_fields(report)

    def _draw_fields(self, report: Report) -> None:
        stored = report.fields
        if not stored and self.live is not None:
            self.query_one(FieldsView).say(_no_fields(self.live))
        newest = (stored[-1]["step"], stored[-1]["sha256"]) if stored else None
        if newest is not None and newest != self._fields_shown:
            self._fields_shown = newest
            self.run_worker(lambda: self._load_fields(report, stored[-1]), thread=True, group="fields")

    def _load_fields(self, report: Report, entry: dict[str, Any]) -> None:
        try:
            arrays = report.arrays_of(entry)
        except ScimlError as error:
            self.app.call_from_thread(self._fields_missing, str(error))
            return
        self.app.call_from_thread(self._show_fields, arrays)

    def _show_fields(self, arrays: dict[str, np.ndarray]) -> None:
        if self.is_attached:
            self.query_one(FieldsView).show(arrays)
            self.refresh_bindings()

    def _fields_missing(self, why: str) -> None:
        self.app.notify(text.shown(why), severity="warning", markup=False)

    # the log, read on a thread from where the last reading ended

    def _read_log(self) -> None:
        if self.sciml.client is not None and not self.sciml.paused:
            self.run_worker(self._log_more, thread=True, group="log", exclusive=True)

    def _log_more(self) -> None:
        client = self.sciml.client
        assert client is not None
        path = client.home.run(self._run).log
        try:
            with path.open("rb") as file:
                file.seek(self._log_read)
                chunk = file.read(_CHUNK)
        except FileNotFoundError:
            return
        except OSError as error:
            self.app.call_from_thread(self._log_missing, f"the log cannot be read: {error.strerror}")
            return
        if chunk:
            self.app.call_from_thread(self._log_grew, self._log_read, chunk)

    def _log_missing(self, why: str) -> None:
        if self.is_attached:
            self.query_one(LogView).set_empty(why)

    def _log_grew(self, start: int, chunk: bytes) -> None:
        if start == self._log_read and self.is_attached:
            self._log_read += len(chunk)
            self.query_one(LogView).append(self._log_letters.decode(chunk))

    # what keys do

    def _tab(self, by: int) -> None:
        name = self.query_one(TabLine).step(by)
        self.query_one(ContentSwitcher).current = name
        if name == "log":
            self.query_one(LogView).focus()
        else:
            self.query_one(Chart).focus()

    def _page(self) -> Widget:
        return self.query_one(f"#{self.query_one(TabLine).here}")

    def action_page_up(self) -> None:
        self._page().scroll_page_up()

    def action_page_down(self) -> None:
        self._page().scroll_page_down()

    def action_next_tab(self) -> None:
        self._tab(1)

    def action_previous_tab(self) -> None:
        self._tab(-1)

    def action_next_sample(self) -> None:
        view, wide = self.query_one(FieldsView), self.has_class("-wide")
        if not wide and not self.has_class("-fields"):
            self._show_in_place(fields=True)
        elif not view.next_sample() and not wide:
            self._show_in_place(fields=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next_sample" and self.has_class("-wide"):
            return len(self.query_one(FieldsView).samples) > 1
        return True

    def action_back(self) -> None:
        self.dismiss()

    def action_stop(self) -> None:
        steering.stop(self.sciml, [self.live] if self.live else [])

    def action_kill(self) -> None:
        steering.kill(self.sciml, [self.live] if self.live else [])

    def action_again(self) -> None:
        steering.again(self.sciml, [self.live] if self.live else [])

    def action_vary(self) -> None:
        if self.live is not None:
            self.sciml.launch(like=self.live.run)

    def action_copy(self) -> None:
        clipboard.copy(self.app, self._run)

    def action_export(self) -> None:
        if self.live is not None:
            self.sciml.export({"this run": [self.live.row()]})

    def action_search(self) -> None:
        while self.query_one(TabLine).here != "log":
            self._tab(1)
        bar = self.query_one(FilterBar)
        bar.add_class("-open")
        bar.start()

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self.query_one(LogView).search(message.value)

    def on_filter_bar_left(self, message: FilterBar.Left) -> None:
        if not message.value:
            self.query_one(FilterBar).remove_class("-open")
        self.query_one(LogView).focus()

    def on_log_view_found(self, message: LogView.Found) -> None:
        bar = self.query_one(FilterBar)
        if message.wanted:
            bar.set_count(message.place, message.total, "matches")


def _no_fields(live: LiveRun) -> str:
    """What stands in the place of the fields, and in a second line why there are none, where that is known."""
    run = live.run
    if run.status in WAITING:
        return f"no fields stored yet\nthe run is {run.status}"
    if run.status not in ENDED:
        return "no fields stored yet"
    if run.status is Status.DONE:
        return "this run stored no fields"
    why = text.shown(run.reason)
    return f"this run stored no fields\n{run.status}{f': {why}' if why else ''}"


def _head(live: LiveRun) -> Line:
    run = live.run
    glyph, colour = palette.status(run.status)
    said = run.reason or str(run.summary.get("stop_reason", ""))
    parts = [
        (f"{run.id}  ", "strong"),
        (f"{text.shown(run.label)}  ", ""),
        (f"seed {run.spec.seed}  ", "muted"),
        (f"{glyph} {run.status}", colour),
    ]
    for name, words in (("loss", "loss"), ("rel_l2", "rel L2")):
        value = live.figure(name)
        if value is not None:
            parts += [(f"   {words} ", "muted"), (text.number(value), "")]
    step = step_of(live)
    if step is not None:
        parts += [("   iter ", "muted"), (text.count(step), "")]
    parts += [("   ", ""), (text.duration(live.seconds), "muted")]
    return [*parts, (f"   {text.shown(said)}" if said else "", "muted")]  # last: the figures stay on a narrow screen


def _stages(stages: list[dict[str, Any]], live: LiveRun) -> Iterator[Line]:
    run = live.run
    if run.reason and run.status in ENDED - {Status.DONE}:
        glyph, colour = palette.status(run.status)
        yield [(f"{glyph} {text.shown(run.reason)}", colour)]
    for warning in run.warnings:
        yield [(f"{palette.glyph('warning')} {text.shown(warning)}", palette.ORANGE)]
    if not stages:
        yield [("no stages reported", "muted")]
    for stage in stages:
        reason = str(stage.get("stop_reason", ""))
        figures = "   ".join(
            f"{WORDS.get(name, name)} {_figure(value)}"
            for name in _STAGE_FIGURES
            if isinstance(value := stage.get(name), (int, float))
        )
        yield [
            (f"{text.fit(text.shown(str(stage['name'])), 10)} ", "strong"),
            (f"from {stage['step']:>7,}   ", "muted"),
            (figures, ""),
            (f"   {text.shown(reason)}", "muted"),
        ]


def _figure(value: float) -> str:
    return text.count(value) if isinstance(value, int) else text.number(value)


def _settings(live: LiveRun) -> Iterator[Line]:
    spec = live.run.spec
    yield [(f"{'task':<24}  ", "muted"), (spec.task, "")]
    for name, value in spec.params.items():
        words = "none" if value is None else text.setting(value, name) or '""'
        yield [(f"{text.shown(name):<24}  ", "muted"), (text.shown(words), "")]
    for name, words in (
        ("seed", str(spec.seed)),
        ("needs", ", ".join(spec.needs)),
        ("tags", ", ".join(spec.tags)),
        ("name", spec.name),
        ("note", live.run.note),
    ):
        if words:
            yield [(f"{name:<24}  ", "muted"), (text.shown(words), "")]


def _provenance(live: LiveRun) -> Iterator[Line]:
    run = live.run
    pairs: list[tuple[str, object]] = [
        ("created", text.clock(run.created)),
        ("started", text.clock(run.started)),
        ("ended", text.clock(run.ended)),
        ("attempts", run.attempt),
        ("device", run.device),
        ("cpus", run.spec.resources.cpus),
        ("retry of", run.retry_of),
        ("identity", run.identity),
        *run.code.items(),
        *run.versions.items(),
        *((name, value) for name, value in run.summary.items() if isinstance(value, (int, float, str))),
    ]
    for name, value in pairs:
        if value not in ("", None):
            shown = text.number(value) if isinstance(value, float) else text.setting(value)
            yield [(f"{text.shown(name):<24}  ", "muted"), (text.shown(shown), "")]
