"""Text as the screens show it: numbers in the field's notation, times, and text of others made harmless.

Whatever a run, a file or a person named is hostile until it went through `clean` (or `shown`, which also obeys
`--ascii`): an escape sequence in a log must not move the cursor, and a name must not reverse the line.
"""

from __future__ import annotations

import math
import re
import time
import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells, split_graphemes

from tui import palette

# ECMA-48: strings (OSC, DCS, SOS, PM, APC) up to their terminator, CSI sequences, other escapes; C1 forms likewise.
_STRINGS = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
_CSI = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
_OTHER = r"\x1b[ -/]*[0-~]?"
_ESCAPES = re.compile(f"{_STRINGS}|{_CSI}|{_OTHER}", re.DOTALL)
# Controls, line and paragraph separators, what reorders or hides text (bidi, zero width, tags), lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKS = re.compile(r"[\t\n\r\v\f\u2028\u2029]+")
_HARMLESS = re.compile(r"[ -~]*\Z")

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_PLAIN = str.maketrans(
    {
        **{"–": "-", "—": "-", "−": "-", "…": "...", "±": "+-", "×": "x", "·": ".", "≤": "<=", "≥": ">=", "≠": "!="},
        **{"→": "->", "‘": "'", "’": "'", "“": '"', "”": '"', "∂": "d", "∇": "grad", "√": "sqrt", "∞": "inf", "⁻": "-"},
    }
)


def without_escapes(text: str) -> str:
    """Text without terminal escape sequences; other controls, as tabs and carriage returns, are still in it."""
    return _ESCAPES.sub("", text)


def clean(text: str) -> str:
    """One line of text without escape sequences and control characters; line breaks and tabs become spaces."""
    if _HARMLESS.match(text):
        return text
    text = _BREAKS.sub(" ", without_escapes(text))
    return _UNSAFE.sub("", text)


def to_ascii(text: str) -> str:
    """Greek by name, signs by their usual spelling, letters without accents, `?` for all else."""
    if text.isascii():
        return text
    return "".join(character if character.isascii() else _spelled(character) for character in text.translate(_PLAIN))


def _spelled(character: str) -> str:
    name = unicodedata.name(character, "")
    if name.startswith("GREEK") and "LETTER" in name:
        letter = name.split("LETTER ")[1].split()[-1 if "FINAL" in name else 0].lower()
        return {"lamda": "lambda"}.get(letter, letter)
    plain = unicodedata.normalize("NFKD", character)[0]
    return plain if plain.isascii() else "?"


def shown(text: str) -> str:
    """Text of others as it may be drawn: clean, and plain under `--ascii`."""
    text = clean(text)
    return to_ascii(text) if palette.is_ascii() else text


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names separated by commas, the first of them where there are many: `a, b and 3 more`."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def number(value: float | None, digits: int = 3) -> str:
    """A measured number with that many significant digits: `1.90e-2`, `7.41e-1`, `12.3`, `1.20e4`; `–` for none."""
    if value is None:
        return palette.glyph("none")
    if not math.isfinite(value):
        return str(float(value))
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if 0 <= power < digits:
        return f"{value:.{digits - 1 - power}f}"
    return f"{mantissa}e{power}"


def setting(value: object, key: str = "range") -> str:
    """A value as a person would type it: `30`, `0.01`, `1e-6`, `1:5` for a range, `a,b` for a list.

    key: what it is the value of. Of two numbers it alone tells whether they are the bounds of a range.
    """
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: palette.glyph("none")}[value]
    if isinstance(value, float):
        return re.sub(r"e([+-])0*", lambda found: "e-" if found[1] == "-" else "e", f"{value:g}")
    if isinstance(value, (list, tuple)):
        pair = key.endswith("range") and len(value) == 2 and all(isinstance(item, (int, float)) for item in value)
        return (":" if pair else ",").join(setting(item, key) for item in value)
    return shown(str(value))


def count(value: int | None) -> str:
    """A whole number with thousands separators: `1,204`."""
    return palette.glyph("none") if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    return palette.glyph("none") if share is None or not math.isfinite(share) else f"{100 * share:.0f}%"


def power_of_ten(exponent: int) -> str:
    """`10⁻²`, or `1e-2` in ASCII."""
    return f"1e{exponent}" if palette.is_ascii() else "10" + str(exponent).translate(_SUPERSCRIPTS)


def duration(seconds: float | None) -> str:
    """`0:14`, `1:02:33`, `2d 03:04`: minutes always, days where there are any."""
    if seconds is None or not math.isfinite(seconds):
        return palette.glyph("none")
    minutes, second = divmod(int(max(seconds, 0.0)), 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d {hours % 24:02}:{minute:02}"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def clock(at: float | None) -> str:
    """A time of day with its date, here: `2026-03-14 15:09:26`, of Unix seconds."""
    return palette.glyph("none") if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def age(seconds: float | None) -> str:
    """How long ago, in its largest unit: `now`, `45 s`, `12 min`, `3 h`, `5 d`."""
    if seconds is None or not math.isfinite(seconds):
        return palette.glyph("none")
    if seconds < 1:
        return "now"
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds / 86400):,} d"


def size(amount: float | None) -> str:
    """Bytes in decimal units: `812 B`, `1.2 MB`, `34 GB`."""
    if amount is None:
        return palette.glyph("none")
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 9.95 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB" if amount < 9.95 else f"{amount:,.0f} TB"


def width(text: str) -> int:
    """Cells that a text takes in a terminal."""
    return cell_len(text)


def truncate(text: str, cells: int) -> str:
    """At most that many cells of a text, its end replaced by an ellipsis where it does not fit."""
    if cell_len(text) <= cells:
        return text
    if cells <= 0:
        return ""
    room, kept = cells - 1, 0
    for start, _, wide in split_graphemes(text)[0]:
        kept += wide
        if kept > room:
            return text[:start] + palette.glyph("ellipsis")
    return text


def wrap(text: str, cells: int) -> list[str]:
    """Lines of at most that many cells, broken between words; a word that is wider than a line is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(f"{lines[-1]} {word}") <= cells:
            lines[-1] += f" {word}"
        else:
            lines += chop_cells(word, cells) if cell_len(word) > cells > 1 else [word]
    return lines


def fit(text: str, cells: int, align: str = "left") -> str:
    """Exactly that many cells: truncated, or padded on the other side (`left`, `right` or `center`)."""
    text = truncate(text, cells)
    spare = max(cells - cell_len(text), 0)
    before = {"left": 0, "right": spare, "center": spare // 2}[align]
    return " " * before + text + " " * (spare - before)
