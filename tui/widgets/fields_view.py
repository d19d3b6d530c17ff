"""Predicted, reference and error of a solution: fields side by side, or a function of time as curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container

from tui.plots import error_plot, relative_error, solution_plot
from tui.raster.spec import Field
from tui.widgets.chart import Chart
from tui.widgets.heatmap import Heatmap

if TYPE_CHECKING:
    import numpy as np

NAMES = ("predicted", "reference", "error")

LANDSCAPE = "landscape"
"""The loss over two directions in the space of the weights, where a run was asked for it."""


class FieldsView(Container):
    """Three heatmaps; predicted and reference share their colours, the error has its own about zero.

    Of a function of time alone, two charts in their place: prediction, reference and observations, and the error.
    """

    DEFAULT_CSS = """
    FieldsView { layout: vertical; height: 1fr; }
    FieldsView.-across { layout: horizontal; }
    FieldsView.-across Heatmap { margin-right: 1; }
    FieldsView Chart { display: none; }
    FieldsView.-curves Heatmap { display: none; }
    FieldsView.-curves Chart { display: block; }
    """

    def compose(self) -> ComposeResult:
        for name in NAMES:
            yield Heatmap(id=name, empty="")
        yield Chart(id="solution")
        yield Chart(id="difference")

    _arrays: Mapping[str, np.ndarray] = {}
    _sample = ""

    def show(self, arrays: Mapping[str, np.ndarray]) -> None:
        """arrays: predicted, reference, error (rows, columns), those that there are; drawn with x to the right. Or
        all of them over `t` alone.

        Where there are more under a prefix (`worst_error`), those are of another sample, for `next_sample`. A
        `landscape` comes after them all.
        """
        self._arrays = arrays
        if self._sample not in self.samples:
            self._sample = ""
        curves = "t" in arrays and all(name in arrays and arrays[name].ndim == 1 for name in NAMES)
        self.set_class(curves, "-curves")
        if curves:
            self.query_one("#solution", Chart).plot(solution_plot(arrays))
            self.query_one("#difference", Chart).plot(error_plot(arrays))
        else:
            self._plot()

    def say(self, why: str) -> None:
        """Why there is nothing to see, where there is nothing; of several lines the first is the message."""
        predicted = self.query_one(f"#{NAMES[0]}", Heatmap)
        if not self._arrays and predicted.empty != why:
            predicted.empty = why
            predicted.redraw()

    @property
    def samples(self) -> list[str]:
        """The prefixes of what there is to see, that of the first sample being empty."""
        found = [key for key, array in self._arrays.items() if array.ndim == 2]
        prefixes = dict.fromkeys(key.removesuffix(name) for key in found for name in NAMES if _is(key, name))
        return [*prefixes, *([LANDSCAPE] if LANDSCAPE in found else [])]

    def next_sample(self) -> bool:
        """Shows the fields of the next sample, after the last the first again. Whether it is a later one."""
        samples = self.samples
        if len(samples) < 2:
            return False
        at = (samples.index(self._sample) + 1) % len(samples)
        self._sample = samples[at]
        self._plot()
        return at > 0

    def _plot(self) -> None:
        if self._sample == LANDSCAPE:
            for name, shown in zip(NAMES, (_landscape(self._arrays[LANDSCAPE]), None, None), strict=True):
                self.query_one(f"#{name}", Heatmap).plot(shown)
            return
        prefix = self._sample
        own = {name: self._arrays[prefix + name] for name in NAMES if prefix + name in self._arrays}
        words = f", {prefix.rstrip('_')}" if prefix else ""
        for name, field in self._fields(own).items():
            if field is not None and words:
                field = replace(field, title=field.title + words)
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
            fields["error"] = Field("error", drawn["error"], colours="diverging", note=relative_error(drawn))
        return fields


def _landscape(loss: np.ndarray) -> Field:
    """On a logarithmic scale: around a minimum a loss spans decades."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return Field("log10 of the loss", np.log10(loss), note="along its two sharpest directions")


def _is(key: str, name: str) -> bool:
    """Whether the array of this key is the field of this name, of some sample."""
    return key == name or key.endswith(f"_{name}")
