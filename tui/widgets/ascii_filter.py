"""The last word of `--ascii`: whatever a widget draws, of ours or of Textual, only ASCII reaches the terminal."""

from __future__ import annotations

from functools import lru_cache

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui import palette, text

_BARS = "▁▂▃▄▅▆▇▉▊▋▌▍▎▏█▐▔▕▀"
"""Parts of a cell, in which Textual draws scroll bars and edges."""
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍╴╶╸╺", "-"),
        **dict.fromkeys("│┃║┊┆╎╵╷╹╻", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼┏┓┗┛┣┫┳┻╋╔╗╚╝╭╮╰╯", "+"),
        **dict.fromkeys(_BARS, " "),
        "…": "~",
        "🔎": "/ ",
        "•": "*",
    }
)


class AsciiFilter(LineFilter):
    """Replaces characters one by one, so that no cell moves: rules and edges by dashes, others by what is nearest.

    Widgets that know better what to draw (`palette.glyph`, `text.shown`) have done so before.
    """

    def __init__(self) -> None:
        super().__init__(enabled=palette.is_ascii())

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """background: not used."""
        return [
            segment if segment.text.isascii() else Segment(plain(segment.text), segment.style, segment.control)
            for segment in segments
        ]


def plain(line: str) -> str:
    """ASCII of exactly as many cells."""
    return "".join(map(_cell, line.translate(_PLAIN)))


@lru_cache(1024)
def _cell(character: str) -> str:
    if character.isascii():
        return character
    nearest = text.to_ascii(character)
    cells = text.width(character)
    return nearest if len(nearest) == cells else "?" * cells
