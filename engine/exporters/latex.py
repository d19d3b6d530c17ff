r"""A LaTeX table with booktabs, to `\input` as it is: numbers in math, mean ± std, the best of a column bold, notes."""

from __future__ import annotations

import math
import re
import unicodedata

from engine.cells import Cell, Kind, Measure, digits, shown
from engine.tables import Table, best_cells

SUFFIX = ".tex"
FOR_PROGRAMS, TELLS_NAN = False, True
KEEPS_NOTES = True


def _greek(letter: str) -> str:
    name = unicodedata.name(letter).rpartition(" ")[2].lower().replace("lamda", "lambda")
    return name.capitalize() if letter.isupper() else name


_SIGNS = (
    "±pm ×times ·cdot √surd ∞infty ∂partial ∇nabla ℓell ≤le ≥ge ≠ne ≈approx ≡equiv ∼sim ∝propto ‖| →to ←gets "
    "⇒Rightarrow ∈in ∫int ∑sum ∏prod ςvarsigma ϵepsilon ϕvarphi ϑvartheta ∆Delta"
)
"""Each with the name of its command in math."""
_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "{}$&#%_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<=": r"$\le$",
    ">=": r"$\ge$",
    **{letter: f"${letter}$" for letter in "<>|"},
    **{letter: f"{{{letter}}}" for letter in "[]*"},  # after the \\ of the row above they would be its argument
    **{letter: f"$\\{_greek(letter)}$" for letter in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"},
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True)),  # which math has no signs of its own for
    **{letter: f"$^{place}$" for place, letter in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{letter: f"$_{place}$" for place, letter in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{sign[0]: f"$\\{sign[1:]}$" for sign in _SIGNS.split()},
    "⁻": "$^-$",
    "−": "$-$",
    "′": "$'$",
    "–": "--",
    "—": "---",
}
_PLAIN = "ßæøœłıÆØŒŁ¡¿§¶©®™€£‘’“”…†‡"
"""What pdfLaTeX sets without further packages, besides letters with accents."""
_OGONEK = "\N{COMBINING OGONEK}"
"""The one accent of the Latin alphabets that its default fonts lack."""
_NOT_FINITE = {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{nan}"}
_PATTERN = re.compile("|".join([*map(re.escape, sorted(_ESCAPES, key=len, reverse=True)), r"[^\x00-\x7f]"]))


def render(table: Table) -> str:
    best = best_cells(table)
    lines = [f"% {_one_line(key)}: {_one_line(value)}" for key, value in table.meta.items()]
    lines += [
        r"% in the preamble: \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{escape(table.title)}}}",
        f"  \\begin{{tabular}}{{{''.join(column.align[0] for column in table.columns)}}}",
        r"    \toprule",
        _row([escape(column.title) for column in table.columns]),
        r"    \midrule",
    ]
    for i, row in enumerate(table.rows):
        pairs = zip(row, table.columns, strict=True)
        lines.append(_row([_cell(cell, column.kind, (i, j) in best) for j, (cell, column) in enumerate(pairs)]))
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    lines += [f"  \\par\\footnotesize {escape(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def escape(text: str) -> str:
    """One line of text as pdfLaTeX sets it without further packages, Greek and accents included.

    A letter that it cannot set is named by its code, `U+6F22`: a table that does not compile is of no use.
    """
    line = _one_line(unicodedata.normalize("NFC", text))
    return _PATTERN.sub(lambda found: _ESCAPES.get(found[0]) or _set(found[0]), line)


def _set(letter: str) -> str:
    base, *accents = list(unicodedata.normalize("NFD", letter))
    accented = letter < "\u0180" and base.isascii() and len(accents) == 1 and accents[0] != _OGONEK
    return letter if accented or letter in _PLAIN else f"U+{ord(letter):04X}"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _row(cells: list[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _cell(cell: Cell, kind: Kind, bold: bool) -> str:
    match cell:
        case Measure(mean=mean, std=std, n=n, of=of):
            if mean is None:
                return escape(shown(cell))
            math_text = _spread(mean, std)
            text = f"$\\mathbf{{{math_text}}}$" if bold else f"${math_text}$"
            return text if n == of else f"{text} ({n} of {of})"
        case float() if kind != "time":
            return f"${_number(shown(cell, kind))}$" if math.isfinite(cell) else f"${_NOT_FINITE[str(cell)]}$"
        case _:
            return escape(shown(cell, kind))


def _spread(mean: float, std: float | None) -> str:
    r"""`0.983 \pm 0.00123`, `(1.04 \pm 0.210) \times 10^{-4}`: a power of ten is shared, never left to be guessed."""
    mantissa, _, power = digits(mean).partition("e")
    if std is None:
        return _number(digits(mean))
    spread = _fixed(std / 10 ** int(power or 0))
    return f"({mantissa} \\pm {spread}) \\times 10^{{{power}}}" if power else f"{mantissa} \\pm {spread}"


def _number(written: str) -> str:
    mantissa, _, power = written.partition("e")
    return f"{mantissa} \\times 10^{{{int(power)}}}" if power else mantissa


def _fixed(std: float) -> str:
    mantissa, _, power = digits(std).partition("e")
    if not power:
        return mantissa
    if -6 < int(power) < 0:
        return f"{std:.{2 - int(power)}f}"
    return f"({mantissa} \\times 10^{{{power}}})"
