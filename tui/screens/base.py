"""What the screens over the feed have in common: the bar on top, the footer, and being told what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.screen import Screen

from tui.keymap import KEYMAP
from tui.messages import FeedFailed, FeedMessage, GpusSeen
from tui.widgets.footer import Footer
from tui.widgets.gpu_meter import Gpu
from tui.widgets.status_line import StatusLine
from tui.wire import LeanCompositor

if TYPE_CHECKING:
    from tui.app import SciMLApp


class FeedScreen(Screen[None]):
    """A screen that the feed's messages reach. Subclasses say `content`, `refresh_all` and `changed`.

    While the screen is not on top it is told nothing; when it is shown again, `refresh_all` brings it up to date.
    """

    name_in_bar = ""
    """What the bar on top calls this screen; of one that lies on top of another, that other's name."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor = LeanCompositor()

    @property
    def sciml(self) -> SciMLApp:
        return cast("SciMLApp", self.app)

    def compose(self) -> ComposeResult:
        yield StatusLine("sciml-tui", screens_by_key(), self.name_in_bar)
        yield from self.content()
        yield Footer()

    def content(self) -> ComposeResult:
        """The widgets between the bar and the footer."""
        raise NotImplementedError

    def refresh_all(self) -> None:
        """Show what the app's library holds now."""
        raise NotImplementedError

    def changed(self, message: FeedMessage) -> None:
        """Show what this message changed; the library already holds it."""
        raise NotImplementedError

    def take(self, message: FeedMessage) -> None:
        if not self.query(StatusLine):  # not composed yet, then it will be resumed and show all there is; or leaving
            return
        self._tell_bar()
        if not isinstance(message, (FeedFailed, GpusSeen)):
            self.changed(message)

    def on_screen_resume(self) -> None:
        self._tell_bar()
        self.refresh_all()

    def _tell_bar(self) -> None:
        bar = self.query_one(StatusLine)
        bar.set_counts(self.sciml.library.counts)
        bar.set_gpus([Gpu(f"gpu{gpu.index}", gpu.used) for gpu in self.sciml.library.gpus])
        bar.set_notice(", ".join(self.sciml.notices))


def screens_by_key() -> list[tuple[str, str]]:
    """(key, name) of the screens that a key leads to."""
    return [(row.keys[0], row.label) for row in KEYMAP if row.is_screen]
