"""All that experiments may see of the engine: what a person submits, what a task is, and how a task reports.

A task is found through the entry-point group `sciml_tui.tasks`, a suite through `sciml_tui.suites`. Importing a task
must not import torch: describing and checking happen while a person waits. `lazy_import` keeps such modules readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec

from engine.components import Broken, discover
from engine.errors import Diverged, Problem, SpecError, TaskError
from engine.exhaustion import out_of_memory
from engine.lazy import lazy_import
from engine.settings import Spec, describe_struct, settings

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "SCALES",
    "Artifact",
    "Broken",
    "ChecksReferences",
    "Curator",
    "Diverged",
    "Estimate",
    "Finding",
    "PackingTask",
    "Problem",
    "Published",
    "Reference",
    "Reporter",
    "Resources",
    "RunSpec",
    "Spec",
    "SpecError",
    "State",
    "Suite",
    "SuiteCrossing",
    "SuiteFigure",
    "SuiteRun",
    "SuiteTable",
    "Task",
    "TaskDescription",
    "TaskError",
    "describe_struct",
    "discover",
    "lazy_import",
    "out_of_memory",
    "settings",
]

Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar]
Params = Mapping[str, Value]
"""Parameters of a run, flat: `{"system": "reaction", "rho": 5.0, "strategy": "curriculum", "strategy.step": 1.0}`."""

State = Mapping[str, Any]
"""What a checkpoint holds: nested mappings and lists of NumPy arrays and JSON scalars."""


class Resources(Spec, frozen=True, kw_only=True):
    """What a run asks for.

    gpus: "auto" (one if the machine has one that is free, else none), 0, a number, or a fraction of one.
    cpus: threads that the run may use. memory_gb, minutes: upper bounds, None where unknown.
    """

    gpus: Literal["auto"] | float = "auto"
    cpus: int = 1
    memory_gb: float | None = None
    minutes: float | None = None
    launcher: str = "local"

    def __post_init__(self) -> None:
        gpus = self.gpus
        if gpus != "auto" and (gpus < 0 or (gpus > 1 and gpus != int(gpus))):
            raise ValueError(f"gpus: required auto, 0, a whole number or a fraction below 1, got {gpus:g}")
        if self.cpus < 1:
            raise ValueError(f"cpus: required a whole number from 1, got {self.cpus}")
        for name in ("memory_gb", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: required a number above 0, got {value:g}")


class RunSpec(Spec, frozen=True, kw_only=True):
    """One run, as submitted: together with the versions of the code it says all that decides the result."""

    task: str
    params: dict[str, Value] = {}
    seed: int = 0
    resources: Resources = Resources()
    needs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    name: str = ""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is expected to take: seconds on one CPU core, and memory in GB."""

    seconds: float | None = None
    memory_gb: float | None = None


class TaskDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What screens and the command line show of a task, as data.

    schema: JSON Schema of the flat parameters: `properties` in the order of a form, each with `type` (number, integer,
        string, boolean, array), `default`, `description`, bounds, and these extensions:
        `x-unit` (a unit), `x-symbol` (β), `x-range` (two floats written `1:5`),
        `x-ref` ("run" or "dataset": the value names one, and becomes a need while it is not there yet),
        `x-choices` ({key: {title, summary, equation, source, label, facts, properties}}: the parameters that a choice
        brings, under their full keys; `label` is a format string over the parameters, as "convection β={beta:g}").
        `x-named` ({value as text: what it is}: values that have a name in the field).
        Beside `properties`, `x-presets` ({key: {name: {summary, params}}}): `key=name` stands for those parameters.
    label: a format string over the parameters, `{system}` standing for the label of the choice: what a list shows.
    metrics: {name: what it means}, in the order of importance; the first is what success is judged on.
    packs: whether it can do many runs at once in one process; found by the engine.
    """

    key: str
    title: str
    summary: str
    schema: dict[str, Any]
    label: str = ""
    metrics: dict[str, str] = {}
    packs: bool = False


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What a parameter with `x-ref` names, as far as it is known when a run is submitted.

    task, params: of the run that made it or is to make it; empty where that is gone. facts: of a dataset that is there.
    """

    kind: str
    name: str
    task: str = ""
    params: dict[str, Value] = {}
    facts: dict[str, Any] = {}


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a run left or published; `facts` are what a list shows of it."""

    name: str
    kind: str
    path: Path
    size: int
    sha256: str = ""
    facts: dict[str, Any] = {}


@runtime_checkable
class Reporter(Protocol):
    """What a running task is given: how it reports, where it keeps its files, and what it was granted."""

    seed: int
    device: str
    """"cpu" or "cuda"; of several GPUs the task sees only those leased to it."""
    cpus: int
    """Threads that the run may use; torch.set_num_threads is already called if torch is imported by the task."""
    folder: Path
    """A folder of the run's own, for its files."""

    def without_gpu(self, why: str, /) -> None:
        """The GPU cannot be used: from here on `device` is "cpu", and the run says so. Raises TaskError where one was
        asked for, rather than taken because there was one.
        """
        ...

    @property
    def stopping(self) -> bool:
        """True once a stop is asked for: checkpoint (`now=True`), then return."""
        ...

    def metrics(self, step: int, /, **values: float) -> None:
        """One point of the run's curves. NaN and infinity are kept as they are."""
        ...

    def stage(self, name: str, /, step: int, **values: Scalar) -> None:
        """A stage begins at `step`; or, with the same name again, more is known of it (how it ended)."""
        ...

    def fields(self, step: int, /, **arrays: np.ndarray) -> None:
        """Arrays to look at (predicted, reference, error, and their axes), stored beside the run."""
        ...

    def progress(self, done: float, total: float, /, what: str = "") -> None: ...

    def checkpoint(self, step: int, state: Callable[[], State], /, *, now: bool = False) -> bool:
        """Save a checkpoint if one is due by time, or `now` (the end of a stage, a stop). `state` is called only then.

        Returns whether one was written. Metrics up to `step` belong to it: a resume goes back to exactly here.
        """
        ...

    def resume(self) -> State | None:
        """The newest checkpoint of an earlier attempt, or None. Call it once, before anything is reported."""
        ...

    def input(self, run: str, /) -> dict[str, Artifact]:
        """What another run left (its artifacts by name). Raises TaskError if the run is not done."""
        ...

    def dataset(self, name: str, /) -> Artifact:
        """A published dataset, by its name or the run that made it. Raises TaskError if there is none."""
        ...

    def artifact(self, path: Path, /, name: str = "", **facts: Any) -> Artifact:
        """Records a file in the run's folder as one of its results."""
        ...

    def publish(self, kind: Literal["dataset", "model"], path: Path, /, name: str, **facts: Any) -> Artifact:
        """Moves a file to the shelf of datasets or models, where it outlives the run and is listed by its name."""
        ...

    def summary(self, **values: Scalar) -> None:
        """Final figures, by name; later calls add to earlier ones. `stop_reason` says why it ended."""
        ...

    def warn(self, text: str, /) -> None: ...


