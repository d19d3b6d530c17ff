from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from engine.api import Finding
from engine.client import Client
from engine.errors import TaskError
from tui.app import SciMLApp
from tui.screens.datasets import DatasetsScreen
from tui.widgets.heatmap import Heatmap
from tui.widgets.run_table import RunTable

MakeApp = Callable[..., SciMLApp]
Until = Callable[..., Awaitable[None]]
NAME = "poisson-1-5-32x32"
ARRAYS = {
    "source": np.arange(2 * 4 * 6.0).reshape(2, 4, 6),
    "solution": -np.arange(2 * 4 * 6.0).reshape(2, 4, 6),
    "coefficients": np.zeros((2, 3)),
    "drawn": np.array([[2.5, 0.1, 0.2], [4.25, 3.0, 0.4]]),
}


def heatmaps(app: SciMLApp) -> list[Heatmap]:
    return [app.screen.query_one(f"#{name}", Heatmap) for name in ("source", "solution")]


async def opened(app: SciMLApp, pilot: Any, until: Until) -> DatasetsScreen:
    await until(pilot, lambda: isinstance(app.screen, DatasetsScreen) and len(app.screen.query_one(RunTable)) == 1)
    assert isinstance(app.screen, DatasetsScreen)
    return app.screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_fields_of_one_sample_after_another_are_shown(
    make_app: MakeApp, until: Until, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    asked = []
    monkeypatch.setattr(Client, "preview_dataset", lambda _, name, count: asked.append((name, count)) or ARRAYS)
    app = make_app(first="datasets")
    async with app.run_test(size=size) as pilot:
        screen = await opened(app, pilot, until)
        source, solution = heatmaps(app)
        assert not source.display
        await pilot.press("f")
        await until(pilot, lambda: solution.field is not None)
        assert source.display
        assert source.field is not None and source.field.title == "source, sample 1 of 2"
        assert np.array_equal(source.field.values, ARRAYS["source"][0].T)
        assert screen.query_one("Lines").display == (size[0] >= 110)
        await pilot.press("f")
        assert np.array_equal(solution.field.values, ARRAYS["solution"][1].T)  # type: ignore[union-attr]
        await pilot.press("f")
        assert not source.display and source.field is None
        await pilot.press("f")
        assert source.display
        assert asked == [(NAME, 8)]  # the process that reads is asked once


async def test_samples_that_cannot_be_read_are_said_to_be_so(
    make_app: MakeApp, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise TaskError("required the file, got none; make it again")

    monkeypatch.setattr(Client, "preview_dataset", gone)
    app = make_app(first="datasets")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, until)
        await pilot.press("f")
        await until(pilot, lambda: [each.message for each in app._notifications])
        assert [each.message for each in app._notifications] == ["required the file, got none; make it again"]
        assert not heatmaps(app)[0].display


async def test_a_dataset_is_verified_and_the_list_says_so(
    make_app: MakeApp, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        Finding(what="hash", found="a", required="a", passed=True),
        Finding(what="residual", part="test", found="1", required="0", passed=False),
    ]

    def verify(client: Client, name: str) -> list[Finding]:
        client._note_soundness(client.catalog.shelf("dataset", name), False)
        return findings

    monkeypatch.setattr(Client, "verify_dataset", verify)
    app = make_app(first="datasets")
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot, until)
        assert screen.items()[0].verified is None
        await pilot.press("V")
        await until(pilot, lambda: screen.items()[0].verified)  # noted in the store: the feed tells
        said = [each.message for each in app._notifications]
        assert f"{NAME} is not sound: residual test: required 0, got 1" in said
