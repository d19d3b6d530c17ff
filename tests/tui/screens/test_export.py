from __future__ import annotations

import csv
import json
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from engine import filters
from engine.api import RunSpec
from engine.errors import UnknownName
from engine.exporters import FORMATS, exporter
from engine.records import Run, Status
from engine.tables import Column, Table
from tui import exports
from tui.export_form import ExportForm, Rows
from tui.screens.export import ExportDialog
from tui.widgets.confirm import Confirm
from tui.widgets.form_picker import Picker
from tui.widgets.form_row import FormRow
from tui.widgets.form_said import Said
from tui.widgets.form_view import FormView


def run_row(number: int, strategy: str, error: float, **more: Any) -> filters.Row:
    params = {"system": "reaction", "rho": 5.0, "strategy": strategy, "points": 1000}
    spec = RunSpec(task="pinn", params=params, seed=number)
    summary = {"loss": error / 10, "rel_l2": error}
    made = Run(id=f"r{number}", spec=spec, status=Status.DONE, summary=summary, label="[red]", created=1.76e9, **more)
    row = filters.row(made)
    assert isinstance(row, filters.Row)
    return row


ROWS = [run_row(n, ("regular", "curriculum")[n % 2], (0.9, 0.01)[n % 2]) for n in range(6)]


@pytest.fixture
def form(tmp_path: Path) -> ExportForm:
    return ExportForm({"shown": Rows(ROWS, "rho=5"), "marked": Rows(ROWS[:2])}, folder=tmp_path)


def typed(form: ExportForm, **texts: str) -> ExportForm:
    for key, text in texts.items():
        form = form.typing(key.replace("_", " "), text)
    return form


def test_programs_get_every_column_and_people_what_tells_something(form: ExportForm) -> None:
    assert {"id", "points", "label", "rel_l2"} <= {column.key for column in form.table().columns}
    told = [column.key for column in form.typing("format", "latex").table().columns]
    assert told == ["id", "status", "seed", "strategy", "loss", "rel_l2", "seconds"]


def test_groups_are_offered_by_the_settings_that_differ(form: ExportForm) -> None:
    form = form.typing("rows", "groups")
    assert [option.key for option in form.by_key["group by"].options] == ["strategy", "seed"]
    table = form.table()
    assert [row[:2] for row in table.rows] == [("curriculum", 3), ("regular", 3)]
    assert "rel_l2" in [column.key for column in table.columns]


def test_what_is_marked_can_be_exported_alone(form: ExportForm) -> None:
    table = typed(form, what="marked", columns="id,seed").table()
    assert table.rows == (("r0", 0), ("r1", 1))
    assert typed(form, what="marked").hint(form.by_key["what"]) == "2 runs"


def test_a_table_says_where_it_comes_from(form: ExportForm) -> None:
    assert form.table().meta["runs"] == "6 (rho=5)"


def test_a_name_that_is_free_is_offered(form: ExportForm, tmp_path: Path) -> None:
    assert form.path == tmp_path / "runs.csv"
    (tmp_path / "runs.csv").touch()
    assert form.typing("columns", "id").path == tmp_path / "runs-2.csv"
    assert form.typing("format", "markdown").path == tmp_path / "runs.md"


@pytest.mark.parametrize(
    ("key", "text", "required", "got"),
    [
        ("columns", "id,rel_l", "columns that there are", "rel_l"),
        ("file", "nowhere/runs.csv", "a folder that exists", "nowhere"),
        ("file", ".", "the name of a file", "the folder"),
    ],
)
def test_what_cannot_be_written_is_a_problem_of_its_field(
    form: ExportForm, key: str, text: str, required: str, got: str
) -> None:
    problem = form.typing(key, text).problems[key]
    assert problem.required == required and got in problem.got


