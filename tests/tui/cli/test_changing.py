"""Verbs that submit and change runs. Those that need a background process share as few as they can."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

from engine.paths import Home

PATIENCE = 60.0


def until(condition, what):
    """Waits for a condition; a fault if it does not come in time."""
    give_up = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < give_up, what
        time.sleep(0.05)
    return found


def test_run_prints_the_ids_of_a_grid_with_seeds(call, empty):
    ended = call(
        *("run", "walk", "steps=1", "--grid", "kind=straight,drift", "--seeds", "0,3", "--launcher", "inline"),
        *("--tag", "a", "--tag", "b", "--name", "both", "--cpus", "2"),
        home=empty,
    )
    assert (ended.code, ended.out) == (0, "r0001\nr0002\nr0003\nr0004\n")
    records = call("ls", "--json", home=empty).json
    assert [(it["params"]["kind"], it["seed"]) for it in records] == [
        ("straight", 0),
        ("straight", 3),
        ("drift", 0),
        ("drift", 3),
    ]
    assert {(*it["tags"], it["name"], it["resources"]["cpus"]) for it in records} == {("a", "b", "both", 2)}


def test_run_pack_is_one_process_and_each_its_own_record(call, empty):
    ended = call("run", "walk", "steps=2", "--seeds", "0-2", "--pack", "--launcher", "inline", home=empty)
    assert (ended.code, ended.out) == (0, "r0001\nr0002\nr0003\n")
    assert {(it["status"], it["pack"]) for it in call("ls", "--json", home=empty).json} == {("done", "r0001")}
    assert "pack       r0001" in call("show", "r0003", home=empty).out
    refused = call("run", "grid", "--pack", home=empty)
    assert refused.code == 2
    assert "pack: required a task that runs many at once (" in refused.err and "got grid" in refused.err


def test_kill_of_one_of_a_pack_ends_and_names_all_of_it(call, empty):
    ids = call(
        *("run", "walk", "steps=100000", "pause=0.005", "--seeds", "0-2", "--pack", "--gpus", "0"), home=empty
    ).out

    def statuses():
        return {it["status"] for it in call("ls", "--json", home=empty).json}

    until(lambda: statuses() == {"running"}, "it starts")
    ended = call("kill", "r0002", home=empty)
    assert (ended.code, sorted(ended.lines)) == (0, ids.split())
    until(lambda: statuses() == {"stopped"}, "all end")
    call("scheduler", "stop", home=empty)


def test_run_json_prints_the_records(call, empty):
    (record,) = call("run", "walk", "steps=1", "--launcher", "inline", "--json", home=empty).json
    assert (record["id"], record["status"]) == ("r0001", "done")


def test_run_wait_is_exit_code_1_unless_all_did_well(call, empty):
    walk = ("run", "walk", "steps=1", "--launcher", "inline", "--wait")
    assert call(*walk, home=empty).code == 0
    ended = call(*walk, "ending=task error", home=empty)
    assert (ended.code, ended.out) == (1, "r0002\n")
    assert "✗ failed" in ended.err
    assert "required a path, got a wall" in ended.err


def test_a_run_that_fails_here_and_now_is_exit_code_1_without_being_waited_for(call, empty):
    ended = call("run", "walk", "steps=1", "ending=task error", "--launcher", "inline", home=empty)
    assert (ended.code, ended.out) == (1, "r0001\n")


def test_a_name_is_a_line_that_a_list_can_show(call, empty):
    for name, got in {"x" * 101: "101 of them", "two\nlines": r"'two\nlines'", "\x1b[31mred": r"'\x1b[31mred'"}.items():
        ended = call("run", "walk", "--name", name, home=empty)
        assert ended.code == 2
        assert "name: required" in ended.err
        assert got in ended.err
    assert call("ls", "--json", home=empty).json == []


def test_a_choice_whose_file_cannot_be_loaded_is_told_with_the_file(call, empty):
    (empty / "plugins" / "faulty.py").write_text("\nKIND = 1 / 0\n")
    ended = call("run", "walk", "kind=faulty", home=empty)
    assert ended.code == 2
    assert f"got faulty ({empty / 'plugins' / 'faulty.py'} cannot be loaded: ZeroDivisionError" in ended.err


def test_an_option_among_the_parameters_is_told_as_one(call, empty):
    ended = call("run", "walk", "seed=3", "memory_gb=2", home=empty)
    assert ended.code == 2
    assert "seed: required a parameter of this task, got an unknown one (--seeds sets it" in ended.err
    assert "memory_gb: required a parameter of this task, got an unknown one (--memory-gb sets it)" in ended.err


def test_bytes_that_are_no_text_are_refused(call, empty):
    ended = call("run", "walk", "data=\udcff", home=empty)
    assert (ended.code, ended.out) == (2, "")
    assert r"required text in UTF-8, got '\udcff'" in ended.err


def test_a_name_that_several_runs_have_is_told_with_all_of_them(call, home):
    ended = call("run", "walk", "init=drifting", home=home)
    assert ended.code == 2
    assert "init: required the id or name of a run, got drifting (it may mean r0001, r0002, r0003)" in ended.err


def test_run_takes_needs(call, home):
    ended = call(
        "run", "walk", "steps=1", "--needs", "r0001", "--needs", "r0002", "--launcher", "inline", "--json", home=home
    )
    assert ended.json[0]["needs"] == ["r0001", "r0002"]


def test_params_show_what_a_task_can_be_given_and_run_nothing(call, empty):
    lines = call("run", "walk", "--params", home=empty).lines
    assert lines[0] == "walk: Random walk"
    assert any(re.fullmatch(r"steps +5  a whole number of at least 1", line) for line in lines)
    assert any(re.fullmatch(r"pause +0  a number of at least 0, in s", line) for line in lines)
    assert any(re.fullmatch(r"    drift.speed +1  a number above 0", line) for line in lines)
    assert "  x  position" in lines
    straight = call("run", "walk", "kind=straight", "--params", home=empty).out
    assert "drift.speed" not in straight
    assert call("ls", "--json", home=empty).json == []


def test_a_dataset_is_made_listed_and_shown(call, empty):
    call("run", "grid", "shelf=mine", "--name", "first", "--launcher", "inline", home=empty)
    assert call("data", "ls", home=empty).lines[1].split()[:2] == ["mine", "r0001"]
    assert call("data", "show", "first", "--json", home=empty).json["name"] == "mine"  # by the run that made it
    assert call("data", "ls", "--json", home=empty).json[0]["facts"] == {"samples": 1}
    assert ["samples", "1"] in [line.split() for line in call("data", "show", "mine", home=empty).lines]
    assert call("data", "show", "nope", home=empty).code == 2
    assert "bogus: required a parameter of this task" in call("data", "make", "bogus=1", home=empty).err
    assert call("models", "ls", "--json", home=empty).json == []


def test_a_dataset_is_verified_and_taken_to_another_home(call, empty, tmp_path):
    assert call("run", "grid", "shelf=mine", "value=3", "--launcher", "inline", home=empty).code == 0
    sound = call("data", "verify", "mine", home=empty)
    assert sound.code == 0
    assert [line.split()[0] for line in sound.lines[1:-1]] == ["✓"] * 3
    assert sound.lines[-1] == "mine is sound"
    assert " yes, " in call("data", "ls", home=empty).lines[1]
    file = empty / "datasets" / "mine.txt"
    other = tmp_path / "other"
    assert call("data", "import", str(file), home=other).lines == ["grid-3"]
    assert call("data", "import", str(file), home=other).code == 2
    assert ["run", "imported"] in [line.split() for line in call("data", "show", "grid-3", home=other).lines]
    file.write_text("-3")
    unsound = call("data", "verify", "mine", "--json", home=empty)
    assert unsound.code == 1
    assert unsound.json["sound"] is False
    assert [each["what"] for each in unsound.json["findings"] if not each["passed"]] == [
        "bytes of the file",
        "hash of the file",
        "number",
    ]
    assert " no, " in call("data", "ls", home=empty).lines[1]
    file.write_text("broken")
    assert call("data", "verify", "mine", home=empty).err.endswith("required a number\n")
    assert call("data", "import", str(file), home=other).code == 2


def test_a_dataset_is_removed_by_its_name_or_by_the_run_that_made_it(call, empty):
    for name in ("mine", "yours"):
        grid = ("run", "grid", f"shelf={name}", "--name", f"makes-{name}", "--launcher", "inline")
        assert call(*grid, home=empty).code == 0
    assert call("data", "rm", "mine", "nope", home=empty).code == 2
    refused = call("data", "rm", "mine", "--readonly", home=empty)
    assert refused.code == 2 and "required one that may be changed, got --readonly" in refused.err
    assert call("data", "rm", "mine", "makes-mine", home=empty).lines == ["mine"]
    (removed,) = call("data", "rm", "makes-yours", "--yes", "--json", home=empty).json
    assert (removed["name"], removed["run"], removed["path"]) == ("yours", "r0002", "datasets/yours.txt")
    assert list((empty / "datasets").iterdir()) == []
    assert call("data", "ls", "--json", home=empty).json == []
    assert call("ls", "--ids", home=empty).lines == ["r0001", "r0002"]


def test_tags_notes_and_archive(call, home):
    assert call("tag", "r0001", "x", "y", home=home).out == "r0001 good x y\n"
    assert call("tag", "r0001", "good", "--remove", home=home).out == "r0001 x y\n"
    assert call("note", "r0001", "a note", "--json", home=home).json[0]["note"] == "a note"
    assert call("archive", "r0001", "r0002", home=home).out == "r0001\nr0002\n"
    assert call("archive", "r0001", "--undo", "--json", home=home).json[0]["archived"] is False


def test_retry_is_a_new_run_of_the_same_work(call, home):
    assert call("retry", "r0001", home=home).out == "r0006\n"
    first, again = (call("show", run, "--json", home=home).json for run in ("r0001", "r0006"))
    assert again["retry_of"] == "r0001"
    assert again["summary"] == first["summary"]


def test_resume_is_a_new_attempt_of_the_same_run(call, home):
    assert call("resume", "r0004", home=home).out == "r0004\n"
    assert call("show", "r0004", "--json", home=home).json["attempt"] == 2


def test_what_one_run_does_not_allow_is_told_and_the_others_are_done(call, home):
    ended = call("resume", "r0001", "r0004", home=home)
    assert ended.code == 2
    assert ended.out == "r0004\n"
    told = ended.err.splitlines()[-1]
    assert told.startswith("sciml-tui: run r0001: required one that was stopped, failed, diverged or lost, got ")


def test_a_wrong_name_among_several_changes_nothing(call, home):
    ended = call("archive", "r0001", "r9999", home=home)
    assert (ended.code, ended.out) == (2, "")
    assert call("show", "r0001", "--json", home=home).json["archived"] is False


def test_rm_removes_runs_with_their_files(call, home):
    assert call("rm", "r0001", "r0002", home=home).out == "r0001\nr0002\n"
    assert call("ls", "--ids", home=home).lines == ["r0003", "r0004", "r0005"]
    assert not Home(home).run("r0001").folder.exists()


def test_runs_in_the_background_are_stopped_killed_and_watched(call, busy):
    assert call("run", "walk", "steps=100000", "pause=0.01", "--seeds", "0-1", home=busy).out == "r0001\nr0002\n"
    first, second = Home(busy).run("r0001"), Home(busy).run("r0002")
    until(lambda: first.stream.exists() and second.stream.exists(), "both runs begin")
    until(lambda: call("metrics", "r0001", "--json", home=busy).json["columns"].get("x"), "a first point")

    listed = call("ls", home=busy).lines
    assert "● running" in listed[1]
    assert listed[1].split()[-4].isdigit(), "the iteration that its stream is at"
    assert call("gpus", home=busy).code == 0
    assert call("scheduler", "status", "--json", home=busy).json["active"] == 2
    assert call("rm", "r0001", home=busy).code == 2

    watch = [sys.executable, "-m", "tui.cli", "--home", str(busy)]
    follower = subprocess.Popen([*watch, "logs", "-f", "r0001"], stdout=subprocess.PIPE, text=True)
    watcher = subprocess.Popen(
        [*watch, "watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert "2 running" in watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=PATIENCE)
    assert (watcher.returncode, err) == (130, "")
    assert call("scheduler", "status", "--json", home=busy).json["active"] == 2, "they go on"

    screen = terminal([*watch, "watch", "r0001", "r0002"], lambda text: "running" in text, lambda: call(
        *("stop", "r0001"), home=busy) and call("kill", "r0002", home=busy))  # fmt: skip
    assert "■ stopped" in screen
    ended = call("watch", "r0001", "r0002", "--json", home=busy).json
    assert [it["status"] for it in ended] == ["stopped", "stopped"]
    assert [it["reason"] for it in ended] == ["stopped by request", "killed by request"]
    assert follower.communicate(timeout=PATIENCE)[0].startswith("a task that prints while it is imported\nwalking")
    assert call("stop", "r0001", home=busy).code == 2

    assert call("scheduler", "stop", home=busy).out == "stopped: runs go on\n"
    assert call("scheduler", "stop", home=busy).out == "there was none\n"
    assert call("scheduler", "start", home=busy).out.startswith("process ")


def terminal(command, seen, then):
    """What a command draws on a terminal of 80 x 24, until it ends; once `seen`, `then` is done."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(command, stdout=follower, stderr=follower, stdin=follower, env=environment)
    os.close(follower)
    text, done, give_up = "", False, time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            if select.select([leader], [], [], 0.1)[0]:
                text += os.read(leader, 65536).decode(errors="replace")
        except OSError:  # how a pseudo-terminal says that its other end is closed
            break
        if not done and seen(text):
            done = True
            then()
    assert process.wait(PATIENCE) == 0, text
    os.close(leader)
    return text
