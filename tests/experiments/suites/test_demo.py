"""The demo compares like with like."""

from __future__ import annotations

from experiments.suites.demo import SUITE


def spec_of(key: str) -> dict[str, object]:
    (found,) = (run.spec for run in SUITE.runs if run.key == key)
    return {**found.params, "seed": found.seed}


def test_both_strategies_have_the_same_optimiser_points_and_evaluations() -> None:
    for seed in (0, 1, 2):
        regular, curriculum = spec_of(f"pinn/regular/{seed}"), spec_of(f"pinn/curriculum/{seed}")
        differing = {key for key in curriculum if curriculum[key] != regular.get(key)}
        assert all(key.startswith("strategy") for key in differing), differing


def test_fine_tuned_and_scratch_see_the_same_samples_for_the_same_steps() -> None:
    for seed in (0, 1, 2):
        for samples in (8, 32, 128):
            tuned, scratch = (spec_of(f"transfer/{mode}/{samples}/{seed}") for mode in ("finetune", "scratch"))
            shared = ("samples", "steps", "batch", "data.seed", "range", "system", "grid", "loss", "seed")
            assert {key: tuned[key] for key in shared} == {key: scratch[key] for key in shared}


def test_each_seed_is_judged_on_samples_of_its_own() -> None:
    assert [spec_of(f"transfer/zeroshot/{seed}")["data.seed"] for seed in (0, 1, 2)] == [0, 1, 2]
