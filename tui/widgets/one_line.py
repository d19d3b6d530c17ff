"""The base of widgets that are one line of words: something on the left, something on the right, the rest blank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui import text

Part = tuple[str, str]
"""Words, and their role in the style sheet (`line--<role>`), or their colour (`#rrggbb`), or nothing."""


def width_of(parts: Sequence[Part]) -> int:
    return sum(text.width(words) for words, _ in parts)


class OneLine(Widget):
    """Draws `parts(width)`: (left, right). Where both do not fit, the left gives way."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"line--muted", "line--strong", "line--accent"}
    DEFAULT_CSS = """
    OneLine {
        width: 1fr;
        height: 1;
        & > .line--muted { color: $foreground 60%; }
        & > .line--strong { color: $foreground; text-style: bold; }
        & > .line--accent { color: $accent; text-style: bold; }
    }
    """

    def parts(self, width: int) -> tuple[Sequence[Part], Sequence[Part]]:
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        left, right = self.parts(width)
        room = width - width_of(right)
        segments = self._segments(left, max(room, 0))
        return Strip([*segments, *self._segments(right, width)]).adjust_cell_length(width, self.rich_style)

    def _segments(self, parts: Sequence[Part], width: int) -> list[Segment]:
        """The parts, cut or padded to a width; those on the right need no padding."""
        segments, left = [], width
        for words, role in parts:
            shown = text.truncate(words, left)
            left -= text.width(shown)
            if shown:
                segments.append(Segment(shown, self._style(role)))
        return [*segments, Segment(" " * left, self.rich_style)] if left > 0 else segments

    def _style(self, role: str) -> Style:
        if role.startswith("#"):
            return self.rich_style + Style(color=role)
        return self.get_component_rich_style(f"line--{role}") if role else self.rich_style
