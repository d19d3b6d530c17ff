from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.raster.chart import read_values, render_chart
from tui.raster.frame import SHADE, Frame, Ink
from tui.raster.spec import Axis, ChartSpec, Plot, Rule, Series, Stage, View

RED, BLUE = "#d75f00", "#0087d7"


def line(label: str = "run", colour: str = RED, **more: object) -> Series:
    x = np.arange(11.0)
    return replace(Series(label, x, x, colour), **more)


def render(plot: Plot, width: int = 40, height: int = 12, **more: object) -> Frame:
    return render_chart(ChartSpec(plot, width, height, **more))


def lines(frame: Frame) -> list[str]:
    return [frame.line(y).rstrip() for y in range(frame.height)]


def cells(frame: Frame, ink: Ink) -> set[tuple[int, int]]:
    """(x, y) of the cells drawn in an ink."""
    if ink not in frame.inks:
        return set()
    return {(int(x), int(y)) for y, x in np.argwhere(frame.ink == frame.inks.index(ink))}


def test_chart_to_the_cell() -> None:
    plot = Plot((line("error"),), title="relative L2", x=Axis("step", written_out=True))
    assert lines(render(plot, 32, 10)) == [
        "relative L2",
        "── error 10.0",
        "  10 ┤                      ⣀⠤⠒⠉",
        "     │                 ⢀⡠⠔⠒⠉",
        "     │             ⣀⠤⠒⠊⠁",
        "   5 ┤        ⢀⡠⠤⠒⠉⠁",
        "     │    ⣀⠤⠔⠊⠁",
        "   0 ┤⣀⠤⠒⠉",
        "     └┬────────────┬────────────",
        "      0            5        step",
    ]


def test_frame_has_exactly_the_size_asked_for() -> None:
    for width, height in ((1, 1), (15, 3), (16, 4), (23, 7), (80, 24), (200, 60)):
        frame = render(Plot((line(),), stages=(Stage(0, "β=5"),), title="loss"), width, height)
        assert (frame.width, frame.height) == (width, height)


def test_legend_is_beside_a_wide_chart_and_above_a_narrow_one() -> None:
    plot = Plot((line("first"), line("second", BLUE)))
    wide, narrow = render(plot, 100, 20), render(plot, 50, 20)
    assert lines(wide)[1].endswith("── first      10.0") and lines(wide)[2].endswith("── second     10.0")
    assert lines(narrow)[1] == "── first 10.0   ── second 10.0"
    assert wide.area.width < 85 and narrow.area.width > 40


def test_legend_that_does_not_fit_says_how_many_are_left() -> None:
    plot = Plot(tuple(line(f"run number {index}") for index in range(30)))
    assert lines(render(plot, 100, 12))[10].strip().endswith("and 21 more")
    assert lines(render(plot, 50, 12))[2].endswith("  and 26 more")


def test_narrow_legend_drops_values_before_it_drops_entries() -> None:
    plot = Plot(
        (line("from scratch"), line("fine-tuned", BLUE), line("another")), rules=(Rule(7.0, "zero-shot", BLUE),)
    )
    assert lines(render(plot, 40, 14))[1:3] == ["── from scratch   ── fine-tuned", "── another   ╌╌ zero-shot"]


def test_series_can_stay_out_of_the_legend() -> None:
    plot = Plot((line("shown"), line("hidden", in_legend=False)))
    text = "\n".join(lines(render(plot, 100, 12)))
    assert "shown" in text and "hidden" not in text


def test_colours_are_those_of_the_series_and_the_later_is_on_top() -> None:
    flat = np.full(11, 5.0)
    frame = render(Plot((line("low"), line("flat", BLUE, y=flat))), 40, 12)
    assert cells(frame, Ink(RED)) and cells(frame, Ink(BLUE))
    row = next(y for x, y in cells(frame, Ink(BLUE)) if x == frame.area.x + frame.area.width - 1)
    assert {x for x, y in cells(frame, Ink(BLUE)) if y == row} >= set(
        range(frame.area.x, frame.area.x + frame.area.width)
    )


def test_no_dot_of_a_curve_is_lost_where_two_cross() -> None:
    """Two level lines in one row of cells: both are there, in the colour of the later."""
    x = np.arange(2.0)
    plot = Plot((Series("a", x, np.full(2, 0.0), RED), Series("b", x, np.full(2, 0.1), BLUE)))
    frame = render(plot, 30, 8, view=View(y_range=(0.0, 1.9)))
    bottom = frame.line(frame.area.y + frame.area.height - 1)[frame.area.x :]
    assert set(bottom.strip()) <= set("⣀⣤⡤⢤⡠⢄")
    assert "⣀" not in bottom or "⣤" in bottom


