from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui.widgets.log_view import LogView


class Logs(App[None]):
    def __init__(self, **more: object) -> None:
        super().__init__()
        self.more = more
        self.found: list[LogView.Found] = []

    def compose(self) -> ComposeResult:
        yield LogView(**self.more)

    def on_log_view_found(self, message: LogView.Found) -> None:
        self.found.append(message)


@asynccontextmanager
async def shown(**more: object) -> AsyncIterator[tuple[LogView, Pilot[None]]]:
    app = Logs(**more)
    async with app.run_test(size=(30, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        await pilot.pause()
        yield view, pilot


def text(view: LogView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


def numbered(count: int, start: int = 0) -> str:
    return "".join(f"line {index}\n" for index in range(start, start + count))


async def test_empty_log_says_so() -> None:
    async with shown() as (view, _):
        assert text(view)[0] == "nothing printed yet"


async def test_chunks_may_end_within_a_line() -> None:
    async with shown() as (view, _):
        for chunk in ("clos", "ure 1\nclosure", " 2", "\n"):
            view.append(chunk)
        assert view.lines == ["closure 1", "closure 2"]
        view.append("closure 3")
        assert view.lines[-1] == "closure 3"
        view.append("4\n\n")
        assert view.lines[2:] == ["closure 34", ""]


async def test_escape_sequences_and_controls_are_stripped_even_in_parts() -> None:
    async with shown() as (view, pilot):
        view.append("a\x1b[3")
        view.append("1mred\x1b[0m \x1b]0;title\x07b\x00\x08\tc\n")
        assert view.lines == ["ared b  c"]
        view.append("[bold]not markup[/bold]\n")
        assert text(view)[1] == "[bold]not markup[/bold]"
        pilot.app.export_screenshot()


async def test_carriage_return_starts_the_line_over() -> None:
    async with shown() as (view, _):
        view.append(" 10%\r 50%\r100%\nnext\r\n")
        assert view.lines == ["100%", "next"]


async def test_the_end_is_followed_until_one_moves_up() -> None:
    async with shown() as (view, pilot):
        view.append(numbered(100))
        await pilot.pause()
        assert text(view)[-1] == "line 99"
        await pilot.press("k")
        view.append(numbered(5, 100))
        await pilot.pause()
        assert not view.follow and text(view)[-1] == "line 98"
        await pilot.press("G")
        view.append(numbered(1, 105))
        await pilot.pause()
        assert view.follow and text(view)[-1] == "line 105"


async def test_keys_move_and_moving_down_to_the_end_follows_again() -> None:
    async with shown() as (view, pilot):
        view.append(numbered(100))
        await pilot.press("g")
        assert text(view)[0] == "line 0"
        await pilot.press("ctrl+d")
        assert text(view)[0] == "line 9"
        await pilot.press("ctrl+u", "j")
        assert text(view)[0] == "line 1" and not view.follow
        await pilot.press("G", "k", "j")
        assert view.follow


async def test_long_lines_are_cut_and_read_sideways() -> None:
    async with shown() as (view, pilot):
        view.append("0123456789" * 8 + "\n")
        assert text(view)[0].endswith("…")
        await pilot.press("l", "l")
        assert text(view)[0].startswith("678901")
        await pilot.press("h", "h", "h")
        assert text(view)[0].startswith("0123")


async def test_search_goes_to_the_last_match_and_steps_around() -> None:
    async with shown() as (view, pilot):
        view.append(numbered(100))
        assert view.search("LINE 5") == 11
        await pilot.pause()
        assert "line 59" in text(view) and not view.follow
        await pilot.press("N")
        assert "line 58" in text(view)
        await pilot.press("n", "n")
        assert "line 5" in text(view)
        last = pilot.app.found[-1]
        assert (last.wanted, last.place, last.total) == ("LINE 5", 1, 11)


async def test_matches_are_marked_and_new_lines_are_searched_too() -> None:
    async with shown() as (view, _):
        view.append("loss 1\nerror 2 error\n")
        assert view.search("error") == 1
        pieces = [(segment.text, segment.style.bold) for segment in view.render_line(1)]
        assert pieces[:3] == [("error", True), (" 2 ", None), ("error", True)]
        view.append("another error\n")
        assert len(view._matches) == 2


async def test_search_keys_are_the_screens_while_nothing_is_searched() -> None:
    async with shown() as (view, pilot):
        view.append("one\n")
        assert view.check_action("clear_search", ()) is False
        view.search("one")
        assert view.check_action("clear_search", ()) is True
        await pilot.press("escape")
        assert view.check_action("next_match", ()) is False


async def test_search_for_what_is_not_there() -> None:
    async with shown() as (view, pilot):
        view.append(numbered(3))
        assert view.search("nothing") == 0
        await pilot.press("n")
        assert (pilot.app.found[-1].place, pilot.app.found[-1].total) == (0, 0)


async def test_the_oldest_lines_are_dropped_and_the_view_stays() -> None:
    async with shown(most=100) as (view, pilot):
        view.append(numbered(100))
        await pilot.press("k", "k", "k")
        before = text(view)
        view.append(numbered(5, 100))
        await pilot.pause()
        assert len(view.lines) == 90 and view.lines[0] == "line 15" and text(view) == before


async def test_clear_begins_anew() -> None:
    async with shown() as (view, pilot):
        view.append(numbered(100) + "part")
        await pilot.press("g")
        view.clear()
        view.append("other\n")
        await pilot.pause()
        assert text(view)[0] == "other" and view.follow
