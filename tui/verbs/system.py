"""`gpus` and `scheduler`: the machine, and the process that starts runs on it."""

from __future__ import annotations

import time

import typer

from engine.records import ACTIVE, WAITING
from tui.render import Align, Text, emit, grid, hint, say
from tui.session import Session
from tui.text import age, percent, shown, size
from tui.verbs.options import Json

GPU_HEAD: tuple[Text, ...] = ("gpu", "name", "used", "memory used", "of", "leased", "to")
GPU_ALIGNS: tuple[Align, ...] = ("right", "left", "right", "right", "right", "right", "left")


def gpus(ctx: typer.Context, json: Json = False) -> None:
    """List GPUs. How busy they are, their memory, and the runs that they are leased to."""
    from engine.gpus import inventory, leases

    session: Session = ctx.obj
    found = inventory()
    active = [run for run in session.client.runs() if run.claim and run.claim.gpus and run.status in ACTIVE]
    taken = leases(active)
    holders = {gpu.uuid: [run.id for run in active if run.claim and gpu.uuid in run.claim.gpus] for gpu in found}
    if json:
        emit(
            [
                {
                    "index": gpu.index,
                    "uuid": gpu.uuid,
                    "name": gpu.name,
                    "memory_total": gpu.memory_total,
                    "memory_used": gpu.memory_used,
                    "used": gpu.used,
                    "leased": taken.get(gpu.uuid, 0.0),
                    "runs": holders[gpu.uuid],
                }
                for gpu in found
            ]
        )
        return
    if not found:
        hint("no GPU here: runs use the CPUs")
        return
    rows = [
        [
            str(gpu.index),
            shown(gpu.name),
            percent(gpu.used),
            size(gpu.memory_used),
            size(gpu.memory_total),
            percent(taken.get(gpu.uuid, 0.0)),
            " ".join(holders[gpu.uuid]),
        ]
        for gpu in found
    ]
    for line in grid([GPU_HEAD, *rows], GPU_ALIGNS):
        say(line)


def status(ctx: typer.Context, json: Json = False) -> None:
    """Say whether the scheduler is there. And what it has to do."""
    from engine import scheduler

    session: Session = ctx.obj
    found = scheduler.status(session.client.home)
    waiting, active = (len(session.client.catalog.by_status(states)) for states in (WAITING, ACTIVE))
    if json:
        emit({**found, "waiting": waiting, "active": active})
    elif found["alive"]:
        since = age(time.time() - found["since"])
        say(f"runs on {found['host']} as process {found['pid']}, for {since}: {active} active, {waiting} waiting")
    else:
        say(f"none on {found['host']}: {active} active, {waiting} waiting; it starts with the next run")


def start(ctx: typer.Context) -> None:
    """Start the scheduler, if it is not there."""
    from engine import scheduler

    session: Session = ctx.obj
    say(f"process {scheduler.ensure_scheduler(session.writer.home)}")


def stop(ctx: typer.Context) -> None:
    """Stop the scheduler. Runs go on; what waits is started by the next one."""
    from engine import scheduler

    session: Session = ctx.obj
    say("stopped: runs go on" if scheduler.stop(session.writer.home) else "there was none")
