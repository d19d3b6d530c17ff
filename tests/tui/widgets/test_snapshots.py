"""How the widgets look, at 80 x 24 and 120 x 40. After a change that is meant: look at the pictures of
`python tests/tui/gallery.py`, then `pytest tests/tui/widgets/test_snapshots.py --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from textual.pilot import Pilot

SMALL, LARGE = (80, 24), (120, 40)
Compare = Callable[..., bool]


async def drawn(pilot: Pilot[None]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
def test_runs(snap_compare: Compare, gallery: ModuleType, size: tuple[int, int]) -> None:
    assert snap_compare(gallery.RunsGallery(), terminal_size=size, run_before=drawn)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
def test_charts(snap_compare: Compare, gallery: ModuleType, size: tuple[int, int]) -> None:
    async def with_crosshair(pilot: Pilot[None]) -> None:
        await drawn(pilot)
        for key in ("x", "left", "left"):
            await pilot.press(key)
            await drawn(pilot)

    assert snap_compare(gallery.ChartGallery(), terminal_size=size, run_before=with_crosshair)


def test_heatmaps(snap_compare: Compare, gallery: ModuleType) -> None:
    assert snap_compare(gallery.HeatmapGallery(), terminal_size=(60, 12), run_before=drawn)


def test_empty(snap_compare: Compare, gallery: ModuleType) -> None:
    assert snap_compare(gallery.EmptyGallery(), terminal_size=SMALL, run_before=drawn)


def test_log(snap_compare: Compare, gallery: ModuleType) -> None:
    async def searched(pilot: Pilot[None]) -> None:
        pilot.app.query_one("LogView").search("sampling")
        await drawn(pilot)

    assert snap_compare(gallery.LogGallery(), terminal_size=SMALL, run_before=searched)


def test_help(snap_compare: Compare, gallery: ModuleType) -> None:
    assert snap_compare(gallery.RunsGallery(), terminal_size=LARGE, run_before=drawn, press=["question_mark"])


def test_question(snap_compare: Compare, gallery: ModuleType) -> None:
    assert snap_compare(gallery.RunsGallery(), terminal_size=SMALL, run_before=drawn, press=["K"])


def test_ascii(snap_compare: Compare, gallery: ModuleType, in_ascii: None) -> None:
    assert snap_compare(gallery.RunsGallery(), terminal_size=SMALL, run_before=drawn)


def test_no_color(snap_compare: Compare, gallery: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(gallery.ChartGallery(), terminal_size=SMALL, run_before=drawn)
