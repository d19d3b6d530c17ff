"""The suites of operators compare like with like."""

from __future__ import annotations

import pytest

from engine.api import RunSpec, Suite
from experiments.suites import mixed, model_size, shifts, transfer

SUITES = {f"{suite.key}-{suite.scale}": suite for file in (mixed, model_size, shifts, transfer) for suite in file.SUITE}
ALLOWED = {"mode", "init", "model", "model.width", "model.modes"}


def by_key(suite: Suite) -> dict[str, RunSpec]:
    return {run.key: run.spec for run in suite.runs}


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_fine_tuned_and_scratch_differ_in_where_their_weights_come_from_alone(suite: Suite) -> None:
    specs = by_key(suite)
    pairs = [(key, key.replace("/finetune/", "/scratch/")) for key in specs if "/finetune/" in key]
    pairs = [(one, other) for one, other in pairs if other in specs]
    assert pairs or suite.key == "mixed"
    for one, other in pairs:
        tuned, fresh = specs[one], specs[other]
        differing = {key for key in tuned.params | fresh.params if tuned.params.get(key) != fresh.params.get(key)}
        assert differing <= ALLOWED, differing
        assert tuned.seed == fresh.seed == tuned.params["data.seed"]
        assert len(tuned.params["lr_sweep"]) > 1  # type: ignore[arg-type]


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_what_is_fine_tuned_is_the_model_that_is_trained_from_scratch(suite: Suite) -> None:
    specs = by_key(suite)
    for key, spec in specs.items():
        if spec.params["mode"] == "finetune" and (fresh := specs.get(key.replace("/finetune/", "/scratch/"))):
            first = specs[str(spec.params["init"]).removeprefix("@")].params
            network = {name: value for name, value in first.items() if name.startswith("model")}
            assert network == {name: value for name, value in fresh.params.items() if name.startswith("model")}


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES.keys())
def test_a_seed_starts_from_the_pretraining_of_that_seed(suite: Suite) -> None:
    specs = by_key(suite)
    starts = [(spec, specs[str(spec.params["init"])[1:]]) for spec in specs.values() if "init" in spec.params]
    assert starts
    assert all(spec.seed == first.seed for spec, first in starts)


@pytest.mark.parametrize("suite", mixed.SUITE, ids=lambda suite: suite.scale)
def test_a_mixture_sees_of_each_system_as_many_examples_as_often_as_one_alone(suite: Suite) -> None:
    specs = by_key(suite)
    mixture = specs["pretrain/mixed/0"].params
    alone = [specs[key].params for key in specs if key.startswith("pretrain/SYS") and key.endswith("/0")]
    assert len(alone) == 3
    for one in alone:
        assert mixture["samples"] == 3 * int(one["samples"])  # type: ignore[arg-type]
        assert mixture.get("epochs") == one.get("epochs")
        if "steps" in one:
            assert (mixture["steps"], mixture["batch"]) == (one["steps"], 3 * int(one["batch"]))  # type: ignore[arg-type]
        assert all(mixture.get(key) == one.get(key) for key in ("lr_sweep", "loss", "model", "test", "grid"))
        own = {"quick": 1e-2}  # what a mixture's rate is where it has one of its own
        assert mixture.get("lr") == own.get(suite.scale, one.get("lr"))


def test_every_published_range_is_transferred_to() -> None:
    cases = {run.labels["case"] for run in SUITES["transfer-paper"].runs if run.labels}
    assert cases == {
        *(f"SYS-1({ends})" for ends in ("1,2.5", "2.5,7.5", "5,10", "10,20")),
        *("SYS-2(0.2,0.4)", "SYS-2(1,2)", "SYS-3(1,5)"),
    }
    assert cases == {run.labels["case"] for run in SUITES["shifts-quick"].runs if run.labels}


def test_suites_share_their_pretrainings() -> None:
    def pretrained(key: str) -> list[RunSpec]:
        return [run.spec for run in SUITES[key].runs if run.key.startswith("pretrain/SYS-1")]

    assert pretrained("mixed-quick") == pretrained("shifts-quick")
    assert pretrained("transfer-paper") == pretrained("shifts-paper")
