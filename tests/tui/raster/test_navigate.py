from __future__ import annotations

import numpy as np
import pytest

from tui.raster.chart import render_chart
from tui.raster.frame import Frame
from tui.raster.navigate import crosshair_moved, crosshair_start, panned, zoomed
from tui.raster.spec import Axis, ChartSpec, Plot, Series, View

DENSE = Plot((Series("dense", np.arange(1001.0), np.arange(1001.0), "#ffffff"),))
SPARSE = Plot(
    (
        Series("a", np.array([8.0, 64.0, 512.0]), np.ones(3), "#ffffff", "both"),
        Series("b", np.array([8.0, 128.0]), np.ones(2), "#ffffff", "both"),
    ),
    x=Axis(log=True),
)


def frame_of(plot: Plot, view: View = View()) -> Frame:
    return render_chart(ChartSpec(plot, 100, 20, view))


def test_zoom_is_about_the_middle() -> None:
    assert zoomed(View(), frame_of(DENSE), 2.0).x_range == pytest.approx((250.0, 750.0))


def test_zoom_is_about_the_crosshair() -> None:
    assert zoomed(View(crosshair=900.0), frame_of(DENSE), 2.0).x_range == pytest.approx((450.0, 950.0))


def test_zoom_on_a_log_axis_is_in_the_logarithm() -> None:
    plot = Plot((Series("a", np.array([1.0, 1e4]), np.ones(2), "#ffffff"),), x=Axis(log=True))
    assert zoomed(View(), frame_of(plot), 2.0).x_range == pytest.approx((10.0, 1000.0))


def test_zoom_in_and_out_leads_back() -> None:
    near = zoomed(View(), frame_of(DENSE), 2.0)
    assert zoomed(near, frame_of(DENSE, near), 0.5).x_range == pytest.approx((0.0, 1000.0))


def test_zoom_stops_where_numbers_end() -> None:
    view = View()
    for _ in range(100):
        view = zoomed(view, frame_of(DENSE, view), 2.0)
    assert view.x_range is not None and view.x_range[0] < view.x_range[1]


def test_pan_moves_by_a_share_of_what_is_seen() -> None:
    view = panned(View(), frame_of(DENSE), right=0.25)
    assert view.x_range == pytest.approx((250.0, 1250.0)) and view.y_range is None
    assert panned(View(), frame_of(DENSE), up=-0.5).y_range == pytest.approx((-500.0, 500.0))


def test_crosshair_starts_at_the_last_sample_in_view() -> None:
    assert crosshair_start(DENSE, frame_of(DENSE)) == 1000.0
    assert crosshair_start(DENSE, frame_of(DENSE, View(x_range=(100.0, 200.5)))) == 200.0
    assert crosshair_start(Plot(), frame_of(Plot())) is None


def test_crosshair_moves_a_cell_where_samples_are_dense() -> None:
    frame = frame_of(DENSE)
    cell = 1000.0 / (frame.area.width - 0.5)
    there = crosshair_moved(DENSE, frame, 500.0, 1)
    assert 0 < there - 500.0 <= 2 * cell
    back = crosshair_moved(DENSE, frame, there, -1)
    assert abs(back - 500.0) <= cell


def test_crosshair_moves_from_sample_to_sample_where_they_are_sparse() -> None:
    frame, at, seen = frame_of(SPARSE), 8.0, [8.0]
    for _ in range(4):
        at = crosshair_moved(SPARSE, frame, at, 1)
        seen.append(at)
    assert seen == [8.0, 64.0, 128.0, 512.0, 512.0]
    assert crosshair_moved(SPARSE, frame, 512.0, -1) == 128.0


def test_crosshair_reaches_every_column_and_never_sticks() -> None:
    frame, at, steps = frame_of(DENSE), 0.0, 0
    while (new := crosshair_moved(DENSE, frame, at, 1)) != at:
        assert new > at
        at, steps = new, steps + 1
    assert at > 985 and steps == frame.area.width - 1


def test_crosshair_finds_samples_in_any_order() -> None:
    plot = Plot((Series("a", np.array([512.0, 8.0, 64.0]), np.ones(3), "#ffffff", "points"),))
    assert crosshair_moved(plot, frame_of(plot), 8.0, 1) == 64.0
    assert crosshair_start(plot, frame_of(plot)) == 512.0


def test_nothing_drawn_is_left_alone() -> None:
    empty, view = frame_of(Plot()), View()
    assert zoomed(view, empty, 2.0) is view and panned(view, empty, right=1.0) is view
    assert crosshair_moved(Plot(), empty, 3.0, 1) == 3.0
