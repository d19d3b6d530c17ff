"""The parameters of a PINN run: what a form shows of them, and the parts that they choose, decoded strictly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.api import Broken, Params, Problem, Spec, SpecError, describe_struct, discover, settings
from experiments.models._points import PointModel
from experiments.pinns.balancing import Balancing
from experiments.pinns.diagnosis import Diagnosis
from experiments.pinns.embeddings import Embedding, Features
from experiments.pinns.observations import Data
from experiments.pinns.optimizers import Optimizer
from experiments.pinns.problem import System
from experiments.pinns.samplers import Sampler
from experiments.pinns.strategies import Strategy, Target

if TYPE_CHECKING:
    import numpy as np


class Limits(Spec, frozen=True, kw_only=True):
    """When training ends, whatever the optimiser."""

    closures: Annotated[
        int, Meta(ge=1, description="Evaluations of loss and gradient that the run may take, all stages together")
    ] = 5000
    target: Annotated[float, Meta(ge=0, description="The run ends once the loss is at most this")] = 1e-7


class Points(Spec, frozen=True, kw_only=True):
    """Where the equation and its conditions are asked for, how they weigh, and in which precision."""

    points: Annotated[int, Meta(ge=1, le=10_000_000, description="Collocation points")] = 1000
    resample: Annotated[
        Literal["stage", "never"], Meta(description="New collocation points at every stage, or the same throughout")
    ] = "stage"
    resample_every: Annotated[
        int, Meta(ge=0, description="New collocation points within a stage, after so many iterations; 0: none")
    ] = 0
    n_initial: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Points of the initial condition, or of the start of a window")
    ] = 128
    n_boundary: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Times at which both ends of x are asked for, in each window of time")
    ] = 64
    residual_weight: Annotated[
        float, Meta(gt=0, description="Weight λ of the residual in the loss", extra_json_schema={"x-symbol": "λ"})
    ] = msgspec.field(default=1.0, name="lambda")
    weight_initial: Annotated[float, Meta(gt=0, description="Weight of the initial condition in the loss")] = 1.0
    weight_boundary: Annotated[float, Meta(gt=0, description="Weight of the boundary conditions in the loss")] = 1.0
    physics: Annotated[
        bool, Meta(description="The loss asks for the equation and its conditions; if not, for the observations alone")
    ] = True
    constraints: Annotated[
        Literal["soft", "hard"],
        Meta(
            description="Initial and boundary conditions: terms of the loss, or met exactly, whatever the network says"
        ),
    ] = "soft"
    dtype: Annotated[
        Literal["float64", "float32"], Meta(description="Precision of points, weights and derivatives")
    ] = "float64"


class Weights(Spec, frozen=True, kw_only=True):
    """Where the network's weights come from."""

    init: Annotated[
        str,
        Meta(
            description="Run whose trained network to begin with, the first stage too; empty: random weights",
            extra_json_schema={"x-ref": "run"},
        ),
    ] = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that chooses a component: where the components are found, and what each brings."""

    key: str
    text: str
    default: str
    package: str
    constant: str
    type: type
    prefix: str

    def components(self) -> tuple[dict[str, Any], list[Broken]]:
        found, broken = discover(self.package, self.constant)
        return {key: component for key, component in found.items() if isinstance(component, self.type)}, broken

    def describe(self) -> dict[str, Any]:
        found, broken = self.components()
        property = {
            "type": "string",
            "description": self.text,
            "default": self.default,
            "x-choices": {key: self._describe(component) for key, component in found.items()},
        }
        return {**property, "x-broken": [msgspec.structs.asdict(file) for file in broken]} if broken else property

    def _describe(self, component: Any) -> dict[str, Any]:
        words = {name: getattr(component, name, "") for name in ("title", "summary", "equation", "source", "label")}
        described: dict[str, Any] = {name: text for name, text in words.items() if text}
        struct = getattr(component, "coefficients", None) or getattr(component, "settings", None)
        properties = describe_struct(struct, self.prefix) if struct else {}
        more: dict[str, Any] = {"properties": properties} if properties else {}
        if isinstance(component, PointModel):
            more["facts"] = {"parameters": component.size(component.settings(), 2, 1)}
        return {**described, **more}

    def choose(self, params: Params) -> Any:
        """The component that is chosen. Raises SpecError."""
        found, broken = self.components()
        name = params.get(self.key, self.default)
        if name in found:
            return found[name]
        errors = {file.key: file.error for file in broken}
        hint = f"its file is broken: {errors[name]}" if name in errors else ""
        raise SpecError([Problem(self.key, f"one of {', '.join(found)}", str(name), hint)])


SYSTEM = Kind(
    key="system",
    text="PDE",
    default="convection",
    package="experiments.pinns.systems",
    constant="SYSTEM",
    type=System,
    prefix="",
)
STRATEGY = Kind(
    key="strategy",
    text="How training approaches the problem",
    default="regular",
    package="experiments.pinns.strategies",
    constant="STRATEGY",
    type=Strategy,
    prefix="strategy.",
)
OPTIMIZER = Kind(
    key="optimizer",
    text="Optimiser",
    default="ssbfgs",
    package="experiments.pinns.optimizers",
    constant="OPTIMIZER",
    type=Optimizer,
    prefix="optimizer.",
)
MODEL = Kind(
    key="model",
    text="Network for u",
    default="mlp",
    package="experiments.models",
    constant="MODEL",
    type=PointModel,
    prefix="model.",
)
EMBEDDING = Kind(
    key="embedding",
    text="What the network is fed of a point",
    default="none",
    package="experiments.pinns.embeddings",
    constant="EMBEDDING",
    type=Embedding,
    prefix="embedding.",
)
BALANCING = Kind(
    key="balancing",
    text="How the terms of the loss are weighed while a network trains",
    default="fixed",
    package="experiments.pinns.balancing",
    constant="BALANCING",
    type=Balancing,
    prefix="balancing.",
)
SAMPLER = Kind(
    key="sampler",
    text="How collocation points are placed",
    default="sobol",
    package="experiments.pinns.samplers",
    constant="SAMPLER",
    type=Sampler,
    prefix="sampler.",
)


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A run, decoded: components with their settings."""

    system: System
    coefficients: Any
    strategy: Strategy
    strategy_settings: Any
    optimizer: Optimizer
    optimizer_settings: Any
    limits: Limits
    model: PointModel
    model_settings: Any
    embedding: Embedding
    embedding_settings: Any
    sampler: Sampler
    sampler_settings: Any = None
    balancing: Balancing
    balancing_settings: Any
    points: Points
    data: Data
    weights: Weights
    diagnosis: Diagnosis

    @property
    def target(self) -> Target:
        return Target(
            system=self.system,
            coefficients=self.coefficients,
            loss=self.limits.target,
            closures=self.limits.closures,
        )

    @property
    def size(self) -> int:
        """The number of parameters of the network."""
        return self.model.size(self.model_settings, self._inputs, 1)

    @property
    def is_hard(self) -> bool:
        """Whether u meets its conditions by an ansatz."""
        return self.points.constraints == "hard"

    @property
    def _inputs(self) -> int:
        return self.embedding.count(self.embedding_settings, self.system)

    def features(self, rng: np.random.Generator) -> Features:
        arrays = self.embedding.draw(self.embedding_settings, self.system, rng)
        return Features(self.embedding, arrays, self._inputs)


