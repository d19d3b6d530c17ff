from __future__ import annotations

import numpy as np

from tui.raster.frame import MUTED, TEXT, WIDE, Box, Canvas, Ink, notice


def test_text_is_cut_at_the_edges() -> None:
    canvas = Canvas(5, 2)
    assert canvas.write(3, 0, "abc") == 6
    canvas.write(-1, 1, "xyz")
    canvas.write(0, 9, "nowhere")
    frame = canvas.frame()
    assert [frame.line(0), frame.line(1)] == ["   ab", "yz   "]


def test_wide_characters_take_two_cells_and_combining_ones_none() -> None:
    canvas = Canvas(6, 1)
    assert canvas.write(0, 0, "模e\u0301x") == 4
    frame = canvas.frame()
    assert frame.line(0) == "模ex  " and frame.chars[0, 1] == WIDE


def test_a_wide_character_is_not_cut_in_half() -> None:
    canvas = Canvas(3, 1)
    canvas.write(0, 0, "ab模")
    assert canvas.frame().line(0) == "ab "


def test_cells_are_drawn_where_the_mask_says() -> None:
    canvas = Canvas(4, 2)
    where = np.array([[True, False], [False, True]])
    canvas.cells(Box(1, 0, 2, 2), np.full((2, 2), ord("#")), where, Ink("#ff0000"))
    frame = canvas.frame()
    assert [frame.line(0), frame.line(1)] == [" #  ", "  # "]
    assert frame.inks[frame.ink[0, 1]] == Ink("#ff0000") and frame.inks[frame.ink[0, 0]] == TEXT


def test_changes_are_cells_of_another_character_ink_or_paper() -> None:
    first, second = Canvas(3, 1), Canvas(3, 1)
    first.write(0, 0, "ab")
    second.write(0, 0, "ac")
    changed = second.frame().changed(first.frame())
    assert changed is not None and changed.tolist() == [[False, True, False]]


def test_frames_of_another_size_or_style_cannot_be_compared() -> None:
    small, other = Canvas(2, 1), Canvas(3, 1)
    assert small.frame().changed(other.frame()) is None and small.frame().changed(None) is None
    styled = Canvas(2, 1)
    styled.write(0, 0, "a", MUTED)
    assert styled.frame().changed(small.frame()) is None


def test_notice_is_in_the_middle() -> None:
    frame = notice(21, 5, "nothing yet\npress n")
    assert frame.line(1).strip() == "nothing yet" and frame.line(1).index("n") == 5
    assert frame.line(2).strip() == "press n"
    assert notice(0, 0, "no room").chars.shape == (0, 0)
