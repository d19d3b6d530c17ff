"""What the verbs print: plain lines, aligned by terminal cells; colour only where somebody looks.

Deliberately without rich, whose import costs as much as a whole `ls`; live displays (`tui.live`) use it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO

import msgspec

from engine import values
from tui import palette
from tui.text import clean, fit, number, shown, to_ascii, width

if TYPE_CHECKING:
    from engine.tables import Table

Align = Literal["left", "right"]

_CUBE = (0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF)
_GAP, _NARROW_GAP = "  ", " "
_NARROWEST = 8
"""Cells that the flexible column keeps, however narrow the terminal."""


class Styled(NamedTuple):
    """A text and its colour (`#rrggbb`)."""

    text: str
    colour: str


Text = str | Styled


def can_show(text: str, file: TextIO | None = None) -> bool:
    """Whether the encoding of a stream (stdout) has these characters."""
    try:
        text.encode((file or sys.stdout).encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def plain_locale() -> bool:
    """Whether the environment names C or POSIX as the locale, which has ASCII alone, whatever Python makes of it.

    One that names none is not taken for that: many logins over SSH do so, on terminals that show UTF-8. In both cases
    Python writes UTF-8 (PEP 540) and a LC_CTYPE of its own into the environment (PEP 538), which is passed over here.
    PYTHONUTF8=1 says that UTF-8 is meant.
    """
    own = sys.flags.utf8_mode and os.environ.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8")
    names = ("LC_ALL", "LANG") if own else ("LC_ALL", "LC_CTYPE", "LANG")
    named = next(filter(None, map(os.environ.get, names)), "")
    return named in ("C", "POSIX") and os.environ.get("PYTHONUTF8") != "1"


def is_terminal(file: TextIO | None = None) -> bool:
    return (file or sys.stdout).isatty()


def is_for_app() -> bool:
    """Whether the app can be shown: keys are read from stdin, and it is drawn on stderr."""
    return sys.stdin.isatty() and is_terminal() and is_terminal(sys.stderr)


def terminal_width() -> int | None:
    """Cells of a line, or None where nothing needs to fit: a file or a pipe takes lines of any length."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def say(line: str = "") -> None:
    """A line of the result."""
    sys.stdout.write(line + "\n")


def put(text: str | bytes) -> None:
    """What programs read, on stdout: UTF-8 whatever the locale, that nothing be lost; a terminal gets what it shows."""
    if isinstance(text, str) and is_terminal():
        sys.stdout.write(text)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode() if isinstance(text, str) else text)


def hint(line: str) -> None:
    """A line beside the result, on stderr: never in the way of a pipe."""
    sys.stdout.flush()
    sys.stderr.write(shown(line) + "\n")
    sys.stderr.flush()


def confirmed(question: str) -> bool:
    """Asks, where there is somebody to ask; elsewhere the command itself is the answer."""
    if not (is_terminal() and sys.stdin.isatty()):
        return True
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def output_aside() -> AbstractContextManager[TextIO]:
    """Inside, what a run that runs in this very process prints goes to stderr: stdout is for the verb's result."""
    return redirect_stdout(sys.stderr)


def emit(value: Any, *, compact: bool = False) -> None:
    """JSON on stdout, strict: NaN and infinity are null. Compact: on one line, for long columns of numbers."""
    text = msgspec.json.encode(value)
    put((text if compact else msgspec.json.format(text, indent=2)).decode() + "\n")


def paint(text: Text) -> str:
    """With its colour, on a terminal that wants it (NO_COLOR, TERM=dumb)."""
    if isinstance(text, str):
        return text
    if not is_terminal() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text.text
    return f"\x1b[38;5;{_xterm(text.colour)}m{text.text}\x1b[0m"


def _xterm(colour: str) -> int:
    """The palette's colours are exact entries of the xterm cube or its greys."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    if red == green == blue:
        return 232 + (red - 8) // 10
    return 16 + 36 * _CUBE.index(red) + 6 * _CUBE.index(green) + _CUBE.index(blue)


def status(name: str) -> Styled:
    """`✓ done`, in the status's colour."""
    glyph, colour = palette.status(name)
    return Styled(f"{glyph} {name}", colour)


def grid(
    rows: Iterable[Sequence[Text]], aligns: Sequence[Align], *, room: int | None = None, flexible: int | None = None
) -> list[str]:
    """Aligned lines. With `room`, so that a line fits, the gaps narrow first, then the `flexible` column is cut."""
    rows = list(rows)
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    gap = _GAP
    if room is not None and flexible is not None and sum(widths) + len(_GAP) * (len(widths) - 1) > room:
        gap = _NARROW_GAP
        excess = sum(widths) + len(gap) * (len(widths) - 1) - room
        widths[flexible] = max(widths[flexible] - max(excess, 0), min(_NARROWEST, widths[flexible]))
    lines = []
    for row in rows:
        cells = [_fitted(cell, wide, align) for cell, wide, align in zip(row, widths, aligns, strict=True)]
        lines.append(gap.join(cells).rstrip())
    return lines


def _width(text: Text) -> int:
    return width(text.text if isinstance(text, Styled) else text)


def _fitted(text: Text, cells: int, align: Align) -> str:
    if isinstance(text, Styled):
        return paint(Styled(fit(text.text, cells, align), text.colour))
    return fit(text, cells, align)


def figure(value: Any) -> str:
    """A figure that a run reported: three significant digits, but whole numbers whole."""
    if isinstance(value, float) and not value.is_integer():
        return number(value)
    return number(None) if value is None else shown(values.text(value))


def table_lines(table: Table, room: int | None = None) -> list[str]:
    """A table with its title, rules and notes. Where it is wider than `room` (or the terminal), rows become columns."""
    from engine.cells import shown as cell_text

    head = [shown(column.title) for column in table.columns]
    body = [
        [shown(cell_text(cell, column.kind)) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    lines = grid([head, *body], [column.align for column in table.columns])
    room = room or terminal_width()
    if room is not None and width(lines[0]) > room and len(body) < len(head):
        aligns: list[Align] = ["left"]
        aligns.extend("right" for _ in body)
        lines = grid(list(zip(head, *body, strict=True)), aligns)
    rule = palette.glyph("rule") * max(map(width, lines))
    title = [shown(table.title)] if table.title else []
    return [*title, rule, lines[0], rule, *lines[1:], rule, *map(shown, table.notes)]


def definitions(pairs: Iterable[tuple[str, Text]], indent: int = 2) -> list[str]:
    """`key  value` lines with the values aligned."""
    pairs = list(pairs)
    wide = max((width(key) for key, _ in pairs), default=0)
    return [f"{' ' * indent}{fit(key, wide)}{_GAP}{paint(value)}".rstrip() for key, value in pairs]


def message(text: str) -> str:
    """An error for people, each of its lines made harmless, the ones after the first indented under it."""
    lines = [clean(line) for line in text.splitlines()] or [""]
    if palette.is_ascii():
        lines = [to_ascii(line) for line in lines]
    return "\n  ".join(lines)
