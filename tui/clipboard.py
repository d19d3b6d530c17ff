"""Copying to where the person sits, also over SSH and from inside tmux."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App


def copy(app: App[object], text: str) -> None:
    """Through the terminal (OSC 52); tmux drops that by default, so there through tmux, which passes it on."""
    if os.environ.get("TMUX"):
        try:
            subprocess.run(["tmux", "load-buffer", "-w", "-"], input=text.encode(), timeout=2, check=True)
        except (OSError, subprocess.SubprocessError):
            app.copy_to_clipboard(text)
    else:
        app.copy_to_clipboard(text)
    app.notify(f"copied {text}", timeout=2, markup=False)
