"""Published datasets, and the fields of their first samples."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Resize

from engine.errors import ScimlError
from engine.records import Shelved
from tui import text
from tui.facts import soundness
from tui.keymap import KEYMAP
from tui.raster.spec import Field
from tui.screens.shelf import CREATED, NAME, RUN, SIZE, ShelfScreen, fact
from tui.widgets import columns
from tui.widgets.columns import Column
from tui.widgets.filter_bar import FilterBar
from tui.widgets.heatmap import Heatmap
from tui.widgets.lines import Lines
from tui.widgets.run_table import RunTable

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

SAMPLES = 8
"""Of a dataset that can be looked at."""
WIDE = 110
"""Columns from which the facts stand beside the fields."""
FIELDS = ("source", "solution")


def _sound(item: Shelved) -> str | None:
    return None if item.verified is None else "yes" if item.sound else "no"


class DatasetsScreen(ShelfScreen):
    """Key 1. Fields are read by the task that made a dataset, when they are asked for."""

    BINDINGS = [*KEYMAP.bindings("datasets")]
    name_in_bar = "Datasets"
    what = "datasets"
    kind = "dataset"
    empty = "no datasets yet\npress n to generate one; operators also make their samples by themselves"
    columns_shown = (
        NAME,
        fact("system", "system", 12, importance=90),
        fact("range", "range", 8, importance=80),
        fact("grid", "grid", 5, align="right", importance=70),
        fact("samples", "samples", 8, align="right", importance=75),
        fact("test", "test", 6, align="right", importance=30),
        fact("dtype", "dtype", 8, importance=20),
        SIZE,
        Column("sound", "sound", _sound, columns.words, width=5, importance=65),
        RUN,
        CREATED,
    )
    DEFAULT_CSS = """
    DatasetsScreen #below { height: 40%; min-height: 5; max-height: 18; border-top: solid $foreground 15%; }
    DatasetsScreen Lines { height: 1fr; max-height: 100%; width: 1fr; border-top: none; }
    DatasetsScreen Heatmap { display: none; width: 1fr; max-width: 50; margin: 0 1; }
    DatasetsScreen.-fields #below { height: 60%; max-height: 26; }
    DatasetsScreen.-fields Heatmap { display: block; }
    DatasetsScreen.-fields.-narrow Lines { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._arrays: dict[str, Arrays] = {}
        """By the hash of the file; only the last."""
        self._sample = -1
        """Which one is shown; none below 0."""

    def content(self) -> ComposeResult:
        yield FilterBar("filter")
        yield RunTable(self.columns_shown, empty="reading the store")
        with Horizontal(id="below"):
            yield Lines()
            for name in FIELDS:
                yield Heatmap(id=name, empty="reading samples" if name == FIELDS[0] else "")

    def items(self) -> Sequence[Shelved]:
        return self.sciml.library.datasets

    def action_new(self) -> None:
        self.sciml.launch("dataset")

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < WIDE, "-narrow")

    def on_run_table_moved(self, message: RunTable.Moved) -> None:
        super().on_run_table_moved(message)
        self._show(-1)

    # Fields

    def action_fields(self) -> None:
        """The first sample, then the next, after the last none."""
        item = self._chosen
        if item is None:
            return
        known = self._arrays.get(item.sha256)
        if known is None:
            self._show(0)
            self.run_worker(self._read(item), group="fields", exclusive=True)
        else:
            count = len(known[FIELDS[0]])
            self._show(self._sample + 1 if self._sample + 1 < count else -1)

    @property
    def _chosen(self) -> Shelved | None:
        table = self.query_one(RunTable)
        return table.record(table.cursor) if table.cursor is not None else None

    async def _read(self, item: Shelved) -> None:
        if self.sciml.client is None:
            return
        try:
            arrays = await asyncio.to_thread(self.sciml.client.preview_dataset, item.name, SAMPLES)
        except ScimlError as error:
            self._show(-1)
            self.notify(text.shown(str(error)), severity="error")
            return
        self._arrays = {item.sha256: arrays}
        if self._sample >= 0:
            self._show(self._sample)

    def _show(self, sample: int) -> None:
        self._sample = sample
        self.set_class(sample >= 0, "-fields")
        item = self._chosen
        known = self._arrays.get(item.sha256) if item is not None else None
        for name in FIELDS:
            field = None
            if item is not None and known is not None and sample >= 0:
                field = _field(name, known, sample, item)
            self.query_one(f"#{name}", Heatmap).plot(field)

    # Soundness

    def action_verify(self) -> None:
        item = self._chosen
        if item is not None:
            self.notify(f"reading {text.shown(item.name)} to its end", timeout=3)
            self.run_worker(self._verify(item), group="verify")

    async def _verify(self, item: Shelved) -> None:
        if self.sciml.client is None:
            return
        name = text.shown(item.name)
        try:
            findings = await asyncio.to_thread(self.sciml.client.verify_dataset, item.name)
        except ScimlError as error:
            self.notify(text.shown(str(error)), severity="error")
            return
        failed = [finding for finding in findings if not finding.passed]
        if failed:
            first = failed[0]
            said = f"{name} is not sound: {first.what} {first.part}: required {first.required}, got {first.found}"
            self.notify(text.shown(said), severity="error")
        else:
            self.notify(f"{name} is sound: {len(findings)} things were looked at")

    def facts(self, item: Shelved) -> dict[str, Any]:
        return {**super().facts(item), "sound": soundness(item)}


def _field(name: str, arrays: Arrays, sample: int, item: Shelved) -> Field:
    """Of the solution, what the sample was made from is said beside it; drawn with x to the right."""
    count = len(arrays[name])
    title = f"{name}, sample {sample + 1} of {count}" if name == FIELDS[0] else name
    return Field(title, arrays[name][sample].T, note="" if name == FIELDS[0] else _made_from(arrays, sample, item))


def _made_from(arrays: Arrays, sample: int, item: Shelved) -> str:
    drawn = arrays["drawn"][sample].tolist()
    names = [row["name"] for row in item.facts.get("quantities", ())][-len(drawn) :]
    made_from = list(zip(names, drawn, strict=False))[:-1]  # the last is the sparsity of the source
    return "  ".join(f"{text.shown(name)} {value:.3g}" for name, value in made_from)
