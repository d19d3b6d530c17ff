"""A question before something that cannot be taken back."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui import text
from tui.keymap import KEYMAP, display

_MOST = 8


class Confirm(ModalScreen[bool]):
    """Asks, naming what it is about; `push_screen(Confirm(...), callback)` gets True or False.

    Only the key of `yes` agrees: enter, pressed by habit, does not.
    """

    BINDINGS = [*KEYMAP.bindings("confirm")]
    DEFAULT_CSS = """
    Confirm {
        align: center middle;
        background: $background 60%;
        & > Vertical {
            width: auto;
            min-width: 40;
            max-width: 80%;
            height: auto;
            padding: 1 3;
            background: $panel;
        }
        & Static { width: auto; max-width: 100%; }
        & .question { text-style: bold; }
        & .about { color: $foreground 70%; margin: 1 0 0 2; }
        & .keys { color: $foreground 70%; margin-top: 1; }
    }
    """

    def __init__(self, question: str, about: Sequence[str] = (), *, consequence: str = "") -> None:
        """about: the names of what it is about. consequence: what is lost by it."""
        super().__init__()
        self._question, self._about, self._consequence = question, tuple(about), consequence

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(text.shown(self._question), classes="question", markup=False)
            if self._about:
                yield Static("\n".join(self._named()), classes="about", markup=False)
            if self._consequence:
                yield Static(text.shown(self._consequence), classes="keys", markup=False)
            keys = {name: display(row.keys[0]) for name in ("yes", "no") if (row := KEYMAP.get(f"confirm.{name}"))}
            yield Static(f"{keys['yes']} yes   {keys['no']} no", classes="keys", markup=False)

    def _named(self) -> list[str]:
        shown = [text.shown(name) for name in self._about[:_MOST]]
        return [*shown, f"and {len(self._about) - _MOST} more"] if len(self._about) > _MOST else shown

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_no(self) -> None:
        self.dismiss(False)
