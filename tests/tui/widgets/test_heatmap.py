from __future__ import annotations

import numpy as np
import pytest
from textual.app import App, ComposeResult

from tui.raster.spec import Field
from tui.widgets.heatmap import Heatmap


class Heatmaps(App[None]):
    def compose(self) -> ComposeResult:
        yield Heatmap(empty="no fields yet\nthey come with the first stage")


def text(heatmap: Heatmap) -> list[str]:
    return [heatmap.render_line(y).text for y in range(heatmap.size.height)]


async def test_field_replaces_the_empty_state_and_goes_again() -> None:
    app = Heatmaps()
    async with app.run_test(size=(40, 12)) as pilot:
        heatmap = app.query_one(Heatmap)
        await app.workers.wait_for_complete()
        assert "they come with the first stage" in "".join(text(heatmap))
        heatmap.plot(Field("predicted", np.eye(8), note="step 400"))
        await app.workers.wait_for_complete()
        await pilot.pause()
        lines = text(heatmap)
        assert lines[0] == "predicted" + " " * 23 + "step 400"
        assert set(lines[1]) == {"▀"} and lines[-1].startswith("0 █") and lines[-1].endswith("█ 1.0")
        heatmap.plot(None)
        await app.workers.wait_for_complete()
        assert "no fields yet" in "".join(text(heatmap))


async def test_no_color_field_is_drawn_in_shades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Heatmaps()
    async with app.run_test(size=(40, 12)) as pilot:
        heatmap = app.query_one(Heatmap)
        heatmap.plot(Field("u", np.linspace(0, 1, 40)[None, :]))
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert set(text(heatmap)[3]) == set(" ░▒▓█")
        app.export_screenshot()
