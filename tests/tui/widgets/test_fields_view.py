from __future__ import annotations

import numpy as np
from textual.app import App, ComposeResult

from tui.widgets.fields_view import FieldsView
from tui.widgets.heatmap import Heatmap


class Fields(App[None]):
    def compose(self) -> ComposeResult:
        yield FieldsView()

    def titles(self) -> list[str]:
        shown = [heatmap.field for heatmap in self.query(Heatmap)]
        return [field.title for field in shown if field is not None]


def sample(size: float) -> dict[str, np.ndarray]:
    reference = np.eye(4)
    return {"predicted": reference * (1 + size), "reference": reference, "error": reference * size}


async def test_the_fields_of_each_sample_are_seen_in_turn() -> None:
    arrays = {"x": np.arange(4.0), "errors": np.ones(9), "errors_max_error": np.ones(9), **sample(0.1)}
    arrays |= {f"worst_{name}": values for name, values in sample(0.5).items()}
    app = Fields()
    async with app.run_test(size=(60, 40)):
        view = app.query_one(FieldsView)
        view.next_sample()  # there is none yet
        view.show(arrays)
        assert view.samples == ["", "worst_"]
        assert app.titles() == ["predicted", "reference", "error"]
        view.next_sample()
        assert app.titles() == ["predicted, worst", "reference, worst", "error, worst"]
        error = app.query_one("#error", Heatmap).field
        assert error is not None and error.note == "rel L2 5.0e-01"
        view.show(arrays)  # newer ones: of the same sample
        assert app.titles()[0] == "predicted, worst"
        view.next_sample()
        assert app.titles() == ["predicted", "reference", "error"]
        view.show(sample(0.2))
        view.next_sample()
        assert app.titles() == ["predicted", "reference", "error"]


async def test_what_is_not_there_is_not_drawn() -> None:
    app = Fields()
    async with app.run_test(size=(60, 40)):
        app.query_one(FieldsView).show({"predicted": np.eye(4)})
        assert app.titles() == ["predicted"]
