"""The line in which one types what is to be shown, with how much that is, or what is wrong with it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from tui import text
from tui.keymap import KEYMAP


class FilterInput(Input, inherit_bindings=True):
    """One line to type in; leaving it is up to the bar."""

    BINDINGS = [*KEYMAP.bindings("filter")]

    def action_apply(self) -> None:
        self.post_message(FilterBar.Left(self._bar, self.value))

    def action_clear(self) -> None:
        self.value = ""
        self.action_apply()

    @property
    def _bar(self) -> FilterBar:
        bar = self.parent
        assert isinstance(bar, FilterBar)
        return bar


class FilterBar(Horizontal):
    """`Changed` with every letter, `Left` when one goes back to the list (keeping the filter, or clearing it)."""

    DEFAULT_CSS = """
    FilterBar {
        height: 1;
        padding: 0 1;
        & > .label { width: auto; color: $foreground 60%; margin-right: 2; }
        & > .said { width: auto; max-width: 60%; color: $foreground 60%; margin-left: 2; }
        & > .said { text-overflow: ellipsis; text-wrap: nowrap; }
        & > .said.-problem { color: $error; }
        & > FilterInput {
            width: 1fr;
            height: 1;
            border: none;
            padding: 0;
            background: transparent;
            color: $foreground;
            &:focus { border: none; background: transparent; background-tint: transparent; }
            & > .input--placeholder { color: $foreground 35%; }
        }
        &:focus-within { color: $foreground; }
        &:focus-within > .label { color: $accent; text-style: bold; }
    }
    """

    class Changed(Message):
        """The text is another."""

        def __init__(self, bar: FilterBar, value: str) -> None:
            super().__init__()
            self.bar, self.value = bar, value

        @property
        def control(self) -> FilterBar:
            return self.bar

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, FilterBar.Changed) and message.bar is self.bar

    class Left(Message):
        """Back to the list, with this text."""

        def __init__(self, bar: FilterBar, value: str) -> None:
            super().__init__()
            self.bar, self.value = bar, value

        @property
        def control(self) -> FilterBar:
            return self.bar

    def __init__(
        self,
        label: str = "filter",
        placeholder: str = "",
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._label, self._placeholder = label, placeholder
        self._said = ""

    def compose(self) -> ComposeResult:
        yield Static(self._label, classes="label", markup=False)
        yield FilterInput(placeholder=self._placeholder, select_on_focus=False)
        yield Static("", classes="said", markup=False)

    @property
    def value(self) -> str:
        return self.query_one(FilterInput).value

    def set_value(self, value: str) -> None:
        self.query_one(FilterInput).value = value

    def start(self) -> None:
        """Begins to type."""
        self.query_one(FilterInput).focus()

    def set_count(self, shown: int, total: int, what: str = "runs", marked: int = 0) -> None:
        """`47 of 1,204 runs`, or `1,204 runs` where nothing is left out. `what`: the plural.

        marked: `, 3 marked`, those that the filter hides too: keys are about them.
        """
        counted = text.count(total) if shown == total else f"{text.count(shown)} of {text.count(total)}"
        told = f"{counted} {what.removesuffix('s') if total == 1 else what}"
        self._say(told + (f", {text.count(marked)} marked" if marked else ""), problem=False)

    def set_problem(self, words: str) -> None:
        """What is wrong with the text; the count comes back with `set_count`."""
        self._say(words, problem=True)

    def _say(self, words: str, *, problem: bool) -> None:
        said = self.query_one(".said", Static)
        said.set_class(problem, "-problem")
        if words != self._said:  # it lays the whole screen out anew
            self._said = words
            said.update(text.shown(words))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
