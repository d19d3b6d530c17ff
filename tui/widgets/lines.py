"""A few lines of words, each of parts with roles: cut at the edge, never wrapped, never parsed."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from tui.widgets.one_line import OneLine, Part

Line = Sequence[Part]


class Lines(OneLine):
    """Draws the lines that it was given, from the top."""

    DEFAULT_CSS = """
    Lines { height: 1fr; }
    """

    def __init__(self, lines: Sequence[Line] = (), *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines = tuple(lines)

    def set_lines(self, lines: Sequence[Line]) -> None:
        if tuple(lines) != self._lines:
            self._lines = tuple(lines)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return Strip(self._segments(self._lines[y], width)).adjust_cell_length(width, self.rich_style)
