"""Verbs that look: ls, show, logs, metrics, diff, watch, gpus."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from engine.api import RunSpec
from engine.gpus import Gpu
from engine.paths import Home
from engine.records import Run, Status
from engine.store.catalog import Catalog
from engine.store.stream import StreamWriter
from engine.tables import Column, Table
from tui.live import LiveRun
from tui.render import table_lines
from tui.text import width
from tui.verbs.listing import run_lines
from tui.verbs.watching import Lines, counted, fitting

KEYS = ["id", "name", "task", "status", "reason", "seed", "params", "tags", "created", "started", "ended", "seconds"]


def test_ls_puts_the_newest_last_with_its_status(call, home):
    lines = call("ls", home=home).lines
    assert lines[0].split() == ["run", "what", "seed", "status", "iter", "loss", "rel", "L2", "time"]
    assert [line.split()[0] for line in lines[1:]] == ["r0001", "r0002", "r0003", "r0004", "r0005"]
    assert "drifting walk drift 1 of 3" in lines[1]
    assert "✓ done" in lines[1]
    assert "✗ failed" in lines[4]
    assert "≠ diverged" in lines[5]


def test_ls_with_ascii_uses_no_other_letters(call, home):
    assert call("ls", "--ascii", home=home).out.isascii()


def test_ls_json_has_the_keys_that_others_rely_on(call, home):
    records = call("ls", "--json", home=home).json
    first = records[0]
    assert list(first)[: len(KEYS) + 2] == [*KEYS, "device", "summary"]
    assert (first["id"], first["name"], first["task"], first["status"]) == ("r0001", "drifting", "walk", "done")
    assert (first["seed"], first["tags"], first["device"]) == (0, ["good"], "cpu")
    assert first["params"]["steps"] == 3
    assert first["summary"]["stop_reason"] == "all steps"
    assert first["created"] <= first["started"] <= first["ended"]
    assert records[3]["reason"] == "required a path, got a wall; walk elsewhere"


def test_ls_filters_limits_and_leaves_out_what_is_archived(call, home):
    assert call("ls", "--ids", "--filter", "tags=good seed>=1", home=home).lines == ["r0002", "r0003"]
    assert call("ls", "--ids", "--limit", "2", home=home).lines == ["r0004", "r0005"]
    assert call("archive", "r0004", home=home).code == 0
    assert "r0004" not in call("ls", "--ids", home=home).lines
    assert "r0004" in call("ls", "--ids", "--all", home=home).lines


def test_ls_says_how_many_older_runs_it_does_not_show(call, home):
    assert call("ls", "--limit", "2", home=home).err == "3 older ones are not shown (--limit 0)\n"


def test_ls_says_what_of_a_filter_there_is_none_of(call, home):
    told = {
        "statu=done": "no runs match; no run has statu (did you mean status or started?)",
        "steps=many": "no runs match; steps is a number, not many",
        "status=dne": "no runs match; no status is called dne (did you mean done?)",
        "status=lost param.kind=drift": "no runs match",
    }
    for expression, words in told.items():
        ended = call("ls", "--filter", expression, home=home)
        assert (ended.code, ended.out, ended.err.strip()) == (0, "", words)
    ended = call("export", "--filter", "statu=done", "--format", "json", home=home)
    assert "no run has statu" in ended.err


def test_ls_shows_how_far_a_run_came_that_was_cut_off(call, empty):
    catalog = Catalog(Home(empty))
    (run,) = catalog.add([Run(id="", spec=RunSpec(task="walk"), status=Status.FAILED, reason="SIGKILL", attempt=1)])
    catalog.close()
    stream = Home(empty).run(run.id).stream
    stream.parent.mkdir(parents=True)
    writer = StreamWriter(stream)
    writer.point(41, {"loss": 0.25})
    writer.close()
    _, line = call("ls", home=empty).lines
    assert line.split()[-4:] == ["41", "2.50e-1", "–", "0:00"]


def test_ls_with_columns_shows_those(call, home):
    lines = call("ls", "--columns", "id,drift.speed,stop_reason", home=home).lines
    assert lines[2].split() == ["run", "drift.speed", "stop_reason"]
    assert lines[4].split() == ["r0001", "1", "all", "steps"]


def test_ls_of_an_empty_home_says_what_to_do(call, empty):
    ended = call("ls", home=empty)
    assert (ended.code, ended.out) == (0, "")
    assert "sciml-tui demo" in ended.err


def live(key="r0001", status=Status.RUNNING, name="", **figures):
    run = Run(id=key, spec=RunSpec(task="pinn", name=name), label="convection β=30 curriculum", status=status)
    return LiveRun(run, figures)


def test_a_listing_fits_80_columns_and_keeps_its_numbers():
    lines = run_lines([live(name="a very long name " * 5, step=123456, loss=1.04e-4, rel_l2=0.0152)], time.time(), 80)
    assert max(map(width, lines)) <= 80
    assert "123456 1.04e-4 1.52e-2" in lines[1]


def test_a_listing_in_a_pipe_is_neither_cut_nor_wrapped():
    lines = run_lines([live(name="x" * 300)], time.time())
    assert "x" * 300 in lines[1]
    assert len(lines) == 2


def test_names_cannot_steer_the_terminal():
    lines = run_lines([live(name="\x1b[2J\x1b]0;title\x07evil\nnext")], time.time())
    assert "\x1b" not in "".join(lines)
    assert "evil next" in lines[1]


def test_show_tells_settings_that_were_changed_stages_and_files(call, home):
    call("note", "r0001", "look\x1b[31m here", home=home)
    lines = call("show", "r0001", home=home).lines
    assert lines[0] == "r0001 drifting walk drift 1 of 3  ✓ done  all steps"
    assert "* steps        3" in lines
    assert "* kind         drift" in lines
    assert any(line.startswith("  pause ") and line.endswith("s") for line in lines)
    assert "  note       look here" in lines
    assert "stages" in lines
    assert any(line.split()[:1] == ["metrics.jsonl"] for line in lines)


def test_show_json_has_stages_and_files_beside_the_record(call, home):
    record = call("show", "r0001", "--json", home=home).json
    assert record["id"] == "r0001"
    assert [stage["name"] for stage in record["stages"]] == ["walk"]
    assert record["files"]["files/end.txt"] > 0


def test_a_run_may_be_named_by_the_beginning_of_its_id_or_its_name(call, home):
    assert call("show", "r0005", "--json", home=home).json["status"] == "diverged"
    ended = call("show", "drifting", home=home)
    assert ended.code == 2
    assert "r0001, r0002, r0003" in ended.err


def test_logs_are_printed_without_escape_sequences(call, home):
    Home(home).run("r0001").log.write_bytes(b"one\n\x1b[2Jtwo\x1b]0;x\x07\n\tthree \xce\xb2\xff\n")
    assert call("logs", "r0001", home=home).out == "one\ntwo\n        three β\ufffd\n"
    assert call("logs", "r0001", "-n", "1", home=home).lines == ["        three β\ufffd"]


def test_a_log_without_a_line_is_said_to_have_none(call, home):
    Home(home).run("r0001").log.write_bytes(b"")
    ended = call("logs", "r0001", home=home)
    assert (ended.code, ended.out) == (0, "")
    assert "run r0001 printed nothing; `sciml-tui metrics r0001` shows what it measured" in ended.err


@pytest.fixture
def measured(home):
    """r0001 with a curve of its own: a value that is missing, a NaN and an infinity."""
    path = Home(home).run("r0001").stream
    path.unlink()
    with StreamWriter(path) as stream:
        stream.point(1, {"loss": 0.5, "rel_l2": 0.9})
        stream.point(2, {"loss": 0.25})
        stream.point(3, {"loss": float("nan"), "rel_l2": float("inf")})
    return home


def test_metrics_shows_the_last_and_the_least_of_each_curve(call, measured):
    lines = call("metrics", "r0001", home=measured).lines
    assert [line.split() for line in lines] == [
        ["metric", "last", "least", "at", "step"],
        ["loss", "nan", "2.50e-1", "2"],
        ["rel_l2", "inf", "9.00e-1", "1"],
    ]


def test_metrics_json_has_columns_with_null_for_what_is_no_number(call, measured):
    found = call("metrics", "r0001", "--json", home=measured).json
    assert found["run"] == "r0001"
    columns = found["columns"]
    assert columns["step"] == [1, 2, 3]
    assert columns["loss"] == [0.5, 0.25, None]
    assert columns["rel_l2"] == [0.9, None, None]
    assert len(columns["time"]) == 3


def test_metrics_are_printed_in_one_format(call, measured):
    ended = call("metrics", "r0001", "--csv", "--json", home=measured)
    assert (ended.code, ended.out) == (2, "")
    assert "required --csv or --json, got both" in ended.err


def test_metrics_csv_tells_missing_from_nan(call, measured):
    ended = call("metrics", "r0001", "--csv", "--columns", "step,loss,rel_l2", home=measured)
    assert ended.lines == ["step,loss,rel_l2", "1,0.5,0.9", "2,0.25,", "3,nan,inf"]
    assert call("metrics", "r0001", "--columns", "nope", home=measured).code == 2


def test_diff_shows_what_differs_and_nothing_else(call, home):
    lines = call("diff", "r0001", "r0002", "r0004", home=home).lines
    first = lines[: lines.index(next(line for line in lines if line.startswith("code")))]
    assert [line.split() for line in first if line[0].isalpha()] == [
        ["settings", "r0001", "r0002", "r0004"],
        ["seed", "0", "1", "0"],
        ["ending", "well", "well", "task", "error"],
    ]


def test_diff_writes_numbers_as_long_as_it_takes_to_tell_them_apart():
    from tui.verbs.inspect import told_apart

    assert told_apart([0.123456, 0.654321]) == ["1.23e-1", "6.54e-1"]
    assert told_apart([0.123456, 0.123457]) == ["0.123456", "0.123457"]
    assert told_apart([1.0, None]) == ["1.00", None]


def test_watch_of_runs_that_have_ended_returns_with_their_last_state(call, home):
    ended = call("watch", "r0001", "r0004", home=home)
    assert ended.code == 0
    assert "2 runs: 1 done, 1 failed" in ended.lines[0]
    assert "nothing goes on" in call("watch", home=home).err
    assert json.loads(call("watch", "--json", home=home).out) == []


def test_plain_progress_has_a_line_for_each_change_and_no_other(capsys):
    import sys

    lines = Lines(sys.stdout)
    lines.show([live(status=Status.QUEUED), live("r0002", Status.QUEUED)])
    lines.show([live(status=Status.RUNNING, loss=0.5), live("r0002", Status.QUEUED)])
    lines.show([live(status=Status.RUNNING, loss=0.4), live("r0002", Status.QUEUED)])
    lines.show([live(status=Status.DONE), live("r0002", Status.QUEUED)])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(None, 1)[1].split("  ")[:2] for line in printed] == [
        ["2 runs: 2 queued"],
        ["r0001", "● running"],
        ["r0001", "✓ done"],
    ]
    assert "loss 5.00e-1" in printed[1]
    assert printed[2].endswith("[1 of 2 ended]")


def test_a_run_in_which_nothing_changes_is_remembered_now_and_then(capsys, monkeypatch):
    import sys

    monkeypatch.setattr("tui.verbs.watching.REMINDER", 0.0)
    lines = Lines(sys.stdout)
    for loss in (0.5, 0.4):
        lines.show([live(status=Status.RUNNING, loss=loss)])
    assert "loss 4.00e-1" in capsys.readouterr().out


def test_a_live_table_that_does_not_fit_keeps_what_goes_on():
    states = [Status.DONE] * 50 + [Status.RUNNING] + [Status.QUEUED] * 48
    runs = [live(f"r{i:04}", status) for i, status in enumerate(states)]
    kept = fitting(runs, 10)
    assert len(kept) == 10
    assert "r0050" in {it.run.id for it in kept}
    assert counted(runs) == "99 runs: 48 queued, 1 running, 50 done"


def test_gpus_are_listed_with_what_they_hold(call, empty, tmp_path, monkeypatch):
    gpu = Gpu(index=0, uuid="GPU-1", name="H100", memory_total=80_000_000_000, memory_used=2_000_000_000, used=0.5)
    (tmp_path / "gpus.json").write_bytes(msgspec.json.encode([gpu]))
    monkeypatch.setenv("SCIML_TUI_GPUS", str(tmp_path / "gpus.json"))
    assert call("gpus", home=empty).lines[1].split() == ["0", "H100", "50%", "2.0", "GB", "80", "GB", "0%"]
    assert call("gpus", "--json", home=empty).json[0]["memory_used"] == 2_000_000_000


def test_gpus_of_a_machine_without_any(call, empty, tmp_path, monkeypatch):
    (tmp_path / "gpus.json").write_text(json.dumps([]))
    monkeypatch.setenv("SCIML_TUI_GPUS", str(tmp_path / "gpus.json"))
    ended = call("gpus", home=empty)
    assert (ended.code, ended.out) == (0, "")
    assert "runs use the CPUs" in ended.err


def test_a_table_that_is_wider_than_the_terminal_is_turned():
    columns = tuple(Column(key=f"a long heading {i}", kind="number") for i in range(6))
    table = Table(title="t", columns=columns, rows=(tuple(map(float, range(6))),))
    wide, turned = table_lines(table), table_lines(table, 80)
    assert len(wide) == 6
    assert len(turned) == 1 + 3 + 6
    assert max(map(width, turned)) <= 80
    assert turned[2].split() == ["a", "long", "heading", "0", "0"]


def test_a_column_that_the_newest_runs_lack_is_a_column_all_the_same(call, home):
    listed = call("ls", "--columns", "id,steps", home=home)
    assert listed.code == 0
    newest = call("ls", "--columns", "id,steps", "-n", "1", home=home)
    assert newest.code == 0
    assert newest.lines[-2] == listed.lines[-2]


@pytest.mark.parametrize("word", ["or", "AND", "not", "||"])
def test_a_filter_with_words_of_other_languages_says_how_it_is_written(call, home, word):
    said = call("ls", "--filter", f"seed=0 {word} seed=1", home=home).err
    assert f"no runs match; {word} is looked for as a word: all terms hold" in said


def test_runs_that_are_archived_are_said_to_be_left_out(call, home):
    call("archive", "r0001", home=home)
    assert "1 archived run left out (--all)" in call("ls", "--filter", "id=r0001", home=home).err
    assert call("ls", "--filter", "id=r0001", "--all", "-q", home=home).lines == ["r0001"]
    assert call("ls", "--filter", "archived=true", "-q", home=home).lines == ["r0001"]
    assert "r0001" not in call("ls", "--filter", "archived=false", "-q", home=home).lines
