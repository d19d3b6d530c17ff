from __future__ import annotations

import csv
import io
import json
import math
import shutil
import subprocess

import pytest

from engine.cells import Measure, Rate
from engine.exporters import export
from engine.exporters.latex import escape
from engine.tables import Column, Table

ERRORS = Table(
    title="reaction ρ=5",
    columns=(
        Column(key="strategy"),
        Column(key="n", kind="integer"),
        Column(key="rel_l2", kind="measure", best=True),
        Column(key="seconds", header="time", unit="s", kind="seconds"),
        Column(key="succeeded", kind="rate"),
    ),
    rows=(
        ("regular", 3, Measure(mean=0.98312, std=0.00123, n=3, of=3), 61.25, Rate(succeeded=0, of=3)),
        ("curriculum", 3, Measure(mean=1.5e-3, std=2.5e-4, n=2, of=3), math.nan, Rate(succeeded=2, of=3)),
    ),
    notes=("a run succeeds when rel_l2 <= 0.1",),
    meta={"filter": "system=reaction"},
)

HOSTILE = Table(
    title="50% & more_",
    columns=(Column(key="name"), Column(key="value", kind="number"), Column(key="created", kind="time")),
    rows=(
        ('=HYPERLINK("x")', -5.0, 0),
        ("a|b, c\n\x1b[31md", 0.1 + 0.2, None),
        ("[x] \\end{tabular} ~^", math.inf, None),
    ),
)


def test_csv_is_raw_numbers_at_full_precision_with_crlf():
    assert export(ERRORS, "csv") == (
        "strategy,n,rel_l2_mean,rel_l2_std,rel_l2_n,seconds,succeeded,succeeded_of\r\n"
        "regular,3,0.98312,0.00123,3,61.25,0,3\r\n"
        "curriculum,3,0.0015,0.00025,2,nan,2,3\r\n"
    )


def test_csv_is_read_back_as_it_was_with_formulas_made_harmless():
    rows = list(csv.reader(io.StringIO(export(HOSTILE, "csv"), newline="")))
    assert rows == [
        ["name", "value", "created"],
        ['\'=HYPERLINK("x")', "-5.0", "1970-01-01T00:00:00Z"],
        ["a|b, c\n\x1b[31md", "0.30000000000000004", ""],
        ["[x] \\end{tabular} ~^", "inf", ""],
    ]


def test_json_is_strict_and_carries_notes_units_and_metadata():
    document = json.loads(export(ERRORS, "json"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert document["records"][1] == {
        "strategy": "curriculum",
        "n": 3,
        "rel_l2_mean": 1.5e-3,
        "rel_l2_std": 2.5e-4,
        "rel_l2_n": 2,
        "seconds": None,
        "succeeded": 2,
        "succeeded_of": 3,
    }
    assert document["metadata"] == {"filter": "system=reaction"}
    assert document["notes"] == ["a run succeeds when rel_l2 <= 0.1"]
    assert document["columns"][3] == {"key": "seconds", "title": "time (s)", "unit": "s", "kind": "seconds"}


def test_markdown_is_aligned_with_three_significant_digits_and_the_best_in_bold():
    assert export(ERRORS, "markdown") == (
        "### reaction ρ=5\n"
        "\n"
        "| strategy   |   n |                         rel_l2 | time (s) | succeeded |\n"
        "| ---------- | --: | -----------------------------: | -------: | --------: |\n"
        "| regular    |   3 |              9.83e-1 ± 1.23e-3 |     61.2 |       0/3 |\n"
        "| curriculum |   3 | **1.50e-3 ± 2.50e-4 (2 of 3)** |      nan |       2/3 |\n"
        "\n"
        "- a run succeeds when rel_l2 &lt;= 0.1\n"
        "- filter: system=reaction\n"
    )


def test_markdown_keeps_every_row_on_one_line_with_pipes_escaped():
    lines = export(HOSTILE, "markdown").splitlines()
    assert lines[0] == "### 50% &amp; more\\_"
    assert lines[5].startswith("| a\\|b, c \\[31md ")
    assert len(lines) == 7


def test_latex_sets_numbers_in_math_with_one_power_of_ten_for_mean_and_deviation():
    lines = export(ERRORS, "latex").splitlines()
    assert lines == [
        "% filter: system=reaction",
        "% in the preamble: \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        "  \\caption{reaction $\\rho$=5}",
        "  \\begin{tabular}{lrrrr}",
        "    \\toprule",
        "    strategy & n & rel\\_l2 & time (s) & succeeded \\\\",
        "    \\midrule",
        "    regular & 3 & $(9.83 \\pm 0.0123) \\times 10^{-1}$ & $61.2$ & 0/3 \\\\",
        "    curriculum & 3 & $\\mathbf{(1.50 \\pm 0.250) \\times 10^{-3}}$ (2 of 3) & $\\mathrm{nan}$ & 2/3 \\\\",
        "    \\bottomrule",
        "  \\end{tabular}",
        "  \\par\\footnotesize a run succeeds when rel\\_l2 $\\le$ 0.1",
        "\\end{table}",
    ]


def test_latex_escapes_what_it_would_read_as_commands():
    lines = export(HOSTILE, "latex").splitlines()
    assert "  \\caption{50\\% \\& more\\_}" in lines
    assert "    a$|$b, c {[}31md & $3.00 \\times 10^{-1}$ & -- \\\\" in lines
    assert (
        "    {[}x{]} \\textbackslash{}end\\{tabular\\} \\textasciitilde{}\\textasciicircum{} & $\\infty$ & -- \\\\"
        in lines
    )


def test_latex_names_letters_that_it_cannot_set_by_their_codes():
    assert escape("naïve Łódź, ∇u ≈ 10⁻², 漢😀") == r"naïve Łódź, $\nabla$u $\approx$ 10$^-$$^2$, U+6F22U+1F600"
    assert escape("ę") == "U+0119"
    assert escape("e\N{COMBINING ACUTE ACCENT}") == "é"


LETTERS = Table(
    title="letters",
    columns=(Column(key="a"),),
    rows=tuple((" ".join(map(chr, range(start, start + 64))),) for start in range(0x20, 0x2700, 64)),
)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
@pytest.mark.parametrize("table", [ERRORS, HOSTILE, LETTERS], ids=["errors", "hostile", "letters"])
def test_latex_compiles(table, tmp_path):
    body = export(table, "latex")
    (tmp_path / "t.tex").write_text(
        f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{body}\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
