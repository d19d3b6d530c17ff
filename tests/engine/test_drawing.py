from __future__ import annotations

import sys

import numpy as np
import pytest

from engine.api import Published, SuiteFigure
from engine.drawing import drawing
from engine.errors import ServiceError
from engine.figures import render
from engine.records import Status


def run(id, beta, method, error=None):
    return {"id": id, "status": Status.DONE, "beta": beta, "method": method, "rel_l2": error}


ROWS = [
    run("a", 20.0, "regular", 0.8),
    run("b", 20.0, "regular", 0.9),
    run("c", 10.0, "regular", 0.01),
    run("d", 20.0, "curriculum", 0.02),
    run("e", 30.0, "curriculum"),
]


def nothing(run, names):
    return {}


def test_lines_have_a_band_over_the_seeds_and_published_figures_in_their_colours():
    figure = SuiteFigure(
        title="error",
        runs="",
        x="beta",
        value="rel_l2",
        series=("method",),
        published=(
            Published(row=(30.0,), column="curriculum", figure=0.02),
            Published(row=(20.0,), column="curriculum", figure=0.01),
        ),
    )
    drawn = drawing(figure, ROWS, nothing)
    regular, curriculum, published = drawn.lines
    assert (regular.label, regular.x, regular.low, regular.high) == ("regular", (10.0, 20.0), (0.01, 0.8), (0.01, 0.9))
    assert regular.y == (0.01, pytest.approx(0.85))
    assert len(regular.dots) == 3
    assert curriculum.x == (20.0,), "a run without a figure is no point"
    assert (published.x, published.y, published.published) == ((20.0, 30.0), (0.01, 0.02), True)
    assert published.colour == curriculum.colour


def test_profiles_are_the_median_of_what_runs_stored():
    stored = {"a": [1.0, 2.0], "b": [3.0, 6.0], "d": [5.0, 5.0]}
    figure = SuiteFigure(title="t", kind="profiles", runs="", x="t", value="error_t", series=("method",))

    def arrays(run, names):
        return {"t": np.array([0.0, 1.0]), "error_t": np.array(stored[run])} if run in stored else {}

    regular, curriculum = drawing(figure, ROWS, arrays).lines
    assert (regular.y, regular.low, regular.high) == ((2.0, 4.0), (1.0, 2.0), (3.0, 6.0))
    assert curriculum.y == (5.0, 5.0)


def test_maps_are_a_panel_a_combination_of_the_first_run_that_has_one():
    figure = SuiteFigure(title="t", kind="maps", runs="", x="p", y="q", value="landscape", series=("beta",))

    def arrays(run, names):
        axis = np.linspace(-1, 1, 3)
        return {"p": axis, "q": axis, "landscape": np.full((3, 3), ord(run))} if run in "bc" else {}

    drawn = drawing(figure, ROWS, arrays)
    assert [(panel.label, panel.z[0, 0]) for panel in drawn.panels] == [("beta=20", ord("b")), ("beta=10", ord("c"))]


@pytest.mark.parametrize("shape", [(2, 3), (3, 2)])
def test_a_map_is_over_x_and_y_in_whichever_order_its_array_has_them(shape):
    pytest.importorskip("matplotlib")
    figure = SuiteFigure(title="t", kind="maps", runs="", x="p", y="q", value="error", series=("beta",))
    field = np.arange(6.0).reshape(2, 3)  # over p and q

    def arrays(run, names):
        return {"p": np.arange(2), "q": np.arange(3), "error": field if shape == field.shape else field.T}

    drawn = drawing(figure, ROWS, arrays)
    assert all(np.array_equal(panel.z, field) for panel in drawn.panels)
    assert render(drawn)["png"]


def test_a_map_of_an_array_that_is_not_over_its_axes_says_so():
    figure = SuiteFigure(title="t", kind="maps", runs="", x="p", y="q", value="error")
    stored = {"p": np.arange(2), "q": np.arange(3), "error": np.zeros((4, 3))}
    with pytest.raises(ServiceError, match=r"error over p and q, \(2, 3\).*got \(4, 3\) of run a"):
        drawing(figure, ROWS, lambda run, names: stored)


def test_a_figure_of_runs_without_anything_to_draw_is_empty():
    figure = SuiteFigure(title="t", runs="", x="beta", value="rel_l2", published=(Published(row=(1.0,), figure=0.1),))
    assert drawing(figure, [], nothing).is_empty
    assert not drawing(figure, ROWS, nothing).is_empty


@pytest.mark.parametrize("kind", ["lines", "maps"])
def test_a_figure_is_drawn_as_svg_and_png_the_same_each_time(kind):
    pytest.importorskip("matplotlib")
    figure = SuiteFigure(title="T & <t>", kind=kind, runs="", x="beta", y="q", value="rel_l2", series=("method",))

    def arrays(run, names):
        axis = np.linspace(-1, 1, 3)
        return {"beta": axis, "q": axis, "rel_l2": np.exp(axis[:, None] + axis)}

    drawn = drawing(figure, ROWS, arrays)
    first, second = render(drawn), render(drawn)
    assert first["png"].startswith(b"\x89PNG")
    assert first["svg"].startswith(b"<?xml")
    assert first["svg"] == second["svg"]
    assert b"T &amp; &lt;t&gt;" in first["svg"]


def test_without_matplotlib_it_is_said_how_to_get_it_and_how_to_do_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    figure = SuiteFigure(title="t", runs="", x="beta", value="rel_l2")
    with pytest.raises(ServiceError, match=r"sciml-tui\[figures\].*--no-figures"):
        render(drawing(figure, ROWS, nothing))
