"""Opens the app on this terminal: what is done before anything large is imported."""

from __future__ import annotations

import gc

from engine.errors import RequestError
from tui.render import is_for_app
from tui.session import PROGRAM, Session


def open_app(session: Session, *, first: str = "runs", marked: tuple[str, ...] = ()) -> None:
    """Returns when the app is left; runs go on. Raises RequestError where there is no terminal to open it on.

    first: the screen that is shown. marked: runs that are marked from the start.
    """
    if not is_for_app():
        raise RequestError(f"app: required a terminal, got a pipe or a file; {PROGRAM} --help lists the commands")
    use_own_keys(session)
    gc.disable()  # until the first runs are there: what is made up to then stays, and looking it over takes long
    from tui.app import SciMLApp

    SciMLApp(lambda: session.client, readonly=session.readonly, first=first, marked=marked).run()


def use_own_keys(session: Session) -> None:
    """Those of the home's `config.toml`, before the app is imported. Raises SpecError."""
    from engine import config
    from engine.paths import Home

    if keys := config.load(Home(session.home)).keys:
        from tui import keymap

        keymap.use(keys)
