"""The frame of the command line: options, errors, exit codes, what it costs to start."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys

import pytest

from tui.cli import globals_first

VERBS = (
    "demo run ls show logs metrics watch diff stop kill resume retry rm archive tag note export gpus doctor "
    "data models suite scheduler"
)


def test_help_lists_every_verb_with_a_whole_sentence(call):
    ended = call("--help")
    assert ended.code == 0
    listed = re.findall(r"^  (\w+)  +(.+)$", ended.out.partition("Commands:")[2], re.MULTILINE)
    assert [verb for verb, _ in listed] == VERBS.split()
    assert not [text for _, text in listed if text.endswith("...")]


def test_version_is_printed(call):
    assert re.fullmatch(r"sciml-tui \d+\.\d+\.\d+\S*\n", call("--version").out)


@pytest.mark.parametrize("words", [["--help"], ["ls"], ["ls", "--json"], ["run", "--help"]])
def test_neither_torch_nor_the_app_nor_numpy_is_imported(words, empty):
    code = (
        "import sys\nfrom tui import cli\ncode = cli.main(sys.argv[1:])\n"
        "heavy = {'torch', 'textual', 'numpy', 'scipy', 'experiments', 'rich.console'} & set(sys.modules)\n"
        "assert not heavy, heavy\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, "--home", str(empty), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lss"], "No such command 'lss'"),
        (["ls", "--bogus"], "--bogus"),
        (["show"], "Missing argument 'RUN'"),
        (["suite"], "Missing command"),
        (["show", "r9999"], "run: required the id or name of a run, got 'r9999'"),
        (["ls", "--filter", "rho>="], "required a value"),
        (["ls", "--columns", "nothing"], "required a key that one of the 5 runs has, got nothing"),
        (["run", "bogus"], "task: required one of"),
        (["run"], "task: required one of"),
        (["run", "walk", "steps"], "steps: required a parameter written key=value, got steps"),
        (["run", "walk", "--seeds", "x"], "seeds: required whole numbers as 0-9 or 0,2,5, got x"),
        (["run", "walk", "--gpus", "x"], "gpus: required auto, 0, a number or a fraction of one, got x"),
        (["run", "walk", "--gpus", "1.5"], "gpus: required auto, 0, a whole number or a fraction below 1, got 1.5"),
        (["run", "walk", "--launcher", "x"], "launcher: required one of"),
        (["export", "--format", "xlsx"], "format: required one of csv, json, latex, markdown, got xlsx"),
        (["export"], "format: required --format with one of"),
        (["suite", "report", "bogus"], "suite: required one of"),
        (["diff", "r0001"], "required two runs or more"),
        ([], "app: required a terminal"),
    ],
    ids=" ".join,
)
def test_a_wrong_request_is_told_in_one_message_with_exit_code_2(words, told, call, home):
    ended = call(*words, home=home)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("sciml-tui: ")
    assert told in ended.err
    assert "Traceback" not in ended.err


def test_every_wrong_field_is_named_and_nothing_is_written(call, empty):
    ended = call("run", "walk", "steps=none", "bogus=3", "pause=-1", home=empty)
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "sciml-tui: steps: required a whole number of at least 1, got none",
        "  pause: required a number of at least 0, got -1",
        "  bogus: required a parameter of this task, got an unknown one (known here: kind, init, data, ending)",
    ]
    assert call("ls", "--json", home=empty).json == []
    assert list((empty / "runs").iterdir()) == []


def test_a_home_that_cannot_be_made_is_the_fault_of_the_machine_not_of_the_request(call, tmp_path):
    (tmp_path / "file").write_text("")
    ended = call("ls", home=tmp_path / "file")
    assert ended.code == 1
    assert "required a folder that can be written" in ended.err


def test_an_unforeseen_fault_is_one_message_and_debug_shows_where(call, empty, monkeypatch):
    def fault(*_):
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("engine.client.Client.runs", fault)
    ended = call("ls", home=empty)
    assert ended.code == 1
    assert ended.err == "sciml-tui: a fault of the program: ZeroDivisionError: by hand (--debug shows where)\n"
    with pytest.raises(ZeroDivisionError):
        call("ls", "--debug", home=empty)


def test_global_options_may_come_after_the_verb():
    assert globals_first(["ls", "--home", "x", "--json", "--ascii"]) == ["--home", "x", "--ascii", "ls", "--json"]
    assert globals_first(["ls", "--home=x"]) == ["--home=x", "ls"]
    assert globals_first(["note", "r1", "--", "--debug"]) == ["note", "r1", "--", "--debug"]
    assert globals_first(["ls", "--home"]) == ["--home", "ls"]


def test_the_home_may_come_from_the_environment(call, home, monkeypatch):
    monkeypatch.setenv("SCIML_TUI_HOME", str(home))
    assert len(call("ls", "--json").json) == 5


@pytest.mark.parametrize(
    "words", [["run", "walk"], ["stop", "r0001"], ["rm", "r0001"], ["note", "r0001", "x"], ["scheduler", "start"]]
)
def test_readonly_refuses_what_would_change_something(words, call, home):
    ended = call("--readonly", *words, home=home)
    assert ended.code == 2
    assert "--readonly" in ended.err


def test_readonly_looks_without_making_a_home(call, tmp_path):
    ended = call("ls", "--readonly", home=tmp_path / "none")
    assert ended.code == 0
    assert not (tmp_path / "none").exists()


def test_a_reader_that_has_seen_enough_is_no_error(home):
    command = f"set -o pipefail; {sys.executable} -m tui.cli --home {home} ls --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n", "")


def test_an_encoding_without_symbols_gets_ascii(home):
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", "--home", str(home), "ls"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0
    assert b"+ done" in done.stdout


@pytest.mark.parametrize(
    ("locale", "plain"),
    [
        ({}, False),
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "C.UTF-8"}, True),
        ({"LC_ALL": "", "LANG": "C"}, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "C", "PYTHONUTF8": "1"}, False),
    ],
)
def test_a_locale_that_is_said_to_be_c_gets_ascii_and_one_that_nobody_named_does_not(locale, plain, empty):
    others = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "LC_CTYPE", "LANG")}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tui.session import Session; from tui import palette\nprint(Session() and palette.is_ascii())",
        ],
        capture_output=True,
        text=True,
        env={**others, **locale},
    )
    assert done.stdout == f"{plain}\n", done.stderr


def test_the_app_is_not_drawn_into_a_file_that_takes_stderr(tmp_path):
    ours, its = pty.openpty()
    with (tmp_path / "errors").open("w") as errors:
        command = [sys.executable, "-m", "tui.cli", "--home", str(tmp_path)]
        code = subprocess.run(command, stdin=its, stdout=its, stderr=errors, timeout=60).returncode
    os.close(its)
    os.close(ours)
    assert code == 2
    assert "app: required a terminal" in (tmp_path / "errors").read_text()


def test_a_stream_that_was_closed_is_nothing_to_fail_of(empty):
    command = f"{shlex.quote(sys.executable)} -m tui.cli --home {shlex.quote(str(empty))} ls"
    for closed, code in ((">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)):
        done = subprocess.run(f"{command} {closed}", shell=True, capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
