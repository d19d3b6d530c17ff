from __future__ import annotations

import shlex
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from engine.api import Resources, RunSpec
from engine.errors import Problem, ServiceError
from engine.paths import Home
from engine.records import Run
from tui import palette
from tui.fields import Option
from tui.screens.launch import LaunchScreen
from tui.widgets.confirm import Confirm
from tui.widgets.form_picker import Picker
from tui.widgets.form_said import Said
from tui.widgets.form_view import FormView

SIZE = (100, 40)


class Driver:
    """Presses keys on a launch screen, and reads what it shows."""

    def __init__(self, pilot: Pilot[Any], screen: LaunchScreen, until: Any) -> None:
        self.pilot, self.screen, self._until = pilot, screen, until

    @property
    def view(self) -> FormView:
        return self.screen.query_one(FormView)

    @property
    def keys(self) -> list[str]:
        return [key for key in self.view.rows if not key.startswith("--")]

    async def until(self, holds: Any) -> None:
        await self._until(self.pilot, holds)

    async def type(self, key: str, text: str) -> None:
        self.view.rows[key].start()
        await self.pilot.pause()
        self.view.rows[key].query_one(Input).select_all()
        await self.pilot.press(*(character if character.isalnum() else NAMES[character] for character in text))

    async def choose(self, key: str, *presses: str) -> None:
        self.view.rows[key].start()
        await self.pilot.pause()
        await self.pilot.press(*presses)

    def said(self, name: str) -> str:
        left, right = self.screen.query_one(f"#{name}", Said).parts(0)
        return "".join(words for words, _ in (*left, *right))

    @property
    def trouble(self) -> str:
        return str(self.screen.query_one("#trouble", Static).content)

    def row(self, key: str) -> str:
        """A row as it is drawn."""
        row = self.view.rows[key]
        return "".join(segment.text for segment in row.render_line(0)).rstrip()


NAMES = {",": "comma", "-": "minus", ".": "full_stop", " ": "space", ":": "colon"}


@pytest.fixture
def launch(form_client: Any, form_shell: Any, until: Any) -> Any:
    """`async with launch("pinn", params) as driver`."""

    @asynccontextmanager
    async def launch(*arguments: Any, size: tuple[int, int] = SIZE, client: Any = form_client) -> Any:
        screen = LaunchScreen(client, *arguments)
        app = form_shell(screen)
        async with app.run_test(size=size) as pilot:
            driver = Driver(pilot, screen, until)
            await driver.until(lambda: screen.focused)
            yield driver

    return launch


