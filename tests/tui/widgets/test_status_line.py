from __future__ import annotations

from textual.app import App, ComposeResult

from tui.widgets.gpu_meter import Gpu, GpuMeter, bar, brief
from tui.widgets.status_line import StatusLine

GPUS = (Gpu("gpu0", 0.91, 60e9, 80e9, "H100", "r7f2"), Gpu("gpu1", 0.0, 0.0, 80e9, "H100"))


class Lines(App[None]):
    def compose(self) -> ComposeResult:
        yield StatusLine("sciml-tui", [("1", "Datasets"), ("2", "Models"), ("3", "Runs")], "Runs")
        yield GpuMeter(GPUS)


def text(app: App[None]) -> str:
    return app.query_one(StatusLine).render_line(0).text


async def test_status_line_says_where_one_is_and_what_goes_on() -> None:
    app = Lines()
    async with app.run_test(size=(110, 10)):
        line = app.query_one(StatusLine)
        line.set_counts({"done": 41, "running": 2, "queued": 3, "failed": 0})
        line.set_gpus(GPUS)
        assert text(app).startswith("sciml-tui   1 Datasets  2 Models  3 Runs ")
        assert text(app).rstrip().endswith("gpu0 ▇▇▇▇▇▃ 91%  gpu1 idle  ●2 ◌3 ✓41")
        line.set_active("Models")
        accent = [segment.text for segment in line.render_line(0) if segment.style and segment.style.bold]
        assert " 2 Models " in accent


async def test_meters_then_names_then_the_title_give_way() -> None:
    app = Lines()
    async with app.run_test(size=(60, 10)) as pilot:
        line = app.query_one(StatusLine)
        line.set_counts({"done": 41, "running": 2})
        line.set_gpus(GPUS)
        assert "gpu0" not in text(app) and "1 Datasets" in text(app) and "✓41" in text(app)
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert text(app).split() == ["sciml-tui", "1", "2", "3", "Runs", "●2", "✓41"]
        await pilot.resize_terminal(24, 10)
        await pilot.pause()
        assert "sciml" not in text(app) and "3 Runs" in text(app)


async def test_a_notice_is_harmless_and_can_be_taken_back() -> None:
    app = Lines()
    async with app.run_test(size=(110, 10)):
        line = app.query_one(StatusLine)
        line.set_notice("paused \x1b[31m[b]")
        assert "paused [b]" in text(app)
        line.set_notice("")
        assert "paused" not in text(app)


async def test_meters_have_a_line_for_each_gpu() -> None:
    app = Lines()
    async with app.run_test(size=(110, 10)) as pilot:
        meter = app.query_one(GpuMeter)
        assert meter.size.height == 2
        first, second = (meter.render_line(y).text for y in (0, 1))
        assert (
            first.split()[:2] == ["gpu0", "H100"] and "91%" in first and "60 GB of 80 GB" in first and "r7f2" in first
        )
        assert second.rstrip().endswith("free")
        meter.set_gpus([])
        await pilot.pause()
        assert meter.size.height == 1 and meter.render_line(0).text.startswith("no GPU here")


def test_bar_is_filled_to_its_share() -> None:
    assert bar(0.0, 4) == "    " and bar(None, 4) == "    "
    assert bar(0.5, 4) == "▇▇  " and bar(1.0, 4) == "▇▇▇▇" and bar(7.0, 4) == "▇▇▇▇"
    assert bar(0.6, 4) == "▇▇▃ "


def test_a_gpu_of_which_nothing_is_known_is_not_called_idle() -> None:
    assert "".join(words for words, _ in brief(Gpu("gpu0"))) == "gpu0 ?"


def test_ascii_bar(in_ascii: None) -> None:
    assert bar(0.6, 4) == "##. " and bar(1.0, 4) == "####"
