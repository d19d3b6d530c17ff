from __future__ import annotations

import shlex

import msgspec
import pytest

from engine import schema
from engine.api import TaskDescription
from engine.errors import SpecError
from tui.forms import Form


@pytest.fixture
def form(pinn_task: TaskDescription) -> Form:
    return Form(pinn_task)


def typed(form: Form, **texts: str) -> Form:
    for key, text in texts.items():
        form = form.typing(key.replace("__", "."), text)
    return form


def keys(form: Form) -> list[str]:
    return [field.key for field in form.fields if not field.key.startswith("--")]


def test_parameters_of_a_choice_follow_it(form: Form) -> None:
    assert keys(form)[:4] == ["system", "beta", "strategy", "model"]
    brought = form.typing("strategy", "curriculum").by_key["strategy.step"]
    assert (brought.group, brought.depth, brought.name) == ("strategy", 1, "step")


def test_a_parameter_that_is_named_after_a_choice_stands_with_it(pinn_task: TaskDescription) -> None:
    properties = {**pinn_task.schema["properties"], "optimizer.target": {"type": "number", "default": 1e-7}}
    task = msgspec.structs.replace(pinn_task, schema={"properties": properties})
    target = Form(task, {"optimizer": "lbfgs,ssbroyden"}).by_key["optimizer.target"]
    assert (target.group, target.depth, target.name) == ("optimizer", 1, "target")
    assert Form(task, {"optimizer": "lbfgs,ssbroyden"}).hint(target) == ""


def test_a_field_shows_symbol_unit_limits_and_default(form: Form) -> None:
    beta = form.by_key["beta"]
    assert (beta.symbol, beta.unit, beta.limits, beta.defaults) == ("β", "length/time", "0 to 1000", ("30",))
    assert form.text(beta) == "30"


@pytest.mark.parametrize(
    ("key", "kind", "limits", "default"),
    [
        ("window", "range", "low:high, 0 to 1", "0:1"),
        ("layers", "list", "several, ≥ 1", ""),
        ("closures", "number", "≥ 1 or none", "none"),
        ("points", "number", "1 to 1e7", "1000"),
        ("dtype", "choice", "", "float64"),
        ("init", "text", "a run", ""),
        ("--gpus", "text", "auto, 0, 1, 0.5", "auto"),
    ],
)
def test_kinds_of_fields(form: Form, key: str, kind: str, limits: str, default: str) -> None:
    field = form.by_key[key]
    assert (field.kind, field.limits, field.defaults) == (kind, limits, (default,))


def test_another_choice_swaps_its_parameters_and_keeps_what_was_typed(form: Form) -> None:
    form = typed(form, beta="40", points="500", system="reaction")
    assert "beta" not in form.by_key and "rho" in form.by_key
    assert form.text(form.by_key["points"]) == "500"
    assert form.requests[0].params == {"system": "reaction", "points": "500"}
    form = form.typing("system", "convection")
    assert form.requests[0].params == {"beta": "40", "points": "500"}


def test_only_what_differs_from_the_default_is_given(form: Form) -> None:
    assert form.requests[0].params == {}
    form = typed(form, beta="30.0", points="1e3", closures="none", dtype="float64", model__width="40")
    assert form.requests[0].params == {"model.width": "40"}


def test_raw_parameters_are_what_the_schema_takes(form: Form, pinn_task: TaskDescription) -> None:
    form = typed(form, system="reaction", rho="6", window="0:0.5", layers="50,50", closures="500", init="r12")
    params = schema.complete(pinn_task.schema, form.requests[0].params)
    assert (params["rho"], params["window"], params["layers"], params["closures"]) == (6.0, [0.0, 0.5], [50, 50], 500)


def test_commas_sweep_a_scalar_and_brackets_a_list(form: Form) -> None:
    form = typed(form, beta="10,20,", points="100, 200, 1e2", layers="[50,50],[100]", window="0:1,0:0.5")
    request = form.requests[0]
    assert request.params == {}
    assert request.grid == {
        "beta": ["10", "20"],
        "window": ["0:1", "0:0.5"],
        "points": ["100", "200"],
        "layers": ["[50,50]", "[100]"],
    }
    assert form.runs == 16


def test_number_of_runs_is_the_product_of_sweeps_and_seeds(form: Form) -> None:
    assert form.counted == "1 run"
    form = form.typing("--seeds", "0-1").typing("beta", "5,6,7")
    assert (form.runs, form.counted) == (6, "6 runs = 3 beta × 2 seeds")


def test_alternatives_chosen_together_are_one_sweep(form: Form) -> None:
    form = typed(form, strategy="regular,curriculum", beta="20,30").typing("--seeds", "0-2")
    assert [request.grid for request in form.requests] == [
        {"beta": ["20", "30"], "strategy": ["regular", "curriculum"]}
    ]
    assert form.counted == "12 runs = 2 beta × 2 strategy × 3 seeds"


def test_a_parameter_of_one_alternative_is_given_to_that_alone(form: Form) -> None:
    form = typed(form, strategy="regular,curriculum", strategy__step="2,5", points="500").typing("--seeds", "0-1")
    first, second = form.requests
    assert (first.params, first.grid) == ({"points": "500"}, {})
    assert (second.params, second.grid) == ({"strategy": "curriculum", "points": "500"}, {"strategy.step": ["2", "5"]})
    assert form.counted == "6 runs = 2 seeds + 2 step × 2 seeds"
    assert len(form.commands) == 2


