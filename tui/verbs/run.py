"""`run`: submit runs of a task, one or a grid of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from engine import schema
from engine.api import Problem, Resources, RunSpec
from engine.errors import SpecError
from engine.launchers import LAUNCHERS
from engine.records import ENDED, Run, Status
from tui.render import hint, output_aside, say
from tui.session import Session
from tui.verbs.options import Json
from tui.verbs.records import emit_runs
from tui.verbs.watching import follow


def run(
    ctx: typer.Context,
    task: Annotated[str, typer.Argument(help="pinn, operator, dataset, or a task of your own.")] = "",
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="As system=reaction rho=5 strategy=curriculum.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", metavar="RANGE", help="0-9, or 0,2,5: one run for each.")] = "0",
    grid: Annotated[
        list[str] | None, typer.Option("--grid", metavar="KEY=A,B,C", help="One run for each value; may be repeated.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="A name to find the runs by.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="May be repeated.")] = None,
    gpus: Annotated[str, typer.Option("--gpus", metavar="N", help="auto, 0, a number, or a fraction of one.")] = "auto",
    cpus: Annotated[int, typer.Option("--cpus", metavar="N", help="Threads that a run may use.")] = 1,
    memory: Annotated[float | None, typer.Option("--memory-gb", metavar="GB", help="At most.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="At most.")] = None,
    launcher: Annotated[
        str, typer.Option("--launcher", help=f"One of {', '.join(LAUNCHERS)}; inline runs here and now.")
    ] = "local",
    needs: Annotated[
        list[str] | None, typer.Option("--needs", metavar="RUN", help="Start only when it is done; may be repeated.")
    ] = None,
    pack: Annotated[
        bool, typer.Option("--pack", help="All in one process, in lock-step; it gets what one run asks for.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Until all have ended; exit code 1 unless all did well.")
    ] = False,
    params: Annotated[bool, typer.Option("--params", help="Show what the task can be given, and run nothing.")] = False,
    json: Json = False,
) -> None:
    """Submit runs and print their ids. They go on in the background; --params shows what a task can be given."""
    session: Session = ctx.obj
    given = schema.assignments(settings or [])
    if params or not task:
        show_parameters(session, task, given)
        return
    specs = session.writer.plan(
        task,
        given,
        grid=schema.read_grid(grid or []),
        seeds=schema.read_seeds(seeds),
        resources=resources(gpus, cpus=cpus, memory_gb=memory, minutes=minutes, launcher=launcher),
        needs=needs or [],
        tags=tag or [],
        name=name,
    )
    deliver(session, specs, pack=pack, wait=wait, json=json)


def deliver(session: Session, specs: Sequence[RunSpec], *, pack: bool = False, wait: bool, json: bool) -> None:
    """Submits runs and prints their ids; with `wait`, ends when they have. It ends badly if one of them did by then."""
    with output_aside():
        runs = session.writer.submit(specs, pack=pack)
    if not json:
        for submitted in runs:
            say(submitted.id)
        sys.stdout.flush()
    if wait:
        runs = wait_for(session, [submitted.id for submitted in runs])
    if json:
        emit_runs(runs)
    over = runs if wait else [each for each in runs if each.status in ENDED]  # which were run here
    if any(each.status is not Status.DONE for each in over):
        raise typer.Exit(1)


def wait_for(session: Session, ids: Sequence[str]) -> list[Run]:
    """Progress on stderr until all have ended. Ctrl-C says that they go on."""
    try:
        return follow(session, ids, sys.stderr)
    except KeyboardInterrupt:
        stop = session.command(f"stop {' '.join(ids)}")
        hint(f"the runs go on: {session.command('watch')} shows them, {stop} ends them")
        raise


def resources(gpus: str, **others: int | float | str | None) -> Resources:
    """Raises SpecError, naming the field."""
    number: Literal["auto"] | float
    try:
        number = "auto" if gpus == "auto" else float(gpus)
    except ValueError:
        raise SpecError([Problem("gpus", "auto, 0, a number or a fraction of one", gpus)]) from None
    try:
        return Resources(gpus=number, **others)  # type: ignore[arg-type]
    except ValueError as error:
        field, _, rest = str(error).partition(": required ")
        required, _, got = rest.partition(", got ")
        raise SpecError([Problem(field, required, got)]) from None


def show_parameters(session: Session, task: str, given: dict[str, str]) -> None:
    """Raises UnknownName, which lists the tasks, for another one or none."""
    from engine.planning import described
    from tui.verbs.parameters import parameter_lines

    description = described(session.client.describe(), task or "nothing")
    for line in parameter_lines(description, given):
        say(line)
