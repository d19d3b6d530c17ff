"""Embeddings: what each makes of points; that the passes carry them is among the contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine.api import Problem
from engine.recorder import Recorder
from experiments.pinns.configuration import EMBEDDING, SYSTEM, read
from experiments.pinns.derivatives import Channel, operate
from experiments.pinns.embeddings import Features
from experiments.pinns.task import TASK

Make = Callable[..., Any]
EMBEDDINGS = EMBEDDING.components()[0]
SYSTEMS = SYSTEM.components()[0]
PERIODIC = {
    "periodic": {"embedding": "periodic", "embedding.harmonics": 3},
    "fourier": {"embedding": "fourier", "embedding.periodic": True},
}


def embed(system: str = "convection", seed: int = 0, **params: Any) -> Features:
    return read({"system": system, **params}).features(np.random.default_rng(seed))


def points_of(system: str, count: int = 40) -> torch.Tensor:
    low, high = np.array(list(SYSTEMS[system].axes.values())).T
    return torch.from_numpy(low + (high - low) * np.random.default_rng(1).random((count, len(low))))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_an_embedding_has_the_features_that_it_says(embedding: str, system: str) -> None:
    chosen = EMBEDDINGS[embedding]
    if chosen.check(chosen.settings(), SYSTEMS[system]):
        pytest.skip("the embedding is not for this system")
    features, points = embed(system, embedding=embedding), points_of(system)
    found = features(points)
    assert found.shape == (len(points), features.count) and found.dtype == torch.float64
    assert torch.equal(found[7:9], features(points[7:9])) or torch.allclose(found[7:9], features(points[7:9]))
    assert found.abs().max() <= max(1.0, float(points.abs().max()))


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_features_have_no_kinks(embedding: str) -> None:
    """Along a line through the domain their first and second derivatives change half as much over half the distance."""
    features = embed("allen_cahn", embedding=embedding)
    low, high = torch.tensor(list(SYSTEMS["allen_cahn"].axes.values()), dtype=torch.float64).T

    def along(s: torch.Tensor) -> torch.Tensor:
        return features(low + (high - low) * s)

    def jumps(count: int) -> torch.Tensor:
        s = torch.linspace(0.013, 0.987, count, dtype=torch.float64)
        channels = [Channel((1.0,)), Channel((0.0,), ((0, 1.0),))]
        return torch.stack([operate(channels, c, along, s[:, None]).diff(dim=0).abs().amax() for c in (0, 1)])

    coarse, fine = jumps(401), jumps(801)
    assert (fine <= 0.7 * coarse + 1e-9).all()


@pytest.mark.parametrize("params", PERIODIC.values(), ids=PERIODIC)
@pytest.mark.parametrize("system", [name for name, system in SYSTEMS.items() if system.periodic_axes])
def test_a_periodic_embedding_agrees_at_both_ends(system: str, params: dict[str, Any]) -> None:
    solved, points = SYSTEMS[system], points_of(system)
    lower, upper = points.clone(), points.clone()
    for i, name in enumerate(solved.axes):
        if name in solved.periodic_axes:
            lower[:, i], upper[:, i] = solved.axes[name]
    features = embed(system, **params)
    assert EMBEDDINGS[params["embedding"]].is_periodic(read({"system": system, **params}).embedding_settings)
    torch.testing.assert_close(features(lower), features(upper), rtol=0, atol=1e-13)
    assert float((features(points) - features(lower)).abs().max()) > 0.1


def test_none_feeds_the_points_and_scaled_fills_the_cube() -> None:
    points = points_of("convection")
    assert torch.equal(embed()(points), points)
    corners = torch.tensor([[0.0, 0.0], [2 * np.pi, 1.0]], dtype=torch.float64)
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(embed(embedding="scaled")(corners), expected)


def test_periodic_features_are_harmonics() -> None:
    x, t = points_of("allen_cahn").T
    found = embed("allen_cahn", **{"embedding": "periodic", "embedding.harmonics": 2})(points_of("allen_cahn"))
    expected = [(np.pi * x).sin(), (2 * np.pi * x).sin(), (np.pi * x).cos(), (2 * np.pi * x).cos(), t]
    torch.testing.assert_close(found, torch.stack(expected, dim=1))


def test_random_features_are_drawn_from_the_seed_with_the_spread_asked_for() -> None:
    params = {"embedding": "fourier", "embedding.waves": 500, "embedding.scale": 3.0}
    one, same, other = (embed(seed=seed, **params) for seed in (1, 1, 2))
    assert np.array_equal(one.arrays["random"], same.arrays["random"])
    assert not np.array_equal(one.arrays["random"], other.arrays["random"])
    assert one.arrays["random"].std() == pytest.approx(3.0, rel=0.1)


def test_what_an_operator_makes_of_a_known_function() -> None:
    """D = 3 ∂_t - 2 ∂_x² of sin(x t) and of x: by hand."""
    channels = [Channel((1.0, 0.0)), Channel((0.0, 3.0), ((0, -2.0),))]
    points = points_of("convection")
    x, t = points.T
    found = operate(channels, 1, lambda p: torch.stack([(p[:, 0] * p[:, 1]).sin(), p[:, 0]], dim=1), points)
    expected = 3 * x * (x * t).cos() + 2 * t**2 * (x * t).sin()
    torch.testing.assert_close(found, torch.stack([expected, torch.zeros_like(x)], dim=1))


def test_the_features_lie_beside_the_trained_parameters(run: Callable[..., Recorder]) -> None:
    recorder = run({"embedding": "fourier", "embedding.waves": 5, "beta": 1.0, "optimizer.closures": 20})
    saved = load_file(recorder.artifacts["network.safetensors"].path)
    assert saved["embedding.random"].shape == (5, 2)
    assert recorder.figures["parameters"] == len(saved["parameters"]) == 8 * 11 + 8 * 9 + 9
    assert recorder.points[-1][1]["loss"] < recorder.points[0][1]["loss"]


def test_another_seed_has_other_features(run: Callable[..., Recorder]) -> None:
    def features(seed: int) -> np.ndarray:
        recorder = run({"embedding": "fourier", "optimizer.closures": 2}, seed=seed)
        return load_file(recorder.artifacts["network.safetensors"].path)["embedding.random"]

    assert np.array_equal(features(1), features(1)) and not np.array_equal(features(1), features(2))


def test_sizes_count_the_features() -> None:
    plain, fed = read({}), read({"embedding": "fourier", "embedding.waves": 10})
    assert fed.size - plain.size == 18 * plain.model_settings.width


@pytest.mark.parametrize(
    ("params", "field"), [({"embedding": "periodic"}, "embedding"), (PERIODIC["fourier"], "embedding.periodic")]
)
def test_a_period_that_is_not_there_is_refused(
    params: dict[str, Any], field: str, monkeypatch: pytest.MonkeyPatch, complete: Make
) -> None:
    monkeypatch.setattr(type(SYSTEMS["convection"]), "periodic_axes", ())
    found: list[Problem] = TASK.check(complete(**params))
    assert [problem.field for problem in found] == [field]