def test_rows_of_other_things_have_columns_and_no_groups(tmp_path: Path) -> None:
    shelf = [{"name": "poisson", "samples": 16}, {"name": "helmholtz", "size": 5}]
    form = ExportForm({"shown": Rows(shelf, noun="datasets")}, folder=tmp_path)
    assert [field.key for field in form.fields] == ["what", "columns", "format", "file"]
    assert form.table().rows == (("poisson", 16, None), ("helmholtz", None, 5))
    assert form.path.name == "datasets.csv"


def test_a_function_makes_a_table_of_its_own(tmp_path: Path) -> None:
    made = Table(title="by group", columns=(Column(key="n", kind="integer"),), rows=((3,),))
    form = ExportForm({"comparison": lambda: made, "runs": Rows(ROWS)}, folder=tmp_path)
    assert [field.key for field in form.fields] == ["what", "format", "file"]
    assert form.table().rows == ((3,),) and "made by" in form.table().meta
    assert form.path.name == "comparison.csv"


# the dialog


class Driver:
    def __init__(self, pilot: Any, dialog: ExportDialog, until: Any) -> None:
        self.pilot, self.dialog, self._until = pilot, dialog, until

    @property
    def view(self) -> FormView:
        return self.dialog.query_one(FormView)

    @property
    def said(self) -> str:
        return "".join(words for words, _ in self.dialog.query_one(Said).parts(0)[0])

    @property
    def preview(self) -> str:
        return str(self.dialog.query_one(".preview", Static).content)

    async def until(self, holds: Any) -> None:
        await self._until(self.pilot, holds)

    async def choose(self, key: str, *presses: str) -> None:
        self.view.rows[key].start()
        await self.pilot.pause()
        await self.pilot.press(*presses)

    async def type(self, key: str, text: str) -> None:
        self.view.rows[key].start()
        await self.pilot.pause()
        self.view.rows[key].query_one(Input).value = text


@pytest.fixture
def dialog(form_shell: Any, until: Any, tmp_path: Path) -> Any:
    """`async with dialog(sources) as driver`; files go to `tmp_path`."""

    @asynccontextmanager
    async def dialog(sources: Any = None, size: tuple[int, int] = (100, 36)) -> Any:
        screen = ExportDialog(sources or {"shown": Rows(ROWS), "marked": Rows(ROWS[:2])}, folder=tmp_path)
        async with form_shell(screen).run_test(size=size) as pilot:
            driver = Driver(pilot, screen, until)
            await driver.until(lambda: "rows of" in driver.said)
            yield driver

    return dialog


@pytest.mark.parametrize("format", list(FORMATS))
async def test_every_format_is_written_and_the_path_told(dialog: Any, tmp_path: Path, format: str) -> None:
    async with dialog() as driver:
        await driver.choose("format", *["right"] * list(FORMATS).index(format))
        await driver.pilot.press("ctrl+r")
        file = tmp_path / f"runs{exporter(format).SUFFIX}"
        await driver.until(lambda: driver.said.startswith("written") and str(file) in driver.said)
        assert file.stat().st_size > 0
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.pilot.app.given == [file])


async def test_what_is_seen_is_what_is_written(dialog: Any, tmp_path: Path) -> None:
    async with dialog() as driver:
        await driver.choose("what", "right")
        await driver.type("columns", "id,strategy")
        await driver.until(lambda: driver.preview.splitlines()[0] == "id,strategy")
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: "written" in driver.said)
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["id", "strategy"], ["r0", "regular"], ["r1", "curriculum"]]


