"""The first line of every screen: where one is, what the machine does, how many runs there are in which state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui import palette, text
from tui.widgets.gpu_meter import Gpu, brief
from tui.widgets.one_line import OneLine, Part, width_of

_COUNTED = ("running", "launching", "queued", "blocked", "done", "stopped", "diverged", "failed", "lost")


class StatusLine(OneLine):
    """title: of the app. screens: (key, name) of those that keys lead to."""

    DEFAULT_CSS = """
    StatusLine { dock: top; padding: 0 1; }
    """

    def __init__(self, title: str, screens: Sequence[tuple[str, str]] = (), active: str = "", *, id: str | None = None):
        super().__init__(id=id)
        self.title, self.screens, self.active = title, tuple(screens), active
        self._counts: dict[str, int] = {}
        self._gpus: tuple[Gpu, ...] = ()
        self._notice = ""

    def set_active(self, name: str) -> None:
        """The screen that is shown, by its name."""
        self._set("active", name)

    def set_counts(self, counts: Mapping[str, int]) -> None:
        """How many runs are in each state."""
        self._set("_counts", dict(counts))

    def set_gpus(self, gpus: Sequence[Gpu]) -> None:
        self._set("_gpus", tuple(gpus))

    def set_notice(self, words: str) -> None:
        """Something to know, until it is taken back with an empty text: paused, read-only, no scheduler."""
        self._set("_notice", words)

    def _set(self, name: str, value: object) -> None:
        if getattr(self, name) != value:
            setattr(self, name, value)
            self.refresh()

    def parts(self, width: int) -> tuple[Sequence[Part], Sequence[Part]]:
        """What does not fit goes in this order: the meters of GPUs, the names of other screens, the app's title."""
        counts, meters = self._counted(), [part for gpu in self._gpus for part in [*brief(gpu), ("  ", "")]]
        notice = [(f"{text.shown(self._notice)}  ", palette.ORANGE)] if self._notice else []
        for names, gpus, title in (
            (True, True, True),
            (True, False, True),
            (False, False, True),
            (False, False, False),
        ):
            left = [*([(self.title + "  ", "strong")] if title else []), *self._tabs(names)]
            right = [*notice, *(meters if gpus else []), *counts]
            if width_of(left) + width_of(right) <= width:
                break
        return left, right

    def _tabs(self, names: bool) -> list[Part]:
        parts: list[Part] = []
        for key, name in self.screens:
            here = name == self.active
            parts.append((f" {key} {name} " if names or here else f" {key} ", "accent" if here else "muted"))
        return parts

    def _counted(self) -> list[Part]:
        parts: list[Part] = []
        for name in _COUNTED:
            if self._counts.get(name):
                mark, colour = palette.status(name)
                parts += [(mark, colour), (f"{text.count(self._counts[name])} ", "")]
        return parts
