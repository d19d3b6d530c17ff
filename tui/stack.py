"""Screens on top of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from textual.app import App
from textual.screen import Screen

T = TypeVar("T")


def lay(app: App[Any], screen: Screen[T], then: Callable[[T | None], Any] | None = None) -> None:
    """Shows a screen on top; `then` is given what it is left with.

    One of its kind that is on top already stays alone there: keys typed faster than screens open are not many screens.
    """
    if type(app.screen) is not type(screen):
        app.push_screen(screen, then)
