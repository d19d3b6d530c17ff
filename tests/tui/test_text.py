from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import palette, text


@pytest.fixture
def in_ascii() -> Iterator[None]:
    palette.use_ascii(True)
    yield
    palette.use_ascii(False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.9e-2, "1.90e-2"),
        (0.741, "7.41e-1"),
        (0.9999, "1.00"),
        (1.0, "1.00"),
        (-12.34, "-12.3"),
        (99.96, "100"),
        (999.6, "1.00e3"),
        (123456.0, "1.23e5"),
        (1e-300, "1.00e-300"),
        (0.0, "0"),
        (-0.0, "0"),
        (None, "–"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, expected: str) -> None:
    assert text.number(value) == expected


def test_numbers_with_other_digits() -> None:
    assert [text.number(0.014949, digits) for digits in (1, 2, 4)] == ["1e-2", "1.5e-2", "1.495e-2"]
    assert text.number(12.0, 2) == "12" and text.number(5.0, 1) == "5"


@given(st.floats(-1e300, 1e300), st.integers(2, 6))
def test_a_number_is_read_back_to_its_digits(value: float, digits: int) -> None:
    assert float(text.number(value, digits)) == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (30.0, "30"), (0.01, "0.01"), (1e-6, "1e-6"), (1e20, "1e20"), (5, "5"), ("sin", "sin"), (True, "yes"),
        (None, "–"), ([1.0, 5.0], "1:5"), ([8, 16, 32], "8,16,32"), (["a", "b"], "a,b"), ("\x1b[1mx", "x"),
    ],
)  # fmt: skip
def test_settings_are_written_as_they_are_typed(value: object, expected: str) -> None:
    assert text.setting(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0:00"), (14.9, "0:14"), (75, "1:15"), (3599, "59:59"), (3753, "1:02:33"), (183_845, "2d 03:04"),
        (-3, "0:00"), (None, "–"), (float("nan"), "–"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, expected: str) -> None:
    assert text.duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.2, "now"), (45, "45 s"), (119, "1 min"), (7200, "2 h"), (86400 * 5.5, "5 d"), (None, "–")],
)
def test_ages(seconds: float | None, expected: str) -> None:
    assert text.age(seconds) == expected


def test_counts_shares_and_sizes() -> None:
    assert (text.count(1204), text.count(None)) == ("1,204", "–")
    assert (text.percent(0.914), text.percent(None)) == ("91%", "–")
    assert [text.size(size) for size in (812, 1230, 34e9, 999_999, None)] == ["812 B", "1.2 kB", "34 GB", "1.0 MB", "–"]


def test_clock_is_local_and_sorts() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text.clock(1_700_000_000.0))
    assert text.clock(1e9) < text.clock(1e9 + 1) and text.clock(None) == "–"


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        ("plain β=30 模型", "plain β=30 模型"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hhome", "home"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2;0;0;0\x1b\\sixel", "sixel"),
        ("\x9b31mc1\x9d0;t\x9c", "c1"),
        ("a\x1b", "a"),
        ("a\x1b[", "a"),
        ("a\x1b]never ended", "a"),
        ("a\r\nb\tc\x0bd\u2028e", "a b c d e"),
        ("bell\x07back\x08null\x00del\x7f", "bellbacknulldel"),
        ("abc\u202edef\u2066x\u2069", "abcdefx"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("tag\U000e0041", "tag"),
    ],
)
def test_hostile_text_is_harmless(hostile: str, expected: str) -> None:
    assert text.clean(hostile) == expected


@given(st.text())
def test_clean_text_has_no_controls_can_be_encoded_and_is_left_alone(anything: str) -> None:
    cleaned = text.clean(anything)
    cleaned.encode()
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cleaned)
    assert text.clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("convection β=30", "convection beta=30"),
        ("λ ς Ω ∂u", "lambda sigma omega du"),
        ("naïve Müller", "naive Muller"),
        ("1.0 ± 0.1 ≤ 2 – 3…", "1.0 +- 0.1 <= 2 - 3..."),
        ("10⁻²", "10-2"),
        ("模", "?"),
        ("plain", "plain"),
    ],
)
def test_ascii_spells_out_what_it_can(given_text: str, expected: str) -> None:
    assert text.to_ascii(given_text) == expected


def test_everything_shown_under_ascii_is_ascii(in_ascii: None) -> None:
    shown = [
        text.shown("β模\x1b[1m"),
        text.number(None),
        text.power_of_ten(-2),
        text.truncate("abcdef", 4),
        text.clock(None),
    ]
    assert shown == ["beta?", "-", "1e-2", "abc~", "-"]


@given(st.text(max_size=30), st.integers(0, 20), st.sampled_from(["left", "right", "center"]))
def test_fitted_text_has_exactly_its_cells(anything: str, cells: int, align: str) -> None:
    assert text.width(text.fit(text.clean(anything), cells, align)) == cells


def test_truncation_counts_cells_not_letters() -> None:
    assert text.truncate("模型模型", 5) == "模型…"
    assert text.truncate("模型模型", 4) == "模…"
    assert text.truncate("模型", 4) == "模型"
    assert text.truncate("ab", 1) == "…" and text.truncate("ab", 0) == ""
    assert text.truncate("e\u0301e\u0301e\u0301", 2) == "e\u0301…"


@given(st.text(), st.integers(2, 40))
def test_wrapped_text_keeps_its_letters_and_stays_within_the_width(anything: str, cells: int) -> None:
    words = text.clean(anything)
    lines = text.wrap(words, cells)
    assert "".join(lines).replace(" ", "") == "".join(words.split())
    assert all(text.width(line) <= cells for line in lines)


def test_text_is_wrapped_between_words() -> None:
    assert text.wrap("data: the dataset r000b is another", 20) == ["data: the dataset", "r000b is another"]
    assert text.wrap("漢字" * 5, 8) == ["漢字漢字", "漢字漢字", "漢字"]
    assert text.wrap("", 8) == []


def test_alignment() -> None:
    assert [text.fit("ab", 5, align) for align in ("left", "right", "center")] == ["ab   ", "   ab", " ab  "]
