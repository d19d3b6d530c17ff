from __future__ import annotations

import pytest

from tui.verbs import doctor
from tui.verbs.doctor import kills_user_processes


def findings(ended):
    return {it["what"]: it for it in ended.json}


def test_a_machine_that_is_well_is_exit_code_0(call, empty, monkeypatch):
    monkeypatch.setattr("tui.verbs.doctor._tasks", lambda session: iter(()))  # which depends on what is installed
    ended = call("doctor", "--json", home=empty)
    found = findings(ended)
    assert ended.code == 0, found
    assert {"python", "torch", "home", "space", "locks", "scheduler", "logout", "terminal"} <= found.keys()
    assert found["locks"]["state"] == "good"
    assert [path.name for path in empty.iterdir() if "doctor" in path.name] == []


def test_a_broken_task_is_exit_code_1_with_what_to_mend(call, empty, monkeypatch):
    monkeypatch.setenv("SCIML_TUI_TASKS", "sample_tasks:WALK,sample_tasks:FAULTY")
    ended = call("doctor", home=empty)
    assert ended.code == 1
    (line,) = [line for line in ended.lines if "cannot describe itself" in line]
    assert "✗" in line
    assert "; mend" in line


def test_a_configuration_that_cannot_be_read_is_a_fault(call, empty):
    (empty / "config.toml").write_text('cpus = "many"')
    config = findings(call("doctor", "--json", home=empty))["config"]
    assert (config["state"], config["mend"]) == ("bad", "")
    assert "cpus: required a whole number or none, got many" in config["found"]


def test_a_torch_that_cannot_use_the_gpu_is_a_fault(call, empty, tmp_path, monkeypatch):
    file = tmp_path / "gpus.json"
    file.write_text('[{"index": 0, "uuid": "GPU-0", "name": "H100", "memory_total": 80000000000}]')
    monkeypatch.setenv("SCIML_TUI_GPUS", str(file))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(doctor, "PROBE", "raise RuntimeError('the driver is too old\\nupdate it')")
    found = findings(call("doctor", "--json", home=empty))
    assert found["torch"]["found"] == "cannot use the GPU: RuntimeError: the driver is too old"
    assert found["torch"]["state"] == "bad"
    monkeypatch.setattr(doctor, "PROBE", "pass")
    found = findings(call("doctor", "--json", home=empty))
    assert (found["torch"]["state"], found["gpu"]["found"]) == ("good", "0 H100")


def test_waiting_runs_without_a_scheduler_are_a_fault(call, empty):
    from engine.api import RunSpec
    from engine.paths import Home
    from engine.records import Run
    from engine.store.catalog import Catalog

    catalog = Catalog(Home(empty))
    catalog.add([Run(id="", spec=RunSpec(task="walk"))])
    catalog.close()
    found = findings(call("doctor", "--json", home=empty))
    assert found["scheduler"]["state"] == "bad"
    assert "scheduler start" in found["scheduler"]["mend"]


def test_a_run_whose_line_in_the_catalogue_is_damaged_is_missed(call, empty):
    from engine.api import RunSpec
    from engine.paths import Home
    from engine.records import Run
    from engine.store.catalog import Catalog

    home = Home(empty).create()
    catalog = Catalog(home)
    for task in ("walk", "grid"):  # in lines of their own
        (run,) = catalog.add([Run(id="", spec=RunSpec(task=task))])
        home.run(run.id).folder.mkdir()
    catalog.close()
    assert findings(call("doctor", "--json", home=empty))["records"]["state"] == "good"
    home.catalog.write_text(home.catalog.read_text().replace('"walk"', '"wal'))
    found = findings(call("doctor", "--json", home=empty))["records"]
    assert found["state"] == "warning"
    assert "1 runs, and folders of runs that have no record: r0001" in found["found"]


def test_a_dataset_without_its_file_and_a_file_without_its_record_are_told_with_what_mends_them(call, empty):
    assert call("run", "grid", "shelf=mine", "--launcher", "inline", home=empty).code == 0
    found = findings(call("doctor", "--json", home=empty))
    assert (found["data"]["state"], found["data"]["found"]) == ("good", "1, each with its file")
    (empty / "datasets" / "mine.txt").unlink()
    (empty / "models" / "left over").touch()
    found = findings(call("doctor", "--json", home=empty))
    assert (found["data"]["state"], found["data"]["found"]) == ("warning", "without their files: mine")
    assert found["data"]["mend"].endswith("data rm mine")
    assert found["models"]["found"].endswith("that have no record: left over")
    assert found["models"]["mend"] == "delete them"
    assert call("data", "rm", "mine", home=empty).code == 0
    (empty / "datasets" / "a (b).txt").write_text("5")
    mend = findings(call("doctor", "--json", home=empty))["data"]["mend"]
    assert mend.endswith(f"data import '{empty}/datasets/a (b).txt', or delete them")
    assert call("data", "import", f"{empty}/datasets/a (b).txt", home=empty).lines == ["grid-5"]
    left = empty / "datasets" / ".staged-abc"
    left.mkdir()
    (left / "copy.txt").write_text("5")
    found = findings(call("doctor", "--json", home=empty))["data"]
    assert found["found"] == f"1 B of copies that were cut short: {left}"


@pytest.mark.parametrize(
    ("files", "verdict"),
    [
        ({}, False),
        ({"etc/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
        ({"etc/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
        ({"lib/logind.conf.d/1.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
        (
            {
                "etc/logind.conf": "[Login]\nKillUserProcesses=yes\n",
                "etc/logind.conf.d/9.conf": "[Login]\nKillUserProcesses=no\n",
            },
            False,
        ),
        ({"etc/logind.conf": "no section\n"}, False),
        ({"etc/logind.conf": "[Login]\nKillUserProcesses=perhaps\n"}, False),
    ],
)
def test_what_logind_does_to_processes_is_read_from_its_files(files, verdict, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert kills_user_processes((str(tmp_path / "lib"), str(tmp_path / "etc"))) is verdict
