"""Which runs to start on which resources: pure, so that every policy is a test.

Runs start in the order in which they were submitted. A run that does not fit keeps what it is waiting for from the runs
behind it, so that wide runs are not starved by narrow ones; runs behind it that need nothing of that pass it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from engine import gpus
from engine.api import Resources
from engine.records import ENDED, Run, Status, leases

_ROUNDING = 1e-9  # three thirds of a GPU are one


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """What this machine has for runs, free or not.

    gpus: UUIDs in the order of the bus, None while the driver does not answer. foreign: those that others use.
    """

    cpus: int
    gpus: tuple[str, ...] | None = ()
    foreign: frozenset[str] = frozenset()


class Start(msgspec.Struct, frozen=True):
    """Launch this run on these resources, and in the same job the others of its pack."""

    run: Run
    cpus: int
    gpus: tuple[str, ...] = ()
    share: float = 1.0
    others: tuple[Run, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        return (self.run, *self.others)


class Skip(msgspec.Struct, frozen=True):
    """This run can never start: it ends with this status and reason."""

    run: Run
    status: Status
    reason: str


class Wait(msgspec.Struct, frozen=True):
    """This run waits: blocked by others, or queued for resources."""

    run: Run
    status: Status
    reason: str = ""


Decision = Start | Skip | Wait
Gpus = Literal["auto"] | float


def decide(
    waiting: Iterable[Run], active: Iterable[Run], needed: Mapping[str, Run | None], capacity: Capacity
) -> list[Decision]:
    """One decision for each waiting run, oldest first, and one for all runs of a pack that start together.

    active: launching and running runs of this machine. needed: the runs that waiting ones need, by id; None, or
    nothing, for one that was removed.
    """
    free = _Free(capacity, list(active))
    packs: dict[str, list[Run]] = {}
    for run in sorted(waiting, key=lambda run: (run.created, len(run.id), run.id)):
        packs.setdefault(run.pack or run.id, []).append(run)
    return [decision for runs in packs.values() for decision in _of(runs, needed, free)]


def lacking(wanted: Resources, capacity: Capacity) -> dict[str, int]:
    """Of what is asked for, by field: how much the machine has, where it could not give that were it empty."""
    short = {}
    if wanted.cpus > capacity.cpus:
        short["cpus"] = capacity.cpus
    if wanted.gpus != "auto" and capacity.gpus is not None and wanted.gpus > len(capacity.gpus):
        short["gpus"] = len(capacity.gpus)
    return short


def _of(runs: list[Run], needed: Mapping[str, Run | None], free: _Free) -> list[Decision]:
    """Of one run, or of those of a pack that wait: they ask for the same, and start together or not at all."""
    held_up = [decision for run in runs if (decision := _because_of_needs(run, needed))]
    held_up_ids = {decision.run.id for decision in held_up}
    able = [run for run in runs if run.id not in held_up_ids]
    blocked = next((decision.run for decision in held_up if isinstance(decision, Wait)), None)
    if not able:
        return held_up
    if blocked:
        reason = f"waits for {blocked.id}, which is of its pack and waits itself"
        return [*held_up, *(Wait(run, Status.QUEUED, reason) for run in able)]
    first, *others = able
    decision = free.impossible(first) or free.give(first)
    if isinstance(decision, Start):
        return [*held_up, msgspec.structs.replace(decision, others=tuple(others))]
    return [*held_up, *(msgspec.structs.replace(decision, run=run) for run in able)]


def _because_of_needs(run: Run, needed: Mapping[str, Run | None]) -> Decision | None:
    unfinished = []
    for need in run.spec.needs:
        found = needed.get(need)
        if found is None:
            return Skip(run, Status.SKIPPED, f"needs {need}, which was removed")
        if found.status in ENDED and found.status is not Status.DONE:
            return Skip(run, Status.SKIPPED, f"needs {need}, which {_ENDED_AS[found.status]}")
        if found.status is not Status.DONE:
            unfinished.append(need)
    if not unfinished:
        return None
    more = f" and {len(unfinished) - 3} more" if len(unfinished) > 3 else ""
    return Wait(run, Status.BLOCKED, f"waits for {', '.join(unfinished[:3])}{more}")


_ENDED_AS = {
    Status.STOPPED: "was stopped",
    Status.DIVERGED: "diverged",
    Status.FAILED: "failed",
    Status.LOST: "was lost",
    Status.SKIPPED: "was skipped",
}


class _Free:
    """What is left of the machine while decisions are made. `cpus` below 0: kept for a run that waits."""

    def __init__(self, capacity: Capacity, active: list[Run]) -> None:
        self.capacity = capacity
        self.cpus = capacity.cpus - sum(claim.cpus for claim in leases(active))
        taken = gpus.leases(active)
        self.room = {
            uuid: 0.0 if uuid in capacity.foreign else 1.0 - taken.get(uuid, 0.0) for uuid in capacity.gpus or ()
        }

    def impossible(self, run: Run) -> Skip | None:
        """Whether the machine could not run this were it empty."""
        wanted, short = run.spec.resources, lacking(run.spec.resources, self.capacity)
        if "cpus" in short:
            reason = f"required {wanted.cpus} CPUs, this machine has {short['cpus']} for runs"
        elif "gpus" in short:
            number = f"{wanted.gpus:g} GPU" + ("s" if wanted.gpus != "auto" and wanted.gpus > 1 else "")
            reason = f"required {number}, this machine has {short['gpus']}"
        else:
            return None
        return Skip(run, Status.FAILED, reason)

    def give(self, run: Run) -> Start | Wait:
        cpus, wanted = run.spec.resources.cpus, run.spec.resources.gpus
        share = wanted if wanted != "auto" and 0 < wanted < 1 else 1.0
        chosen = self._choose(wanted, share)
        if chosen is None:
            self._keep(wanted)
            return Wait(run, Status.QUEUED, "waits for GPUs")
        fits = cpus <= self.cpus
        self.cpus -= cpus
        for uuid in chosen:
            self.room[uuid] -= share
        return Start(run, cpus, chosen, share) if fits else Wait(run, Status.QUEUED)

    def _choose(self, wanted: Gpus, share: float) -> tuple[str, ...] | None:
        """GPUs for the run, none of them for a run on CPUs; None if it has to wait."""
        fitting = [uuid for uuid, room in self.room.items() if room >= share - _ROUNDING]
        if wanted == "auto":
            return tuple(fitting[:1])
        if share < 1:  # where the least is left over, so that whole GPUs stay whole
            return (min(fitting, key=self.room.__getitem__),) if fitting else None
        count = int(wanted)
        return tuple(fitting[:count]) if len(fitting) >= count else None

    def _keep(self, wanted: Gpus) -> None:
        """Keeps the GPUs that will be free soonest, as far as can be seen, for a run that waits for them."""
        roomiest = sorted(self.room, key=self.room.__getitem__, reverse=True)
        for uuid in roomiest[: 1 if wanted == "auto" else math.ceil(wanted)]:
            self.room[uuid] = 0.0