def test_a_parameter_that_two_alternatives_bring_satisfies_both(form: Form) -> None:
    form = form.typing("strategy", "curriculum,seq2seq")
    step = form.by_key["strategy.step"]
    assert step.defaults == ("1", "0.1") and form.text(step) == ""
    assert form.problems == {} and len(form.requests) == 1
    assert form.typing("strategy.step", "0.5").problems == {}
    assert "at most 1" in form.typing("strategy.step", "5").problems["strategy.step"].required


@pytest.mark.parametrize(
    ("key", "text", "required"),
    [
        ("beta", "-5", "a number from 0 to 1000"),
        ("beta", "10,abc", "a number from 0 to 1000"),
        ("points", "0.5", "a whole number from 1 to 10000000"),
        ("system", "reactoin", "one of convection, reaction"),
        ("dtype", "float16", "one of float32, float64"),
        ("window", "1:0", "a range written 1:5, numbers from 0 to 1, the lower end first"),
        ("--seeds", "9-0", "whole numbers as 0-9 or 0,2,5"),
        ("--gpus", "1.5", "auto, 0, a whole number or a fraction below 1"),
        ("--cpus", "0", "a whole number from 1"),
        ("--minutes", "-1", "a number above 0"),
    ],
)
def test_a_wrong_value_is_a_problem_of_its_field(form: Form, key: str, text: str, required: str) -> None:
    problems = form.typing(key, text).problems
    assert list(problems) == [key]
    assert problems[key].required == required


def test_a_hint_says_how_many_values_for_which_alternative_and_the_default(form: Form) -> None:
    beta = form.by_key["beta"]
    assert form.hint(beta) == "length/time · 0 to 1000 · Wave speed. Regular training fails from 20 to 40"
    form = typed(form, strategy="regular,curriculum", strategy__step="2,5")
    assert form.hint(form.by_key["strategy.step"]).startswith("2 values · for curriculum · > 0 · default 1 · ")
    assert form.hint(form.by_key["strategy"]) == "2 values"


def test_a_slip_in_a_choice_suggests_what_was_meant(form: Form) -> None:
    assert form.typing("system", "reactoin").problems["system"].hint == "did you mean reaction?"


def test_a_required_value_that_is_missing_is_a_problem(dataset_task: TaskDescription) -> None:
    assert Form(dataset_task).problems["name"].got == "nothing"
    assert Form(dataset_task, {"name": "poisson"}).problems == {}


def test_what_a_run_was_given_fills_the_form(pinn_task: TaskDescription, form: Form) -> None:
    given = typed(form, system="reaction", strategy="curriculum", strategy__step="2", window="0:0.5", layers="5,5")
    params = schema.complete(pinn_task.schema, given.requests[0].params)
    again = Form.of(pinn_task, {**params, "gone": 1}, {"--tag": "paper"})
    assert again.requests[0].params == given.requests[0].params
    assert again.requests[0].tags == ("paper",)


def test_the_command_line_says_the_same_and_is_quoted(form: Form) -> None:
    form = typed(form, system="reaction", rho="5,6").typing("--name", "a b; rm").typing("--tag", "x,y")
    form = form.typing("--seeds", "0-9").typing("--gpus", "0")
    assert shlex.split(form.commands[0]) == [
        *("sciml-tui", "run", "pinn", "system=reaction", "--grid", "rho=5,6", "--seeds", "0-9"),
        *("--name", "a b; rm", "--tag", "x", "--tag", "y", "--gpus", "0"),
    ]
    assert "'a b; rm'" in form.commands[0]


def test_only_a_task_that_packs_can_be_asked_to(pinn_task: TaskDescription) -> None:
    alone, packing = Form(pinn_task), Form(msgspec.structs.replace(pinn_task, packs=True))
    assert "--pack" not in alone.by_key and not alone.typing("--pack", "true").packs
    form = packing.typing("--seeds", "0-9")
    assert not form.packs and "--pack" not in form.commands[0]
    form = form.typing("--pack", "true").typing("--cpus", "2")
    assert form.packs and form.runs == 10
    assert shlex.split(form.commands[0])[3:] == ["--seeds", "0-9", "--pack", "--cpus", "2"]


def test_resources_are_typed(form: Form) -> None:
    form = form.typing("--gpus", "0.5").typing("--cpus", "4").typing("--memory", "none").typing("--minutes", "30")
    assert form.requests[0].resources == {"gpus": 0.5, "cpus": 4, "minutes": 30.0}


def test_seeds_that_cannot_be_read_have_no_number(form: Form) -> None:
    with pytest.raises(SpecError):
        form.typing("--seeds", "a").runs


def test_a_number_without_limits_that_may_be_none_says_so(pinn_task: TaskDescription) -> None:
    start = {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None}
    task = msgspec.structs.replace(pinn_task, schema={"properties": {"start": start}})
    form = Form(task, {})
    assert form.by_key["start"].limits == "a number or none"
