"""Verbs that change runs: stop, kill, resume, retry, rm, archive, tag, note.

Every run is found before any is changed, so that a name that is wrong changes nothing. Then each is asked in turn: what
one does not allow is told, and the others are done all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer

from engine.errors import NotPossible
from engine.records import Run
from tui.render import confirmed, emit, output_aside, say
from tui.session import Session
from tui.verbs.options import Json, OneRun, Runs, Yes
from tui.verbs.records import emit_runs


def stop(ctx: typer.Context, runs: Runs, json: Json = False) -> None:
    """Ask runs to save a checkpoint and end. They can be resumed."""
    session: Session = ctx.obj
    _each(session, runs, session.writer.stop, json)


def kill(ctx: typer.Context, runs: Runs, yes: Yes = False, json: Json = False) -> None:
    """End runs at once, and others that share their process. They can be resumed from their last checkpoint."""
    session: Session = ctx.obj
    known = {run.id: run for run in _found(session, runs)}
    others = {other.id: other for run in known for other in session.client.in_its_process(run)}
    if more := [run for run in others if run not in known]:
        question = f"{' '.join(more)} {'shares' if len(more) == 1 else 'share'} a process with {' '.join(known)}"
        if not yes and not confirmed(f"{question}: kill all of them?"):
            raise typer.Exit(1)
    killed: set[str] = set()

    def end(run: str) -> Run:
        claim = (known | others)[run].claim
        process = (claim.job if claim else "") or run
        if process in killed:
            return session.client.run(run)
        killed.add(process)
        return session.writer.kill(run)

    _each(session, [*known, *more], end, json)


def resume(ctx: typer.Context, runs: Runs, json: Json = False) -> None:
    """Go on from the last checkpoints. For runs that were stopped, failed, diverged or got lost."""
    session: Session = ctx.obj
    _each(session, runs, session.writer.resume, json)


def retry(ctx: typer.Context, runs: Runs, json: Json = False) -> None:
    """Do the work of runs again. Submits new ones and prints their ids."""
    session: Session = ctx.obj
    _each(session, runs, session.writer.retry, json)


def rm(
    ctx: typer.Context,
    runs: Runs,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove runs. Curves and checkpoints go with them; published datasets and models stay."""
    session: Session = ctx.obj
    found = _found(session, runs)
    if not yes and not confirmed(f"remove {len(found)} run{'s' if len(found) > 1 else ''} and all files of theirs?"):
        raise typer.Exit(1)
    removed = session.writer.remove([run.id for run in found])
    if json:
        emit(removed)
        return
    for run in removed:
        say(run)


def archive(
    ctx: typer.Context,
    runs: Runs,
    undo: Annotated[bool, typer.Option("--undo", help="Take them back.")] = False,
    json: Json = False,
) -> None:
    """Put runs aside. Lists and `export` leave them out unless asked with --all, or by the filter archived=true."""
    session: Session = ctx.obj
    _each(session, runs, partial(session.writer.archive, archived=not undo), json)


def tag(
    ctx: typer.Context,
    run: OneRun,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...")],
    remove: Annotated[bool, typer.Option("--remove", "-r", help="Take the tags off.")] = False,
    json: Json = False,
) -> None:
    """Put tags on a run."""
    client = ctx.obj.writer
    changed: Run = client.tag(run, remove=tags) if remove else client.tag(run, tags)
    if json:
        emit_runs([changed])
    else:
        say(f"{changed.id} {' '.join(changed.spec.tags)}".rstrip())


def note(
    ctx: typer.Context, run: OneRun, text: Annotated[str, typer.Argument(metavar="TEXT")], json: Json = False
) -> None:
    """Write a note on a run. It replaces the one it has."""
    changed: Run = ctx.obj.writer.note(run, text)
    if json:
        emit_runs([changed])
    else:
        say(changed.id)


def _found(session: Session, names: Sequence[str]) -> list[Run]:
    """Each once. Raises UnknownName."""
    return list({run.id: run for run in map(session.client.run, names)}.values())


def _each(session: Session, names: Sequence[str], change: Callable[[str], Run], json: bool) -> None:
    """Prints the ids of the runs that were changed. Raises NotPossible with what the others do not allow."""
    changed, refused = [], []
    for run in _found(session, names):
        try:
            with output_aside():
                changed.append(change(run.id))
        except NotPossible as error:
            refused.append(str(error))
    if json:
        emit_runs(changed)
    else:
        for run in changed:
            say(run.id)
    if refused:
        raise NotPossible("\n".join(refused))
