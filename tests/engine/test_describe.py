from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine import describe as description
from engine.describe import check, describe
from engine.errors import ServiceError
from engine.paths import Home

HERE = Path(__file__).parent


@pytest.fixture
def home(sample_home: Home) -> Home:
    for kept in sample_home.cache.iterdir():
        kept.unlink()
    return sample_home


def count_of_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    ask = description.ask

    def counted(home: Home, what: str, question: bytes = b"") -> bytes:
        asked.append(what)
        return ask(home, what, question)

    monkeypatch.setattr(description, "ask", counted)
    return asked


def test_tasks_and_suites_are_described_as_data(home: Home) -> None:
    known = describe(home)
    assert known.tasks["walk"].metrics == {"x": "position"}
    assert known.suites["pair"]["quick"].runs[2].spec.params["init"] == "@first"


def test_a_broken_task_is_one_entry_and_hurts_no_other(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIML_TUI_TASKS", "sample_tasks:FAULTY,sample_tasks:WALK,no_such_module:TASK")
    known = describe(home)
    assert "walk" in known.tasks
    errors = {broken.key: broken.error for broken in known.broken}
    assert (
        "cannot describe itself" in errors["sample_tasks:FAULTY"] or "required a task" in errors["sample_tasks:FAULTY"]
    )
    assert "ModuleNotFoundError" in errors["no_such_module:TASK"]


def test_a_users_own_component_is_described_and_a_broken_one_is_an_entry_with_its_place(home: Home) -> None:
    (home.plugins / "zigzag.py").write_text('KIND = {"title": "Zigzag"}\n')
    (home.plugins / "faulty.py").write_text("\nKIND = 1 / 0\n")
    known = describe(home)
    assert list(known.tasks["walk"].schema["properties"]["kind"]["x-choices"]) == ["drift", "straight", "zigzag"]
    [broken] = [broken for broken in known.broken if broken.key == "faulty"]
    assert broken.file == str(home.plugins / "faulty.py")
    assert broken.error == "ZeroDivisionError: division by zero (line 2)"


def test_the_description_is_made_once_and_again_only_when_a_source_changes(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copied_tasks.py"
    copy.write_text((HERE / "sample_tasks.py").read_text())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{HERE}")
    monkeypatch.setenv("SCIML_TUI_TASKS", "copied_tasks:WALK")
    asked = count_of_asked(monkeypatch)
    assert describe(home) == describe(home)
    assert len(asked) == 1
    copy.write_text(copy.read_text().replace("Random walk", "Drunken walk"))
    assert describe(home).tasks["walk"].title == "Drunken walk"
    (home.plugins / "pinns" / "systems").mkdir(parents=True)
    (home.plugins / "pinns" / "systems" / "mine.py").write_text("SYSTEM = 1\n")
    describe(home)
    describe(home)
    assert len(asked) == 3


def test_a_damaged_cache_is_made_again(home: Home) -> None:
    made = describe(home)
    [kept] = home.cache.glob("describe-*.json")
    kept.write_bytes(kept.read_bytes()[:100])
    assert describe(home) == made


def test_describing_imports_no_task_and_neither_numpy_nor_torch_here(home: Home) -> None:
    script = (
        "import sys; from engine.paths import Home; from engine.describe import describe;"
        f"describe(Home({str(home.folder)!r}));"
        "print([name for name in ('sample_tasks', 'experiments', 'numpy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_check_answers_for_each_set_of_parameters(home: Home) -> None:
    params = {"kind": "straight", "steps": 4, "pause": 0.5, "init": "", "data": "", "ending": "well"}
    good, bad = check(home, [("walk", params), ("walk", {**params, "steps": 13})])
    assert good.problems == []
    assert good.estimate.seconds == 2.0
    assert [str(problem) for problem in bad.problems] == ["steps: required a lucky number, got 13"]


def test_a_fault_in_a_check_is_said_to_be_the_tasks(home: Home) -> None:
    with pytest.raises(ServiceError, match=r"task walk: .*RuntimeError: a check with a fault"):
        check(home, [("walk", {"steps": 666})])


def test_a_process_that_dies_or_hangs_is_a_service_error_with_its_last_words(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{HERE}")
    (tmp_path / "fatal.py").write_text("import os\nos.write(2, b'first\\nlast words')\nos._exit(7)\n")
    monkeypatch.setenv("SCIML_TUI_TASKS", "fatal:TASK")
    with pytest.raises(ServiceError, match=r"(?s)exit code 7.*last words"):
        describe(home)
    (tmp_path / "fatal.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(description, "PATIENCE", 1.0)
    with pytest.raises(ServiceError, match="within 1 s"):
        describe(home)