async def test_a_file_that_exists_is_overwritten_only_after_a_question(dialog: Any, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("precious")
    async with dialog() as driver:
        await driver.choose("format", "right")
        await driver.type("file", "old.json")
        for answer in ("n", "y"):
            await driver.pilot.press("ctrl+r")
            await driver.until(lambda: isinstance(driver.pilot.app.screen, Confirm))
            assert old.read_text() == "precious"
            await driver.pilot.press(answer)
            await driver.until(lambda: driver.pilot.app.screen is driver.dialog)
        await driver.until(lambda: "written" in driver.said)
    assert len(json.loads(old.read_text())["records"]) == 6


async def test_columns_are_picked_from_a_list(dialog: Any) -> None:
    async with dialog() as driver:
        await driver.type("columns", "id")
        await driver.until(lambda: driver.said == "6 rows of 1 column")
        await driver.pilot.press("enter")
        await driver.until(lambda: isinstance(driver.pilot.app.screen, Picker))
        await driver.pilot.press(*"rel", "space", "enter")
        await driver.until(lambda: driver.preview.startswith("id,rel_l2"))


async def test_a_list_that_is_asked_for_twice_opens_once(dialog: Any) -> None:
    async with dialog() as driver:
        row = driver.view.rows["columns"]
        for _ in range(3):
            row.post_message(FormRow.Opened(row))
        await driver.until(lambda: isinstance(driver.pilot.app.screen, Picker))
        await driver.pilot.pause()
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.pilot.app.screen is driver.dialog)


async def test_the_path_of_what_was_written_is_copied(dialog: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    async with dialog() as driver:
        assert not driver.dialog.check_action("copy", ())
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: "written" in driver.said)
        await driver.pilot.press("y")
        await driver.until(lambda: driver.pilot.app.clipboard == str(tmp_path / "runs.csv"))


async def test_a_table_that_cannot_be_made_is_told_in_place(dialog: Any) -> None:
    def fails() -> Table:
        raise UnknownName("column: required one that is there, got [none]")

    async with dialog({"runs": Rows(ROWS), "curves": fails}) as driver:
        await driver.choose("what", "right")
        await driver.until(lambda: "got [none]" in driver.said)


async def test_what_cannot_be_written_is_told_at_its_field(dialog: Any, tmp_path: Path) -> None:
    async with dialog() as driver:
        await driver.type("file", "nowhere/x.csv")
        await driver.choose("what")
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: driver.dialog.focused is driver.view.rows["file"].query_one(Input))
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writing waits until this event is set."""
    go = threading.Event()
    write = exports.write

    def slowly(*given: Any, **more: Any) -> None:
        go.wait(30)
        write(*given, **more)

    monkeypatch.setattr(exports, "write", slowly)
    yield go
    go.set()


async def test_a_dialog_that_is_left_while_it_writes_closes_when_the_file_is_there(
    dialog: Any, tmp_path: Path, slow_disk: threading.Event
) -> None:
    async with dialog() as driver:
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: driver.said.startswith("writing"))
        await driver.pilot.press("ctrl+r", "escape")
        await driver.until(lambda: "closes when it is there" in driver.said)
        assert driver.pilot.app.screen is driver.dialog
        slow_disk.set()
        await driver.until(lambda: driver.pilot.app.given == [tmp_path / "runs.csv"])
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 7


async def test_what_goes_wrong_in_a_dialog_that_is_left_is_still_told(
    dialog: Any, tmp_path: Path, slow_disk: threading.Event
) -> None:
    async with dialog() as driver:
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: driver.said.startswith("writing"))
        await driver.pilot.press("escape")
        (tmp_path / "runs.csv").write_text("of somebody else")
        slow_disk.set()
        await driver.until(lambda: "required a file that does not exist" in driver.said)
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.pilot.app.given == [None])


async def test_typing_on_while_a_file_is_written_does_not_lose_the_word_about_it(
    dialog: Any, tmp_path: Path, slow_disk: threading.Event
) -> None:
    async with dialog() as driver:
        await driver.pilot.press("ctrl+r")
        await driver.until(lambda: driver.said.startswith("writing"))
        await driver.choose("what", "right")
        await driver.until(lambda: driver.preview.count("\n") == 2)
        assert driver.said.startswith("writing")
        slow_disk.set()
        await driver.until(lambda: driver.said.startswith("written") and str(tmp_path / "runs.csv") in driver.said)
