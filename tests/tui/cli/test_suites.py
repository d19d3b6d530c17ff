"""`suite` and `demo`, on a suite of three small runs in background processes."""

from __future__ import annotations

from tui.verbs import suites


def test_a_suite_is_run_once_and_then_shown_again(call, busy, monkeypatch):
    monkeypatch.setattr(suites, "DEMO", "pair")
    begun = call("suite", "report", "pair", "--json", home=busy)
    assert begun.json["missing"] == ["data", "first", "second"]
    assert begun.json["tables"][0]["records"] == []

    first = call("demo", home=busy)
    assert first.code == 0, first
    assert first.lines[0] == "A pair: 3 runs in background processes"
    assert f"kept in {busy}" in first.lines
    assert [line for line in first.lines if "r0003" in line and "✓ done" in line]
    assert "ends" in first.lines
    assert f"  sciml-tui --home {busy} suite report pair  these tables; -o FOLDER writes the report" in first.lines

    second = call("demo", home=busy)
    assert second.code == 0
    assert second.lines[1].startswith("Nothing is run again: these are the results of ")
    assert table(second) == table(first)
    assert call("ls", "--ids", home=busy).lines == ["r0001", "r0002", "r0003"]

    again = call("suite", "run", "pair", "--json", home=busy).json
    assert [run["status"] for run in again["runs"].values()] == ["done", "done", "done"]

    latex = call("suite", "report", "pair", "--format", "latex", home=busy).out
    assert "\\caption{ends}" in latex
    assert "% suite: pair (quick), 3 of 3 runs" in latex
    header = call("suite", "report", "pair", "--format", "csv", home=busy).lines[0]
    assert header == "steps,n,x_mean,x_std,x_n"


def table(ended):
    return ended.lines[ended.lines.index("ends") :]


def test_a_suite_is_listed_once_with_its_scales(call, empty):
    lines = call("suite", "ls", home=empty).lines
    (line,) = [line for line in lines if line.split()[0] == "walks"]
    assert " ".join(line.split()) == "walks 2 runs 0.1 min 6 runs 0.1 min Walks"
    (listed,) = [it for it in call("suite", "ls", "--json", home=empty).json if it["key"] == "walks"]
    assert [scale["scale"] for scale in listed["scales"]] == ["smoke", "paper"]
    assert listed["scales"][0] == {"scale": "smoke", "minutes": 0.1, "runs": ["0.5/0", "4.0/0"]}


def test_a_suite_is_found_by_its_scale(call, empty):
    def missing(*words):
        return len(call("suite", "report", *words, "--json", home=empty).json["missing"])

    assert missing("pair") == missing("pair", "--scale", "quick") == 3
    assert missing("walks", "--scale", "paper") == 6
    assert missing("walks") == missing("walks", "--scale", "smoke") == 2
    ended = call("suite", "report", "walks", "--scale", "huge", home=empty)
    assert ended.code == 2
    assert "scale: required one of smoke, paper for the suite walks, got huge" in ended.err
    ended = call("suite", "report", "walk", home=empty)
    assert ended.code == 2
    assert "got walk; did you mean walks?" in ended.err


def test_what_is_missing_is_run_at_the_scale_that_is_named(call, busy):
    ended = call("suite", "run", "walks", "--scale", "smoke", home=busy)
    assert ended.code == 0, ended
    assert any("suite report walks --scale smoke" in line for line in ended.lines)
    report = call("suite", "report", "walks", "--scale", "paper", home=busy)
    assert "4 of 6 runs have no result yet" in report.err
    assert "suite run walks --scale paper" in report.err

    (busy / "file").touch()
    refused = call("suite", "report", "walks", "-o", str(busy / "file" / "out"), home=busy)
    assert (refused.code, "required a folder that can be made" in refused.err) == (2, True)
    written = call("suite", "report", "walks", "--scale", "paper", "-o", str(busy / "out"), home=busy)
    assert written.code == 0, written
    text = (busy / "out" / "report.md").read_text()
    assert "2 of 6 runs have a result" in text
    assert "    sciml-tui suite run walks --scale paper\n" in text
    assert "kind=drift" in text, "what all runs share is stated"
    assert text.count("| not run") == 4, "every run is reported, those that are missing too"
    assert text.index("beside paper") < text.index("## Every run")
    assert (busy / "out" / "figure1.svg").read_bytes().startswith(b"<?xml")
    verdicts = (busy / "out" / "table1-a.csv").read_text().splitlines()
    assert verdicts[0].startswith("drift.speed,published,x_mean,x_std,x_n,")
    assert verdicts[0].endswith(",verdict")
    assert (busy / "out" / "table1-a.tex").read_text().count(r"\midrule") == 1
    again = call("suite", "report", "walks", "--scale", "paper", "-o", str(busy / "out"), home=busy)
    assert again.code == 2
    assert "--force writes it anew" in again.err


def test_a_table_without_runs_says_so(call, empty):
    ended = call("suite", "report", "pair", home=empty)
    assert (ended.code, ended.lines) == (0, ["", "ends", "  no run of it has ended yet"])


def test_a_table_that_a_suite_has_not_is_a_wrong_request(call, empty):
    ended = call("suite", "report", "pair", "--table", "99", home=empty)
    assert ended.code == 2
    assert "table: required a number from 1 to " in ended.err


def test_ctrl_c_leaves_the_runs_going_and_says_how_to_end_them(call, busy, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(suites, "follow", interrupted)
    ended = call("suite", "run", "pair", home=busy)
    assert ended.code == 130
    assert ended.err.startswith("the runs go on in the background. ")
    assert "suite run pair comes back to this" in ended.err
    assert ended.err.endswith(f"to end them: sciml-tui --home {busy} stop r0001 r0002 r0003\n")


def test_a_suite_that_comes_to_nothing_is_exit_code_1_and_says_how_to_go_on(call, busy, monkeypatch):
    monkeypatch.setenv("SCIML_TUI_SUITES", "failing_suite:SUITES")
    monkeypatch.syspath_prepend(busy)
    monkeypatch.setenv("PYTHONPATH", str(busy), prepend=":")
    (busy / "failing_suite.py").write_text(
        "from engine.api import RunSpec, Suite, SuiteRun\n"
        "spec = RunSpec(task='walk', params={'steps': 1, 'ending': 'fault'}, tags=('fails',))\n"
        "SUITES = {'fails': Suite(key='fails', title='Fails', summary='', runs=(SuiteRun(key='a', spec=spec),))}\n"
    )
    ended = call("suite", "run", "fails", home=busy)
    assert ended.code == 1
    assert f"Not complete: sciml-tui --home {busy} suite run fails goes on with what is missing." in ended.lines
    assert any(line.startswith("r0001 failed: ") and "logs r0001" in line for line in ended.lines)
    assert any("--filter tags=fails" in line for line in ended.lines)
