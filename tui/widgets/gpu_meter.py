"""What the GPUs do: a bar and a figure each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.strip import Strip

from tui import palette, text
from tui.widgets.one_line import OneLine, Part

_STEPS, _ASCII_STEPS = " ▁▂▃▄▅▆▇", "   ...=#"
_BUSY = 0.02
"""Share of use below which a GPU is called idle."""


class Gpu(NamedTuple):
    """What is known of a GPU; None for what it does not say. used: share of its time. held: who leased it."""

    name: str
    used: float | None = None
    memory: float | None = None
    memory_total: float | None = None
    kind: str = ""
    held: str = ""


def bar(share: float | None, width: int) -> str:
    """A bar of exactly that many cells, filled to a share of it."""
    steps = _ASCII_STEPS if palette.is_ascii() else _STEPS
    full, rest = divmod(round(min(max(share or 0.0, 0.0), 1.0) * width * 7), 7)
    return (steps[7] * full + (steps[rest] if rest else "")).ljust(width)


def brief(gpu: Gpu) -> list[Part]:
    """For the status line: `gpu0 ██████ 91%`, `gpu1 idle`."""
    if gpu.used is None or gpu.used < _BUSY:
        return [(f"{text.shown(gpu.name)} ", "muted"), ("idle" if gpu.used is not None else "?", "muted")]
    return [
        (f"{text.shown(gpu.name)} ", "muted"),
        (bar(gpu.used, 6), palette.GREEN),
        (f" {text.percent(gpu.used)}", ""),
    ]


class GpuMeter(OneLine):
    """A line for each GPU: its name and kind, use, memory, and who holds it."""

    DEFAULT_CSS = """
    GpuMeter { height: auto; min-height: 1; }
    """

    def __init__(self, gpus: Sequence[Gpu] = (), *, empty: str = "no GPU here", id: str | None = None) -> None:
        super().__init__(id=id)
        self._gpus, self.empty = tuple(gpus), empty

    def set_gpus(self, gpus: Sequence[Gpu]) -> None:
        gpus = tuple(gpus)
        if gpus != self._gpus:
            resized = len(gpus) != len(self._gpus)
            self._gpus = gpus
            self.refresh(layout=resized)

    def get_content_height(self, *_: object) -> int:
        return max(len(self._gpus), 1)

    def render_line(self, y: int) -> Strip:
        parts = self._parts(self._gpus[y]) if y < len(self._gpus) else [(self.empty if y == 0 else "", "muted")]
        return Strip(self._segments(parts, self.size.width), self.size.width)

    def _parts(self, gpu: Gpu) -> list[Part]:
        held = ("  " + text.shown(gpu.held), "") if gpu.held else ("  free", "muted")
        memory, of_all = None, palette.glyph("none")
        if gpu.memory is not None and gpu.memory_total:
            memory = gpu.memory / gpu.memory_total
            of_all = f"{text.size(gpu.memory)} of {text.size(gpu.memory_total)}"
        kind = 18 if self.size.width >= 90 else 0
        return [
            (text.fit(text.shown(gpu.name), 6), ""),
            (text.fit(text.shown(gpu.kind), kind) + "  ", "muted"),
            (bar(gpu.used, 12), palette.GREEN),
            (text.fit(text.percent(gpu.used), 5, "right") + "  ", ""),
            (bar(memory, 12), palette.SKY),
            (text.fit(of_all, 20, "right"), ""),
            held,
        ]
