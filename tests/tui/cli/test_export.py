"""`export`: what comes out, and where to."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest

from engine.client import Client


def test_csv_has_every_column_at_full_precision(call, home):
    ended = call("export", "--format", "csv", "--filter", "status=done", home=home)
    rows = list(csv.DictReader(ended.out.splitlines()))
    records = call("ls", "--json", "--filter", "status=done", home=home).json
    assert [row["id"] for row in rows] == ["r0001", "r0002", "r0003"]
    assert [float(row["x"]) for row in rows] == [it["summary"]["x"] for it in records]
    assert {"task", "seed", "drift.speed", "steps", "seconds", "stop_reason"} <= rows[0].keys()


def test_markdown_has_the_settings_that_differ_and_the_result(call, home):
    lines = call("export", "--format", "markdown", home=home).lines
    heads = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert heads == ["run", "status", "seed", "ending", "stop_reason", "time (s)"]
    assert len([line for line in lines if line.startswith("| r000")]) == 5
    assert any("5 (all)" in line for line in lines)


def test_groups_have_mean_spread_and_the_exclusions(call, home):
    document = json.loads(call("export", "--group-by", "task", "--columns", "x", "--format", "json", home=home).out)
    values = [it["summary"]["x"] for it in call("ls", "--json", "--filter", "status=done", home=home).json]
    (record,) = document["records"]
    assert (record["task"], record["n"], record["x_n"]) == ("walk", 5, 3)
    assert record["x_mean"] == pytest.approx(sum(values) / 3)
    assert record["x_min"] == min(values)
    assert "in n, but not in means: 1 failed, 1 diverged" in document["notes"]
    assert document["metadata"]["runs"] == "5 (all)"


def test_a_file_is_written_whole_in_the_format_of_its_name_and_not_overwritten(call, home, tmp_path):
    file = tmp_path / "runs.tex"
    ended = call("export", "--columns", "id,seed", "-o", str(file), home=home)
    assert (ended.code, ended.out) == (0, "")
    first = file.read_text()
    assert "\\begin{tabular}{lr}" in first
    again = call("export", "--columns", "id", "-o", str(file), home=home)
    assert again.code == 2
    assert "--force" in again.err
    assert file.read_text() == first
    assert call("export", "--columns", "id", "-o", str(file), "--force", home=home).code == 0
    assert "\\begin{tabular}{l}" in file.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["runs.tex"]


@pytest.mark.parametrize("name", ["runs.xyz", "nowhere/runs.csv"])
def test_a_file_that_cannot_be_is_refused(name, call, home, tmp_path):
    assert call("export", "-o", str(tmp_path / name), home=home).code == 2


def test_the_export_of_no_runs_is_an_empty_table(call, empty):
    assert call("export", "--format", "csv", "--columns", "id,seed", home=empty).lines == ["id,seed"]


def test_what_programs_read_is_utf8_whatever_the_locale(home):
    with Client(home) as client:
        client.note("r0001", "ρ=5")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words in (["export", "--format", "csv", "--columns", "note"], ["show", "r0001", "--json"]):
        command = [sys.executable, "-m", "tui.cli", "--home", str(home), *words]
        assert "ρ=5" in subprocess.run(command, capture_output=True, env=environment).stdout.decode()
