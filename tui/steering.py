"""Stop, kill, resume, retry, remove: what is asked from any screen. Asked on a thread, confirmed where it destroys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from engine.records import ACTIVE, RESUMABLE, WAITING, Shelved, Status
from tui.live import LiveRun
from tui.stack import lay
from tui.text import listed, shown, size
from tui.widgets.confirm import Confirm

if TYPE_CHECKING:
    from engine.client import Client
    from tui.app import SciMLApp


_ALLOWED = {"stop": ACTIVE | WAITING, "again": RESUMABLE, "remove": frozenset(Status) - ACTIVE}
"""For which states the footer names these actions."""


def pointless(runs: Iterable[LiveRun | None]) -> frozenset[str]:
    """The actions that none of these runs is in a state for: their keys say so, and the footer leaves them out."""
    states = {live.run.status for live in runs if live is not None}
    return frozenset(action for action, allowed in _ALLOWED.items() if not states & allowed)


def stop(app: SciMLApp, runs: Sequence[LiveRun]) -> None:
    """Asks to checkpoint and end, after a question."""
    live = _only(app, runs, ACTIVE | WAITING, "stop")
    if live:
        question = Confirm(_count("Stop", live), _names(live), consequence="They save a checkpoint and can be resumed.")
        lay(app, question, lambda yes: _ask(app, live, "stop", "asked to stop") if yes else None)


def kill(app: SciMLApp, runs: Sequence[LiveRun]) -> None:
    """Ends at once, after a question."""
    named = _only(app, runs, ACTIVE | WAITING, "kill")
    if named:
        others = _in_their_processes(app, named)
        live, lost = [*named, *others], "What came after the last checkpoint is lost."
        if others:
            lost = f"{', '.join(other.run.id for other in others)} run in the same process, and end with it. {lost}"
        question = Confirm(_count("Kill", live), _names(live), consequence=lost)
        lay(app, question, lambda yes: _ask(app, _one_a_process(live), "kill", "killed") if yes else None)


def _in_their_processes(app: SciMLApp, runs: Sequence[LiveRun]) -> list[LiveRun]:
    """The other active runs of the packs that these are of."""
    jobs = {_process(live) for live in runs}
    known = {live.run.id for live in runs}
    return [
        live
        for live in app.library.runs.values()
        if live.run.id not in known and live.run.status in ACTIVE and _process(live) in jobs
    ]


def _one_a_process(runs: Sequence[LiveRun]) -> list[LiveRun]:
    return list({_process(live): live for live in reversed(runs)}.values())


def _process(live: LiveRun) -> str:
    claim = live.run.claim if live.run.status in ACTIVE else None
    return (claim.job if claim else "") or live.run.id


def again(app: SciMLApp, runs: Sequence[LiveRun]) -> None:
    """Resumes what can be resumed; what is done or was skipped is run again as a new run."""
    ended = _only(app, runs, frozenset(type(runs[0].run.status)) - ACTIVE - WAITING if runs else frozenset(), "resume")
    resumed = [live for live in ended if live.run.status in RESUMABLE]
    others = [live for live in ended if live.run.status not in RESUMABLE]
    if resumed:
        _ask(app, resumed, "resume", "goes on")
    if others:
        question = Confirm(_count("Run again", others), _names(others), consequence="Each becomes a new run.")
        lay(app, question, lambda yes: _ask(app, others, "retry", "submitted again") if yes else None)


def archive(app: SciMLApp, runs: Sequence[LiveRun]) -> None:
    """Puts runs aside; takes them back where all of them are archived."""
    aside = [live for live in runs if not live.run.archived]
    if aside:
        _ask(app, aside, "archive", "archived")
    elif runs:
        _ask(app, runs, "archive", "taken back", archived=False)


def remove(app: SciMLApp, runs: Sequence[LiveRun]) -> None:
    """Forgets runs that are not active, after a question; all or none."""
    live = _only(app, runs, frozenset(Status) - ACTIVE, "remove")
    if live:
        lost = "Their curves and checkpoints are deleted; published datasets and models stay."
        question = Confirm(_count("Remove", live), _names(live), consequence=lost)
        ids = [each.run.id for each in live]
        _remove(app, question, lambda client: client.remove(ids))


def discard(app: SciMLApp, kind: Literal["dataset", "model"], items: Sequence[Shelved]) -> None:
    """Takes published datasets or models off the shelf, after a question; all or none."""
    if items:
        names = [item.name for item in items]
        asked = f"Remove {kind} {names[0]}?" if len(names) == 1 else f"Remove {len(names)} {kind}s?"
        about = [f"{item.name}  {size(item.size)}" for item in items]
        question = Confirm(asked, about, consequence=f"What is in the file{'s' * (len(names) > 1)} is lost.")
        _remove(app, question, lambda client: [item.name for item in client.discard(kind, names)])


def _remove(app: SciMLApp, question: Confirm, act: Callable[[Client], list[str]]) -> None:
    """act: returns the names of what it removed."""
    from engine.errors import ScimlError

    client, feed = app.client, app.feed
    if app.readonly:
        app.notify("this store was opened read-only: nothing can be removed", severity="warning")
        return
    if client is None or feed is None:
        return

    def work() -> None:
        try:
            removed = act(client)
        except ScimlError as error:
            app.call_from_thread(app.notify, shown(str(error)), severity="error", timeout=8, markup=False)
        else:
            feed.look()
            app.call_from_thread(app.notify, shown(f"{listed(removed)} removed"), timeout=3, markup=False)

    def answered(yes: bool | None) -> None:
        if yes:
            app.run_worker(work, thread=True, group="steering", exit_on_error=False)

    lay(app, question, answered)


def _only(app: SciMLApp, runs: Sequence[LiveRun], states: frozenset[str], verb: str) -> list[LiveRun]:
    fitting = [live for live in runs if live.run.status in states]
    if runs and not fitting:
        what = ", ".join(f"{live.run.id} is {live.run.status}" for live in runs[:3])
        app.notify(f"nothing to {verb}: {what}", severity="warning", timeout=4, markup=False)
    return fitting


def _count(verb: str, runs: Sequence[LiveRun]) -> str:
    return f"{verb} {runs[0].run.id}?" if len(runs) == 1 else f"{verb} {len(runs)} runs?"


def _names(runs: Sequence[LiveRun]) -> list[str]:
    return [f"{live.run.id}  {live.run.label}  seed {live.run.spec.seed}" for live in runs]


def _ask(app: SciMLApp, runs: Sequence[LiveRun], verb: str, done: str, **how: Any) -> None:
    """verb: what the client is asked to do with each, and how. done: what is said of those that it did so with."""
    from engine.errors import ScimlError

    client, feed = app.client, app.feed
    if client is None or feed is None:
        return
    act: Callable[..., object] = getattr(client, verb)

    def work() -> None:
        asked, problems = [], []
        for live in runs:
            try:
                act(live.run.id, **how)
                asked.append(live.run.id)
            except ScimlError as error:
                problems.append(str(error))
        feed.look()
        if asked:
            app.call_from_thread(app.notify, f"{listed(asked)} {done}", timeout=3, markup=False)
        for problem in problems[:3]:
            app.call_from_thread(app.notify, shown(problem), severity="error", timeout=8, markup=False)

    app.run_worker(work, thread=True, group="steering", exit_on_error=False)
