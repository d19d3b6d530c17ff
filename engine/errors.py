"""Every error that the engine raises for a person to read.

    ScimlError
    ├── RequestError            what was asked is wrong; nothing was written            exit code 2
    │   ├── SpecError           one or more fields of a spec are wrong
    │   ├── UnknownName         no such run, dataset, task, column, ...
    │   ├── FilterError         a filter expression cannot be read
    │   └── NotPossible         the run, or the file, is not in a state that allows it
    ├── WorkError               the work was started and failed                         exit code 1
    │   ├── TaskError           a task says why it cannot go on
    │   └── Diverged            a loss or a field became NaN or infinite
    ├── StoreError              the home directory cannot be read or written            exit code 1
    │   ├── StoreFull           no space is left, or a quota is reached
    │   └── StoreCorrupt        a file is not what it should be
    └── ServiceError            the scheduler, a launcher or the task host cannot run   exit code 1

A message says what was required, what was got, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with one field: `strategy.step: required a number above 0, got -5`."""

    field: str
    required: str
    got: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.field}: required {self.required}, got {self.got}"
        return f"{text} ({self.hint})" if self.hint else text


class ScimlError(Exception):
    """The root: whatever this project raises on purpose."""

    exit_code = 1


class RequestError(ScimlError):
    """What was asked cannot be done as asked; nothing was written."""

    exit_code = 2


class SpecError(RequestError):
    """Fields of a spec are wrong; each is named with what was required and what was got."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class UnknownName(RequestError):
    """A run, dataset, model, task, column or format that does not exist."""


class FilterError(RequestError):
    """A filter expression that cannot be read, with the place where reading stopped."""


class NotPossible(RequestError):
    """The state of a run, a dataset or a file that was named does not allow what was asked of it."""


class WorkError(ScimlError):
    """The work was started and failed."""


class TaskError(WorkError):
    """Raised by a task to end its run as failed, with a message for people instead of a traceback."""


class Diverged(WorkError):
    """Raised by a task when a loss or a field became NaN or infinite: the run ends as diverged."""

    def __init__(self, what: str, step: int) -> None:
        self.what, self.step = what, step
        super().__init__(f"{what} is not finite at step {step}")


class StoreError(ScimlError):
    """The home directory cannot be read or written."""


class StoreFull(StoreError):
    """No space left on the device, or a quota reached; what was acknowledged before is safe."""


class StoreCorrupt(StoreError):
    """A file of the home directory is not what it should be; it is named, with what can be done."""


class ServiceError(ScimlError):
    """The scheduler, a launcher or the process that hosts tasks cannot be started or does not answer."""
