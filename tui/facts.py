"""What was published of a dataset or a model, as lists and cards show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.records import Shelved
from tui.text import clock

Rows = list[dict[str, Any]]


def parted(facts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Rows]]:
    """Facts that are a value or a list of them, and those that are tables: rows with the same keys."""
    tables = {key: value for key, value in facts.items() if _is_table(value)}
    return {key: value for key, value in facts.items() if key not in tables}, tables


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def soundness(item: Shelved) -> str:
    """Whether its file was found sound, and when."""
    if item.verified is None:
        return "not verified"
    return f"{'yes' if item.sound else 'no'}, {clock(item.verified)}"
