"""What the feed tells the screens. Small and immutable; one replaces another only where nothing is lost by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from engine.gpus import Gpu
    from engine.records import Shelved
    from tui.live import LiveRun


class FeedMessage(Message, bubble=False):
    """The app hands each of these to the screen on top and to the screens below it."""


class RunsChanged(FeedMessage):
    """Runs were added, changed or removed: in the store, or in what their streams say of them."""

    def __init__(self, changed: Mapping[str, LiveRun], removed: frozenset[str], *, complete: bool = False) -> None:
        super().__init__()
        self.changed, self.removed = changed, removed
        self.complete = complete
        """Whether `changed` are all runs there are: the first message."""


class MetricsGrew(FeedMessage):
    """The stream of a watched run has new points or documents; read them from `Feed.report(run)`."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, MetricsGrew) and message.run == self.run


class ShelfChanged(FeedMessage):
    """Datasets or models were published or removed."""

    def __init__(self, datasets: tuple[Shelved, ...], models: tuple[Shelved, ...]) -> None:
        super().__init__()
        self.datasets, self.models = datasets, models

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ShelfChanged)


class GpusSeen(FeedMessage):
    """What the GPUs of this machine do now; never told where there are none."""

    def __init__(self, gpus: tuple[Gpu, ...]) -> None:
        super().__init__()
        self.gpus = gpus

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, GpusSeen)


class FeedFailed(FeedMessage):
    """Something of the store cannot be read at present; the feed goes on trying, and says "" when it can."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, FeedFailed)
