"""Who may import whom, at run time: import-linter reads the source, this looks at what really got imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "scipy", "h5py", "matplotlib")


def imported_by(statement: str) -> set[str]:
    """Top-level modules that are loaded in a fresh interpreter after the statement."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import tui.cli", (*HEAVY, "experiments", "textual", "numpy")),
        ("import engine.client", (*HEAVY, "experiments", "tui", "textual", "numpy")),
        ("import engine.scheduler", (*HEAVY, "experiments", "tui", "textual", "numpy")),
        ("import engine.shim", (*HEAVY, "experiments", "tui", "textual", "numpy", "tinydb")),
        ("import engine.worker", ("torch", "scipy", "experiments", "tui", "textual")),
        ("import experiments.pinns.task", ("torch", "tui", "textual", "rich", "tinydb")),
        ("import experiments.operators.task", ("torch", "tui", "textual", "rich", "tinydb")),
        ("import experiments.operators.dataset", ("torch", "tui", "textual", "rich", "tinydb")),
        ("import experiments.suites", ("torch", "tui", "textual", "rich", "tinydb")),
    ],
)
def test_importing_a_layer_loads_nothing_from_beyond_it(statement: str, forbidden: tuple[str, ...]) -> None:
    assert imported_by(statement) & set(forbidden) == set()


def test_describing_and_checking_every_task_does_not_import_torch() -> None:
    statement = (
        "from importlib.metadata import entry_points\n"
        "for entry in entry_points(group='sciml_tui.tasks'):\n"
        "    task = entry.load(); assert task.describe().schema['properties']"
    )
    assert "torch" not in imported_by(statement)
