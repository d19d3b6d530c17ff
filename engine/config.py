"""`config.toml` of the home directory: what the people of one machine or lab set once. All of it has defaults."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import msgspec

from engine.errors import Problem, SpecError
from engine.paths import Home
from engine.settings import Spec, problem_of

_POSITIVE = msgspec.Meta(gt=0)


class Config(Spec, frozen=True, kw_only=True):
    """Settings of the scheduler, and of the app.

    cpus: threads that all runs together may use; None means all that this process may use.
    grace: seconds between asking a run to stop and killing it.
    idle: seconds without work after which the scheduler leaves; the next client starts it again.
    gpu_busy_mb: a GPU on which other people's processes use more memory than this is not given to runs.
    keys: other keys for the app's actions, `"runs.stop" = "ctrl+t"`; several are separated by blanks.
    """

    cpus: Annotated[int, msgspec.Meta(ge=1)] | None = None
    grace: Annotated[float, _POSITIVE] = 30.0
    idle: Annotated[float, _POSITIVE] = 60.0
    gpu_busy_mb: Annotated[float, msgspec.Meta(ge=0)] = 1000.0
    keys: dict[str, str] = {}

    @property
    def slots(self) -> int:
        """Threads that all runs together may use."""
        return self.cpus or usable_cpus()


def load(home: Home) -> Config:
    """The settings of a home, the defaults where it has no `config.toml`. Raises SpecError, naming file and key."""
    try:
        text = home.config.read_bytes()
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise SpecError([Problem(str(home.config), "a file that can be read", error.strerror or str(error))]) from None
    return decode(text, str(home.config))


def decode(text: bytes, where: str = "config.toml") -> Config:
    """Raises SpecError."""
    try:
        found = msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError([Problem(where, "TOML", str(error))]) from None
    known = {field.encode_name for field in msgspec.structs.fields(Config)}
    if unknown := sorted(found.keys() - known):
        required = f"one of {', '.join(sorted(known))}"
        raise SpecError([Problem(f"{where}: {key}", required, "an unknown key") for key in unknown])
    try:
        return msgspec.convert(found, Config)
    except msgspec.ValidationError as error:
        raise SpecError([problem_of(error, f"{where}: ", found)]) from None


def usable_cpus() -> int:
    """CPUs that this process may use: those it is bound to, within the quota of its control group, at least one."""
    bound = len(os.sched_getaffinity(0))
    return max(1, min(bound, math.floor(_quota() or bound)))


def _quota() -> float | None:
    """CPUs that a container may use (control groups v2, else v1), None where there is no limit."""
    group = Path("/sys/fs/cgroup")
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu/cpu.cfs_period_us").read_text().strip()
    except OSError:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