@runtime_checkable
class Task(Protocol):
    """Something that can be run. Stateless: one object serves every run."""

    def describe(self) -> TaskDescription: ...

    def check(self, params: Params, /) -> list[Problem]:
        """What a schema cannot say; `params` are complete and typed. Must not import torch."""
        ...

    def estimate(self, params: Params, /) -> Estimate: ...

    def run(self, params: Params, reporter: Reporter, /) -> None:
        """Does the work. Raises TaskError or Diverged; any other exception is a fault of the task's own."""
        ...


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at in a published file: of which part of it, what was found and what is required."""

    what: str
    part: str = ""
    found: str
    required: str
    passed: bool


@runtime_checkable
class Curator(Protocol):
    """What a task may have besides: it reads the datasets that it published. Asked in a process of its own.

    All raise TaskError for a file that is truncated, foreign or not finished.
    """

    def identify(self, path: Path, /) -> tuple[str, dict[str, Any]]:
        """The name and the facts that `publish` would be given for it."""
        ...

    def verify(self, path: Path, /) -> Iterable[Finding]:
        """Whether the file is what it says it is."""
        ...

    def preview(self, path: Path, count: int, /) -> dict[str, np.ndarray]:
        """Of the first `count` samples what there is to look at, by name: fields (count, x, y), and rows (count, n)."""
        ...


@runtime_checkable
class ChecksReferences(Protocol):
    """What a task may have besides `check`: more to say, once it is known what parameters refer to."""

    def check_references(self, params: Params, found: Mapping[str, Sequence[Reference]], /) -> list[Problem]:
        """found: by parameter, those with `x-ref` that name something. Must not import torch."""
        ...


@runtime_checkable
class PackingTask(Task, Protocol):
    """A task that can do many runs at once, in one process."""

    def run_many(
        self, many: Sequence[Params], reporters: Sequence[Reporter], /
    ) -> Iterator[tuple[int, BaseException | None]]:
        """Does the work of all, and yields each as it ends: its place, and what ended it unless it came to its end.

        What ends one leaves the others alone; what is raised here ends all that are left.
        """
        ...


class SuiteRun(Spec, frozen=True, kw_only=True):
    """One run of a suite. Where a parameter marked as a reference is written `@key`, it means the run of that key.

    labels: what its tables and figures may name it by beside its parameters: {"method": "seq2seq Δt=0.1"}.
    """

    key: str
    spec: RunSpec
    labels: dict[str, Value] = {}


class Published(Spec, frozen=True, kw_only=True):
    """A figure that ours is set beside: published, or a goal.

    row: the values of a table's `rows`, in their order (of a figure, the value of `x`). column: the value of its
    `columns` (of a figure, that of its one `series`). value: the figure of the summary; empty: the first of the table.
    """

    row: tuple[Value, ...]
    figure: float
    column: Value = None
    value: str = ""


Statistic = Literal["mean", "median", "best"]
"""Over the seeds of a cell."""


class SuiteTable(Spec, frozen=True, kw_only=True):
    """How a suite's runs become a table: rows by `rows`, columns by `columns` (one parameter each), cells by `value`.

    runs: keys of the runs that enter, as a prefix (`pinn/`). value: figures of the summary; the first fills the cells
    when `columns` is given, else each is a column of mean ± std. threshold: a run succeeds when the first value is at
    most this. The title says what is compared; notes are printed below. lowest_is_best: such a figure is marked; not so
    where it is a choice, as a learning rate.
    published: figures that a report sets beside ours, named by `published_in` ("paper", "goal"), with a verdict a cell
    (`engine.comparison`) on the `statistic` of our runs.
    """

    title: str
    runs: str
    rows: tuple[str, ...]
    columns: str = ""
    values: tuple[str, ...]
    threshold: float | None = None
    lowest_is_best: bool = True
    notes: str = ""
    published: tuple[Published, ...] = ()
    published_in: str = "paper"
    statistic: Statistic = "mean"


class SuiteCrossing(Spec, frozen=True, kw_only=True):
    """Where a curve that is behind reaches what another has at one point, seed by seed: the factor that it costs.

    As "at which number of examples does training from scratch reach what fine-tuning reaches with 64": x="samples",
    series="mode", ahead="finetune", behind="scratch", at=64. Between the points a curve is straight in log-log.
    runs: a prefix of keys. rows: one row a group of these parameters. by: what pairs runs of both curves.
    """

    title: str
    runs: str
    rows: tuple[str, ...] = ()
    x: str
    series: str
    ahead: Value
    behind: Value
    at: float
    value: str
    by: str = "seed"
    notes: str = ""


class SuiteFigure(Spec, frozen=True, kw_only=True):
    """A drawing of a suite's runs. runs: a prefix of their keys. series: parameters, one line or panel a combination.

    lines: the summary's figure `value` against the parameter `x`: `statistic` over the seeds, and a band from the best
        to the worst; with published figures beside it.
    profiles: the array `value` of the fields that a run stored last against its array `x`: the median over the seeds,
        and a band.
    maps: the array `value` over its arrays `x` and `y`, in either order, one panel a combination, of the first seed
        that has it.
    """

    title: str
    kind: Literal["lines", "profiles", "maps"] = "lines"
    runs: str
    x: str
    y: str = ""
    value: str
    series: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = True
    statistic: Statistic = "mean"
    published: tuple[Published, ...] = ()
    published_in: str = "paper"
    notes: str = ""


SCALES = ("smoke", "quick", "gpu", "paper")
"""Of a suite: seconds, minutes on two CPU cores, minutes on one GPU, in full."""


class Suite(Spec, frozen=True, kw_only=True):
    """A figure or table of a paper, or a demonstration, as data: the runs it needs and what they make.

    A file may offer several, of one key, each at a `scale` of its own. minutes: on two CPU cores.
    """

    key: str
    title: str
    summary: str
    runs: tuple[SuiteRun, ...]
    tables: tuple[SuiteTable, ...] = ()
    crossings: tuple[SuiteCrossing, ...] = ()
    figures: tuple[SuiteFigure, ...] = ()
    minutes: float | None = None
    scale: str = "quick"