async def test_a_wrong_value_is_told_at_its_field_as_one_types(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.type("beta", "-5")
        await driver.until(lambda: "required a number from 0 to 1000" in driver.row("beta"))
        assert driver.said("more") == "beta: required a number from 0 to 1000, got -5"
        assert driver.said("runs") == "! 1 problem: beta"
        await driver.type("beta", "50")
        await driver.until(lambda: driver.said("runs").startswith("1 run"))
        assert "required" not in driver.row("beta")


async def test_another_choice_swaps_its_parameters_and_keeps_the_others(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.type("points", "500")
        await driver.choose("system", "right")
        await driver.until(lambda: driver.keys[:3] == ["system", "rho", "strategy"])
        assert driver.view.rows["points"].query_one(Input).value == "500"
        assert driver.screen.focused is driver.view.rows["system"]
        assert driver.said("command") == "sciml-tui run pinn system=reaction points=500"


async def test_rows_stand_in_the_order_of_the_form(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.choose("strategy", "right")
        await driver.until(lambda: "strategy.step" in driver.view.rows)
        assert list(driver.view.rows.values()) == sorted(driver.view.rows.values(), key=lambda row: row.region.y)
        assert driver.keys[2:5] == ["strategy", "strategy.start", "strategy.step"]


async def test_sweeps_and_seeds_say_how_many_runs_and_how_long(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.type("beta", "5,6,7")
        await driver.type("--seeds", "0-1")
        await driver.until(lambda: "about" in driver.said("runs"))
        assert driver.said("runs") == "6 runs = 3 beta × 2 seeds, about 2 min each"
        assert "3 values" in driver.row("beta")
        assert driver.said("command") == "sciml-tui run pinn --grid beta=5,6,7 --seeds 0-1"


async def test_several_alternatives_are_marked_in_the_list(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.choose("strategy", "enter")
        await driver.until(lambda: isinstance(driver.pilot.app.screen, Picker))
        await driver.pilot.press("down", "space", "enter")
        await driver.until(lambda: "strategy.step" in driver.view.rows)
        assert "[regular][curriculum] seq2seq" in driver.row("strategy")
        assert driver.said("runs").startswith("2 runs = 2 strategy")


async def test_submitting_plans_the_raw_parameters_and_gives_the_ids(launch: Any, form_client: Any) -> None:
    async with launch("pinn") as driver:
        await driver.choose("system", "right")
        await driver.until(lambda: "rho" in driver.view.rows)
        await driver.type("rho", "5,6")
        await driver.type("--seeds", "0-1")
        await driver.type("--tag", "paper,x")
        await driver.type("--cpus", "2")
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: driver.pilot.app.given)
        asked = form_client.planned[-1]
        assert (asked["task"], asked["raw"], asked["grid"]) == ("pinn", {"system": "reaction"}, {"rho": ["5", "6"]})
        assert (asked["seeds"], asked["tags"], asked["resources"].cpus) == ([0, 1], ["paper", "x"], 2)
        assert driver.pilot.app.given == [["r1", "r2", "r3", "r4"]]
        assert [spec.seed for spec in form_client.submitted] == [0, 1, 0, 1]


async def test_nothing_is_submitted_while_something_is_wrong(launch: Any, form_client: Any) -> None:
    async with launch("pinn") as driver:
        await driver.type("points", "0")
        await driver.choose("system")
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: driver.screen.focused is driver.view.rows["points"].query_one(Input))
        assert form_client.submitted == []


async def test_what_the_task_refuses_is_told_at_its_field_and_nothing_is_lost(launch: Any, form_client: Any) -> None:
    form_client.refusal = [Problem("strategy.step", "one that reaches 30", "4"), Problem("grid", "fewer runs", "many")]
    async with launch("pinn") as driver:
        await driver.choose("strategy", "right")
        await driver.until(lambda: "strategy.step" in driver.view.rows)
        await driver.type("strategy.step", "4")
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: "required one that reaches 30" in driver.row("strategy.step"))
        assert driver.trouble == "! grid: required fewer runs, got many"
        assert driver.view.rows["strategy.step"].query_one(Input).value == "4"
        form_client.refusal = []
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: form_client.submitted)


async def test_how_to_mend_a_problem_has_a_line_of_its_own_under_it(launch: Any, form_client: Any) -> None:
    form_client.refusal = [Problem("cpus", "at most 2", "99", "a longer word on how to mend it")]
    async with launch("pinn", size=(80, 24)) as driver:
        await driver.type("--cpus", "99")
        await driver.until(lambda: "required at most 2" in driver.row("--cpus"))
        assert driver.said("about") == "cpus: required at most 2, got 99"
        assert driver.said("more") == "a longer word on how to mend it"


async def test_a_failure_to_submit_is_told_in_place(launch: Any, form_client: Any) -> None:
    form_client.failure = ServiceError("scheduler: required a process, got [nothing]")
    async with launch("pinn") as driver:
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: "got [nothing]" in driver.trouble)
        assert driver.pilot.app.screen is driver.screen
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.pilot.app.given == [None])


async def test_checking_can_be_given_up(launch: Any, form_client: Any) -> None:
    checking, leave = threading.Event(), threading.Event()
    plan = form_client.plan

    def slowly(*arguments: Any, **options: Any) -> Any:
        checking.set()
        leave.wait(30)
        return plan(*arguments, **options)

    form_client.plan = slowly
    async with launch("pinn") as driver:
        await driver.pilot.press("ctrl+r")
        await driver.until(checking.is_set)
        assert driver.said("runs") == "checking 1 run; esc goes back"
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.said("runs").startswith("1 run"))
        leave.set()
        await driver.until(lambda: form_client.planned)
        await driver.pilot.pause()
    assert form_client.submitted == [] and driver.pilot.app.given == []


async def test_leaving_asks_only_if_something_was_typed(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.pilot.app.given == [None])
    async with launch("pinn") as driver:
        await driver.type("beta", "4")
        await driver.pilot.press("escape")
        await driver.until(lambda: isinstance(driver.pilot.app.screen, Confirm))
        await driver.pilot.press("n")
        await driver.until(lambda: driver.pilot.app.screen is driver.screen)
        assert driver.view.rows["beta"].query_one(Input).value == "4"
        await driver.pilot.press("escape")
        await driver.until(lambda: isinstance(driver.pilot.app.screen, Confirm))
        await driver.pilot.press("y")
        await driver.until(lambda: driver.pilot.app.given == [None])


