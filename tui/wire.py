"""Fewer bytes over the wire: of a line that changed in its middle, the middle alone is written.

Textual 8.2 writes every changed span from the left edge of its widget on: a figure at the end of a row costs the row.
Its compositor is not public; the minor version is pinned, and where it changes, this is to be read again.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor


class LeanUpdate(ChopsUpdate):
    """Writes the changed spans and nothing beside them."""

    def render_segments(self, console: Console) -> str:
        written, last = [], self.spans[-1][0]
        for y, begin, end in self.spans:
            for right, (left, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or left >= end or right <= begin:
                    continue
                start = max(left, begin)
                shown = strip.crop(start - left, min(right, end) - left)
                written += [Control.move_to(start, y).segment.text, shown.render(console)]
            if y != last:
                written.append("\n")
        return "".join(written)


class LeanCompositor(Compositor):
    """For `Screen._compositor`."""

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return update and LeanUpdate(update.chops, update.spans, update.chop_ends)
