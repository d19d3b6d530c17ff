"""One table of keys and actions: dispatch, help screen, footer and remapping all read it.

A row's id is its scope, a dot and its name. The scope says where the key works (`app` everywhere, else one screen or
one widget); the action is the name, so `runs.stop` calls `action_stop` of whoever declares
`BINDINGS = KEYMAP.bindings("runs")`. A widget's keys come before its screen's, and those before the app's.

Keys are the ones that people of k9s, lazygit and nvitop have in their fingers, and that arrive through SSH and tmux.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from textual.binding import Binding

from engine.errors import Problem, SpecError
from tui import palette


class Row(NamedTuple):
    """One action and its keys.

    footer: the higher, the sooner it is among the few that the footer shows; 0 is never.
    action: what Textual calls; empty where it is the name in the id.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    group: str
    footer: int = 0
    help: str = ""
    action: str = ""

    @property
    def scope(self) -> str:
        return self.id.split(".")[0]

    @property
    def called(self) -> str:
        return self.action or self.id.split(".")[1]

    @property
    def is_screen(self) -> bool:
        """Whether it leads to one of the app's main screens, and is called by its name."""
        return self.called.startswith("show(")

    @property
    def command(self) -> str:
        """What the command palette calls it: in one list with actions, a screen says that it is one."""
        return f"go to {self.label}" if self.is_screen else self.label


MOVE, _VIEW, _RUN, _MARK, _SCREENS, _GENERAL = "Move", "Chart", "Runs", "Marks and sorting", "Screens", "General"
_FIND = "Find"