async def test_keys_move_between_fields_and_groups(launch: Any) -> None:
    async with launch("pinn") as driver:

        def at() -> str:
            return next((key for key, row in driver.view.rows.items() if row.active), "task")

        for key, field in (
            *(("down", "beta"), ("down", "strategy"), ("up", "beta"), ("tab", "strategy"), ("shift+tab", "beta")),
            *(("enter", "strategy"), ("pagedown", "model"), ("pageup", "strategy"), ("pageup", "system")),
            *(("up", "task"), ("down", "system"), ("up", "task"), ("pagedown", "system")),
        ):
            await driver.pilot.press(key)
            assert at() == field, key


async def test_a_run_can_be_named_from_a_list_of_those_that_can_be_needed(launch: Any) -> None:
    async with launch("pinn") as driver:
        driver.view.rows["init"].start()
        await driver.until(lambda: driver.view.rows["init"].query_one(Input).suggester)
        await driver.pilot.press("enter")
        await driver.until(lambda: isinstance(driver.pilot.app.screen, Picker))
        assert [option.key for option in driver.pilot.app.screen._shown] == ["r7f1", "r7e9"]
        await driver.pilot.press(*"reac", "enter")
        await driver.until(lambda: "init=r7e9" in driver.said("command"))
        assert "reaction ρ=5 curriculum" in driver.row("init")


async def test_what_a_run_was_given_is_there_to_be_changed(launch: Any) -> None:
    params = {"system": "reaction", "rho": 6.0, "strategy": "curriculum", "strategy.step": 2.0, "points": 1000}
    async with launch("pinn", params, {"--seeds": "3"}) as driver:
        command = "sciml-tui run pinn system=reaction rho=6 strategy=curriculum strategy.step=2 --seeds 3"
        assert driver.said("command") == command


async def test_a_run_can_be_filled_in_to_run_it_again(form_shell: Any, until: Any, form_client: Any) -> None:
    spec = RunSpec(
        task="pinn", params={"system": "reaction", "rho": 6.0, "gone": 1}, seed=2, tags=("a", "b"), name="\x1b[31mred",
        resources=Resources(gpus=0.5, minutes=5),
    )  # fmt: skip
    screen = LaunchScreen.again(form_client, Run(id="r1", spec=spec))
    async with form_shell(screen).run_test(size=SIZE) as pilot:
        driver = Driver(pilot, screen, until)
        await driver.until(lambda: screen.focused)
        assert driver.trouble == "! left out, since pinn has no such parameter now: gone"
        assert driver.view.rows["--name"].query_one(Input).value == "red"
        for wanted in ("system=reaction rho=6 --seeds 2", "--tag a --tag b --gpus 0.5 --minutes 5"):
            assert wanted in driver.said("command")


async def test_another_task_has_its_own_form_and_the_runs_fields_go_along(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.type("beta", "4")
        await driver.type("--seeds", "0-4")
        driver.screen.query_one("#task").focus()
        await driver.pilot.press("left")
        await driver.until(lambda: driver.keys == ["name", "samples", "data"])
        assert driver.view.rows["--seeds"].query_one(Input).value == "0-4"
        assert driver.said("runs") == "! 1 problem: name"
        await driver.pilot.press("right")
        await driver.until(lambda: "beta" in driver.view.rows)
        assert driver.view.rows["beta"].query_one(Input).value == "4"


async def test_a_description_that_cannot_be_had_is_told(form_client: Any, form_shell: Any, until: Any) -> None:
    def fails() -> None:
        raise ServiceError("tasks: required an answer, got exit code 1")

    form_client.describe = fails
    screen = LaunchScreen(form_client)
    async with form_shell(screen).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "got exit code 1" in Driver(pilot, screen, until).trouble)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.given == [None])


async def test_ascii_draws_nothing_else(launch: Any) -> None:
    palette.use_ascii(True)
    try:
        async with launch("pinn") as driver:
            await driver.type("beta", "-1,2")
            await driver.choose("strategy", "right")
            await driver.until(lambda: "strategy.step" in driver.view.rows)
            lines = [driver.row(key) for key in driver.view.rows]
            assert "".join(lines).isascii()
            assert lines[1].split() == ["beta", "!", "required", "a", "number", "from", "0", "to", "1000"]
    finally:
        palette.use_ascii(False)


