"""The whole path in a real terminal: keys in tmux, a run in the background, the terminal killed, the app again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine import scheduler
from engine.client import Client
from engine.paths import Home
from engine.records import ACTIVE, ENDED, Status

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine")

PROGRAM = Path(sys.executable).with_name("sciml-tui")


def until(holds: Callable[[], Any], seconds: float = 100) -> Any:
    """Waits for what other processes bring, and returns it."""
    give_up = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)
    return value


class Terminal:
    """The app in a tmux server of its own."""

    def __init__(self, home: Home, name: str, *command: str) -> None:
        self._name = name
        environment = {**os.environ, "SCIML_TUI_HOME": str(home.folder), "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "120",
            "-y",
            "40",
            *(command or (str(PROGRAM),)),
            env=environment,
        )

    def _tmux(self, *words: str, **more: Any) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-L", self._name, *words], capture_output=True, text=True, timeout=30, check=False, **more
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def ask(self, what: str) -> str:
        """What tmux knows of its terminal."""
        return self._tmux("display", "-p", what).strip()

    def shows(self, *words: str) -> str:
        """Waits until all of these are on the screen."""
        return until(lambda: (text := self.text) and all(word in text for word in words) and text)

    def kill(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def open_app(tmp_path: Path) -> Iterator[Callable[[], Terminal]]:
    home = Home(tmp_path / "home").create()
    opened: list[Terminal] = []

    def open_one(*command: str) -> Terminal:
        opened.append(Terminal(home, f"sciml-{os.getpid()}-{len(opened)}", *command))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.kill()
    with Client(home) as client:
        for run in client.runs():
            if run.status not in ENDED:
                client.kill(run.id)
        client.wait([run.id for run in client.runs()], timeout=30)
    scheduler.stop(home)


def drawn(text: str) -> bool:
    """Whether a curve is on the screen: braille dots."""
    return any("\u2801" <= character <= "\u28ff" for character in text)


@pytest.mark.timeout(300)
def test_a_run_launched_from_the_keyboard_survives_its_terminal_and_is_stopped_from_another(
    open_app: Callable[[], Terminal], tmp_path: Path
) -> None:
    first = open_app()
    first.shows("press n")
    first.press("n")
    first.shows("strategy", "submit")
    first.press("C-r")
    first.shows("r0001", "convection")
    until(lambda: drawn(first.text))
    first.kill()

    with Client(tmp_path / "home") as client:
        assert client.run("r0001").status in ACTIVE | {Status.DONE}
        second = open_app()
        second.shows("r0001", "convection")
        until(lambda: drawn(second.text))
        columns = client.report("r0001").columns
        assert columns["step"][0] == 0 or columns["step"][0] == 1
        assert (columns["step"][1:] > columns["step"][:-1]).all(), "one curve, without a gap or a repetition"

        second.press("n")
        second.shows("strategy", "submit")
        second.press("C-r")
        second.shows("r0002")
        until(lambda: client.report("r0002").reader.length > 0)
        second.press("g")
        second.press("T")
        second.shows("Stop r0002?")
        second.press("y")
        until(lambda: client.run("r0002").status in ENDED)
        assert (client.run("r0002").status, client.run("r0002").reason) == (Status.STOPPED, "stopped by request")
        second.press("q")


def test_a_terminal_in_which_the_app_is_told_to_end_is_left_as_it_was_found(
    open_app: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal = open_app("sh", "-c", f"echo $$ > {tmp_path}/pid; {PROGRAM}; echo left with $?; sleep 100")
    terminal.shows("press n")
    [app] = psutil.Process(int((tmp_path / "pid").read_text())).children()
    app.terminate()
    terminal.shows("left with 0")
    assert terminal.ask("#{alternate_on} #{mouse_any_flag}") == "0 0"
