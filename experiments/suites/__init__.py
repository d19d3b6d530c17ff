"""Suites: a paper's figure or table, or a demonstration, as data. One file a suite; its constant is SUITE.

SUITE is one `Suite`, or a sequence of them, one a scale.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.api import Broken, Suite, discover


def suites() -> tuple[dict[str, Suite | Sequence[Suite]], list[Broken]]:
    """All suites by key, with the user's own of `<home>/plugins/suites/`; and the files that could not be loaded."""
    return discover("experiments.suites", "SUITE")


SUITES = suites
