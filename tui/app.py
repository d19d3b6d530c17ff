"""The app: its screens and its lifecycle, no logic.

The first paint waits for nothing: the store is opened on a thread.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from tui import palette
from tui.keymap import KEYMAP, MOVE, display
from tui.messages import FeedFailed, FeedMessage, GpusSeen, RunsChanged, ShelfChanged
from tui.screens.base import FeedScreen
from tui.stack import lay
from tui.typeahead import TypeAhead
from tui.widgets.ascii_filter import AsciiFilter
from tui.widgets.theme import THEME

if TYPE_CHECKING:
    from engine.client import Client
    from engine.gpus import Gpu
    from engine.records import Run, Shelved
    from engine.tables import Row
    from tui.feed import Feed
    from tui.live import LiveRun

SCREENS = {
    "datasets": "tui.screens.datasets:DatasetsScreen",
    "models": "tui.screens.models:ModelsScreen",
    "runs": "tui.screens.runs:RunsScreen",
    "compare": "tui.screens.compare:CompareScreen",
}
"""Screens that a key leads to, imported when they are first shown."""


def _made(path: str) -> Screen[object]:
    module, _, name = path.partition(":")
    made: Screen[object] = getattr(import_module(module), name)()
    return made


def _start_tasks_in_turn() -> None:
    """A task starts when the loop comes to it, on every Python.

    From 3.12 on `App.run` makes tasks start within the call that creates them. Textual 8.2 then composes the screen of
    a mode before that screen is on the stack, where its inputs look for it as they are mounted: the app ends at once.
    `App.run_test` changes nothing of the loop, so that its tests do not show it.
    """
    asyncio.get_running_loop().set_task_factory(None)


class Library:
    """What the feed has told so far: all that screens show without asking the store."""

    def __init__(self) -> None:
        self.runs: dict[str, LiveRun] = {}
        """Oldest first."""
        self.counts: Counter[str] = Counter()
        """How many runs are in which state, without what is archived."""
        self.archived: set[str] = set()
        self.datasets: tuple[Shelved, ...] = ()
        self.models: tuple[Shelved, ...] = ()
        self.gpus: tuple[Gpu, ...] = ()
        self.complete = False
        """Whether the store was read once."""
        self.marks: tuple[str, ...] = ()
        """Marked runs, in the order of marking."""
        self.colours = palette.GroupColours(self.group_of)
        """A marked run has the same colour on every screen; the seeds of one setting share it."""

    def group_of(self, run: str) -> str:
        """What the runs of one setting have in common, whatever their seed: their label."""
        live = self.runs.get(run)
        return live.run.label if live else run

    def mark(self, runs: Iterable[str]) -> None:
        self.marks = tuple(runs)
        self.colours.hold(self.marks)

    def take(self, message: FeedMessage) -> None:
        if isinstance(message, RunsChanged):
            for run in (*message.changed, *message.removed):
                if (live := self.runs.get(run)) and run not in self.archived:
                    self.counts[live.run.status] -= 1
            self.counts.update(live.run.status for live in message.changed.values() if not live.run.archived)
            self.archived -= message.changed.keys() | message.removed
            self.archived.update(run for run, live in message.changed.items() if live.run.archived)
            self.runs.update(message.changed)
            for run in message.removed:
                self.runs.pop(run, None)
            self.complete = self.complete or message.complete
            if message.complete or message.removed & set(self.marks):
                self.mark(run for run in self.marks if run in self.runs)
        elif isinstance(message, ShelfChanged):
            self.datasets, self.models = message.datasets, message.models
        elif isinstance(message, GpusSeen):
            self.gpus = message.gpus


class SciMLApp(TypeAhead):
    """Screens over `engine.client`. `first` is the screen that it opens on; `marked` are runs marked from the start."""

    BINDINGS = [*KEYMAP.bindings("app")]
    CSS = "Screen { background: $background; color: $foreground; }"
    MODES = {name: partial(_made, path) for name, path in SCREENS.items()}
    TITLE = "sciml-tui"
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        open_client: Callable[[], Client],
        *,
        readonly: bool = False,
        first: str = "runs",
        marked: tuple[str, ...] = (),
    ) -> None:
        self.DEFAULT_MODE = first  # type: ignore[misc]  # read by what follows: no other screen is made before it
        super().__init__()
        self.register_theme(THEME)
        self.theme = THEME.name  # here: set later, every style sheet is read twice
        self._filters.append(AsciiFilter())
        self._open_client = open_client
        self.readonly = readonly
        self.library = Library()
        self.library.mark(marked)
        self.feed: Feed | None = None
        self.paused = False
        self.trouble = ""
        """Why the store cannot be read at present."""

    def on_load(self) -> None:
        from tui.feed import Feed

        _start_tasks_in_turn()
        if not self.is_headless:  # a terminal in which it was told to end is left as it was found
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self.feed = Feed(self._open_client, self.post_message)
        self.feed.start()

    @property
    def client(self) -> Client | None:
        """The store, once the feed has opened it."""
        return self.feed.client if self.feed else None

    def on_unmount(self) -> None:
        if self.feed is not None:
            self.feed.leave()

    # what the feed says

    def _tell(self, message: FeedMessage) -> None:
        if isinstance(message, FeedFailed):
            self.trouble = message.text
        self.library.take(message)
        for screen in self.screen_stack:
            if isinstance(screen, FeedScreen):
                screen.take(message)
        if not gc.isenabled():  # as it is opened on a terminal: from here on, and not what is there to stay
            gc.freeze()
            gc.enable()

    on_runs_changed = on_shelf_changed = on_metrics_grew = on_gpus_seen = on_feed_failed = _tell

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """For the command palette: what can be done on this screen now, as the keymap calls it."""
        by_action = {active.binding.id: active for active in screen.active_bindings.values()}  # whatever its keys
        for active in by_action.values():
            row = KEYMAP.get(active.binding.id)
            if row is not None and active.enabled and row.group != MOVE and row.id != "app.palette":
                keys = ", ".join(map(display, row.keys))
                act = partial(self.run_action, active.binding.action, active.node)
                yield SystemCommand(row.command, f"{keys}  {row.help}".rstrip(), act)

    # keys that work everywhere

    def action_show(self, name: str) -> None:
        """One of the screens that a key leads to; whatever lies on top of it is left."""
        self.switch_mode(name)

    def action_help(self) -> None:
        from tui.widgets.help_screen import HelpScreen

        lay(self, HelpScreen(KEYMAP))

    def action_pause(self) -> None:
        self.paused = not self.paused
        if self.feed is not None:
            self.feed.pause(self.paused)
        for screen in self.screen_stack:
            if isinstance(screen, FeedScreen):
                screen.on_screen_resume()

    def open_run(self, run: str) -> None:
        """A run's own screen, on top of the one that is shown."""
        from tui.screens.run import RunScreen

        if run in self.library.runs:
            lay(self, RunScreen(run))

    def launch(self, task: str | None = None, *, like: Run | None = None) -> None:
        """The form for new runs, on top of the screen that is shown; `like`: filled in as that run was."""
        from tui.screens.launch import LaunchScreen

        if self.readonly:
            self.notify("this store was opened read-only: no runs can be submitted", severity="warning")
        elif self.client is not None:
            form = LaunchScreen.again(self.client, like) if like else LaunchScreen(self.client, task)
            lay(self, form, self._submitted)

    def _submitted(self, runs: list[str] | None) -> None:
        if runs and self.feed is not None:
            self.feed.look()
            self.notify(f"submitted {runs[0]}" if len(runs) == 1 else f"submitted {len(runs)} runs", timeout=3)

    def export(self, rows: Mapping[str, Sequence[Row]], *, about: str = "", noun: str = "runs") -> None:
        """The dialog that writes rows to a file. rows: by the name that it calls them by; about: their filter."""
        from tui.export_form import Rows
        from tui.screens.export import ExportDialog

        sources = {name: Rows(found, about, noun) for name, found in rows.items() if found}
        if sources:
            lay(self, ExportDialog(sources))
        else:
            self.notify("nothing to export", severity="warning", timeout=3)

    @property
    def notices(self) -> list[str]:
        """What is to be known all the time, for the bar on top."""
        trouble = [self.trouble] if self.trouble else []
        return trouble + ["paused"] * self.paused + ["read-only"] * self.readonly
