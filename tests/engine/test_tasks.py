"""Suites as they are found: one broken hurts no other."""

from __future__ import annotations

import pytest

from engine import tasks
from engine.api import Suite


def suite(key: str, scale: str = "quick") -> Suite:
    return Suite(key=key, title="", summary="", runs=(), scale=scale)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    members: dict[str, object] = {}

    class Offer(tasks.Entry):
        def load(self) -> object:
            return members

    monkeypatch.setattr(tasks, "entries", lambda kind: [Offer("", "somewhere:SUITES")])
    return members


def test_a_suite_in_several_scales_is_one_suite_from_the_smallest(offered: dict[str, object]) -> None:
    offered |= {"one": suite("one"), "many": [suite("many", "paper"), suite("many", "smoke")]}
    found, broken = tasks.suites()
    assert broken == []
    assert {key: list(scales) for key, scales in found.items()} == {"one": ["quick"], "many": ["smoke", "paper"]}


@pytest.mark.parametrize(
    "wrong",
    [
        [suite("bad"), suite("bad")],
        [suite("bad"), suite("other", "paper")],
        [suite("bad", "huge")],
        [],
        [suite("other")],
        3,
    ],
    ids=["twice", "two keys", "unknown scale", "none", "another key", "no suite"],
)
def test_what_is_no_suite_is_broken_alone(offered: dict[str, object], wrong: object) -> None:
    offered |= {"bad": wrong, "good": suite("good")}
    found, broken = tasks.suites()
    assert list(found) == ["good"]
    assert [file.key for file in broken] == ["bad"]
