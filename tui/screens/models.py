"""Published models."""

from __future__ import annotations

from collections.abc import Sequence

from engine.records import Shelved
from tui.keymap import KEYMAP
from tui.screens.shelf import CREATED, NAME, RUN, SIZE, ShelfScreen, fact
from tui.widgets import columns
from tui.widgets.columns import Column


def _error(item: Shelved) -> float | None:
    value = item.facts.get("validation_rel_l2")
    return value if isinstance(value, float) else None


class ModelsScreen(ShelfScreen):
    """Key 2."""

    BINDINGS = [*KEYMAP.bindings("models")]
    name_in_bar = "Models"
    what = "models"
    kind = "model"
    empty = "no models yet\npress 3, then n: an operator run with mode=pretrain publishes its model"
    columns_shown = (
        NAME,
        fact("model", "model", 6, importance=90),
        fact("parameters", "parameters", 10, align="right", importance=80),
        fact("system", "system", 12, importance=85),
        fact("range", "range", 8, importance=70),
        fact("samples", "samples", 8, align="right", importance=50),
        Column("error", "rel L2", _error, columns.measured(), width=8, align="right", importance=75),
        SIZE,
        RUN,
        CREATED,
    )

    def items(self) -> Sequence[Shelved]:
        return self.sciml.library.models
