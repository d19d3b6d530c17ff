"""A Markdown table as GitHub reads it: aligned in the source too, three significant digits, the notes listed below."""

from __future__ import annotations

import re

from rich.cells import cell_len

from engine.cells import shown
from engine.tables import Table, best_cells

SUFFIX = ".md"
FOR_PROGRAMS, TELLS_NAN = False, True
KEEPS_NOTES = True

_SPECIAL = re.compile(r"[\\|*`\[\]~]|(?<![^\W_])_|_(?![^\W_])")
"""Underscores inside words are letters to GitHub, and stay readable in the source."""


def render(table: Table) -> str:
    best = best_cells(table)
    cells = [[escape(column.title) for column in table.columns]]
    for i, row in enumerate(table.rows):
        texts = [escape(shown(cell, column.kind)) for cell, column in zip(row, table.columns, strict=True)]
        cells.append([f"**{text}**" if (i, j) in best else text for j, text in enumerate(texts)])
    widths = [max(3, *map(cell_len, column)) for column in zip(*cells, strict=True)]
    right = [column.align == "right" for column in table.columns]
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    lines = [_line(row, widths, right) for row in cells]
    lines.insert(1, _line(rule, widths, right))
    notes = [*table.notes, *(f"{key}: {value}" for key, value in table.meta.items())]
    head = [f"### {escape(table.title)}", ""] if table.title else []
    return "\n".join([*head, *lines, "", *(f"- {escape(note)}" for note in notes)]).rstrip("\n") + "\n"


def escape(text: str) -> str:
    """One line of text that Markdown shows as it is."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _SPECIAL.sub(r"\\\g<0>", flat.replace("&", "&amp;").replace("<", "&lt;"))


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = []
    for text, wide, to_right in zip(cells, widths, right, strict=True):
        space = " " * (wide - cell_len(text))
        padded.append(space + text if to_right else text + space)
    return f"| {' | '.join(padded)} |"
