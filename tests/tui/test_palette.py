from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import pytest
from rich.cells import cell_len
from rich.color import Color, ColorSystem

from engine.records import Status
from tui import palette
from tui.palette import SERIES, SeriesColours


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    palette.use_ascii(False)


def lightness(colour: str) -> float:
    """CIE L*."""
    red, green, blue = Color.parse(colour).get_truecolor().normalized
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (red, green, blue)]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * light ** (1 / 3) - 16 if light > 0.008856 else 903.3 * light


def test_every_status_has_a_glyph_and_a_colour_of_its_own_shape() -> None:
    for ascii in (False, True):
        palette.use_ascii(ascii)
        glyphs = [palette.status(status)[0] for status in Status]
        assert len(set(glyphs)) == len(glyphs) and all(cell_len(glyph) == 1 for glyph in glyphs)
        assert all(glyph.isascii() for glyph in glyphs) or not ascii


def test_an_unknown_status_is_shown_as_unknown() -> None:
    assert palette.status("something new")[0] == "?"


def test_glyphs_take_one_cell_in_both_sets() -> None:
    for name in palette._GLYPHS:
        for ascii in (False, True):
            palette.use_ascii(ascii)
            assert cell_len(palette.glyph(name)) == 1
            assert palette.glyph(name).isascii() or not ascii
    assert (palette.ramp() + "".join(palette.markers())).isascii()


def test_series_colours_are_what_a_256_colour_terminal_shows() -> None:
    for colour in SERIES:
        shown = Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).get_truecolor().hex
        assert shown == colour or (colour == palette.GREY and shown == "#b2b2b2")  # rich rounds greys to the next


def test_series_colours_differ_from_each_other_and_from_the_ground() -> None:
    triplets = [Color.parse(colour).get_truecolor() for colour in SERIES]
    for index, one in enumerate(triplets):
        assert lightness(SERIES[index]) > 45
        for other in triplets[index + 1 :]:
            assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) >= 80


@pytest.mark.parametrize("depth", [8, 24])
def test_viridis_rises_in_lightness(depth: Literal[8, 24]) -> None:
    light = [lightness(colour) for colour in palette.colour_map("viridis", depth)]
    assert len(light) <= 32 and all(a < b for a, b in pairwise(light))


@pytest.mark.parametrize("depth", [8, 24])
def test_the_diverging_map_is_lightest_in_the_middle_and_blue_to_red(depth: Literal[8, 24]) -> None:
    colours = palette.colour_map("diverging", depth)
    light = [lightness(colour) for colour in colours]
    top = light.index(max(light))
    assert abs(top - (len(light) - 1) / 2) <= 1 and len(light) <= 32
    assert all(a < b for a, b in pairwise(light[: top + 1]))
    assert all(a > b for a, b in pairwise(light[top:]))
    first, last = (Color.parse(colours[end]).get_truecolor() for end in (0, -1))
    assert first.blue > first.red and last.red > last.blue


def test_maps_for_256_colours_are_exact() -> None:
    for name in ("viridis", "diverging"):
        for colour in palette.colour_map(name, 8):
            assert Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).get_truecolor().hex == colour


def test_a_run_keeps_its_colour_while_others_come_and_go() -> None:
    colours = SeriesColours()
    colours.hold(["a", "b", "c"])
    assert [colours.of(key) for key in "abc"] == list(SERIES[:3])
    colours.hold(["c", "a"])
    assert (colours.of("a"), colours.of("b"), colours.of("c")) == (SERIES[0], None, SERIES[2])
    colours.hold(["c", "a", "d"])
    assert colours.of("d") == SERIES[1]


def test_more_runs_than_colours_come_round_evenly() -> None:
    colours = SeriesColours()
    keys = [f"r{index}" for index in range(2 * len(SERIES))]
    colours.hold(keys)
    assert [colours.of(key) for key in keys] == [*SERIES, *SERIES]
