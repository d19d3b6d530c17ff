from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from textual.widgets import Static

from engine.api import Finding, RunSpec
from engine.client import Client
from engine.errors import TaskError
from engine.paths import Home
from engine.records import Run, Status
from engine.store.catalog import Catalog
from tui.app import SciMLApp
from tui.screens.datasets import DatasetsScreen
from tui.widgets.confirm import Confirm
from tui.widgets.filter_bar import FilterBar
from tui.widgets.footer import Footer
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


async def test_a_dataset_is_removed_after_a_question_and_the_table_is_empty(
    make_app: MakeApp, until: Until, furnished: Home
) -> None:
    file = furnished.datasets / f"{NAME}.h5"
    file.touch()
    app = make_app(first="datasets")
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot, until)
        assert "D remove" in screen.query_one(Footer).render_line(0).text
        await pilot.press("space", "D")
        await until(pilot, lambda: isinstance(app.screen, Confirm) and app.screen.query(Static))
        said = [str(widget.render()) for widget in app.screen.query(Static)]
        assert said[:2] == [f"Remove dataset {NAME}?", f"{NAME}  13 MB"]
        assert file.exists()
        await pilot.press("y")
        await until(pilot, lambda: app.screen is screen and len(screen.query_one(RunTable)) == 0)
        await until(pilot, lambda: [note.message for note in app._notifications] == [f"{NAME} removed"])
        assert not file.exists()
        assert screen.query_one(RunTable).marks == ()
        assert [row.label for row in screen.query_one(Footer).rows() if row.scope != "app"] == ["new", "filter"]
        await pilot.press("D")
        assert app.screen is screen


async def test_a_dataset_that_a_run_waits_for_is_kept_and_that_is_said(
    make_app: MakeApp, until: Until, furnished: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "ensure_scheduler", lambda self: None)
    with closing(Catalog(furnished)) as catalog:
        catalog.add([Run(id="", spec=RunSpec(task="gone", params={"data": NAME}), status=Status.QUEUED)])
    app = make_app(first="datasets")
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot, until)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, Confirm) and app.screen.query(Static))
        await pilot.press("y")
        await until(pilot, lambda: [note.message for note in app._notifications])
        assert "got one that r000f, which is queued, needs" in next(iter(app._notifications)).message
        assert len(screen.query_one(RunTable)) == 1


async def test_of_a_store_that_is_only_looked_at_nothing_is_removed(make_app: MakeApp, until: Until) -> None:
    app = make_app(first="datasets", readonly=True)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot, until)
        await pilot.press("D")
        assert app.screen is screen
        assert "nothing can be removed" in next(iter(app._notifications)).message


async def test_a_filter_that_is_mistaken_says_why_it_lets_nothing_through(make_app: MakeApp, until: Until) -> None:
    app = make_app(first="datasets")
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot, until)
        bar = screen.query_one(FilterBar)
        for words, said in (
            ("grid>x", "grid is a number, not x"),
            ("gridd=32", "no dataset has gridd"),
            ("", "1 dataset"),
        ):
            bar.set_value(words)
            await until(pilot, lambda said=said: bar._said.startswith(said))
