"""A list to pick from, with what is to be known of each alternative; typing narrows it, several can be marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option as Item

from tui import palette, text
from tui.fields import Option
from tui.keymap import KEYMAP
from tui.widgets.footer import Footer

_MOST = 200
"""Of a long list, what is shown of it at once; typing finds the rest."""


class Narrow(Input):
    """What the list is narrowed by. A blank is not typed: it marks."""

    BINDINGS = [binding for binding in KEYMAP.bindings("picker") if binding.action == "accept"]

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return key != "space" and super().check_consume_key(key, character)

    async def _on_key(self, event: Key) -> None:
        if event.key == "space":
            event.prevent_default()

    def action_accept(self) -> None:
        if isinstance(self.screen, Picker):
            self.screen.action_accept()


class Picker(ModalScreen[list[str] | None]):
    """`push_screen(Picker(...), callback)` gets the keys that were picked, in the order of the list; None for none.

    chosen: what is picked so far. several: whether more than one can be; marks: only what is marked is picked, else
    the one under the cursor is where nothing was marked.
    """

    BINDINGS = [*KEYMAP.bindings("picker")]
    DEFAULT_CSS = """
    Picker {
        align: center middle;
        background: $background 60%;
        & > Vertical { width: 90%; max-width: 100; height: auto; max-height: 90%; padding: 1 2; background: $panel; }
        & .title { width: 1fr; height: 1; text-style: bold; }
        & Narrow {
            height: 1;
            border: none;
            padding: 0;
            margin-bottom: 1;
            background: transparent;
            &:focus { border: none; background-tint: transparent; }
            & > .input--placeholder { color: $foreground 35%; }
        }
        & OptionList {
            height: auto;
            max-height: 16;
            border: none;
            padding: 0;
            background: transparent;
            scrollbar-size-vertical: 1;
            & > .option-list--option-highlighted {
                background: $block-cursor-background;
                color: $block-cursor-foreground;
                text-style: none;
            }
        }
        & .notes { width: 1fr; height: 4; margin-top: 1; color: $foreground 70%; }
        & Footer { dock: none; padding: 0; margin-top: 1; }
    }
    """

    def __init__(
        self,
        title: str,
        options: Sequence[Option],
        chosen: Iterable[str] = (),
        *,
        several: bool = False,
        marks: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._options, self._several, self._marks_only = title, tuple(options), several or marks, marks
        self._marked = list(dict.fromkeys(chosen))
        self._touched = len(self._marked) > 1
        self._shown: list[Option] = []

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(text.shown(self._title), classes="title", markup=False)
            yield Narrow(placeholder="type to narrow the list", select_on_focus=False)
            yield OptionList(markup=False)
            yield Static("", classes="notes", markup=False)
            yield Footer()

    def on_mount(self) -> None:
        self._list.can_focus = False
        self.query_one(Narrow).focus()
        self._narrow("")
        at = next((i for i, option in enumerate(self._shown) if option.key in self._marked), 0)
        self._list.highlighted = at if self._shown else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._several if action == "mark" else True

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._narrow(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_accept()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._tell()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_accept()

    def action_accept(self) -> None:
        if self._several and (self._touched or self._marks_only):
            order = {option.key: at for at, option in enumerate(self._options)}
            self.dismiss(sorted(self._marked, key=lambda key: order.get(key, len(order))))
        elif (option := self._current) is not None:
            self.dismiss([option.key])

    def action_close(self) -> None:
        self.dismiss(None)

    def action_mark(self) -> None:
        option, at = self._current, self._list.highlighted
        if option is None or at is None:
            return
        self._touched = True
        if option.key in self._marked:
            self._marked.remove(option.key)
        else:
            self._marked.append(option.key)
        self._list.replace_option_prompt_at_index(at, self._prompt(option))

    def action_up(self) -> None:
        self._list.action_cursor_up()

    def action_down(self) -> None:
        self._list.action_cursor_down()

    def action_page_up(self) -> None:
        self._list.action_page_up()

    def action_page_down(self) -> None:
        self._list.action_page_down()

    @property
    def _list(self) -> OptionList:
        return self.query_one(OptionList)

    @property
    def _current(self) -> Option | None:
        at = self._list.highlighted
        return self._shown[at] if at is not None and at < len(self._shown) else None

    def _narrow(self, words: str) -> None:
        """Shows the alternatives in which every word occurs, first those that have them in their names."""
        needles = words.casefold().split()
        found = [o for o in self._options if all(n in f"{o.key} {o.title} {o.summary}".casefold() for n in needles)]
        found.sort(key=lambda option: not all(needle in option.key.casefold() for needle in needles))
        self._shown = found[:_MOST]
        self._list.clear_options()
        self._list.add_options([Item(self._prompt(option)) for option in self._shown])
        self._list.highlighted = 0 if self._shown else None
        self._tell()

    def _prompt(self, option: Option) -> Text:
        mark = palette.glyph("point") if option.key in self._marked else " "
        widest = min(max((text.width(each.key) for each in self._shown), default=0), 32)
        made = Text(f"{mark} {text.fit(text.shown(option.key), widest)}", no_wrap=True, overflow="ellipsis", end="")
        return made.append(f"  {text.shown(option.title)}", "dim")

    def _tell(self) -> None:
        option = self._current
        lines = [option.summary, option.detail, option.notes] if option else ["nothing fits what was typed"]
        self.query_one(".notes", Static).update("\n".join(text.shown(line) for line in filter(None, lines)))
