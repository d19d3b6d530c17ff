from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui import palette
from tui.raster.frame import Frame
from tui.raster.heatmap import levels, pixels, render_heatmap, shared_limits
from tui.raster.spec import Field, HeatmapSpec


def render(field: Field | None, width: int = 20, height: int = 8, **more: object) -> Frame:
    return render_heatmap(HeatmapSpec(field, width, height, **more))


def test_pixels_are_means_over_areas() -> None:
    values = np.arange(16.0).reshape(4, 4)
    assert pixels(values, 2, 2).tolist() == [[10.5, 12.5], [2.5, 4.5]]  # the first row is at the bottom


def test_borders_cut_values_in_proportion() -> None:
    assert pixels(np.array([[0.0, 3.0, 6.0]]), 1, 2)[0] == pytest.approx([1.0, 5.0])


def test_a_small_field_is_enlarged_without_blurring() -> None:
    assert pixels(np.array([[1.0, 2.0]]), 2, 4).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_values_that_are_not_finite_are_left_out_of_means() -> None:
    values = np.array([[1.0, np.nan, np.inf, np.nan], [3.0, np.nan, 5.0, np.nan]])
    assert pixels(values, 1, 2)[0] == pytest.approx([2.0, 5.0])
    assert np.isnan(pixels(values, 1, 4)[0]).tolist() == [False, True, False, True]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 25), st.integers(1, 25))
def test_the_mean_of_a_field_is_kept(rows: int, columns: int, down: int, across: int) -> None:
    values = np.random.default_rng(rows * 41 + columns).normal(size=(rows, columns))
    assert pixels(values, down, across).mean() == pytest.approx(values.mean(), abs=1e-9)


def test_levels_go_from_the_first_to_the_last() -> None:
    values = np.array([-9.0, 0.0, 0.24, 0.26, 0.99, 1.0, 9.0, np.nan])
    assert levels(values, (0.0, 1.0), 4).tolist() == [0, 0, 0, 1, 3, 3, 3, -1]


def test_shared_limits_span_all_fields() -> None:
    low, high = Field("a", np.array([[0.0, 1.0]])), Field("b", np.array([[-3.0, np.nan]]))
    assert shared_limits([low, high]) == (-3.0, 1.0)
    assert shared_limits([low, Field("e", np.array([[-3.0]]), "diverging")]) == (-3.0, 3.0)
    assert shared_limits([Field("c", np.full((2, 2), 5.0))]) == (4.5, 5.5)
    assert shared_limits([Field("d", np.full((2, 2), np.nan))]) == (0.0, 1.0)


def test_two_pixels_a_cell_in_the_colours_of_the_map() -> None:
    frame = render(Field("u", np.array([[0.0], [1.0]])), 10, 3)  # the second row of the field is on top
    colours = palette.colour_map("viridis")
    assert frame.line(1) == "▀" * 10
    assert frame.inks[frame.ink[1, 0]].colour == colours[-1]
    assert frame.papers[frame.paper[1, 0]] == colours[0]


def test_title_note_and_colour_bar() -> None:
    frame = render(Field("error", np.array([[-0.5, 0.25]]), "diverging", note="rel L2 1.5e-2"), 30, 6)
    assert frame.line(0) == "error" + " " * 12 + "rel L2 1.5e-2"
    assert frame.line(5).startswith("-5.0e-1 ██") and frame.line(5).endswith("██ 5.0e-1")
    bar = {frame.inks[number].colour for number in frame.ink[5, 8:22]}
    assert bar <= set(palette.colour_map("diverging")) and len(bar) > 10


def test_no_more_than_32_colours_are_used() -> None:
    frame = render(Field("noise", np.random.default_rng(0).normal(size=(100, 200))), 80, 40)
    assert len({ink.colour for ink in frame.inks if ink.colour.startswith("#")}) <= 33


def test_a_terminal_with_256_colours_gets_its_own() -> None:
    frame = render(Field("u", np.linspace(0, 1, 50)[None, :]), 50, 4, depth=8)
    colours = {ink.colour for ink in frame.inks if ink.colour.startswith("#")}
    assert colours <= {*palette.colour_map("viridis", 8), "#3a3a3a"}


def test_without_colour_values_are_shades() -> None:
    frame = render(Field("u", np.linspace(0, 1, 5)[None, :]), 10, 3, plain=True)
    assert frame.line(1) == "  ░░▒▒▓▓██"


def test_ascii_field_is_ascii(in_ascii: None) -> None:
    frame = render(Field("predicted û", np.linspace(0, 1, 50)[None, :]), 30, 5)
    assert all(frame.line(y).isascii() for y in range(5))
    assert frame.line(1).startswith("   ...:::") and frame.line(1).endswith("@@@")


def test_nothing_to_show_is_said() -> None:
    assert "no fields yet" in render(None, 30, 7).line(3)
    assert "no finite values" in render(Field("u", np.full((3, 3), np.nan)), 30, 7).line(3)


def test_frame_has_exactly_the_size_asked_for() -> None:
    for width, height in ((1, 1), (8, 3), (30, 4), (90, 40)):
        frame = render(Field("u", np.eye(7), note="a note that is far too long for this"), width, height)
        assert (frame.width, frame.height) == (width, height)