ROWS = (
    Row("app.datasets", ("1",), "Datasets", _SCREENS, action="show('datasets')"),
    Row("app.models", ("2",), "Models", _SCREENS, action="show('models')"),
    Row("app.runs", ("3",), "Runs", _SCREENS, action="show('runs')"),
    Row("app.compare", ("4",), "Compare", _SCREENS, action="show('compare')"),
    Row("app.next_pane", ("tab",), "next pane", _SCREENS, action="app.focus_next"),
    Row("app.previous_pane", ("shift+tab",), "previous pane", _SCREENS, action="app.focus_previous"),
    Row("app.help", ("?", "f1"), "help", _GENERAL, footer=90),
    Row("app.palette", (":", "ctrl+p"), "commands", _GENERAL, action="command_palette"),
    Row("app.pause", ("p",), "pause", _GENERAL, help="pause or go on refreshing the screen; runs go on"),
    Row("app.quit", ("q",), "quit (runs go on)", _GENERAL, footer=80),
    Row("table.up", ("k", "up"), "up", MOVE),
    Row("table.down", ("j", "down"), "down", MOVE),
    Row("table.page_up", ("ctrl+u", "pageup"), "page up", MOVE),
    Row("table.page_down", ("ctrl+d", "pagedown"), "page down", MOVE),
    Row("table.top", ("g", "home"), "first", MOVE),
    Row("table.bottom", ("G", "end"), "last", MOVE),
    Row("table.open", ("enter",), "open", MOVE, footer=30),
    Row(
        "table.mark",
        ("space",),
        "mark",
        _MARK,
        footer=50,
        help="mark or unmark the row for comparing, stopping, exporting",
    ),
    Row("table.mark_range", ("v",), "range", _MARK, help="mark all rows from the last mark to here"),
    Row("table.clear_marks", ("ctrl+backslash",), "clear marks", _MARK),
    Row("table.sort", ("s",), "sort", _MARK, help="sort by the next column; after the last, as it came"),
    Row("table.reverse", ("S",), "reverse", _MARK, help="reverse the order"),
    Row("chart.toggle_log", ("L",), "log", _VIEW, footer=40, help="logarithmic or linear axis"),
    Row("chart.smooth", ("m",), "smooth", _VIEW, footer=30, help="smoothing: none, light, strong"),
    Row("chart.crosshair", ("x",), "crosshair", _VIEW, footer=50, help="read values with a crosshair; arrows move it"),
    Row("chart.zoom_in", ("+", "="), "zoom in", _VIEW),
    Row("chart.zoom_out", ("-",), "zoom out", _VIEW),
    Row("chart.reset", ("0",), "reset", _VIEW, help="the whole range again"),
    Row("chart.left", ("h", "left"), "left", _VIEW, help="pan, or move the crosshair"),
    Row("chart.right", ("l", "right"), "right", _VIEW, help="pan, or move the crosshair"),
    Row("chart.up", ("k", "up"), "up", _VIEW, help="pan up"),
    Row("chart.down", ("j", "down"), "down", _VIEW, help="pan down"),
    Row("log.up", ("k", "up"), "up", MOVE),
    Row("log.down", ("j", "down"), "down", MOVE),
    Row("log.left", ("h", "left"), "left", MOVE),
    Row("log.right", ("l", "right"), "right", MOVE),
    Row("log.page_up", ("ctrl+u", "pageup"), "page up", MOVE),
    Row("log.page_down", ("ctrl+d", "pagedown"), "page down", MOVE),
    Row("log.top", ("g", "home"), "first", MOVE),
    Row("log.bottom", ("G", "end"), "follow", MOVE, footer=40, help="go to the end and follow it"),
    Row("log.next_match", ("n",), "next", _FIND),
    Row("log.previous_match", ("N",), "previous", _FIND),
    Row("log.clear_search", ("escape",), "clear", _FIND),
    Row(
        "filter.apply",
        ("enter", "down"),
        "apply",
        _FIND,
        footer=50,
        action="apply",
        help="keep the filter, back to the list",
    ),
    Row("filter.clear", ("escape",), "clear", _FIND, footer=40, help="remove the filter, back to the list"),
    Row("runs.new", ("n",), "new", _RUN, footer=70, help="submit new runs"),
    Row("runs.stop", ("T",), "stop", _RUN, footer=60, help="stop gracefully: checkpoint, then end"),
    Row("runs.kill", ("K",), "kill", _RUN, help="end at once, without a checkpoint"),
    Row("runs.again", ("R",), "resume", _RUN, footer=55, help="resume from the checkpoint, or retry as a new run"),
    Row("runs.remove", ("D",), "remove", _RUN, footer=32, help="forget runs that have ended, with their files"),
    Row("runs.archive", ("A",), "archive", _RUN, help="put aside, or take back; archived=true is the filter for them"),
    Row("runs.compare", ("c",), "compare", _RUN, footer=45, help="the marked runs side by side"),
    Row("runs.export", ("e",), "export", _RUN, footer=35, help="what is shown, to a file"),
    Row("runs.copy", ("y",), "copy", _RUN, help="copy the id"),
    Row("runs.filter", ("/",), "filter", _FIND, footer=40, help="show only some: system=convection beta>=20"),
    Row("runs.clear_filter", ("escape",), "all", _FIND, help="remove the filter"),
    Row("run.back", ("escape",), "back", _SCREENS, footer=50),
    Row("run.stop", ("T",), "stop", _RUN, footer=60, help="stop gracefully: checkpoint, then end"),
    Row("run.kill", ("K",), "kill", _RUN, help="end at once, without a checkpoint"),
    Row("run.again", ("R",), "resume", _RUN, footer=55, help="resume from the checkpoint, or retry as a new run"),
    Row("run.vary", ("n",), "vary", _RUN, footer=38, help="new runs from this one's settings"),
    Row("run.export", ("e",), "export", _RUN, footer=35, help="this run, to a file"),
    Row("run.copy", ("y",), "copy", _RUN, help="copy the id"),
    Row(
        "run.next_sample",
        ("f",),
        "fields",
        _VIEW,
        footer=52,
        help="the fields where they have no room beside the curves; those of another sample, the loss landscape",
    ),
    Row("run.page_up", ("pageup", "ctrl+u"), "page up", MOVE, help="scroll what is under the curves"),
    Row("run.page_down", ("pagedown", "ctrl+d"), "page down", MOVE),
    Row("run.search", ("/",), "search", _FIND, help="search the log"),
    Row("run.next_tab", ("]",), "next tab", _SCREENS, footer=30),
    Row("run.previous_tab", ("[",), "previous tab", _SCREENS),
    Row("compare.back", ("escape",), "back", _SCREENS, footer=50),
    Row("compare.band", ("b",), "band", _VIEW, footer=60, help="seeds as lines, or as a band around their median"),
    Row(
        "compare.quantity",
        ("t",),
        "quantity",
        _VIEW,
        footer=55,
        help="loss, error, residual or gradient norm",
    ),
    Row("compare.page_up", ("pageup", "ctrl+u"), "table up", MOVE, help="scroll the table under the curves"),
    Row("compare.page_down", ("pagedown", "ctrl+d"), "table down", MOVE),
    Row("compare.export", ("e",), "export", _RUN, footer=45, help="table and curves, to a file"),
    Row("datasets.new", ("n",), "new", _RUN, footer=70, help="generate a dataset"),
    Row("datasets.fields", ("f",), "fields", _VIEW, footer=60, help="source and solution of a sample, then the next"),
    Row("datasets.verify", ("V",), "verify", _RUN, footer=50, help="read the file to its end and solve samples again"),
    Row("datasets.remove", ("D",), "remove", _RUN, footer=45, help="take it off the list, with its file"),
    Row("datasets.filter", ("/",), "filter", _FIND, footer=40),
    Row("datasets.clear_filter", ("escape",), "all", _FIND, help="remove the filter"),
    Row("datasets.export", ("e",), "export", _RUN, footer=35),
    Row("datasets.copy", ("y",), "copy", _RUN, help="copy the path"),
    Row("models.remove", ("D",), "remove", _RUN, footer=45, help="take it off the list, with its file"),
    Row("models.filter", ("/",), "filter", _FIND, footer=40),
    Row("models.clear_filter", ("escape",), "all", _FIND, help="remove the filter"),
    Row("models.export", ("e",), "export", _RUN, footer=35),
    Row("models.copy", ("y",), "copy", _RUN, help="copy the path"),
    Row("launch.submit", ("ctrl+r", "ctrl+enter"), "submit", _RUN, footer=70),
    Row("launch.back", ("escape",), "back", _SCREENS, footer=60),
    Row("launch.copy", ("ctrl+y",), "copy", _RUN, footer=30, help="copy the command line that does the same"),
    Row("launch.help", ("f1",), "help", _GENERAL, footer=20, action="app.help"),
    Row("form.next", ("down",), "next field", MOVE),
    Row("form.previous", ("up",), "previous field", MOVE),
    Row("form.next_group", ("pagedown",), "next group", MOVE, help="first field of the next group"),
    Row("form.previous_group", ("pageup",), "previous group", MOVE, help="first field of the group before"),
    Row("choice.previous", ("left", "h"), "previous", MOVE, help="the alternative on the left"),
    Row("choice.next", ("right", "l"), "choose", MOVE, footer=50, help="the alternative on the right"),
    Row("choice.open", ("enter", "space"), "list", _FIND, footer=45, help="all alternatives; several may be marked"),
    Row("field.open", ("enter",), "list", _FIND, footer=45, help="what can be named here"),
    Row("picker.accept", ("enter",), "take", _GENERAL, footer=90),
    Row("picker.mark", ("space",), "mark", _MARK, footer=80, help="several: one run, or column, for each"),
    Row("picker.close", ("escape",), "back", _GENERAL, footer=70),
    Row("picker.up", ("up",), "up", MOVE),
    Row("picker.down", ("down",), "down", MOVE),
    Row("picker.page_up", ("pageup",), "page up", MOVE),
    Row("picker.page_down", ("pagedown",), "page down", MOVE),
    Row("export.write", ("ctrl+r", "ctrl+enter"), "write", _GENERAL, footer=90),
    Row("export.copy", ("y", "ctrl+y"), "copy path", _GENERAL, footer=80, help="copy the path of the file written"),
    Row("export.close", ("escape",), "close", _SCREENS, footer=70),
    Row("help.close", ("escape", "?", "q", "f1"), "close", _GENERAL, footer=90),
    Row("help.up", ("k", "up"), "up", MOVE),
    Row("help.down", ("j", "down"), "down", MOVE),
    Row("confirm.yes", ("y",), "yes", _GENERAL, footer=90),
    Row("confirm.no", ("n", "escape", "q"), "no", _GENERAL, footer=80),
)

