"""Hard constraints: every ansatz meets its conditions for any network, and the fast passes carry it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors import safe_open

from engine.recorder import Recorder
from experiments.pinns import ansatz, task
from experiments.pinns.configuration import SYSTEM, read
from experiments.pinns.derivatives import Channel, operate
from experiments.pinns.field import Field
from experiments.pinns.network import Network, derivatives
from experiments.pinns.objective import Automatic, Fused, objective
from experiments.pinns.problem import System, pose
from experiments.pinns.systems._kink import rounded
from experiments.pinns.task import TASK

Make = Callable[..., Any]
SYSTEMS: dict[str, System] = {key: system for key, system in SYSTEM.components()[0].items() if system.ansatz}


def embedding_of(system: System) -> str:
    return "periodic" if system.periodic_axes else "none"


@pytest.fixture
def hard(network_of: Make) -> Callable[..., Network]:
    """A network under the ansatz of a system, with an embedding that has its period."""

    def make(key: str, **settings: Any) -> Network:
        system = SYSTEMS[key]
        features = read({"system": key, "embedding": embedding_of(system)}).features(np.random.default_rng(0))
        network = network_of(**settings)._replace(axes=len(system.axes), features=features)
        return network._replace(ansatz=ansatz.of_system(system, system.coefficients()))

    return make


def mismatch(network: Network, flat: torch.Tensor, system: System, first: float | None = None) -> float:
    """The largest violation of any condition, but for where those of start and ends meet."""
    worst = 0.0
    for condition in pose(system, system.coefficients(), np.zeros((1, 2)), n_initial=64, n_boundary=20).conditions:
        inner = slice(1, None)
        found = derivatives(
            network, tuple(system.axes), flat, network.tensor(condition.points[inner]), [condition.derivative]
        )[condition.derivative]
        target = network.tensor(condition.target[inner])
        if condition.minus is not None:
            minus = network.tensor(condition.minus[inner])
            target = derivatives(network, tuple(system.axes), flat, minus, [condition.derivative])[condition.derivative]
        if len(target):
            worst = max(worst, float((found - target).detach().abs().max()))
    return worst


@pytest.mark.parametrize("key", SYSTEMS)
def test_the_conditions_are_met_whatever_the_network(key: str, hard: Make, weights_of: Make) -> None:
    network = hard(key)
    for seed in range(3):
        assert mismatch(network, weights_of(network, seed), SYSTEMS[key]) < 1e-11


@pytest.mark.parametrize("key", SYSTEMS)
def test_a_window_carries_on_from_what_was_predicted(key: str, hard: Make, weights_of: Make) -> None:
    """Two windows on: values, and slopes in time where they are conditions, agree at the start; the ends are kept."""
    system, network = SYSTEMS[key], hard(key)
    axes, flats = tuple(system.axes), [weights_of(network, seed) for seed in range(3)]
    low, high = system.axes["t"]
    for i, flat in enumerate(flats[:-1]):
        start = low + (high - low) * (i + 1) / 3
        before = network
        made = ansatz.of_window(
            system, system.coefficients(), start, lambda points, n=before, f=flat: n.values(f, points)
        )
        network = before._replace(ansatz=made)
        space = [np.linspace(*system.axes["x"], 31)] if system.space else []
        points = network.tensor(np.stack(np.broadcast_arrays(*space, [start]), axis=-1))
        names = list(system.initial)
        ours = derivatives(network, axes, flats[i + 1], points, names)
        theirs = derivatives(before, axes, flat, points, names)
        for name in names:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-11, atol=1e-11)
        part = msgspec.structs.replace(system, axes={**system.axes, "t": (start, high)}, initial={})
        assert mismatch(network, flats[i + 1], part) < 1e-11
        slopes = [derivatives(n, axes, f, points, ["u_t"])["u_t"] for n, f in ((network, flats[i + 1]), (before, flat))]
        assert ("u_t" in names) or not torch.allclose(*slopes)


@pytest.mark.parametrize("key", SYSTEMS)
@pytest.mark.parametrize("window", [False, True])
def test_the_fast_passes_carry_every_ansatz(
    key: str, window: bool, hard: Make, weights_of: Make, problem_of: Make
) -> None:
    system, network = SYSTEMS[key], hard(key)
    flat, c = weights_of(network), system.coefficients()
    if window:
        before = network
        made = ansatz.of_window(system, c, 0.4, lambda points: before.values(weights_of(network, 5), points))
        network = network._replace(ansatz=made)
    # with conditions that are met, too: u_x at the ends is a channel beyond the collocation points
    for options in ({"hard": True}, {}):
        problem = problem_of(system, c, **options)
        fast, slow = objective(network, problem), Automatic(network, problem)
        assert isinstance(fast, Fused)
        ours, theirs = fast(flat), slow(flat)
        assert float((ours.gradient - theirs.gradient).norm() / theirs.gradient.norm()) < 1e-13
        assert ours.terms["residual"] == pytest.approx(theirs.terms["residual"], rel=1e-12)
        assert set(ours.terms) == ({"residual"} if options else set(problem_of(system, c).terms))


def test_the_gradient_under_an_ansatz_is_that_of_the_loss(hard: Make, weights_of: Make, problem_of: Make) -> None:
    system, network = SYSTEMS["allen_cahn"], hard("allen_cahn", width=4, depth=2)
    function, flat = objective(network, problem_of(system, system.coefficients(), hard=True)), weights_of(network)
    gradient, h = function(flat).gradient, 1e-5
    for i in range(0, len(flat), 5):
        step = torch.zeros_like(flat)
        step[i] = h
        slope = (function(flat + step).loss - function(flat - step).loss) / (2 * h)
        assert slope == pytest.approx(float(gradient[i]), rel=1e-6, abs=1e-7)


def test_a_kink_is_rounded_off_as_by_diffusion(hard: Make) -> None:
    """Of |x| on a period the heat equation makes what `rounded` adds to it, while it is far from the middle."""
    nu, (low, high) = 0.3, (-1.0, 1.0)
    x = torch.linspace(0.5, 1.0, 40, dtype=torch.float64)
    points = torch.stack([x, torch.full_like(x, 1e-4)], dim=1)

    def added(points: torch.Tensor) -> torch.Tensor:
        return rounded(points[:, 0], points[:, 1], (low, high), 2.0, nu)[:, None]

    channels = [Channel((1.0, 0.0)), Channel((0.0, 1.0), ((0, -nu),))]
    excess = operate(channels, 1, added, points)
    scale = operate([channels[0], Channel((0.0, 1.0))], 1, added, points).abs().max()
    assert float(excess.abs().max()) < 1e-2 * float(scale)


@pytest.mark.parametrize("activation", ["tanh", "sin"])
def test_a_field_is_u_and_not_the_network(activation: str, hard: Make, weights_of: Make) -> None:
    network = hard("reaction_diffusion", activation=activation)
    points, flat = np.random.default_rng(0).random((50, 2)), weights_of(network)
    expected = network.values(flat, torch.from_numpy(points))
    np.testing.assert_allclose(Field(network, points)(flat), expected.detach().numpy(), atol=1e-14)


def test_single_precision_agrees_to_single_precision(hard: Make, weights_of: Make, problem_of: Make) -> None:
    system = SYSTEMS["reaction_diffusion"]
    problem = problem_of(system, system.coefficients(), hard=True)
    double, single = hard("reaction_diffusion"), hard("reaction_diffusion", dtype=torch.float32)
    exact = objective(double, problem)(weights_of(double))
    for function in (objective(single, problem), Automatic(single, problem)):
        ours = function(weights_of(single))
        assert float((ours.gradient.double() - exact.gradient).norm() / exact.gradient.norm()) < 1e-4


HARD = {"constraints": "hard", "embedding": "periodic", "system": "reaction", "rho": 2.0}


def test_the_terms_of_conditions_vanish_and_training_succeeds(run: Callable[..., Recorder]) -> None:
    recorder = run({**HARD, "optimizer.closures": 150})
    assert set(recorder.points[-1][1]) >= {"loss", "loss_residual"}
    assert not {"loss_initial", "loss_boundary"} & set(recorder.points[-1][1])
    assert recorder.figures["rel_l2"] < 0.05
    (_, fields) = recorder.stored_fields[-1]
    assert np.abs(fields["error"][:, 0]).max() < 1e-6
    with safe_open(recorder.artifacts["network.safetensors"].path, framework="numpy") as file:
        assert file.metadata()["constraints"] == "hard"


@pytest.mark.parametrize(
    "strategy",
    [
        {"strategy": "seq2seq", "strategy.window": 0.25, "strategy.closures": 15},
        {"strategy": "curriculum", "strategy.closures": 20},
    ],
    ids=lambda settings: settings["strategy"],
)
def test_strategies_go_on_with_hard_constraints_and_resume(
    strategy: dict[str, Any], run: Callable[..., Recorder]
) -> None:
    params = {**HARD, **strategy, "optimizer.closures": 60}
    whole = run(params, every=0.0)
    for _, state in whole.checkpoints[:: max(1, len(whole.checkpoints) // 5)]:
        resumed = run(params, state=state)
        assert resumed.figures["loss"] == whole.figures["loss"]
        assert resumed.figures["rel_l2"] == whole.figures["rel_l2"]
    assert whole.figures["rel_l2"] < 0.2
    predicted = whole.stored_fields[-1][1]["predicted"]
    jumps = np.abs(np.diff(predicted, axis=1)).max()
    assert jumps < 0.1  # of windows, too: u is continuous in time


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"system": "convection", "constraints": "hard"}, "embedding"),
        ({"system": "convection", "constraints": "hard", "embedding": "fourier"}, "embedding"),
    ],
)
def test_hard_constraints_need_the_period(given: dict[str, Any], field: str, complete: Make) -> None:
    assert [problem.field for problem in TASK.check(complete(**given))] == [field]
    assert TASK.check(complete(**{**given, "embedding": "periodic"})) == []


def test_a_system_without_an_ansatz_is_refused(complete: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(complete(system="convection", embedding="periodic", constraints="hard"))
    bare = msgspec.structs.replace(chosen, system=msgspec.structs.replace(chosen.system, ansatz=None))
    monkeypatch.setattr(task.configuration, "read", lambda params: bare)
    assert [problem.field for problem in TASK.check({})] == ["constraints"]
