"""What a run printed: very many lines of which only the visible ones are drawn, followed as they come."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui import palette, text
from tui.keymap import KEYMAP

_SIDEWAYS = 8
_TAB = 8


class LogView(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines without escape sequences and control characters, whatever was printed.

    A carriage return starts a line over, as a progress bar means it. Of more than `most` lines the oldest are dropped.
    follow: the end stays in view; moving up ends it, going to the end begins it again.
    """

    BINDINGS = [*KEYMAP.bindings("log")]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--muted", "log--match", "log--here"}
    DEFAULT_CSS = """
    LogView {
        width: 1fr;
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .log--muted { color: $foreground 60%; }
        & > .log--match { background: $panel; text-style: bold; }
        & > .log--here { background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold; }
    }
    """

    follow: reactive[bool] = reactive(True, repaint=False)

    class Found(Message):
        """A search, or a step in it: which of how many lines that match is in view, from 1; 0 of 0 for none."""

        def __init__(self, view: LogView, wanted: str, place: int, total: int) -> None:
            super().__init__()
            self.view, self.wanted, self.place, self.total = view, wanted, place, total

        @property
        def control(self) -> LogView:
            return self.view

    def __init__(
        self,
        *,
        empty: str = "nothing printed yet",
        most: int = 100_000,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.empty, self.most = empty, most
        self.lines: list[str] = []
        self.wanted = ""
        self._open = ""
        """The last line as it was printed, as long as no line break ended it."""
        self._left = 0
        self._matches: list[int] = []
        self._here = -1

    def set_empty(self, message: str) -> None:
        """Says this where nothing was printed."""
        self.empty = message
        if not self.lines:
            self.refresh()

    # Lines.

    def append(self, chunk: str) -> None:
        """More of what was printed; a chunk may begin and end within a line."""
        if not chunk:
            return
        if self._open:
            self._forget_from(len(self.lines) - 1)
        *whole, self._open = (self._open + chunk).split("\n")
        self._add([_printed(line) for line in ([*whole, self._open] if self._open else whole)])
        self._drop_oldest()
        self.virtual_size = Size(self.size.width, len(self.lines))
        if self.follow:
            self._go(len(self.lines))
        self.refresh()

    def clear(self) -> None:
        """No lines; another run's log may begin."""
        self.lines, self._open, self._matches, self._here, self._left = [], "", [], -1, 0
        self.follow = True
        self.virtual_size = Size(self.size.width, 0)
        self.refresh()

    def _add(self, lines: list[str]) -> None:
        start = len(self.lines)
        self.lines += lines
        self._matches += self._matching(start)

    def _forget_from(self, start: int) -> None:
        del self.lines[start:]
        while self._matches and self._matches[-1] >= start:
            self._matches.pop()

    def _drop_oldest(self) -> None:
        """A tenth at a time, so that it is rarely done; what is in view stays where it is."""
        if len(self.lines) <= self.most:
            return
        dropped = len(self.lines) - self.most + self.most // 10
        del self.lines[:dropped]
        self._matches = [line - dropped for line in self._matches if line >= dropped]
        self._here = min(self._here, len(self._matches) - 1)
        if not self.follow:
            self._go(round(self.scroll_y) - dropped)

    # Moving.

    @property
    def _last_top(self) -> int:
        return max(len(self.lines) - self.size.height, 0)

    def _go(self, top: int) -> None:
        self.scroll_to(y=max(0, min(top, self._last_top)), animate=False, force=True)

    def _move(self, lines: int) -> None:
        top = round(self.scroll_y) + lines
        self.follow = lines > 0 and top >= self._last_top
        self._go(top)

    def on_mouse_scroll_up(self) -> None:
        self.follow = False

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.lines))
        if self.follow:
            self._go(len(self.lines))

    def on_mount(self) -> None:
        if palette.is_ascii():
            self.styles.scrollbar_size_vertical = 0

    def action_up(self) -> None:
        self._move(-1)

    def action_down(self) -> None:
        self._move(1)

    def action_page_up(self) -> None:
        self._move(-max(self.size.height - 1, 1))

    def action_page_down(self) -> None:
        self._move(max(self.size.height - 1, 1))

    def action_top(self) -> None:
        self._move(-len(self.lines))

    def action_bottom(self) -> None:
        self._move(len(self.lines))

    def action_left(self) -> None:
        self._left = max(self._left - _SIDEWAYS, 0)
        self.refresh()

    def action_right(self) -> None:
        self._left += _SIDEWAYS
        self.refresh()

    # Searching.

    def search(self, wanted: str) -> int:
        """Marks the lines that contain a text, whatever its case, and goes to the last one; how many there are."""
        self.wanted = wanted
        self._matches = self._matching(0)
        self._here = len(self._matches)
        self.refresh()
        self.refresh_bindings()
        self._step(-1)
        return len(self._matches)

    def _matching(self, start: int) -> list[int]:
        wanted = self.wanted.casefold()
        if not wanted:
            return []
        return [line for line in range(start, len(self.lines)) if wanted in self.lines[line].casefold()]

    def _step(self, by: int) -> None:
        total = len(self._matches)
        if total:
            self._here = (self._here + by) % total
            self.follow = False
            self._go(self._matches[self._here] - self.size.height // 2)
            self.refresh()
        self.post_message(self.Found(self, self.wanted, self._here + 1 if total else 0, total))

    def action_next_match(self) -> None:
        self._step(1)

    def action_previous_match(self) -> None:
        self._step(-1)

    def action_clear_search(self) -> None:
        self.wanted, self._matches, self._here = "", [], -1
        self.refresh()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the search are the screen's while there is none."""
        return bool(self.wanted) if action in ("next_match", "previous_match", "clear_search") else True

    # Drawing.

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        row = y + round(self.scroll_y)
        if not self.lines and y == 0:
            return Strip([Segment(text.fit(self.empty, width), self.get_component_rich_style("log--muted"))])
        if row >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        line = self.lines[row]
        segments = [Segment(words, style) for words, style in self._pieces(row, line)]
        whole = Strip(segments).crop(self._left, self._left + width)
        if text.width(line) > self._left + width:
            whole = Strip([*whole.crop(0, width - 1), Segment(palette.glyph("ellipsis"), self.rich_style)])
        return whole.adjust_cell_length(width, self.rich_style)

    def _pieces(self, row: int, line: str) -> list[tuple[str, Style]]:
        """The line, cut at what was searched for."""
        base, wanted = self.rich_style, self.wanted.casefold()
        folded = line.casefold()
        if not wanted or len(folded) != len(line) or wanted not in folded:
            return [(line, base)]
        here = 0 <= self._here < len(self._matches) and self._matches[self._here] == row
        found = self.get_component_rich_style("log--here" if here else "log--match")
        pieces, start = [], 0
        while (at := folded.find(wanted, start)) >= 0:
            pieces += [(line[start:at], base), (line[at : at + len(wanted)], found)]
            start = at + len(wanted)
        return [piece for piece in [*pieces, (line[start:], base)] if piece[0]]


def _printed(line: str) -> str:
    """A line as a terminal would leave it: started over at each carriage return, harmless, tabs as blanks."""
    kept = [part for part in text.without_escapes(line).split("\r") if part]
    return "\t".join(map(text.shown, kept[-1].split("\t"))).expandtabs(_TAB) if kept else ""
