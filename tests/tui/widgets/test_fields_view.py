"""What a solution is drawn as: fields of x and t in colours, a function of time as curves."""

from __future__ import annotations

import numpy as np
import pytest
from textual.app import App, ComposeResult

from tui.widgets.chart import Chart
from tui.widgets.fields_view import FieldsView
from tui.widgets.heatmap import Heatmap


class Fields(App[None]):
    def compose(self) -> ComposeResult:
        yield FieldsView()


def solution(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    reference = np.cos(6 * np.linspace(0, 1, shape[-1])) * np.ones(shape)
    predicted = 0.9 * reference
    return {
        "predicted": predicted,
        "reference": reference,
        "error": predicted - reference,
        "t": np.linspace(0, 1, shape[-1]),
    }


@pytest.fixture
def app() -> Fields:
    return Fields()


def shown(app: Fields, kind: type) -> list[str]:
    return [str(widget.id) for widget in app.query(kind) if widget.display and widget.size.width]


async def test_a_function_of_time_is_drawn_as_curves_with_its_observations(app: Fields) -> None:
    async with app.run_test(size=(60, 24)) as pilot:
        observed = np.array([[0.1, 1.0], [0.2, 0.5]])
        app.query_one(FieldsView).show({**solution((80,)), "observations": observed})
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert (shown(app, Heatmap), shown(app, Chart)) == ([], ["solution", "difference"])
        above, below = app.query(Chart)
        assert [(series.label, series.kind) for series in above.content.series] == [
            ("reference", "line"),
            ("predicted", "line"),
            ("observed", "points"),
        ]
        assert above.content.series[-1].x.tolist() == [0.1, 0.2]
        assert below.content.title == "error rel L2 1.0e-1"
        drawn = "".join(above.render_line(y).text for y in range(above.size.height))
        assert "observed" in drawn and "■" in drawn


async def test_a_field_of_x_and_t_is_drawn_in_colours(app: Fields) -> None:
    async with app.run_test(size=(60, 24)) as pilot:
        app.query_one(FieldsView).show(solution((80,)))
        app.query_one(FieldsView).show({**solution((20, 30)), "x": np.linspace(0, 1, 20)})
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert (shown(app, Heatmap), shown(app, Chart)) == (["predicted", "reference", "error"], [])
        assert app.query_one("#error", Heatmap).field.note == "rel L2 1.0e-1"  # type: ignore[union-attr]


async def test_the_landscape_of_the_loss_comes_after_the_fields_on_a_logarithmic_scale(app: Fields) -> None:
    async with app.run_test(size=(60, 24)) as pilot:
        view = app.query_one(FieldsView)
        view.show({**solution((20, 30)), "landscape": np.array([[1e-4, 0.0], [1.0, 100.0]])})
        assert view.samples == ["", "landscape"]
        view.next_sample()
        await pilot.pause()
        drawn = app.query_one("#predicted", Heatmap).field
        assert drawn is not None
        assert (drawn.title, drawn.values[0, 0], drawn.values[1, 1]) == ("log10 of the loss", -4.0, 2.0)
        assert app.query_one("#reference", Heatmap).field is None
        view.next_sample()
        assert app.query_one("#predicted", Heatmap).field.title == "predicted"  # type: ignore[union-attr]
