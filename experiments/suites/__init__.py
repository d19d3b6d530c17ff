"""Suites: a paper's figure or table, or a demonstration, as data. One file a suite; its constant is SUITE."""

from __future__ import annotations

from engine.api import Broken, Suite, discover


def suites() -> tuple[dict[str, Suite], list[Broken]]:
    """All suites by key, the user's own in `<home>/plugins/suites/` included; and the files that could not be loaded."""
    return discover("experiments.suites", "SUITE")


SUITES = suites
