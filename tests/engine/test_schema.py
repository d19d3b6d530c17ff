from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import schema, values
from engine.api import Spec, TaskDescription, describe_struct
from engine.errors import SpecError
from engine.values import Unfit

Meta = msgspec.Meta


class Kinds(Spec, frozen=True, kw_only=True):
    rate: Annotated[float, Meta(gt=0, le=1)] = 0.5
    steps: Annotated[int, Meta(ge=1)] = 100
    cap: Annotated[int, Meta(ge=1)] | None = None
    dtype: Literal["float32", "float64"] = "float64"
    size: Literal[8, 16] = 8
    gpus: Annotated[float, Meta(ge=0)] | Literal["auto"] = "auto"
    hard: bool = False
    layers: Annotated[tuple[int, ...], Meta(min_length=1)] = (50, 50)
    note: str = ""
    range: Annotated[tuple[float, float], Meta(extra_json_schema={"x-range": True})] = (1.0, 5.0)


KINDS = {"properties": describe_struct(Kinds)}
NUMBER = {"type": "number", "default": 1.0}
SCIENCE = {
    "properties": {
        "system": {
            "type": "string",
            "default": "convection",
            "x-choices": {
                "convection": {
                    "label": "convection β={beta:g}",
                    "properties": {"beta": {"type": "number", "default": 30}},
                },
                "reaction": {"label": "reaction ρ={rho:g}", "properties": {"rho": {"type": "number"}}},
                "wave": {"properties": {"beta": {"type": "number", "default": 5}}},
            },
        },
        "strategy": {
            "type": "string",
            "default": "regular",
            "x-choices": {
                "regular": {"properties": {}},
                "curriculum": {
                    "properties": {
                        "strategy.step": {"type": "number", "exclusiveMinimum": 0, "default": 1.0},
                        "strategy.kind": {
                            "type": "string",
                            "default": "linear",
                            "x-choices": {"linear": {}, "list": {"properties": {"strategy.values": {"type": "array"}}}},
                        },
                    }
                },
            },
        },
        "init": {"type": "string", "default": "", "x-ref": "run"},
        "data": {"type": "array", "items": {"type": "string"}, "default": [], "x-ref": "dataset"},
        "range": {"type": "array", "x-range": True, "default": [1, 5]},
    }
}


def problems(schema_: dict[str, Any], **raw: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        schema.complete(schema_, raw)
    return [str(problem) for problem in caught.value.problems]


def test_nothing_given_is_every_default_typed_and_in_the_order_of_the_schema() -> None:
    params = schema.complete(SCIENCE, {"rho": 5, "system": "reaction"})
    assert list(params.items()) == [
        ("system", "reaction"),
        ("rho", 5.0),
        ("strategy", "regular"),
        ("init", ""),
        ("data", []),
        ("range", [1.0, 5.0]),
    ]
    assert isinstance(params["rho"], float)


@pytest.mark.parametrize(
    ("key", "raw", "typed"),
    [
        ("rate", "1e-3", 1e-3),
        ("rate", 1, 1.0),
        ("steps", "1e4", 10_000),
        ("steps", "10_000", 10_000),
        ("steps", 20.0, 20),
        ("cap", "none", None),
        ("cap", "7", 7),
        ("dtype", "float32", "float32"),
        ("size", "16", 16),
        ("gpus", "auto", "auto"),
        ("gpus", "0.5", 0.5),
        ("hard", "yes", True),
        ("layers", "20,20,20", [20, 20, 20]),
        ("layers", "[20,20]", [20, 20]),
        ("layers", (20, 30), [20, 30]),
        ("note", "5", "5"),
        ("range", "0.2:1", [0.2, 1.0]),
        ("range", "-5:-1e-3", [-5.0, -1e-3]),
    ],
)
def test_text_and_typed_values_are_read_alike(key: str, raw: Any, typed: Any) -> None:
    value = schema.complete(KINDS, {key: raw})[key]
    assert value == typed
    assert type(value) is type(typed)


@pytest.mark.parametrize(
    ("key", "raw", "message"),
    [
        ("rate", "0", "rate: required a number above 0 and at most 1, got 0"),
        ("rate", "fast", "rate: required a number above 0 and at most 1, got fast"),
        ("rate", "nan", "rate: required a number above 0 and at most 1, got nan"),
        ("rate", True, "rate: required a number above 0 and at most 1, got true"),
        ("steps", "2.5", "steps: required a whole number of at least 1, got 2.5"),
        ("steps", "", "steps: required a whole number of at least 1, got nothing"),
        ("cap", "0", "cap: required a whole number of at least 1 or none, got 0"),
        ("dtype", "float16", "dtype: required one of float32, float64, got float16"),
        ("gpus", "-1", "gpus: required a number of at least 0 or one of auto, got -1"),
        ("hard", "maybe", "hard: required true or false, got maybe"),
        ("layers", "", "layers: required whole numbers separated by commas, at least 1, got nothing"),
        ("layers", "20,wide", "layers: required whole numbers separated by commas, at least 1, got 20,wide"),
        ("note", 5, "note: required a text, got 5"),
        ("range", "1,5", "range: required a range written 1:5, numbers, got 1,5"),
        ("range", "5:1", "range: required a range written 1:5, numbers, the lower end first, got 5:1"),
    ],
)
def test_a_value_that_does_not_fit_says_what_was_required_and_what_was_got(key: str, raw: Any, message: str) -> None:
    assert problems(KINDS, **{key: raw}) == [message.replace("one of auto", "auto")]


def test_every_problem_is_reported_at_once() -> None:
    found = problems(KINDS, rate="0", steps="x", nothing="1")
    assert [line.partition(":")[0] for line in found] == ["rate", "steps", "nothing"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({}, "required strategy=curriculum, got strategy=regular"),
        ({"strategy": "curriculum"}, "required strategy.kind=list, got strategy.kind=linear"),
    ],
)
def test_a_parameter_far_down_is_refused_with_the_choice_that_is_to_be_made_first(
    chosen: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError, match=f"^strategy.values: {said} "):
        schema.complete(SCIENCE, {"system": "wave", "strategy.values": "1,2", **chosen})


