"""The widgets with made-up data, to look at: `python tests/tui/gallery.py chart`, or a picture of it with
`python tests/tui/gallery.py chart 120x40 chart.svg`. The snapshot tests use the same apps."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from textual.app import App, ComposeResult
from textual.containers import Horizontal

from tui import palette
from tui.keymap import KEYMAP, Keymap, Row
from tui.raster.spec import Axis, Field, Plot, Rule, Series, Stage
from tui.widgets.chart import Chart
from tui.widgets.columns import Column, elapsed, measured, state, trend, whole, words
from tui.widgets.confirm import Confirm
from tui.widgets.filter_bar import FilterBar
from tui.widgets.footer import Footer
from tui.widgets.gpu_meter import Gpu, GpuMeter
from tui.widgets.heatmap import Heatmap
from tui.widgets.help_screen import HelpScreen
from tui.widgets.log_view import LogView
from tui.widgets.run_table import RunTable
from tui.widgets.status_line import StatusLine
from tui.widgets.theme import THEME


def losses(seed: int = 0) -> Plot:
    """Two runs of convection: regular training stays high, the curriculum falls stage by stage."""
    rng = np.random.default_rng(seed)
    steps = np.arange(1877)
    regular = (2.2 * np.exp(-steps / 150) + 0.0261) * np.exp(0.03 * rng.normal(size=steps.size))
    stage = steps % 350
    curriculum = (0.9 * np.exp(-stage / 40) + 1.04e-4 * 10 ** (1 - steps / 1877)) * np.exp(
        0.1 * rng.normal(size=steps.size)
    )
    return Plot(
        series=(
            Series("r7f1 regular", steps, regular, palette.SKY, key="r7f1"),
            Series("r7f2 curriculum", steps[:1412], curriculum[:1412], palette.ORANGE, key="r7f2"),
        ),
        title="loss",
        x=Axis("closures", written_out=True),
        y=Axis(log=True),
        stages=tuple(Stage(350 * index, f"β={5 * index + 5}") for index in range(5)),
        live=True,
    )


def transfer() -> Plot:
    """Error against number of examples: fine-tuned, from scratch, and without any."""
    examples = np.array([8, 16, 32, 64, 128, 256, 512])
    scratch, tuned = 2.9 * examples**-0.55, 0.42 * examples**-0.3
    return Plot(
        series=(
            Series("from scratch", examples, scratch, palette.SKY, "both", scratch * 0.8, scratch * 1.25),
            Series("fine-tuned", examples, tuned, palette.ORANGE, "both", tuned * 0.9, tuned * 1.1),
        ),
        title="relative L2 error",
        x=Axis("examples", log=True, written_out=True),
        y=Axis(log=True),
        rules=(Rule(0.31, "zero-shot", palette.GREEN),),
    )


def bands() -> Plot:
    """Medians over seeds, with the spread as a band."""
    steps = np.arange(0, 1000, 4)
    regular, curriculum = 0.9 + 0.05 * np.sin(steps / 60), 0.9 * np.exp(-steps / 180) + 0.018
    return Plot(
        series=(
            Series("regular, 10 seeds", steps, regular, palette.SKY, lo=regular * 0.85, hi=regular * 1.1),
            Series("curriculum, 10 seeds", steps, curriculum, palette.ORANGE, lo=curriculum * 0.6, hi=curriculum * 1.6),
        ),
        title="relative L2 error",
        x=Axis("closures", written_out=True),
        y=Axis(log=True),
    )


def fields() -> tuple[Field, ...]:
    """Predicted, reference and error of a wave that is carried along."""
    t, x = np.meshgrid(np.linspace(0, 1, 100), np.linspace(0, 2 * np.pi, 256), indexing="ij")
    reference = np.sin(x - 6 * t)
    predicted = np.sin(x - 6 * t) * np.exp(-0.5 * t) + 0.05 * np.sin(3 * x)
    both = (-1.0, 1.0)
    return (
        Field("predicted", predicted, limits=both),
        Field("reference", reference, limits=both),
        Field("error", predicted - reference, "diverging", note="rel L2 2.1e-1"),
    )


@dataclass(frozen=True)
class Made:
    """A made-up run."""

    key: str
    system: str
    strategy: str
    seed: int
    dtype: str
    status: str
    detail: str
    iteration: int
    loss: float | None
    error: float | None
    trend: tuple[float, ...]
    seconds: float


def runs(count: int = 40) -> dict[str, Made]:
    """Runs in every state, the newest first."""
    rng = np.random.default_rng(7)
    states = [("running", "β=20"), ("running", "")] + [("done", "loss"), ("done", "cap"), ("failed", "SIGKILL")] * 2
    states += [("stopped", ""), ("diverged", ""), ("lost", ""), ("queued", ""), ("blocked", ""), ("skipped", "")]
    made = {}
    for index in range(count):
        status, detail = states[index % len(states)]
        waiting = status in ("queued", "blocked", "skipped")
        falling = 10 ** (-np.linspace(0, 4 * rng.random(), 24) + 0.1 * rng.normal(size=24))
        key = f"r{0x7F2 - index:x}"
        made[key] = Made(
            key,
            ("convection β=30", "reaction ρ=5", "convection β=40", "reaction-diffusion ν=2 ρ=5")[index % 4],
            ("curriculum", "regular")[index % 2],
            index % 3,
            ("float64", "float32")[index % 5 == 4],
            status,
            detail,
            0 if waiting else 300 + 137 * index,
            None if waiting else float(falling[-1]),
            None if status != "done" else float(10 ** (-2.5 * rng.random())),
            () if waiting else tuple(falling),
            0.0 if waiting else 5.0 + 93.7 * index,
        )
    return made


RUN_COLUMNS = (
    Column("key", "run", lambda run: run.key, words, 5, importance=100),
    Column("system", "system", lambda run: run.system, words, 18, least=15, most=30, importance=90),
    Column("strategy", "strategy", lambda run: run.strategy, words, 12, least=10, most=16, importance=60),
    Column("seed", "seed", lambda run: run.seed, whole, 4, align="right", importance=30),
    Column("dtype", "dtype", lambda run: run.dtype, words, 7, importance=10),
    Column("status", "status", lambda run: (run.status, run.detail), state, 10, importance=95),
    Column("iteration", "iter", lambda run: run.iteration, whole, 7, align="right", importance=40),
    Column("loss", "loss", lambda run: run.loss, measured(3), 8, align="right", importance=80),
    Column("error", "rel L2", lambda run: run.error, measured(2), 7, align="right", importance=85),
    Column("trend", "trend", lambda run: run.trend, trend, 9, most=16, importance=50, sortable=False),
    Column("seconds", "elapsed", lambda run: run.seconds, elapsed, 8, align="right", importance=20),
)


class Gallery(App[None]):
    """The base: the theme of the real app."""

    CSS = "Screen { layout: vertical; }"

    def on_mount(self) -> None:
        self.register_theme(THEME)
        self.theme = "sciml"


class ChartGallery(Gallery):
    def compose(self) -> ComposeResult:
        yield Chart(losses(), id="losses")
        with Horizontal():
            yield Chart(transfer(), id="transfer")
            yield Chart(bands(), id="bands")


class HeatmapGallery(Gallery):
    CSS = "Heatmap { margin: 0 1; }"

    def compose(self) -> ComposeResult:
        with Horizontal():
            for field in fields():
                yield Heatmap(field)


class TableGallery(Gallery):
    def compose(self) -> ComposeResult:
        yield RunTable(RUN_COLUMNS, newest_first=True)

    def on_mount(self) -> None:
        table = self.query_one(RunTable)
        table.set_rows(runs())
        table.set_marks(["r7f2", "r7f1", "r7ee"])


def printed() -> str:
    """What a run prints: plain lines, a coloured one, a progress bar, a long one."""
    lines = [
        f"closure {index:>5}  loss {10 ** (-index / 400):.2e}  residual {10 ** (-index / 500):.2e}"
        for index in range(200)
    ]
    lines[150] = "\x1b[31mwarning\x1b[0m: the loss is low, the residual on fresh points is not \x1b]0;title\x07"
    lines[160] = "sampling  10%\rsampling  55%\rsampling 100%"
    lines[170] = "settings " + ", ".join(f"layer{index}=50" for index in range(30))
    return "\n".join(lines) + "\n"


class LogGallery(Gallery):
    def compose(self) -> ComposeResult:
        yield LogView()

    def on_mount(self) -> None:
        self.query_one(LogView).append(printed())


GPUS = (
    Gpu("gpu0", 0.91, 61.2e9, 80e9, "H100 80GB", "r7f2"),
    Gpu("gpu1", 0.0, 0.4e9, 80e9, "H100 80GB"),
    Gpu("gpu2", None, None, None, "unknown"),
)


KEYS = Keymap(
    [
        Row("app.help", ("?", "f1"), "help", "General", footer=90),
        Row("app.quit", ("q",), "quit (runs go on)", "General", footer=80),
        Row("runs.new", ("n",), "new", "Runs", footer=70, help="submit new runs"),
        Row("runs.stop", ("T",), "stop", "Runs", footer=60, help="stop gracefully: checkpoint, then end"),
        Row("runs.kill", ("K",), "kill", "Runs", help="end at once, without a checkpoint"),
        Row("runs.compare", ("c",), "compare", "Runs", footer=45, help="the marked runs side by side"),
        Row("runs.filter", ("/",), "filter", "Find", footer=40, help="show only some: system=convection beta>=20"),
        *(row for row in KEYMAP if row.scope in ("table", "chart", "filter")),
    ]
)
"""Keys of its own for app and screen, so that what screens come to need does not change the pictures."""


class RunsGallery(Gallery):
    """The widgets together, as the screen of runs has them."""

    CSS = "Chart { height: 12; } GpuMeter { margin: 1 0 0 0; }"
    BINDINGS = KEYS.bindings("app", "runs")

    def compose(self) -> ComposeResult:
        screens = [(str(key), name) for key, name in enumerate(("Datasets", "Models", "Runs", "Compare"), 1)]
        yield StatusLine("sciml-tui", screens, "Runs")
        yield FilterBar(placeholder="system=convection beta>=20")
        yield RunTable(RUN_COLUMNS, newest_first=True)
        yield Chart(losses())
        yield GpuMeter(GPUS)
        yield Footer(KEYS)

    def on_mount(self) -> None:
        line = self.query_one(StatusLine)
        line.set_counts({"running": 2, "queued": 3, "done": 41, "failed": 1})
        line.set_gpus(GPUS[:2])
        table = self.query_one(RunTable)
        table.set_rows(runs())
        table.set_marks(["r7f2", "r7f1"])
        table.focus()
        self.query_one(FilterBar).set_count(47, 1204)

    def action_filter(self) -> None:
        self.query_one(FilterBar).start()

    def action_help(self) -> None:
        self.push_screen(HelpScreen(KEYS))

    def action_kill(self) -> None:
        marked = self.query_one(RunTable).chosen()
        self.push_screen(
            Confirm(f"Kill {len(marked)} runs?", marked, consequence="What was done since the last checkpoint is lost.")
        )

    def action_stop(self) -> None: ...

    def action_new(self) -> None:
        self.query_one(FilterBar).set_problem("beta: required a number, got [twenty]")

    action_compare = action_stop


class EmptyGallery(Gallery):
    def compose(self) -> ComposeResult:
        yield RunTable(RUN_COLUMNS, empty="No runs yet\nn starts one; make demo shows what they can do")
        yield Chart(Plot(empty="No curves yet\nspace marks runs in the list, c compares them"))
        yield Heatmap()


DEMOS = {
    "runs": RunsGallery,
    "log": LogGallery,
    "table": TableGallery,
    "chart": ChartGallery,
    "heatmap": HeatmapGallery,
    "empty": EmptyGallery,
}


async def picture(app: App[None], width: int, height: int, file: Path, keys: list[str]) -> None:
    """Saves what the app shows, after some keys, as SVG."""
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.app.workers.wait_for_complete()
        for key in keys:
            await pilot.press(key)
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        file.write_text(app.export_screenshot(simplify=True))


def main() -> None:
    name, *rest = sys.argv[1:] or ["chart"]
    if "--ascii" in rest:
        rest.remove("--ascii")
        palette.use_ascii(True)
    if not rest:
        DEMOS[name]().run()
        return
    size, file, *keys = rest
    width, height = map(int, size.split("x"))
    asyncio.run(picture(DEMOS[name](), width, height, Path(file), keys))


if __name__ == "__main__":
    main()