def properties() -> dict[str, dict[str, Any]]:
    """The schema's properties, in the order of a form."""
    return {
        "system": SYSTEM.describe(),
        "strategy": STRATEGY.describe(),
        "optimizer": OPTIMIZER.describe(),
        **describe_struct(Limits, OPTIMIZER.prefix),
        "model": MODEL.describe(),
        "embedding": EMBEDDING.describe(),
        **describe_struct(Weights),
        "sampler": SAMPLER.describe(),
        **describe_struct(Points),
        **describe_struct(Data, "data."),
        **describe_struct(Diagnosis),
        "balancing": BALANCING.describe(),
    }


def read(params: Params) -> Configuration:
    """Raises SpecError with every problem."""
    problems: list[Problem] = []

    def part(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except SpecError as error:
            problems.extend(error.problems)

    parts: dict[str, Any] = {}
    for kind in (SYSTEM, STRATEGY, OPTIMIZER, MODEL, EMBEDDING, SAMPLER, BALANCING):
        parts[kind.key] = component = part(partial(kind.choose, params))
        struct = getattr(component, "coefficients", None) or getattr(component, "settings", None)
        if struct:
            name = "coefficients" if kind is SYSTEM else f"{kind.key}_settings"
            parts[name] = part(partial(settings, struct, params, kind.prefix))
    parts["limits"] = part(partial(settings, Limits, params, OPTIMIZER.prefix))
    parts["points"] = part(partial(settings, Points, params))
    parts["data"] = part(partial(settings, Data, params, "data."))
    parts["weights"] = part(partial(settings, Weights, params))
    parts["diagnosis"] = part(partial(settings, Diagnosis, params))
    if problems:
        raise SpecError(problems)
    return Configuration(**parts)
