"""What the global options of the command line say, and the client they lead to."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RequestError
from tui import palette
from tui.render import can_show, plain_locale

if TYPE_CHECKING:
    from engine.client import Client

PROGRAM = "sciml-tui"


def called() -> str:
    """How a shell finds this program: by its name, or where that is not on the PATH, by the path it was called by."""
    path = Path(sys.argv[0])
    if path.name != PROGRAM or shutil.which(PROGRAM):
        return PROGRAM
    return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))


class Session:
    """One invocation of `sciml-tui`. Verbs find it as `ctx.obj`."""

    def __init__(
        self, home: str | None = None, *, readonly: bool = False, ascii: bool = False, debug: bool = False
    ) -> None:
        self.home = home
        self.readonly, self.ascii, self.debug = readonly, ascii, debug
        palette.use_ascii(ascii or plain_locale() or not can_show("✓β±–"))

    @cached_property
    def client(self) -> Client:
        """Opens the home directory at its first use, so that `--help` and wrong requests touch nothing."""
        from engine.client import Client
        from engine.paths import Home

        return Client(Home(self.home), readonly=self.readonly)

    def command(self, words: str) -> str:
        """A command line as a person would type it to come back to this home."""
        home = f" --home {shlex.quote(self.home)}" if self.home else ""
        return f"{called()}{home} {words}".rstrip()

    @property
    def writer(self) -> Client:
        """The client, for verbs that change something. Raises RequestError where nothing may be changed."""
        if self.readonly:
            raise RequestError("home: required one that may be changed, got --readonly; leave that out")
        return self.client