UNRELIABLE = frozenset({"ctrl+i", "ctrl+j", "ctrl+m", "ctrl+h", "ctrl+s", "ctrl+q", "ctrl+z", "ctrl+["})
"""Control codes that are another key's, or that terminals keep for themselves. Neither does alt arrive everywhere."""

_DISPLAY = {"up": "↑", "down": "↓", "left": "←", "right": "→"}
_NAMES = {"escape": "esc", "pageup": "PgUp", "pagedown": "PgDn", "ctrl+backslash": "ctrl+\\", "f1": "F1"}


def display(key: str) -> str:
    """A key as the footer and the help screen show it."""
    arrow = key if palette.is_ascii() else _DISPLAY.get(key, key)
    return _NAMES.get(key, arrow)


class Keymap:
    """The table, with a person's own keys in place of some."""

    def __init__(self, rows: Iterable[Row] = ROWS) -> None:
        self._rows = {row.id: row for row in rows}

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, row_id: str | None) -> Row | None:
        return self._rows.get(row_id or "")

    def bindings(self, *scopes: str) -> list[Binding]:
        """For the `BINDINGS` of an app, a screen or a widget, in the order of the table."""
        return [
            Binding(key, row.called, row.label, show=row.footer > 0, id=row.id)
            for row in self
            if row.scope in scopes
            for key in row.keys
        ]

    def remapped(self, keys: Mapping[str, str]) -> Keymap:
        """With other keys for some rows: `{"runs.stop": "ctrl+t"}`; several are separated by blanks.

        Raises SpecError: an unknown row, a key that does not reach every program, one key for two actions of a scope.
        """
        problems = [problem for row_id, text in keys.items() for problem in self._problems(row_id, text.split())]
        changed = {row_id: tuple(text.split()) for row_id, text in keys.items()}
        made = Keymap(row._replace(keys=changed.get(row.id, row.keys)) for row in self)
        problems += made._clashes()
        if problems:
            raise SpecError(problems)
        return made

    def take(self, other: Keymap) -> None:
        """Becomes the other."""
        self._rows = other._rows

    def _problems(self, row_id: str, keys: list[str]) -> Iterator[Problem]:
        if row_id not in self._rows:
            yield Problem(f"keys.{row_id}", "an action of the help screen", row_id, f"one of {', '.join(self._rows)}")
        if not keys or "," in keys:
            yield Problem(
                f"keys.{row_id}", "one or more keys, separated by blanks, none of them a comma", " ".join(keys)
            )
        for key in keys:
            if key in UNRELIABLE or key.startswith("alt+"):
                yield Problem(f"keys.{row_id}", "a key that arrives in every terminal", key)

    def _clashes(self) -> list[Problem]:
        owners: dict[tuple[str, str], str] = {}
        problems = []
        for row in self:
            for key in row.keys:
                first = owners.setdefault((row.scope, key), row.id)
                if first != row.id:
                    problems.append(Problem(f"keys.{row.id}", "a key of its own", key, f"{first} has it already"))
        return problems


KEYMAP = Keymap()


def use(keys: Mapping[str, str]) -> None:
    """A person's own keys, everywhere. Raises as `remapped`.

    Call it before the app is imported: bindings are made with the classes of screens and widgets.
    """
    KEYMAP.take(KEYMAP.remapped(keys))
