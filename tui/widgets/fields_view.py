"""Predicted, reference and error of a solution side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container

from tui.raster.spec import Field
from tui.widgets.heatmap import Heatmap

if TYPE_CHECKING:
    import numpy as np

NAMES = ("predicted", "reference", "error")


class FieldsView(Container):
    """Three heatmaps; predicted and reference share their colours, the error has its own about zero."""

    DEFAULT_CSS = """
    FieldsView { layout: vertical; height: 1fr; }
    FieldsView.-across { layout: horizontal; }
    FieldsView.-across Heatmap { margin-right: 1; }
    """

    def compose(self) -> ComposeResult:
        for name in NAMES:
            yield Heatmap(id=name, empty="no fields stored yet" if name == NAMES[0] else "")

    def show(self, arrays: Mapping[str, np.ndarray]) -> None:
        """arrays: predicted, reference, error (rows, columns), those that there are; drawn with x to the right."""
        for name, field in self._fields(arrays).items():
            self.query_one(f"#{name}", Heatmap).plot(field)

    def _fields(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Field | None]:
        from tui.raster.heatmap import shared_limits

        drawn = {name: arrays[name] for name in NAMES if name in arrays and arrays[name].ndim == 2}
        both = [Field(name, drawn[name]) for name in NAMES[:2] if name in drawn]
        limits = shared_limits(both) if both else None
        fields: dict[str, Field | None] = dict.fromkeys(NAMES)
        for field in both:
            fields[field.title] = Field(field.title, field.values, limits=limits)
        if "error" in drawn:
            import numpy as np

            size = float(np.sqrt(np.mean(drawn["reference"] ** 2))) if "reference" in drawn else 0.0
            share = float(np.sqrt(np.mean(drawn["error"] ** 2))) / size if size else float("nan")
            note = f"rel L2 {share:.1e}" if share == share else ""
            fields["error"] = Field("error", drawn["error"], colours="diverging", note=note)
        return fields