async def test_it_works_without_colours(launch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with launch("pinn") as driver:
        await driver.choose("system", "enter")
        await driver.until(lambda: isinstance(driver.pilot.app.screen, Picker))
        await driver.pilot.press("down", "enter")
        await driver.until(lambda: "[reaction]" in driver.row("system"))


async def test_the_real_client_starts_what_the_form_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form_shell: Any, until: Any
) -> None:
    from engine.client import Client

    samples = Path(__file__).parents[2] / "engine"
    monkeypatch.syspath_prepend(samples)
    monkeypatch.setenv("PYTHONPATH", str(samples))
    monkeypatch.setenv("SCIML_TUI_TASKS", "sample_tasks:WALK")
    monkeypatch.setattr(Client, "ensure_scheduler", lambda self: None)  # what is submitted is looked at, not run
    had_torch = "torch" in sys.modules  # other tests in this process may have imported it
    with Client(Home(tmp_path / "home")) as client:
        screen = LaunchScreen(client, "walk")
        async with form_shell(screen).run_test(size=SIZE) as pilot:
            driver = Driver(pilot, screen, until)
            await driver.until(lambda: screen.focused)
            await driver.type("steps", "13")
            await driver.pilot.press("ctrl+r")
            await driver.until(lambda: "required a lucky number" in driver.row("steps"))
            await driver.type("steps", "3,4")
            await driver.type("--seeds", "0-1")
            await driver.choose("--pack", "left")
            await driver.until(lambda: "4 runs" in driver.said("runs"))
            command = ["run", "walk", "--grid", "steps=3,4", "--seeds", "0-1", "--pack"]
            assert shlex.split(driver.said("command"))[1:] == command
            await driver.pilot.press("ctrl+r")
            await driver.until(lambda: pilot.app.given)
        runs = client.runs()
        assert pilot.app.given == [[run.id for run in runs]]
        assert [(run.spec.params["steps"], run.spec.seed) for run in runs] == [(3, 0), (3, 1), (4, 0), (4, 1)]
        assert {run.pack for run in runs} == {runs[0].id}
    assert ("torch" in sys.modules) == had_torch


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_looks(form_client: Any, form_shell: Any, snap_compare: Any, until: Any, size: tuple[int, int]) -> None:
    async def fill(pilot: Pilot[Any]) -> None:
        screen = pilot.app.screen
        assert isinstance(screen, LaunchScreen)
        driver = Driver(pilot, screen, until)
        await driver.until(lambda: screen.focused)
        await driver.type("beta", "20,30")
        await driver.type("points", "0")
        await driver.type("--seeds", "0-4")
        await driver.choose("strategy", "right")
        await driver.until(lambda: "problem" in driver.said("runs") and "strategy.step" in driver.view.rows)
        await pilot.pause()

    assert snap_compare(form_shell(LaunchScreen(form_client, "pinn")), terminal_size=size, run_before=fill)


async def test_letters_are_kept_that_make_the_default_again_or_come_right_before_another_field(launch: Any) -> None:
    async with launch("pinn") as driver:
        await driver.type("points", "500")
        default = driver.view.rows["points"].line.field.defaults[0]
        await driver.until(lambda: "points=500" in driver.said("command"))
        await driver.pilot.press("ctrl+a", "ctrl+k")
        await driver.until(lambda: "points" not in driver.said("command"))
        await driver.pilot.press(*default)
        await driver.pilot.press("down")
        await driver.pilot.pause(0.3)
        assert driver.view.rows["points"].query_one(Input).value == default
        assert driver.said("command") == "sciml-tui run pinn"


async def test_a_list_is_narrowed_to_names_before_what_is_said_of_others(launch: Any) -> None:
    options = [Option("adaptive", "Adaptive curriculum"), Option("curriculum"), Option("regular")]
    async with launch("pinn") as driver:
        picker = Picker("strategy", options)
        driver.pilot.app.push_screen(picker)
        await driver.until(lambda: picker.is_attached and picker._shown)
        await driver.pilot.press(*"cur")
        await driver.until(lambda: [option.key for option in picker._shown] == ["curriculum", "adaptive"])
