from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui import palette, text
from tui.widgets.ascii_filter import AsciiFilter, plain


@pytest.mark.parametrize("line", ["─┤└┬│ ▂▇█ ●✓", "β=5 ± 1 · Δ∇ …", "日本 é ⠓⡀ 10⁻²", "plain"])
def test_every_character_is_replaced_by_as_many_cells(line: str) -> None:
    assert plain(line).isascii()
    assert text.width(plain(line)) == text.width(line)


def test_rules_are_dashes_and_accents_fall() -> None:
    assert plain("├─┤│é…") == "+-+|e~"


class Bordered(App[None]):
    CSS = "VerticalScroll { border: round red; height: 8; } Static { text-wrap: nowrap; text-overflow: ellipsis; }"

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            for _ in range(9):
                yield Static("too long for this line " * 9)


@pytest.mark.parametrize("ascii", [False, True])
async def test_what_textual_draws_by_itself_is_ascii_too(ascii: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(palette, "_ascii", ascii)
    app = Bordered()
    app._filters.append(AsciiFilter())
    async with app.run_test(size=(40, 10)):
        assert app.export_screenshot().isascii() == ascii
