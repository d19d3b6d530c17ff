"""A widget that shows a frame of the raster and repaints only the cells that changed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    import numpy as np

    from tui.raster.frame import Frame, Ink

_BLANK = ord(" ")
_APART = 6
"""Unchanged cells between two changed ones from which it is cheaper to paint two spans than one."""


class FrameView(Widget):
    """The base of charts and heatmaps.

    Frames are drawn by `_draw` on a thread, from what `_spec` says; `redraw` asks for one, and asking again meanwhile
    costs nothing: the newest state is drawn once the thread is free. The event loop only compares cells.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "frame--text",
        "frame--muted",
        "frame--faint",
        "frame--title",
        "frame--shade",
    }
    DEFAULT_CSS = """
    FrameView {
        width: 1fr;
        height: 1fr;
        & > .frame--text { color: $foreground; }
        & > .frame--muted { color: $foreground 60%; }
        & > .frame--faint { color: $foreground 30%; }
        & > .frame--title { color: $foreground; text-style: bold; }
        & > .frame--shade { background: $foreground 7%; }
        &:focus > .frame--title { color: $accent; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.frame: Frame | None = None
        self._strips: dict[int, Strip] = {}
        self._styles_of: dict[tuple[int, int], Style] = {}
        self._stale = False
        self._drawing = False

    # What a subclass says.

    def _spec(self) -> Any:
        """All that `_draw` needs, or None for nothing; called on the event loop."""
        raise NotImplementedError

    @staticmethod
    def _draw(spec: Any) -> Frame:
        """A pure function of the spec; called on a thread."""
        raise NotImplementedError

    # Drawing, off the event loop.

    def redraw(self) -> None:
        """Asks for a new frame."""
        self._stale = True
        if self.is_mounted and not self._drawing:
            self._drawing = True
            self.run_worker(self._draw_until_fresh(), group="draw", exit_on_error=True)

    async def _draw_until_fresh(self) -> None:
        try:
            while self._stale:
                self._stale = False
                spec = self._spec()
                if spec is not None:
                    self.show(await asyncio.to_thread(self._draw, spec))
        finally:
            self._drawing = False

    def on_mount(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    # Showing.

    def show(self, frame: Frame) -> None:
        """Shows a frame; of one of the same size and styles as the last, only what differs is painted."""
        changed = frame.changed(self.frame)
        if changed is None:
            self._styles_of.clear()
        self.frame = frame
        if changed is None:
            self._strips.clear()
            self.refresh()
            return
        regions = list(changed_spans(changed))
        for region in regions:
            self._strips.pop(region.y, None)
        if regions:
            self.refresh(*regions)

    def notify_style_update(self) -> None:
        self._styles_of.clear()
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        frame, width = self.frame, self.size.width
        if frame is None or y >= frame.height or not frame.width:  # drawn when there was no room, or less
            return Strip.blank(width, self.get_component_rich_style("frame--text"))
        strip = self._strips.get(y)
        if strip is None:
            strip = self._strips[y] = self._strip(frame, y)
        if strip.cell_length != width:  # until a frame of the new size is there
            strip = strip.adjust_cell_length(width, self.get_component_rich_style("frame--text"))
        return strip

    def _strip(self, frame: Frame, y: int) -> Strip:
        chars, ink, paper = frame.chars[y].tolist(), frame.ink[y].tolist(), frame.paper[y].tolist()
        for x in range(1, frame.width):
            if chars[x] == _BLANK:
                ink[x] = ink[x - 1]  # it has none: fewer pieces, and fewer bytes over the wire
        cuts = [0, *(x for x in range(1, frame.width) if ink[x] != ink[x - 1] or paper[x] != paper[x - 1]), frame.width]
        segments = [
            Segment("".join(map(chr, filter(None, chars[start:end]))), self._style(frame, ink[start], paper[start]))
            for start, end in pairwise(cuts)
        ]
        return Strip(segments, frame.width)

    def _style(self, frame: Frame, ink: int, paper: int) -> Style:
        style = self._styles_of.get((ink, paper))
        if style is None:
            style = self._styles_of[ink, paper] = self._resolve(frame.inks[ink], frame.papers[paper])
        return style

    def _resolve(self, ink: Ink, paper: str) -> Style:
        """Roles by the style sheet, colours as they are, faded ones half way to the ground."""
        base = self.get_component_rich_style("frame--text")
        if paper.startswith("#"):
            base += Style(bgcolor=paper)
        elif paper:
            base += Style(bgcolor=self.get_component_rich_style(f"frame--{paper}").bgcolor)
        if not ink.colour.startswith("#"):
            role = self.get_component_rich_style(f"frame--{ink.colour}")
            return base + Style(color=role.color, bold=bool(role.bold))
        colour = ink.colour
        if ink.faded and base.bgcolor is not None:
            colour = Color.from_rich_color(base.bgcolor).blend(Color.parse(colour), 0.55).hex
        return base + Style(color=colour, bold=ink.bold)


def changed_spans(changed: np.ndarray) -> list[Region]:
    """Regions one row high that cover the changed cells (height, width), with little else."""
    import numpy as np

    regions = []
    for y in np.flatnonzero(changed.any(axis=1)).tolist():
        columns = np.flatnonzero(changed[y])
        parts = np.split(columns, np.flatnonzero(np.diff(columns) > _APART) + 1)
        regions += [Region(int(part[0]), y, int(part[-1] - part[0]) + 1, 1) for part in parts]
    return regions
