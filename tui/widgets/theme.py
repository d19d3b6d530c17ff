"""The look: a quiet dark ground, one accent colour, and that for focus only."""

from __future__ import annotations

from textual.theme import Theme

from tui import palette

ACCENT = "#87afff"

THEME = Theme(
    name="sciml",
    primary=ACCENT,
    secondary=ACCENT,
    accent=ACCENT,
    success=palette.GREEN,
    warning=palette.ORANGE,
    error=palette.VERMILLION,
    foreground="#d0d0d0",
    background="#121212",
    surface="#121212",
    panel="#262626",
    dark=True,
    variables={
        "scrollbar": "#3a3a3a",
        "scrollbar-hover": "#585858",
        "scrollbar-active": "#585858",
        "scrollbar-background": "#121212",
        "scrollbar-background-hover": "#121212",
        "scrollbar-background-active": "#121212",
        "input-cursor-background": "#d0d0d0",
        "input-cursor-foreground": "#121212",
        "input-selection-background": "#303a52",
        "block-cursor-background": "#303a52",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
    },
)
"""Register it with the app (`register_theme`) and name it (`app.theme = "sciml"`); its greys are xterm's."""
