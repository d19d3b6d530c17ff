from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from engine.api import Estimate, Resources, RunSpec, TaskDescription
from engine.describe import Catalogue, Checked
from engine.errors import Problem, SpecError
from engine.planning import combinations
from engine.records import Run, Shelved, Status
from tui.widgets.theme import THEME


def _number(default: float, help: str, **more: Any) -> dict[str, Any]:
    return {"type": "number", "default": default, "description": help, **more}


def _whole(default: int, help: str, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "default": default, "minimum": 1, "description": help, **more}


def _words(default: str, words: list[str], help: str) -> dict[str, Any]:
    return {"type": "string", "enum": words, "default": default, "description": help}


def _choice(default: str, help: str, **choices: dict[str, Any]) -> dict[str, Any]:
    made = {key: {"properties": {}, **described} for key, described in choices.items()}
    return {"type": "string", "default": default, "description": help, "x-choices": made}


_SYSTEM = _choice(
    "convection",
    "The equation that is solved",
    convection={
        "title": "Convection",
        "summary": "A sine wave carried around a periodic domain at speed β",
        "equation": "u_t + β u_x = 0,  u(x, 0) = sin x,  u(0, t) = u(2π, t)",
        "source": "Krishnapriyan et al. 2021 (NeurIPS), Sec. 3.1, Fig. 3 and Tab. 1",
        "label": "convection β={beta:g}",
        "properties": {
            "beta": _number(
                30.0, "Wave speed. Regular training fails from 20 to 40", minimum=0, maximum=1000,
                **{"x-symbol": "β", "x-unit": "length/time"},
            )
        },
    },
    reaction={
        "title": "Reaction",
        "summary": "Logistic growth at rate ρ from a Gaussian: steep fronts between 0 and 1",
        "equation": "u_t - ρ u (1 - u) = 0,  u(x, 0) = exp(-((x - π)/(π/4))²/2),  u(0, t) = u(2π, t)",
        "source": "Krishnapriyan et al. 2021 (NeurIPS), Sec. 3.2 and Tab. E.2",
        "label": "reaction ρ={rho:g}",
        "properties": {
            "rho": _number(
                5.0, "Growth rate. Regular training fails from about 5", minimum=0, maximum=100,
                **{"x-symbol": "ρ", "x-unit": "1/time"},
            )
        },
    },
)  # fmt: skip
_STRATEGY = _choice(
    "regular",
    "How the problem is put to the network",
    regular={"title": "Regular", "summary": "All at once, as posed"},
    curriculum={
        "title": "Curriculum",
        "summary": "The coefficient rises in steps, each stage from the weights of the one before",
        "properties": {
            "strategy.start": _number(1.0, "Coefficient of the first stage", minimum=0),
            "strategy.step": _number(1.0, "Rise of the coefficient from stage to stage", exclusiveMinimum=0),
        },
    },
    seq2seq={
        "title": "Sequence to sequence",
        "summary": "One time window after the other, each from the last prediction",
        "properties": {"strategy.step": _number(0.1, "Length of a window in time", exclusiveMinimum=0, maximum=1)},
    },
)
_MODEL = _choice(
    "mlp",
    "The network",
    mlp={
        "title": "Multilayer perceptron",
        "summary": "Fully connected layers with one nonlinearity",
        "facts": {"parameters": 1341},
        "properties": {
            "model.width": _whole(20, "Neurons of each hidden layer", maximum=4096),
            "model.depth": _whole(4, "Number of hidden layers", maximum=64),
            "model.activation": _words("tanh", ["tanh", "sin"], "Nonlinearity of the hidden layers"),
        },
    },
)
_OPTIMIZER = _choice(
    "lbfgs",
    "What minimises the loss",
    lbfgs={
        "title": "L-BFGS",
        "summary": "Quasi-Newton with a short memory and a strong-Wolfe line search",
        "properties": {
            "optimizer.memory": _whole(50, "Pairs of differences that are kept"),
            "optimizer.tolerance": _number(1e-9, "Stop when the gradient's largest entry is smaller", minimum=0),
        },
    },
    ssbroyden={"title": "Self-scaled Broyden", "summary": "Dense quasi-Newton, for small networks"},
)
_PROPERTIES = {
    "system": _SYSTEM,
    "strategy": _STRATEGY,
    "model": _MODEL,
    "optimizer": _OPTIMIZER,
    "dtype": _words("float64", ["float32", "float64"], "Precision of weights and points"),
    "sampler": _words("sobol", ["grid", "random", "sobol"], "How collocation points are drawn"),
    "points": _whole(1000, "Collocation points", maximum=10_000_000),
    "window": {
        "type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "default": [0.0, 1.0],
        "x-range": True, "description": "Part of the time that is trained on",
    },
    "layers": {
        "type": "array", "items": {"type": "integer", "minimum": 1}, "default": [],
        "description": "Widths of single layers, in place of one for all",
    },
    "closures": {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": None,
        "description": "Evaluations of loss and gradient at most, in each stage",
    },
    "init": {"type": "string", "default": "", "x-ref": "run", "description": "A run whose weights are the start"},
}  # fmt: skip


