from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from tui.raster.frame import Frame
from tui.raster.spec import Axis, Plot, Series
from tui.widgets.chart import Chart
from tui.widgets.frame_view import changed_spans

RED = "#d75f00"


def plot(count: int = 400, **more: object) -> Plot:
    x = np.arange(float(count))
    return replace(Plot((Series("a", x, 1 / (1 + x / 10), RED),), x=Axis("step"), y=Axis(log=True)), **more)


class Charts(App[None]):
    def __init__(self, content: Plot) -> None:
        super().__init__()
        self.content = content

    def compose(self) -> ComposeResult:
        yield Chart(self.content)


@asynccontextmanager
async def shown(content: Plot, size: tuple[int, int] = (100, 30)) -> AsyncIterator[tuple[Chart, Pilot[None]]]:
    app = Charts(content)
    async with app.run_test(size=size) as pilot:
        chart = app.query_one(Chart)
        chart.focus()
        await drawn(pilot)
        yield chart, pilot


async def drawn(pilot: Pilot[None]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await drawn(pilot)


def text(chart: Chart) -> str:
    return "\n".join(chart.render_line(y).text for y in range(chart.size.height))


def frame(chart: Chart) -> Frame:
    assert chart.frame is not None
    return chart.frame


async def test_chart_is_drawn_in_its_size_and_again_when_that_changes() -> None:
    async with shown(plot()) as (chart, pilot):
        assert (frame(chart).width, frame(chart).height) == (100, 30)
        assert "⠤" in text(chart) and "step" in text(chart)
        await pilot.resize_terminal(60, 20)
        await drawn(pilot)
        assert (frame(chart).width, frame(chart).height) == (60, 20)


async def test_drawing_happens_on_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    really = Chart._draw

    def draw(spec: object) -> Frame:
        seen.append(threading.get_ident())
        return really(spec)

    monkeypatch.setattr(Chart, "_draw", staticmethod(draw))
    async with shown(plot()):
        assert seen and threading.get_ident() not in seen


async def test_plots_that_come_faster_than_they_are_drawn_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    counts: list[int] = []
    really = Chart._draw

    def draw(spec: object) -> Frame:
        counts.append(len(spec.plot.series[0].x))
        if len(counts) == 2:
            started.set()
            go_on.wait(10)
        return really(spec)

    async with shown(plot(10)) as (chart, pilot):
        monkeypatch.setattr(Chart, "_draw", staticmethod(draw))
        counts.append(10)
        chart.plot(plot(20))
        while not started.is_set():
            await pilot.pause(0.01)
        for count in (30, 40, 50):
            chart.plot(plot(count))
        go_on.set()
        await drawn(pilot)
        assert counts == [10, 20, 50]


async def test_only_the_changed_spans_are_repainted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown(plot(410, live=True)) as (chart, pilot):
        asked: list[tuple[Region, ...]] = []
        really = chart.refresh
        monkeypatch.setattr(
            chart, "refresh", lambda *regions, **more: (asked.append(regions), really(*regions, **more))[1]
        )
        before = text(chart)
        chart.plot(plot(420, live=True))
        await drawn(pilot)
        (regions,) = asked
        assert 0 < sum(region.area for region in regions) < 20
        assert text(chart) != before
        asked.clear()
        chart.plot(plot(420, live=True))
        await drawn(pilot)
        assert asked == []


def test_spans_cover_what_changed_and_little_else() -> None:
    changed = np.zeros((3, 30), bool)
    changed[1, [2, 3, 6, 20]] = True
    assert changed_spans(changed) == [Region(2, 1, 5, 1), Region(20, 1, 1, 1)]
    assert changed_spans(np.zeros((3, 30), bool)) == []


async def test_l_toggles_the_log_axis() -> None:
    async with shown(plot()) as (chart, pilot):
        assert frame(chart).log_y
        await press(pilot, "L")
        assert not frame(chart).log_y and frame(chart).y_limits == (0.0, 1.0)
        await press(pilot, "L")
        assert frame(chart).log_y


async def test_m_smooths_and_ends_smoothing() -> None:
    async with shown(plot()) as (chart, pilot):
        seen = []
        for _ in range(3):
            await press(pilot, "m")
            seen.append(chart.view.smoothing)
        assert seen == [0.9, 0.99, 0.0] and "smoothed" not in text(chart)


async def test_zoom_pan_and_reset() -> None:
    async with shown(plot(401)) as (chart, pilot):
        await press(pilot, "+")
        assert frame(chart).x_limits == pytest.approx((100.0, 300.0)) and "zoomed" in text(chart)
        await press(pilot, "l", "right")
        assert frame(chart).x_limits == pytest.approx((150.0, 350.0))
        await press(pilot, "h", "-")
        assert frame(chart).x_limits == pytest.approx((25.0, 425.0))
        await press(pilot, "k")
        assert chart.view.y_range is not None
        await press(pilot, "0")
        assert frame(chart).x_limits == (0.0, 400.0) and "zoomed" not in text(chart)


async def test_crosshair_is_moved_by_the_keyboard_and_reads_values() -> None:
    async with shown(plot(401)) as (chart, pilot):
        await press(pilot, "x")
        assert chart.view.crosshair == 400.0 and "step 400" in text(chart)
        await press(pilot, "left", "left")
        at = chart.view.crosshair
        assert at is not None and 380 < at < 400 and frame(chart).x_limits == (0.0, 400.0)
        assert f"{1 / (1 + at / 10):.2e}".replace("e-0", "e-") in text(chart)
        await press(pilot, "x")
        assert chart.view.crosshair is None and "◆" not in text(chart)


async def test_new_data_keep_zoom_and_crosshair_unless_the_chart_is_another() -> None:
    async with shown(plot(401)) as (chart, pilot):
        await press(pilot, "+", "x")
        view = chart.view
        chart.plot(plot(500))
        await drawn(pilot)
        assert chart.view == view and frame(chart).x_limits == view.x_range
        chart.plot(plot(500), fresh=True)
        await drawn(pilot)
        assert frame(chart).x_limits == (0.0, 499.0) and chart.view.crosshair is None


async def test_keys_do_no_harm_to_an_empty_chart() -> None:
    async with shown(Plot(empty="No curves yet")) as (chart, pilot):
        await press(pilot, "x", "+", "-", "h", "l", "j", "k", "L", "m", "0")
        assert "No curves yet" in text(chart)


async def test_no_color_chart_has_letters_and_does_not_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(plot()) as (chart, pilot):
        assert "a─ a" in text(chart)
        assert "loss" not in pilot.app.export_screenshot()


async def test_markup_in_labels_is_text() -> None:
    content = plot()
    series = replace(content.series[0], label="[red]x[/red]")
    async with shown(replace(content, series=(series,), title="[b]loss[/b]")) as (chart, _):
        assert "[red]x[/red]" in text(chart) and "[b]loss[/b]" in text(chart)
