from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.app import App
from textual.dom import DOMNode

import tui.screens
import tui.widgets
from engine.errors import SpecError
from tui import palette
from tui.app import SciMLApp
from tui.keymap import KEYMAP, UNRELIABLE, Keymap, Row, display


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    palette.use_ascii(False)


def test_no_key_has_two_actions_in_one_scope() -> None:
    assert KEYMAP._clashes() == []


def test_keys_arrive_in_every_terminal() -> None:
    for row in KEYMAP:
        assert not UNRELIABLE.intersection(row.keys) and not any(key.startswith("alt+") for key in row.keys), row.id


def test_rows_have_ids_of_their_own_and_words_for_the_help() -> None:
    ids = [row.id for row in KEYMAP]
    assert len(set(ids)) == len(ids)
    assert all(row.label and row.group and row.keys and row.id.count(".") == 1 for row in KEYMAP)


def test_bindings_of_scopes_have_the_action_in_the_id() -> None:
    bindings = KEYMAP.bindings("runs")
    stop = next(binding for binding in bindings if binding.id == "runs.stop")
    assert (stop.key, stop.action, stop.description, stop.show) == ("T", "stop", "stop", True)
    assert {binding.id.split(".")[0] for binding in KEYMAP.bindings("table", "app")} == {"table", "app"}
    assert [binding.key for binding in KEYMAP.bindings("table") if binding.id == "table.down"] == ["j", "down"]


def declared() -> dict[str, tuple[type, str]]:
    """Of every row that a screen, a widget or the app binds, by its id: whose it is, and the action that it calls."""
    for package in (tui.screens, tui.widgets):
        for info in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{info.name}")
    found = {}
    kinds = list(DOMNode.__subclasses__())
    for kind in kinds:
        kinds += [each for each in kind.__subclasses__() if each not in kinds]
        if kind.__module__.startswith("tui."):
            for binding in kind.__dict__.get("BINDINGS", ()):
                found[binding.id] = (kind, binding.action)
    return found


def test_every_row_is_bound_and_its_action_is_there() -> None:
    bound = declared()
    assert {row.id for row in KEYMAP} == bound.keys() - {None}
    for row_id, (kind, action) in bound.items():
        name = action.partition("(")[0]
        owner, name = (SciMLApp, name.removeprefix("app.")) if name.startswith("app.") else (kind, name)
        assert callable(getattr(owner, f"action_{name}", None)), f"{row_id}: {owner.__name__} has no action_{name}"


def test_remapping_changes_keys_and_keeps_the_rest() -> None:
    made = KEYMAP.remapped({"runs.stop": "X ctrl+t", "runs.new": "N"})
    assert made.get("runs.stop").keys == ("X", "ctrl+t") and made.get("runs.kill").keys == ("K",)
    assert KEYMAP.get("runs.stop").keys == ("T",)


def test_remapping_twice_keeps_the_first() -> None:
    made = KEYMAP.remapped({"runs.stop": "X"}).remapped({"runs.kill": "Z"})
    assert (made.get("runs.stop").keys, made.get("runs.kill").keys) == (("X",), ("Z",))


def test_keys_may_be_exchanged() -> None:
    made = KEYMAP.remapped({"runs.stop": "K", "runs.kill": "T"})
    assert made.get("runs.stop").keys == ("K",)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"runs.halt": "X"}, "keys.runs.halt: required an action of the help screen, got runs.halt"),
        ({"runs.stop": "K"}, "keys.runs.kill: required a key of its own, got K (runs.stop has it already)"),
        ({"runs.stop": "ctrl+i"}, "keys.runs.stop: required a key that arrives in every terminal, got ctrl+i"),
        ({"runs.stop": "alt+x"}, "required a key that arrives in every terminal, got alt+x"),
        ({"runs.stop": ""}, "keys.runs.stop: required one or more keys"),
        ({"runs.stop": ", x"}, "none of them a comma"),
    ],
)
def test_a_remapping_that_cannot_work_is_refused(keys: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        KEYMAP.remapped(keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(("keys", "pressed", "counted"), [({}, "c down x", 2), ({"app.count": "x"}, "c x", 1)])
async def test_the_table_dispatches_and_a_remapping_moves_it(keys: dict[str, str], pressed: str, counted: int) -> None:
    class Counting(App[None]):
        BINDINGS = Keymap([Row("app.count", ("c", "down"), "count", "General")]).remapped(keys).bindings("app")
        counted = 0

        def action_count(self) -> None:
            self.counted += 1

    app = Counting()
    async with app.run_test() as pilot:
        await pilot.press(*pressed.split())
        assert app.counted == counted


OWN = """
from tui.opening import use_own_keys
from tui.session import Session
use_own_keys(Session())
from tui.keymap import KEYMAP
from tui.screens.runs import RunsScreen
bound = [binding.key for binding in RunsScreen.BINDINGS if binding.id in ("runs.stop", "runs.kill")]
print(bound, KEYMAP.get("runs.stop").keys)
"""


def test_keys_of_ones_own_are_those_of_the_homes_configuration(tmp_path: Path) -> None:
    def said(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "config.toml").write_text(text)
        environment = {**os.environ, "SCIML_TUI_HOME": str(tmp_path)}
        return subprocess.run([sys.executable, "-c", OWN], env=environment, capture_output=True, text=True)

    assert said('cpus = 1\n[keys]\n"runs.stop" = "X ctrl+t"').stdout == "['X', 'ctrl+t', 'K'] ('X', 'ctrl+t')\n"
    assert said("cpus = 1").stdout == "['T', 'K'] ('T',)\n"
    assert "keys.runs.kill: required a key of its own, got K" in said('[keys]\n"runs.stop" = "K"').stderr


def test_keys_are_displayed_as_people_know_them() -> None:
    shown = [display(key) for key in ("j", "down", "escape", "pageup", "ctrl+backslash", "?", "f1")]
    assert shown == ["j", "↓", "esc", "PgUp", "ctrl+\\", "?", "F1"]
    palette.use_ascii(True)
    assert display("down") == "down"
