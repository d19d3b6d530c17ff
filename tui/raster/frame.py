"""A grid of cells with styles, and the canvas on which it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tui import text
from tui.raster.spec import Range


class Ink(NamedTuple):
    """How a character is drawn. colour: `#rrggbb`, or a role that the widget's style sheet gives a colour:
    text, muted, faint, title. faded: half way to the ground."""

    colour: str = "text"
    bold: bool = False
    faded: bool = False


TEXT, MUTED, FAINT, TITLE = Ink("text"), Ink("muted"), Ink("faint"), Ink("title", bold=True)
PLAIN = ""
SHADE = "shade"
"""Grounds: none of its own, or the one role that there is; all others are `#rrggbb`."""

WIDE = 0
"""The character in the second cell of a wide one."""


class Box(NamedTuple):
    """A rectangle of cells."""

    x: int
    y: int
    width: int
    height: int


NOWHERE = Box(0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Frame:
    """Cells (height, width): `chars` are code points, `ink` and `paper` indices into `inks` and `papers`.

    area: where the data are. x_limits, y_limits: what it spans, None where nothing was drawn; log_x, log_y: how.
    automatic: the limits that were chosen here, to be given back as `ChartSpec.previous`.
    """

    chars: np.ndarray
    ink: np.ndarray
    paper: np.ndarray
    inks: tuple[Ink, ...]
    papers: tuple[str, ...]
    area: Box = NOWHERE
    x_limits: Range | None = None
    y_limits: Range | None = None
    log_x: bool = False
    log_y: bool = False
    automatic: tuple[Range, Range] | None = None

    @property
    def width(self) -> int:
        return int(self.chars.shape[1])

    @property
    def height(self) -> int:
        return int(self.chars.shape[0])

    def line(self, y: int) -> str:
        """The text of one row."""
        return "".join(map(chr, self.chars[y][self.chars[y] != WIDE].tolist()))

    def changed(self, earlier: Frame | None) -> np.ndarray | None:
        """Cells (height, width) that differ from an earlier frame; None where the two cannot be compared."""
        if (
            earlier is None
            or earlier.chars.shape != self.chars.shape
            or earlier.inks != self.inks
            or earlier.papers != self.papers
        ):
            return None
        return (self.chars != earlier.chars) | (self.ink != earlier.ink) | (self.paper != earlier.paper)


class Canvas:
    """Cells to draw on. Inks and papers are numbered as they are first used."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(width, 0), max(height, 0)
        self.chars = np.full((self.height, self.width), ord(" "), np.uint32)
        self.ink = np.zeros((self.height, self.width), np.int16)
        self.paper = np.zeros((self.height, self.width), np.int16)
        self._inks: dict[Ink, int] = {TEXT: 0}
        self._papers: dict[str, int] = {PLAIN: 0}

    def ink_of(self, ink: Ink) -> int:
        return self._inks.setdefault(ink, len(self._inks))

    def paper_of(self, paper: str) -> int:
        return self._papers.setdefault(paper, len(self._papers))

    def write(self, x: int, y: int, words: str, ink: Ink = TEXT) -> int:
        """Text from (x, y) to the right, cut at the edges. Returns the column after it."""
        if not 0 <= y < self.height:
            return x
        number = self.ink_of(ink)
        for character in words:
            cells = text.width(character)
            if cells and x >= 0 and x + cells <= self.width:
                self.chars[y, x] = ord(character)
                self.chars[y, x + 1 : x + cells] = WIDE
                self.ink[y, x : x + cells] = number
            x += cells
        return x

    def cells(self, box: Box, chars: np.ndarray, where: np.ndarray, ink: Ink) -> None:
        """Characters (box.height, box.width) into a box, where the mask says so."""
        rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
        np.copyto(self.chars[rows, columns], chars, where=where, casting="unsafe")
        self.ink[rows, columns][where] = self.ink_of(ink)

    def ground(self, box: Box, paper: str) -> None:
        self.paper[box.y : box.y + box.height, box.x : box.x + box.width] = self.paper_of(paper)

    def frame(
        self,
        area: Box = NOWHERE,
        x_limits: Range | None = None,
        y_limits: Range | None = None,
        log: tuple[bool, bool] = (False, False),
        automatic: tuple[Range, Range] | None = None,
    ) -> Frame:
        inks, papers = tuple(self._inks), tuple(self._papers)
        log_x, log_y = log
        return Frame(self.chars, self.ink, self.paper, inks, papers, area, x_limits, y_limits, log_x, log_y, automatic)


def notice(width: int, height: int, message: str) -> Frame:
    """An empty chart: the message in the middle, what to press below it."""
    canvas = Canvas(width, height)
    lines = message.splitlines()
    for row, line in enumerate(lines):
        shown = text.truncate(line, width)
        canvas.write((width - text.width(shown)) // 2, (height - len(lines)) // 2 + row, shown, MUTED if row else TEXT)
    return canvas.frame()