def test_band_is_faded_and_below_the_curves() -> None:
    x = np.arange(101.0)
    series = Series("mean", x, np.full(101, 5.0), RED, lo=np.full(101, 1.0), hi=np.full(101, 9.0))
    frame = render(Plot((series,)), 40, 20)
    faded, strong = cells(frame, Ink(RED, faded=True)), cells(frame, Ink(RED))
    assert len(faded) > 3 * len(strong - {(0, 1), (1, 1)})
    assert max((int(frame.chars[y, x]) - 0x2800).bit_count() for x, y in faded) <= 4


def test_points_have_markers_and_error_bars() -> None:
    x = np.array([8.0, 64.0, 512.0])
    y = np.array([1.0, 0.3, 0.1])
    axes = {"x": Axis("examples", log=True, written_out=True), "y": Axis(log=True)}
    frame = render(Plot((Series("scratch", x, y, RED, "points", y / 2, y * 2),), **axes), 40, 20)
    text = "\n".join(lines(frame))
    assert text.count("●") == 3 + 1  # and in the legend
    area = frame.area
    columns = {x - area.x for x, y in cells(frame, Ink(RED)) if y >= area.y}
    assert columns == {0, area.width // 2 - 1, area.width - 1}
    bar = [row for row in range(area.y, area.y + area.height) if frame.chars[row, area.x] != ord(" ")]
    assert len(bar) > 3


def test_rule_is_a_dashed_line_with_its_value_in_the_legend() -> None:
    frame = render(Plot((line(),), rules=(Rule(7.0, "zero-shot", BLUE),)), 100, 14)
    assert lines(frame)[2].endswith("╌╌ zero-shot     7.00")
    rows = {y for x, y in cells(frame, Ink(BLUE)) if x < frame.area.x + frame.area.width}
    assert len(rows) == 1


def test_rule_beyond_the_data_is_brought_into_view() -> None:
    frame = render(Plot((line(),), rules=(Rule(70.0, "reference", BLUE),)))
    assert frame.y_limits is not None and frame.y_limits[1] >= 70


def test_stages_are_marked_labelled_and_shaded_in_turns() -> None:
    stages = (Stage(0, "β=5"), Stage(4, "β=10"), Stage(8, "β=15"))
    frame = render(Plot((line(),), stages=stages), 60, 14)
    foot = lines(frame)[frame.area.y + frame.area.height]
    assert foot.split() == ["│β=5", "┊10", "┊15"]
    marks = {foot.index("┊10"), foot.index("┊15")}
    shaded = set(np.flatnonzero(frame.paper[frame.area.y] == frame.papers.index(SHADE)).tolist())
    assert min(shaded) == min(marks) and max(shaded) == max(marks) - 1


def test_stages_need_not_be_shaded() -> None:
    frame = render(Plot((line(),), stages=(Stage(0), Stage(4)), shade_stages=False))
    assert not frame.paper.any()


def test_stage_labels_without_room_are_left_out() -> None:
    stages = tuple(Stage(index / 10, f"stage {index}") for index in range(100))
    frame = render(Plot((line(),), stages=stages), 60, 14)
    foot = lines(frame)[frame.area.y + frame.area.height]
    assert len(foot) <= 60 and foot.count("stage") <= 8


def test_live_limits_are_kept_while_the_data_fit() -> None:
    def grown(count: int) -> Plot:
        x = np.arange(float(count))
        return Plot((Series("a", x, x, RED),), live=True)

    first = render(grown(80))
    second = render(grown(100), previous=first.automatic)
    assert first.x_limits == second.x_limits == (0.0, 100.0)
    third = render(grown(120), previous=second.automatic)
    assert third.x_limits == (0.0, 150.0)


def test_ended_runs_use_the_whole_width() -> None:
    assert render(Plot((line(),))).x_limits == (0.0, 10.0)


def test_zoom_shows_a_part_and_fits_the_heights_to_it() -> None:
    frame = render(Plot((line(),)), view=View(x_range=(2.0, 4.0)))
    assert frame.x_limits == (2.0, 4.0) and frame.y_limits == (2.0, 4.0)
    assert frame.automatic is not None and frame.automatic[0] == (0.0, 10.0)
    assert lines(frame)[0].endswith("zoomed")


def test_log_axis_leaves_out_what_is_not_positive() -> None:
    y = np.array([0.0, 1e-3, -5.0, 1e-1, np.nan])
    frame = render(Plot((Series("loss", np.arange(5.0), y, RED),), y=Axis(log=True)))
    assert frame.y_limits == pytest.approx((1e-3, 0.1)) and frame.log_y


def test_log_axis_without_positive_values_says_so() -> None:
    frame = render(Plot((line(y=np.full(11, -1.0)),), y=Axis(log=True)), 60, 12)
    assert "no positive values" in "\n".join(lines(frame))
    assert frame.x_limits is None


def test_view_overrides_the_axis() -> None:
    frame = render(Plot((line(),), y=Axis(log=True)), view=View(log_y=False))
    assert not frame.log_y and frame.y_limits == (0.0, 10.0)


@pytest.mark.parametrize(
    "series", [(), (Series("none", np.array([]), np.array([]), RED),), (line(y=np.full(11, np.nan)),)]
)
def test_chart_of_nothing_says_what_to_press(series: tuple[Series, ...]) -> None:
    frame = render(Plot(series, empty="No curves yet\nspace marks runs"), 60, 12)
    shown = [text.strip() for text in lines(frame) if text]
    assert shown == ["No curves yet", "space marks runs"]


def test_smoothing_is_in_the_space_of_the_axis() -> None:
    y = np.where(np.arange(200) % 2 == 0, 1.0, 1e-4)
    series = Series("loss", np.arange(200.0), y, RED)
    frame = render(Plot((series,), y=Axis(log=True)), 80, 20, view=View(smoothing=0.98))
    assert "smoothed 0.98" in lines(frame)[0]
    value = float(lines(frame)[1].split()[-1])
    assert value == pytest.approx(1e-2, rel=0.2)  # the mean of the logarithms; of the values it would be 0.5


def test_crosshair_reads_every_curve_that_is_there() -> None:
    short = Series("short", np.arange(5.0), np.arange(5.0), BLUE)
    plot = Plot((line("long"), short), x=Axis("step"))
    frame = render(plot, 100, 14, view=View(crosshair=7.0))
    assert lines(frame)[0].endswith("step 7")
    assert lines(frame)[1].endswith("long      7.00") and lines(frame)[2].endswith("short        –")
    assert "\n".join(lines(frame)).count("◆") == 1


def test_crosshair_reads_the_nearest_sample() -> None:
    sparse = Series("a", np.array([0.0, 10.0, 20.0]), np.array([1.0, 2.0, 3.0]), RED)
    assert read_values((sparse,), 13.0) == [(10.0, 2.0)]
    assert read_values((sparse,), 16.0) == [(20.0, 3.0)]
    assert read_values((sparse,), 21.0) == [None]
    unordered = replace(sparse, x=np.array([20.0, 0.0, 10.0]))
    assert read_values((unordered,), 13.0) == [(10.0, 3.0)]


def test_last_value_is_the_last_that_is_finite() -> None:
    assert read_values((line(y=np.array([1.0, 2.0] + [np.nan] * 9)),), None) == [(1.0, 2.0)]


def test_curves_are_told_apart_without_colour() -> None:
    frame = render(Plot((line("first"), line("second", BLUE, y=np.full(11, 2.0)))), 100, 14, tagged=True)
    text = lines(frame)
    assert "a─ first" in text[1] and "b─ second" in text[2]
    right = frame.area.x + frame.area.width - 1
    column = [row.ljust(frame.width)[right] for row in text[frame.area.y : frame.area.y + frame.area.height]]
    assert [mark for mark in column if mark in "ab"] == ["a", "b"]


def test_the_seeds_of_a_setting_share_the_letter_that_the_legend_has() -> None:
    seeds = [line("regular", y=np.full(11, 1.0 + n), in_legend=n == 0) for n in range(2)]
    frame = render(Plot((*seeds, line("curriculum", BLUE, y=np.full(11, 5.0)))), 100, 14, tagged=True)
    text = lines(frame)
    assert "a─ regular" in text[1] and "b─ curriculum" in text[2]
    right = frame.area.x + frame.area.width - 1
    column = [row.ljust(frame.width)[right] for row in text[frame.area.y : frame.area.y + frame.area.height]]
    assert sorted(mark for mark in column if mark.isalpha()) == ["a", "a", "b"]


def test_the_letter_of_a_curve_that_ends_as_another_does_stands_before_its_end() -> None:
    frame = render(Plot((line("loss"), line("residual", BLUE))), 100, 14, tagged=True)
    inside = slice(frame.area.x, frame.area.x + frame.area.width)
    drawn = [row.ljust(frame.width)[inside] for row in lines(frame)[frame.area.y : frame.area.y + frame.area.height]]
    assert sorted(mark for row in drawn for mark in row if mark.isalpha()) == ["a", "b"]


@pytest.mark.parametrize("crosshair", [None, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_a_title_that_does_not_fit_ends_in_an_ellipsis_and_leaves_the_rest_whole(
    crosshair: float | None, smoothing: float
) -> None:
    plot = Plot((line(),), title="poisson 5:10: error against examples", x=Axis("t"))
    head = lines(render(plot, 32, 12, view=View(crosshair=crosshair, smoothing=smoothing)))[0]
    assert head.startswith("poisson") and "…" in head
    assert head.endswith("t 5") == (crosshair is not None)
    assert (" smoothed 0.9" in head) == (smoothing > 0)


@pytest.mark.parametrize("width", range(26, 60, 3))
def test_a_narrow_axis_has_two_labels_or_more_beside_its_title(width: int) -> None:
    x = np.linspace(0.0, 7200.0, 11)
    plot = Plot((line(x=x),), x=Axis("iteration", written_out=True))
    labels = lines(render(plot, width, 12))[-1].removesuffix("iteration").split()
    assert len(labels) >= 2 and labels[0] == "0"


def test_the_title_of_a_narrow_axis_leaves_room_for_a_label() -> None:
    plot = Plot((line(),), x=Axis("closures of the optimiser"))
    foot = lines(render(plot, 20, 8))[-1]
    assert foot.split()[0] == "0" and foot.endswith("…")


def test_ascii_chart_is_ascii(in_ascii: None) -> None:
    plot = Plot(
        (line("β=5 curriculum", lo=np.zeros(11), hi=np.full(11, 12.0)), line("points", BLUE, kind="both")),
        title="relative L²",
        stages=(Stage(0, "β=5"), Stage(4, "β=10")),
        rules=(Rule(3.0, "zero–shot", RED),),
        y=Axis(log=True),
    )
    for width in (50, 100):
        text = "\n".join(lines(render(plot, width, 20, view=View(crosshair=4.0))))
        assert text.isascii() and "beta=5 curriculum" in text


def test_hostile_labels_are_harmless_and_wide_ones_keep_their_columns() -> None:
    plot = Plot((line("\x1b[2J\x1b]0;pwned\x07[red]模型\u202e"),), title="\x1b[31mloss\n\n")
    frame = render(plot, 100, 12)
    assert lines(frame)[0] == "loss"
    assert "── [red]模型" in lines(frame)[1]
    assert frame.chars.shape == (12, 100) and not ((frame.chars > 0) & (frame.chars < 32)).any()


def test_rendering_is_a_function_of_the_spec_alone() -> None:
    spec = ChartSpec(Plot((line(), line("b", BLUE)), stages=(Stage(0, "a"), Stage(4, "b"))), 90, 20)
    one, two = render_chart(spec), render_chart(spec)
    changed = two.changed(one)
    assert changed is not None and not changed.any()


def test_only_a_few_cells_change_when_a_point_is_added() -> None:
    x = np.arange(500.0)
    y = 1 / (1 + x / 10)
    spec = ChartSpec(Plot((Series("a", x[:410], y[:410], RED),), y=Axis(log=True), live=True), 100, 30)
    first = render_chart(spec)
    series = Series("a", x[:420], y[:420], RED)
    second = render_chart(replace(spec, plot=replace(spec.plot, series=(series,)), previous=first.automatic))
    changed = second.changed(first)
    assert changed is not None and 0 < changed.sum() < 20


finite = st.floats(-1e12, 1e12)
strange = st.one_of(finite, st.sampled_from([float("nan"), float("inf"), float("-inf"), 0.0, 1e-300]))


@settings(deadline=None, max_examples=120)
@given(
    st.lists(st.tuples(strange, strange), max_size=30),
    st.booleans(),
    st.booleans(),
    st.integers(1, 90),
    st.integers(1, 20),
    st.sampled_from(["line", "points", "both"]),
)
def test_any_data_can_be_drawn(
    pairs: list[tuple[float, float]], log_x: bool, log_y: bool, width: int, height: int, kind: str
) -> None:
    x, y = np.array(pairs, float).reshape(-1, 2).T
    series = Series("any", x, y, RED, kind, lo=y - 1, hi=y + 1)
    plot = Plot(
        (series,), x=Axis(log=log_x), y=Axis(log=log_y), stages=(Stage(0.5, "s"),), rules=(Rule(0.5, "r", BLUE),)
    )
    frame = render(plot, width, height, view=View(crosshair=1.0, smoothing=0.5))
    assert (frame.width, frame.height) == (width, height)
