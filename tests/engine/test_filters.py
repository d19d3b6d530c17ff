from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import RunSpec
from engine.errors import FilterError
from engine.filters import Filter, Term, parse, row
from engine.records import Claim, Run, Status

RUN = Run(
    id="k3f9",
    spec=RunSpec(
        task="pinn",
        name="Curriculum sweep",
        seed=3,
        tags=("paper", "fig 3"),
        params={
            "system": "convection",
            "beta": 20.0,
            "range": [1.0, 5.0],
            "strategy.step": 5.0,
            "hard": False,
            "cap": None,
        },
    ),
    label="convection β=20 curriculum",
    status=Status.RUNNING,
    created=datetime(2025, 1, 31, 10, 30).timestamp(),
    summary={"rel_l2": 0.05, "loss": math.nan, "seed": 99, "beta": 7.0},
)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "system=convection beta>=20",
        "system=Convection",
        "status=running,queued",
        "status!=done,failed",
        "tag=paper",
        'tags="fig 3"',
        "tags~fig",
        "tags!~draft",
        "rel_l2<0.1",
        "rel_l2<=5e-2",
        "name~curr",
        "name!~seq",
        "seed=3",
        "seed!=0",
        "strategy.step=5",
        "range=1:5",
        "range=5",
        "hard=false",
        "cap=none",
        "nothing=none",
        "nothing!=5",
        "loss=nan",
        "curric paper",
        "β",
        '"β=20"',
        "'convection β'",
        "k3f",
        "param.beta=20 summary.beta=7",
        "summary.seed=99 seed=3",
        "summary.rel_l2>0.04",
        "created>=2025-01-31 created<2025-02-01T00:00",
        "created=2025-01-31",
        "created=2025",
        "started=none",
        "seed~3 archived=False",
        "name>a",
    ],
)
def test_expressions_that_hold(expression: str) -> None:
    assert parse(expression).matches(row(RUN))


@pytest.mark.parametrize(
    "expression",
    [
        "beta>20",
        "beta=2",
        "system!=convection",
        "status=done",
        "tag=pap",
        "rel_l2>=0.1",
        "loss<1",
        "loss>=1",
        "nothing=5",
        "nothing<5",
        "nothing~a",
        "cap>1",
        "system>zebra",
        "beta<abc",
        "created<2025-01-31",
        "zebra",
        "param.rel_l2=0.05",
        "range>1",
    ],
)
def test_expressions_that_do_not_hold(expression: str) -> None:
    assert not parse(expression).matches(row(RUN))


@pytest.mark.parametrize(
    ("expression", "at", "what"),
    [
        ("beta>=", 7, "required a value, got none"),
        ("seed=3 >=20", 8, "required a column before >="),
        ('name="abc', 6, 'required a closing "'),
        ('name="abc"d', 11, "required a space or a comma"),
        ("status=done,", 13, "required a value, got none"),
        ("beta<1,2", 6, "required one value after <"),
        ("created>yesterday", 9, "required a date"),
        ("beta >= 20", 6, "no spaces around operators"),
        ("seed=x", 6, "required a number, got x"),
        ("beta=3 seed!=0,one", 14, "required a number, got one"),
        ("attempt>many", 9, "required a number, got many"),
        ("archived=yes", 10, "required true or false, got yes"),
        ("created=yesterday", 9, "required a date"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_position(expression: str, at: int, what: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(expression)
    assert f"character {at}:" in str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    "expression", ["status=running beta>=", "status=running name='ab", "status=running >=", "beta>="]
)
def test_text_that_is_being_typed_keeps_the_terms_that_are_finished(expression: str) -> None:
    finished = [term.column for term in parse(expression, lenient=True).terms]
    assert finished == (["status"] if "status" in expression else [])


def test_a_value_that_its_column_cannot_hold_is_left_out_while_one_types_and_told() -> None:
    typed = parse("status=running seed=x seconds>=1,2 beta>= created=yesterday", lenient=True)
    assert [term.column for term in typed.terms] == ["status"]
    assert typed.misfits == (
        "seed=x: required a number, got x",
        "seconds>=1,2: required one value after >=, got 2",
        "created=yesterday: required a date as 2025-01-31 or 2025-01-31T10:00, got yesterday",
    )
    assert parse("seed=1").misfits == ()


terms = st.builds(
    Term,
    st.just("") | st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3})?", fullmatch=True).filter(lambda c: c != "tag"),
    st.sampled_from(["=", "!=", "~", "!~"]),
    st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple),
).map(lambda term: term if term.column else Term("", "", term.values))


@given(st.lists(terms).map(tuple))
def test_a_filter_written_as_text_parses_to_itself(given_terms: tuple[Term, ...]) -> None:
    assert parse(str(Filter(given_terms))) == Filter(given_terms)


@given(st.text(alphabet=st.sampled_from(" ab=<>~!,\"'\\.1") | st.characters()))
def test_typing_anything_is_never_an_error(text: str) -> None:
    assert isinstance(parse(text, lenient=True).matches(row(RUN)), bool)
    try:
        strict = parse(text)
    except FilterError:
        return
    assert parse(text, lenient=True) == strict


def test_a_runs_own_columns_come_before_parameters_and_those_before_figures() -> None:
    flat: dict[str, Any] = row(RUN)
    assert (flat["seed"], flat["beta"], flat["rel_l2"]) == (3, 20.0, 0.05)
    assert (flat["summary.seed"], flat["summary.beta"], flat.get("param.beta")) == (99, 7.0, 20.0)
    assert flat.get("param.nothing", "absent") == "absent"


def test_the_seconds_of_an_attempt_that_goes_on_are_counted() -> None:
    claimed = msgspec.structs.replace(RUN, seconds=5.0, claim=Claim(host="h", boot="b", pid=1, at=100.0))
    assert row(claimed)["seconds"] == 5.0
    assert row(claimed, now=110.0)["seconds"] == 15.0