@pytest.fixture
def pinn_task() -> TaskDescription:
    """A description as the real ones are: nested choices, ranges, lists, references, units and symbols."""
    return TaskDescription(
        key="pinn",
        title="Physics-informed network",
        summary="A network that is trained on the residual of an equation, against its reference solution",
        schema={"properties": _PROPERTIES},
        label="{system} {strategy}",
        metrics={"rel_l2": "relative L2 error on the grid"},
    )


@pytest.fixture
def dataset_task() -> TaskDescription:
    """A small description whose one parameter has no default."""
    properties = {
        "name": {"type": "string", "minLength": 1, "description": "What the dataset is to be called"},
        "samples": _whole(1024, "Number of samples"),
        "data": {"type": "string", "default": "", "x-ref": "dataset", "description": "Samples to leave out"},
    }
    return TaskDescription(
        key="dataset", title="Dataset", summary="Samples of a system, with their solutions",
        schema={"properties": properties},
    )  # fmt: skip


class FormClient:
    """Stands in for the client where only what the form asks of it matters; the test with the real one is separate."""

    def __init__(self, tasks: Sequence[TaskDescription]) -> None:
        self.tasks = {task.key: task for task in tasks}
        self.planned: list[dict[str, Any]] = []
        self.submitted: list[RunSpec] = []
        self.refusal: list[Problem] = []
        self.failure: Exception | None = None

    def describe(self) -> Catalogue:
        return Catalogue(tasks=self.tasks)

    def plan(
        self, task: str, raw: Mapping[str, Any], *, grid: Mapping[str, Sequence[Any]], seeds: Sequence[int],
        resources: Resources, needs: Sequence[str], tags: Sequence[str], name: str,
    ) -> list[RunSpec]:  # fmt: skip
        asked = {"task": task, "raw": dict(raw), "grid": dict(grid), "seeds": list(seeds), "tags": list(tags)}
        self.planned.append({**asked, "resources": resources, "name": name})
        if self.refusal:
            raise SpecError(self.refusal)
        return combinations(task, raw, grid, seeds, resources, needs, tags, name)

    def appraise(self, specs: Sequence[RunSpec]) -> list[Checked]:
        return [Checked(estimate=Estimate(seconds=125.0)) for _ in specs]

    def find_same(self, spec: RunSpec, known: Catalogue) -> list[Run]:
        return []

    def submit(self, specs: Sequence[RunSpec], *, pack: bool = False) -> list[Run]:
        if self.failure is not None:
            raise self.failure
        self.submitted += specs
        return [Run(id=f"r{n}", spec=spec) for n, spec in enumerate(self.submitted, 1)]

    def runs(self) -> list[Run]:
        done = {"label": "reaction ρ=5 curriculum", "created": 1.0}
        spec = RunSpec(task="pinn", params={})
        return [
            Run(id="r7e9", spec=spec, status=Status.DONE, **done),
            Run(id="r7d0", spec=spec, status=Status.FAILED, **done),
            Run(id="r7f1", spec=spec, status=Status.RUNNING, label="convection β=[30]", created=2.0),
        ]

    def datasets(self) -> list[Shelved]:
        return []


class Shell(App[None]):
    """An app with the real look that shows one screen, and keeps what it gave."""

    def __init__(self, shown: Screen[Any]) -> None:
        super().__init__()
        self.shown = shown
        self.given: list[Any] = []

    def on_mount(self) -> None:
        self.register_theme(THEME)
        self.theme = THEME.name
        self.push_screen(self.shown, self.given.append)


@pytest.fixture
def form_client(pinn_task: TaskDescription, dataset_task: TaskDescription) -> FormClient:
    return FormClient([dataset_task, pinn_task])


@pytest.fixture
def form_shell() -> type[Shell]:
    return Shell


Until = Callable[[Pilot[Any], Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Waits until something holds: what runs on threads comes when it comes."""

    async def wait(pilot: Pilot[Any], holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, "it did not come to hold within 30 s"
            await pilot.pause(0.02)

    return wait