def test_a_choice_that_stands_in_several_places_is_named_once() -> None:
    model = {"type": "string", "default": "a", "x-choices": {"a": {}, "b": {"properties": {"width": NUMBER}}}}
    modes = {mode: {"properties": {"model": model}} for mode in ("fresh", "scratch")}
    mode = {"type": "string", "default": "fresh", "x-choices": {**modes, "tune": {}}}
    for chosen, said in (
        ("tune", "required mode=fresh or mode=scratch, got mode=tune"),
        ("fresh", "required model=b, got model=a"),
    ):
        with pytest.raises(SpecError, match=f"^width: {said} "):
            schema.complete({"properties": {"mode": mode}}, {"mode": chosen, "width": 3})


def test_an_unknown_key_comes_with_the_one_that_was_meant() -> None:
    assert problems(SCIENCE, betta="3") == [
        "betta: required a parameter of this task, got an unknown one (did you mean beta?)"
    ]
    [line] = problems(SCIENCE, **{"strategy": "curriculum", "step": "1"})
    assert "did you mean strategy.step?" in line


def test_a_parameter_of_another_choice_is_refused_and_says_which_choice_it_needs() -> None:
    assert problems(SCIENCE, **{"strategy.step": "1"}) == [
        "strategy.step: required strategy=curriculum, got strategy=regular "
        "(strategy.step is a parameter of strategy=curriculum)"
    ]
    [line] = problems(SCIENCE, **{"strategy": "curriculum", "strategy.values": "1,2"})
    assert line.startswith("strategy.values: required strategy.kind=list, got strategy.kind=linear")
    [line] = problems(SCIENCE, system="reaction", rho="1", beta="1")
    assert line.startswith("beta: required system=convection or system=wave, got system=reaction")


def test_a_wrong_choice_is_one_problem_and_its_parameters_are_not_blamed() -> None:
    assert problems(SCIENCE, system="convektion", beta="3") == [
        "system: required one of convection, reaction, wave, got convektion (did you mean convection?)"
    ]


def test_a_required_parameter_that_is_missing_is_named() -> None:
    assert problems(SCIENCE, system="reaction") == ["rho: required a number, got nothing"]


def test_a_reference_that_is_missing_is_asked_for_as_what_it_is() -> None:
    properties = {"init": {"type": "string", "minLength": 1, "x-ref": "run"}}
    assert problems({"properties": properties}) == ["init: required the id or name of a run, got nothing"]


def test_references_are_found_in_single_values_and_lists_and_can_be_replaced() -> None:
    params = schema.complete(SCIENCE, {"init": "pre", "data": "a,b"})
    assert schema.references(SCIENCE, params) == [
        ("init", "run", "pre"),
        ("data", "dataset", "a"),
        ("data", "dataset", "b"),
    ]
    replaced = schema.replace_references(SCIENCE, params, {("init", "pre"): "r7", ("data", "b"): "r8"})
    assert (replaced["init"], replaced["data"]) == ("r7", ["a", "r8"])


numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1).filter(
    lambda w: w.lower() not in ("none", "null")
)
typed_values = st.one_of(
    st.tuples(st.just({"type": "number"}), numbers),
    st.tuples(st.just({"type": "integer"}), st.integers()),
    st.tuples(st.just({"type": "boolean"}), st.booleans()),
    st.tuples(st.just({"anyOf": [{"type": "number"}, {"type": "null"}]}), numbers | st.none()),
    st.tuples(st.just({"anyOf": [{"type": "string"}, {"type": "null"}]}), words | st.none()),
    st.tuples(st.just({"type": "array", "items": {"type": "number"}}), st.lists(numbers)),
    st.tuples(st.just({"type": "array", "items": {"type": "string"}}), st.lists(words)),
    st.tuples(st.just({"type": "array", "x-range": True}), st.lists(numbers, min_size=2, max_size=2).map(sorted)),
)


@given(typed_values)
def test_a_value_written_as_text_is_read_back_as_itself(case: tuple[dict[str, Any], Any]) -> None:
    property, value = case
    assert values.read(values.text(value, property), property) == value
    assert values.read(value, property) == value


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers() | st.text())))
def test_any_input_is_read_or_refused_never_a_crash(raw: Any) -> None:
    for property in (*KINDS["properties"].values(), *SCIENCE["properties"].values()):
        try:
            read = values.read(raw, property)
        except Unfit as unfit:
            assert unfit.required and unfit.got is not None
        else:
            assert values.read(read, property) == read


def test_a_grid_is_every_combination_with_seeds_innermost() -> None:
    grid = schema.read_grid(["beta=10,20", "layers=[5,5],[9]"])
    assert grid == {"beta": ["10", "20"], "layers": ["[5,5]", "[9]"]}
    assert schema.expand({"beta": [10, 20]}, schema.read_seeds("0-1")) == [
        ({"beta": 10}, 0),
        ({"beta": 10}, 1),
        ({"beta": 20}, 0),
        ({"beta": 20}, 1),
    ]
    assert schema.expand() == [({}, 0)]


def test_seeds_are_ranges_and_lists_each_once() -> None:
    assert schema.read_seeds("0-2,7,1") == [0, 1, 2, 7]


@pytest.mark.parametrize("written", ["", "a", "3-1", "-1", "0-1000000000", "1,,2"])
def test_seeds_that_cannot_be_are_refused(written: str) -> None:
    with pytest.raises(SpecError, match="seeds: required"):
        schema.read_seeds(written)


@pytest.mark.parametrize("words", [["beta"], ["=3"], ["beta=1", "beta=2"]])
def test_assignments_that_are_none_are_refused(words: list[str]) -> None:
    with pytest.raises(SpecError):
        schema.assignments(words)


def described(label: str) -> TaskDescription:
    return TaskDescription(key="pinn", title="", summary="", schema=SCIENCE, label=label)


@pytest.mark.parametrize(
    ("label", "raw", "made"),
    [
        ("{system} {strategy}", {}, "convection β=30 regular"),
        ("{system}", {"system": "wave"}, "wave"),
        (
            "{system} step {strategy.step}",
            {"strategy": "curriculum", "strategy.step": 0.25},
            "convection β=30 step 0.25",
        ),
        ("{system} step {strategy.step:g}", {}, "convection β=30 step"),
        ("{range} from {init}", {}, "1:5 from"),
        ("{system:g} {beta:.2f}", {}, "convection β=30 30.00"),
        ("{system", {}, "{system"),
        ("", {}, "pinn"),
    ],
)
def test_a_label_shows_parameters_and_the_labels_of_choices(label: str, raw: dict[str, Any], made: str) -> None:
    assert schema.label(described(label), schema.complete(SCIENCE, raw)) == made


@given(st.text())
def test_a_label_never_raises(label: str) -> None:
    assert isinstance(schema.label(described(label), schema.complete(SCIENCE, {})), str)


PRESETS: dict[str, Any] = {
    "properties": {
        "size": {"type": "integer", "default": 1},
        "range": {"type": "array", "x-range": True, "default": [0, 1]},
    },
    "x-presets": {
        "case": {"wide": {"params": {"range": "0:9"}, "summary": "for tests"}, "narrow": {"params": {"range": "0:2"}}}
    },
}


def test_a_preset_stands_for_its_parameters() -> None:
    assert schema.complete(PRESETS, {"case": "wide", "size": "3"}) == {"size": 3, "range": [0.0, 9.0]}
    assert schema.complete(PRESETS, {"case": "wide", "range": "0:9"}) == schema.complete(PRESETS, {"range": "0:9"})


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"case": "wid"}, "case: required one of wide, narrow, got wid (did you mean wide?)"),
        ({"case": "wide", "range": "0:8"}, "range: required 0:9, as case=wide says, got 0:8 (leave out range or case)"),
    ],
)
def test_a_preset_that_is_not_there_or_is_contradicted_is_refused(raw: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        schema.complete(PRESETS, raw)
    assert [str(problem) for problem in caught.value.problems] == [said]
