"""Suites at scales: the smallest really trains, in seconds; what is compared differs in nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import schema
from engine.api import Suite
from engine.recorder import Recorder
from experiments.pinns.task import TASK
from experiments.suites import suites

FOUND, _ = suites()
SCALED = {key: found for key, found in FOUND.items() if not isinstance(found, Suite)}
PINNS = {
    key: {suite.scale: suite for suite in found}
    for key, found in SCALED.items()
    if all(run.spec.task == "pinn" for suite in found for run in suite.runs)
}
SCHEMA = TASK.describe().schema


@pytest.mark.parametrize("key", PINNS)
def test_a_smoke_suite_of_pinns_trains_to_the_end(key: str, tmp_path: Path) -> None:
    smoke = PINNS[key]["smoke"]
    assert len(smoke.runs) <= 40
    for run in (smoke.runs[0], smoke.runs[-1]):
        recorder = Recorder(tmp_path, seed=run.spec.seed)
        TASK.run(schema.complete(SCHEMA, run.spec.params), recorder)
        assert recorder.figures["rel_l2"] > 0  # type: ignore[operator]
        assert recorder.figures["closures"] <= 40  # type: ignore[operator]


@pytest.mark.parametrize("key", PINNS)
def test_every_scale_says_what_it_costs_and_has_the_same_tables(key: str) -> None:
    assert list(PINNS[key]) == ["smoke", "quick", "paper"]
    sizes = [len(suite.runs) for suite in PINNS[key].values()]
    assert sizes == sorted(sizes)
    costs = [suite.minutes for suite in PINNS[key].values()]
    assert None not in costs and costs == sorted(costs)  # type: ignore[type-var]


@pytest.mark.parametrize("key", PINNS)
def test_seeds_are_ten_on_paper_and_settings_that_a_claim_needs_are_stated(key: str) -> None:
    paper = PINNS[key]["paper"]
    groups: dict[str, set[int]] = {}
    for run in paper.runs:
        groups.setdefault(run.key.rpartition("/")[0], set()).add(run.spec.seed)
        assert {"optimizer", "optimizer.closures", "dtype", "points", "sampler"} <= run.spec.params.keys()
    assert {len(seeds) for seeds in groups.values()} == {10}
