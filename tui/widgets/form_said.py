"""Lines below a form: what it comes to, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from tui import palette
from tui.widgets.one_line import OneLine, Part


class Said(OneLine):
    """A line that is told what to say."""

    DEFAULT_CSS = "Said { padding: 0 2; & > .line--problem { color: $error; } }"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line--problem"}

    def __init__(self, *left: Part, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: tuple[Part, ...] = left
        self._right: tuple[Part, ...] = ()

    def say(self, *left: Part, right: Iterable[Part] = ()) -> None:
        said = (left, tuple(right))
        if said != (self._left, self._right):
            self._left, self._right = said
            self.refresh()

    def parts(self, width: int) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        return self._left, self._right


class Rule(OneLine):
    """The thin line between what is asked and what comes of it."""

    def parts(self, width: int) -> tuple[list[Part], list[Part]]:
        return [(palette.glyph("rule") * width, "muted")], []
