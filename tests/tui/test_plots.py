from __future__ import annotations

import numpy as np
import pytest

from tui.plots import Curve, Transfer, curves_plot, run_plot, transfer_plot


def curve(run: str, label: str, y: list[float], colour: str = "#5fafd7") -> Curve:
    columns = {"step": np.arange(len(y), dtype=float), "loss": np.array(y)}
    return Curve(run, label, colour, columns, label)


def test_a_legend_says_what_differs_and_the_title_what_is_common() -> None:
    plot = curves_plot(
        [curve("a", "reaction ρ=5 curriculum", [1, 2]), curve("b", "reaction ρ=5 regular", [1, 2])], "loss"
    )
    assert plot.title == "loss: reaction ρ=5"
    assert [series.label for series in plot.series] == ["curriculum", "regular"]


def test_only_the_first_seed_of_a_setting_is_in_the_legend() -> None:
    plot = curves_plot([curve(run, "reaction regular", [1, 2]) for run in "abc"], "loss")
    assert [series.in_legend for series in plot.series] == [True, False, False]


def test_a_band_is_the_median_between_the_extremes_and_ended_runs_keep_their_last_value() -> None:
    curves = [curve("a", "x", [1, 1, 1]), curve("b", "x", [2, 2, 2, 2, 2]), curve("c", "x", [9])]
    (band,) = curves_plot(curves, "loss", band=True).series
    assert band.lo is not None and band.hi is not None
    assert (band.x[0], band.x[-1]) == (0, 4)
    assert (band.lo == 1).all() and (band.hi == 9).all() and (band.y == 2).all()


def test_points_without_a_value_are_left_out_of_a_curve() -> None:
    columns = {"step": np.arange(4.0), "loss": np.ones(4), "validation_rel_l2": np.array([np.nan, 0.5, np.nan, 0.25])}
    plot = run_plot(columns, [], ("loss", "validation_rel_l2", "absent"))
    assert [series.key for series in plot.series] == ["loss", "validation_rel_l2"]
    assert plot.series[1].x.tolist() == [1, 3]


def test_one_stage_needs_no_mark() -> None:
    assert run_plot({}, [{"name": "β=30", "step": 0}], ()).stages == ()
    assert run_plot({}, [], (), waits=True).empty == "this run has not begun"
    two = run_plot({}, [{"name": "β=5", "step": 0}, {"name": "β=10", "step": 7}], ()).stages
    assert [(stage.x, stage.label) for stage in two] == [(0.0, "β=5"), (7.0, "β=10")]


def test_transfer_shows_the_mean_and_range_over_seeds_and_zero_shot_as_a_line() -> None:
    runs = [Transfer("a", "finetune", 8, 0.1), Transfer("b", "finetune", 8, 0.3), Transfer("c", "finetune", 32, 0.05)]
    plot = transfer_plot([*runs, Transfer("z", "zeroshot", 0, 0.4)])
    (tuned,) = plot.series
    assert tuned.x.tolist() == [8, 32]
    assert tuned.y.tolist() == pytest.approx([0.2, 0.05])
    assert tuned.lo is not None and tuned.hi is not None
    assert (tuned.lo[0], tuned.hi[0]) == (0.1, 0.3)
    assert [rule.y for rule in plot.rules] == [0.4]
