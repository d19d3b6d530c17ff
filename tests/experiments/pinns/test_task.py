"""The task as the engine sees it: described without torch, strict about what it is given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine import schema
from engine.api import SpecError, Task, TaskDescription
from engine.recorder import Recorder
from experiments.pinns.task import TASK

Complete = Callable[..., dict[str, Any]]


def test_describing_and_checking_import_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from engine import schema; from engine.api import Reference\n"
        "from experiments.pinns.task import TASK\n"
        "params = schema.complete(TASK.describe().schema, {'strategy': 'curriculum', 'embedding': 'fourier'})\n"
        "assert TASK.check(params) == []; TASK.estimate(params)\n"
        "there = Reference(kind='run', name='r1', task='pinn', params=params)\n"
        "assert TASK.check_references(params, {'init': [there]}) == []\n"
        "print([name for name in ('torch', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_a_task_whose_description_is_plain_data() -> None:
    assert isinstance(TASK, Task)
    described = TASK.describe()
    assert msgspec.json.decode(msgspec.json.encode(described), type=TaskDescription) == described
    assert next(iter(described.metrics)) == "rel_l2"


def test_every_parameter_is_explained_and_has_a_default() -> None:
    properties = TASK.describe().schema["properties"]
    for property in properties.values():
        for choice in property.get("x-choices", {}).values():
            properties = {**properties, **choice.get("properties", {})}
    for name, property in properties.items():
        assert property["description"], name
        assert "default" in property, name


def test_defaults_are_complete_and_sound() -> None:
    params = schema.complete(TASK.describe().schema, {})
    assert TASK.check(params) == []
    estimate = TASK.estimate(params)
    assert estimate.seconds is not None and 1 < estimate.seconds < 60


@pytest.mark.parametrize(
    ("params", "label"),
    [
        ({"system": "reaction", "rho": 5, "strategy": "curriculum"}, "reaction ρ=5 curriculum"),
        ({"beta": 30}, "convection β=30 regular"),
    ],
)
def test_the_label_says_what_a_run_is(params: dict[str, Any], label: str) -> None:
    described = TASK.describe()
    assert schema.label(described, schema.complete(described.schema, params)) == label


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"system": "convektion"}, "system"),
        ({"rho": 5}, "rho"),
        ({"beta": -1}, "beta"),
        ({"beta": "fast"}, "beta"),
        ({"points": 0}, "points"),
        ({"lambda": 0}, "lambda"),
        ({"dtype": "float16"}, "dtype"),
        ({"optimizer": "ssbfgs", "optimizer.history": 5}, "optimizer.history"),
        ({"optimizer.closures": 0}, "optimizer.closures"),
        ({"strategy": "regular", "strategy.step": 1}, "strategy.step"),
        ({"model": "fno"}, "model"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(complete: Complete, given: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as raised:
        complete(**given)
    assert raised.value.problems[0].field == field


def test_what_a_schema_cannot_say_is_checked(complete: Complete) -> None:
    short = complete(strategy="curriculum", **{"optimizer.closures": 1000})
    assert [problem.field for problem in TASK.check(short)] == ["optimizer.closures"]
    misses = complete(strategy="curriculum", **{"strategy.values": "5,20"})
    assert [problem.field for problem in TASK.check(misses)] == ["strategy.values"]


@pytest.mark.parametrize(
    "given", [{"sampler": "rad"}, {"resample": "never", "resample_every": 10}], ids=["rad", "never"]
)
def test_points_that_cannot_be_drawn_anew_are_refused(complete: Complete, given: dict[str, Any]) -> None:
    assert [problem.field for problem in TASK.check(complete(**given))] == ["resample_every"]
    assert TASK.check(complete(sampler="rad", resample_every=10)) == []


def test_a_dense_optimiser_on_a_large_network_is_refused_before_it_fills_the_memory(complete: Complete) -> None:
    (problem,) = TASK.check(complete(**{"model.width": 300, "model.depth": 4}))
    assert problem.field == "optimizer"
    assert "lbfgs" in problem.hint
    assert TASK.check(complete(**{"model.width": 300, "model.depth": 4, "optimizer": "lbfgs"})) == []


@pytest.mark.parametrize(
    ("params", "field"),
    [({"system": "gone"}, "system"), ({"beta": -5.0}, "beta"), ({"optimizer.target": "low"}, "optimizer.target")],
)
def test_parameters_of_another_version_are_refused_when_run(params: dict[str, Any], field: str, tmp_path: Path) -> None:
    assert [problem.field for problem in TASK.check(params)] == [field]
    with pytest.raises(SpecError, match=field):
        TASK.run(params, Recorder(tmp_path))


PLUGIN = """
from engine.api import Spec
from experiments.pinns.problem import System
import numpy as np

class Coefficients(Spec, frozen=True, kw_only=True):
    k: float = 1.0

SYSTEM = System(
    title="Decay", summary="u fades", equation="u_t + k u = 0", source="a user", label="decay k={k:g}",
    coefficients=Coefficients, main="k", step=1.0, linear=lambda c: {"u_t": 1.0, "u": c.k},
    initial={"u": lambda c, x: np.sin(x)}, reference=lambda c, x, t: np.sin(x) * np.exp(-c.k * t),
)
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home" / "plugins" / "pinns" / "systems"
    folder.mkdir(parents=True)
    monkeypatch.setenv("SCIML_TUI_HOME", str(tmp_path / "home"))
    yield folder
    for name in [name for name in sys.modules if name.startswith("sciml_tui_plugins.")]:
        del sys.modules[name]


def test_a_users_own_system_is_one_file(plugins: Path, run: Callable[..., Recorder]) -> None:
    (plugins / "decay.py").write_text(PLUGIN)
    described = TASK.describe().schema["properties"]["system"]["x-choices"]["decay"]
    assert described["equation"] == "u_t + k u = 0" and "k" in described["properties"]
    recorder = run({"system": "decay", "k": 2, "optimizer.closures": 200, "optimizer.target": 1e-5})
    assert recorder.figures["rel_l2"] < 0.05


def test_a_broken_file_hurts_nothing_else(plugins: Path, complete: Complete) -> None:
    (plugins / "typo.py").write_text("SYSTEM = undefined")
    property = TASK.describe().schema["properties"]["system"]
    (broken,) = property["x-broken"]
    assert broken["key"] == "typo" and "NameError" in broken["error"]
    assert TASK.check(complete()) == []
    (problem,) = TASK.check({**complete(), "system": "typo"})
    assert "NameError" in problem.hint
