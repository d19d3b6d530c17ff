"""Published datasets."""

from __future__ import annotations

from collections.abc import Sequence

from engine.records import Shelved
from tui.keymap import KEYMAP
from tui.screens.shelf import CREATED, NAME, RUN, SIZE, ShelfScreen, fact


class DatasetsScreen(ShelfScreen):
    """Key 1."""

    BINDINGS = [*KEYMAP.bindings("datasets")]
    name_in_bar = "Datasets"
    what = "datasets"
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
        RUN,
        CREATED,
    )

    def items(self) -> Sequence[Shelved]:
        return self.sciml.library.datasets

    def action_new(self) -> None:
        self.sciml.launch("dataset")
