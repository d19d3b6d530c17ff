"""Keys one after the other, also where they come all at once, as over a slow connection.

Textual gives a key to what has the focus, and goes on to the next while the first is still on its way up to the
bindings. Of `/`, `r`, `h`, `o` in one packet the letters would then be keys of the list that `/` was to leave: one of
them stops runs. Here a key waits until all that the one before it set in motion is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from textual.app import App
from textual.events import Key
from textual.message_pump import MessagePump
from textual.timer import Timer

_PATIENCE = 2.0
"""Seconds after which the next key is let through in any case: a widget that is taken away answers no more."""


class TypeAhead(App[None]):
    """Mixed into an app: its `Key` events are handled in order, each in the state that the one before it led to."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Key] = deque()
        self._travelling = 0
        self._keys_seen = 0
        self._impatient: Timer | None = None

    async def on_event(self, event: object) -> None:
        if not isinstance(event, Key) or event.is_forwarded:
            await super().on_event(event)  # type: ignore[arg-type]
        elif self._travelling:
            self._waiting.append(event)
            if self._impatient is None:
                self._impatient = self.set_timer(_PATIENCE, self._next_key)
        else:
            await self._send(event)

    async def _send(self, key: Key) -> None:
        """Hands the key on, and follows it: to the bindings, and what the widgets on its way told each other since."""
        self._keys_seen += 1
        self._travelling = self._keys_seen
        way = [node for node in (self.focused or self.screen).ancestors_with_self if node is not self]
        await super().on_event(key)
        onwards = [*way[1:], self, *way, self]
        if not way[0].call_later(self._seen, key, self._travelling, onwards):
            self._follow(self._travelling, onwards)

    async def _seen(self, event: Key, key: int, way: Sequence[MessagePump]) -> None:
        """By what has the focus. A letter that is typed there needs to wait no longer for the letter before it."""
        if event._stop_propagation and self._waiting and self._waiting[0].is_printable:
            await self._next_key(key)
        else:
            self._follow(key, way)

    def _follow(self, key: int, way: Sequence[MessagePump]) -> None:
        """A pump does one thing after the other: when it comes to this, it has done what the key brought it."""
        for at, node in enumerate(way):
            if node.is_attached and node.call_later(self._follow, key, way[at + 1 :]):
                return
        top = self.screen_stack[-1:]  # one that was laid on top by now takes keys once it is composed
        if not (top and top[0].call_later(self._arrived, key)):
            self._arrived(key)

    def _arrived(self, key: int) -> None:
        self.call_later(self._next_key, key)

    async def _next_key(self, key: int = 0) -> None:
        """key: the one that has arrived; 0: whichever it is."""
        if key and key != self._travelling:
            return
        self._travelling = 0
        if self._impatient is not None:
            self._impatient.stop()
            self._impatient = None
        if self._waiting and self.screen_stack:  # else the app is being left
            await self._send(self._waiting.popleft())
            if self._waiting:
                self._impatient = self.set_timer(_PATIENCE, self._next_key)
