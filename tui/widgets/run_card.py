"""The run under the cursor in words: what it is, how it ended, the settings that matter, what it warns of."""

from __future__ import annotations

from collections.abc import Iterator

from tui import palette, text
from tui.live import LiveRun
from tui.run_columns import step_of
from tui.widgets.lines import Line, Lines

_FIGURES = (
    ("loss", "loss"),
    ("rel_l2", "rel L2"),
    ("abs_err", "mean abs error"),
    ("linf", "max error"),
    ("fresh_residual", "fresh residual"),
    ("closures", "closures"),
)


class RunCard(Lines):
    """`show` a run, or None. What does not fit is left out from the bottom."""

    _live: LiveRun | None = None

    def show(self, live: LiveRun | None) -> None:
        self._live = live
        self.set_lines(list(_lines(live, self.content_size.width)) if live else [])

    def on_resize(self) -> None:
        self.show(self._live)


def _lines(live: LiveRun, width: int) -> Iterator[Line]:
    run = live.run
    mark, colour = palette.status(run.status)
    yield [(f"{run.id} ", "strong"), (f"{mark} {run.status}", colour), (f"  {text.duration(live.seconds)}", "muted")]
    yield [(text.shown(run.label), "")]
    if run.reason:
        yield from _wrapped(run.reason, width, "muted")
    for warning in run.warnings:
        yield from _wrapped(f"{palette.glyph('warning')} {warning}", width, palette.ORANGE)
    shown = [(words, live.figure(name)) for name, words in _FIGURES]
    for words, value in shown:
        if value is not None:
            yield [(f"{words:<15}", "muted"), (_figure(value), "")]
    if step_of(live) is not None:
        yield [(f"{'iteration':<15}", "muted"), (text.count(step_of(live)), "")]
    for name, words in (("seed", str(run.spec.seed)), ("device", run.device), ("tags", ", ".join(run.spec.tags))):
        if words:
            yield [(f"{name:<15}", "muted"), (text.shown(words), "")]
    if run.note:
        yield from _wrapped(run.note, width, "muted")


def _wrapped(words: str, width: int, role: str) -> Iterator[Line]:
    for line in text.wrap(text.shown(words), width):
        yield [(line, role)]


def _figure(value: float) -> str:
    return text.count(int(value)) if value == int(value) and abs(value) >= 1 else text.number(value)
