"""Colours and glyphs: the same run has the same colour on every screen, and every state reads without colour too.

Series colours and the colour maps for 256-colour terminals are exact entries of the xterm cube, so that a terminal
without true colour shows what is written here. Okabe & Ito 2008 (series); viridis (magnitudes); ColorBrewer's RdBu
(signed errors), of which the two last are sampled at 32 levels.

`use_ascii` is the one switch behind `--ascii`: whoever draws asks `glyph` or `is_ascii` at the time of drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

SKY, ORANGE, GREEN, VERMILLION = "#5fafd7", "#ffaf00", "#00af87", "#d75f00"
PURPLE, YELLOW, BLUE, GREY = "#d787af", "#ffff5f", "#0087d7", "#bcbcbc"

SERIES = (SKY, ORANGE, GREEN, VERMILLION, PURPLE, YELLOW, BLUE, GREY)
"""Okabe-Ito for a dark ground: its black is a light grey, its blue one step lighter."""

_QUIET = "#8a8a8a"

_GLYPHS: dict[str, tuple[str, str]] = {
    # name: (glyph, in plain ASCII), both one cell wide
    "ellipsis": ("…", "~"),
    "none": ("–", "-"),
    "stripe": ("▌", "|"),
    "warning": ("!", "!"),
    "ascending": ("▴", "^"),
    "descending": ("▾", "v"),
    "rule": ("─", "-"),
    "line": ("─", "-"),
    "dashes": ("╌", "."),
    "band": ("░", ":"),
    "upright": ("│", "|"),
    "stage": ("┊", ":"),
    "tick_y": ("┤", "+"),
    "corner": ("└", "+"),
    "tick_x": ("┬", "+"),
    "point": ("●", "o"),
    "cursor": ("◆", "#"),
    "prompt": ("›", ">"),
}

MARKERS = ("●", "▲", "■", "◆", "▼", "○", "△", "□")
_ASCII_MARKERS = ("o", "^", "#", "*", "v", "@", "%", "+")


class Status(NamedTuple):
    """How a status is shown."""

    glyph: str
    ascii: str
    colour: str


_STATUS = {
    "blocked": Status("◇", ":", _QUIET),
    "queued": Status("◌", ".", _QUIET),
    "launching": Status("◐", ">", SKY),
    "running": Status("●", "*", SKY),
    "done": Status("✓", "+", GREEN),
    "stopped": Status("■", "=", ORANGE),
    "failed": Status("✗", "x", VERMILLION),
    "diverged": Status("≠", "!", VERMILLION),
    "lost": Status("?", "?", PURPLE),
    "skipped": Status("⊘", "-", _QUIET),
    "unknown": Status("↗", "^", _QUIET),  # elsewhere: on another host
}

ColourMap = Literal["viridis", "diverging"]


def _hex(codes: str) -> tuple[str, ...]:
    return tuple(f"#{code}" for code in codes.split())


_MAPS = {
    "viridis": _hex(
        "440154 470d60 48186a 482374 472e7c 453882 424186 3e4a89 3a548c 365d8d 32658e 2e6d8e 2b758e 287d8e "
        "25848e 228c8d 1f948c 1e9c89 20a386 25ab82 2eb37c 3aba76 48c16e 58c765 6ccd5a 7fd34e 93d741 a8db34 "
        "c0df25 d5e21a eae51a fde725"
    ),
    "diverging": _hex(
        "053061 0e4179 175290 1f63a8 2b73b3 3681ba 408fc1 569fc9 71b0d3 8ac0db a0cce2 b3d6e8 cae1ee d8e9f1 "
        "e4eef4 f0f4f6 f8f2ef fae9df fce0d0 fcd5bf f9c2a7 f6b191 f19e7d e8896c dd7059 d35a4a c84440 bd2d35 "
        "ae172a 960f27 7f0823 67001f"
    ),
}
_MAPS_256 = {
    "viridis": _hex("5f005f 5f0087 5f00af 005f87 008787 00af87 5faf87 5fd75f 87d75f afd75f d7d700 ffd700"),
    "diverging": _hex(
        "005f87 0087af 5f87af 5fafd7 87afd7 afd7d7 d7d7ff ffffff ffd7d7 ffd7af ffaf87 d7875f d75f5f af0000 870000"
    ),
}
RAMP, _ASCII_RAMP = " ░▒▓█", " .:-=+*#%@"

_ascii = False


def use_ascii(on: bool) -> None:
    """Plain ASCII from now on, for terminals and locales that cannot show more (`--ascii`)."""
    global _ascii
    _ascii = on


def is_ascii() -> bool:
    return _ascii


def glyph(name: str) -> str:
    return _GLYPHS[name][_ascii]


def status(name: str) -> tuple[str, str]:
    """(glyph, colour) of a run's status; of a name that is not one, `?` in grey."""
    shown = _STATUS.get(name, Status("?", "?", _QUIET))
    return (shown.ascii if _ascii else shown.glyph), shown.colour


def markers() -> tuple[str, ...]:
    """Shapes of points, one a series."""
    return _ASCII_MARKERS if _ascii else MARKERS


def ramp() -> str:
    """Characters of rising darkness, for fields where there is no colour."""
    return _ASCII_RAMP if _ascii else RAMP


def colour_map(name: ColourMap, depth: Literal[8, 24] = 24) -> tuple[str, ...]:
    """Colours from low to high, at most 32: enough to read, few enough to send over a thin line.

    depth: bits of a colour on this terminal; one with 256 colours gets entries of its own, in order of lightness.
    """
    return (_MAPS if depth == 24 else _MAPS_256)[name]


class SeriesColours:
    """Which run has which colour. A run keeps its colour as long as it is held; what is freed is given out again."""

    def __init__(self, colours: tuple[str, ...] = SERIES) -> None:
        self._colours = colours
        self._slots: dict[str, int] = {}

    def hold(self, keys: Iterable[str]) -> None:
        """Gives colours to these keys and takes those of all others; with more keys than colours they come round."""
        wanted = list(dict.fromkeys(keys))
        self._slots = {key: slot for key, slot in self._slots.items() if key in set(wanted)}
        for key in wanted:
            if key not in self._slots:
                used = list(self._slots.values())
                self._slots[key] = min(range(len(self._colours)), key=lambda slot: (used.count(slot), slot))

    def of(self, key: str) -> str | None:
        """The colour of a key, or None of one that is not held."""
        slot = self._slots.get(key)
        return None if slot is None else self._colours[slot]


class GroupColours(SeriesColours):
    """One colour for all runs of a group, the seeds of one setting: `group_of` says which group a run is in."""

    def __init__(self, group_of: Callable[[str], str], colours: tuple[str, ...] = SERIES) -> None:
        super().__init__(colours)
        self._group_of = group_of

    def hold(self, keys: Iterable[str]) -> None:
        super().hold(map(self._group_of, keys))

    def of(self, key: str) -> str | None:
        return super().of(self._group_of(key))
