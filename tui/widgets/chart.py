"""A chart to be read with the keyboard: curves that stream, a log axis, smoothing, zoom and a crosshair."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tui.keymap import KEYMAP
from tui.raster.spec import ChartSpec, Plot, View
from tui.widgets.frame_view import FrameView

if TYPE_CHECKING:
    from tui.raster.frame import Frame

_SMOOTHING = (0.0, 0.9, 0.99)
_ZOOM, _PAN = 2.0, 0.125


class Chart(FrameView, can_focus=True):
    """Shows a `Plot`, nothing before the first. `plot` may be called as often as data come: the newest is drawn."""

    BINDINGS = [*KEYMAP.bindings("chart")]

    def __init__(self, content: Plot | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.content = content or Plot()
        self.view = View()
        self._blank = content is None

    def plot(self, content: Plot, *, fresh: bool = False) -> None:
        """Draws this content. fresh: it is another chart than before, so zoom, crosshair and limits start anew."""
        self.content, self._blank = content, False
        if fresh:
            self.view = View()
            self._forget_limits()
        self.redraw()

    def look(self, view: View) -> None:
        """Shows the same content in another way."""
        if view != self.view:
            self.view = view
            self.redraw()

    def _spec(self) -> ChartSpec | None:
        if self._blank:
            return None
        return ChartSpec(
            self.content,
            self.size.width,
            self.size.height,
            self.view,
            previous=self._previous,
            tagged=self.app.no_color,
        )

    @staticmethod
    def _draw(spec: Any) -> Frame:
        from tui.raster.chart import render_chart

        return render_chart(spec)

    def show(self, frame: Frame) -> None:
        self._previous = frame.automatic or self._previous
        super().show(frame)

    _previous: tuple[tuple[float, float], tuple[float, float]] | None = None

    def _forget_limits(self) -> None:
        self._previous = None

    # What keys do.

    @property
    def log_y(self) -> bool:
        return self.content.y.log if self.view.log_y is None else self.view.log_y

    def action_toggle_log(self) -> None:
        """The upright axis: logarithmic, or linear."""
        self._forget_limits()
        self.look(replace(self.view, log_y=not self.log_y, y_range=None))

    def action_smooth(self) -> None:
        """The next of no, light and strong smoothing."""
        at = _SMOOTHING.index(self.view.smoothing) if self.view.smoothing in _SMOOTHING else -1
        self.look(replace(self.view, smoothing=_SMOOTHING[(at + 1) % len(_SMOOTHING)]))

    def action_crosshair(self) -> None:
        """On at the last sample in view, or off."""
        at = None
        if self.view.crosshair is None and self.frame is not None:
            from tui.raster.navigate import crosshair_start

            at = crosshair_start(self.content, self.frame)
        self.look(replace(self.view, crosshair=at))

    def action_zoom_in(self) -> None:
        self._zoom(_ZOOM)

    def action_zoom_out(self) -> None:
        self._zoom(1 / _ZOOM)

    def action_reset(self) -> None:
        """All of it again; axes, smoothing and crosshair stay as they are."""
        self._forget_limits()
        self.look(replace(self.view, x_range=None, y_range=None))
        self.redraw()

    def action_left(self) -> None:
        self._sideways(-1)

    def action_right(self) -> None:
        self._sideways(1)

    def action_up(self) -> None:
        self._pan(up=_PAN)

    def action_down(self) -> None:
        self._pan(up=-_PAN)

    def _zoom(self, factor: float) -> None:
        if self.frame is not None:
            from tui.raster.navigate import zoomed

            self.look(zoomed(self.view, self.frame, factor))

    def _pan(self, right: float = 0.0, up: float = 0.0) -> None:
        if self.frame is not None:
            from tui.raster.navigate import panned

            self.look(panned(self.view, self.frame, right, up))

    def _sideways(self, direction: int) -> None:
        if self.view.crosshair is None or self.frame is None:
            self._pan(right=direction * _PAN)
            return
        from tui.raster.navigate import crosshair_moved

        at = crosshair_moved(self.content, self.frame, self.view.crosshair, direction)
        self.look(replace(self.view, crosshair=at))
