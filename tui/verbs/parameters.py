"""What a task can be given, from its description: `sciml-tui run TASK --params`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from engine import values
from engine.api import TaskDescription
from tui.render import definitions, grid, terminal_width
from tui.text import shown, width

Properties = Mapping[str, Mapping[str, Any]]

NARROWEST = 30
"""Cells that the last column keeps, however narrow the terminal."""


def parameter_lines(task: TaskDescription, given: Mapping[str, str]) -> list[str]:
    """Every parameter with its default, its meaning and what it admits; those that a choice brings below that choice.

    `given` narrows choices: with `system=reaction` only the parameters of that system are shown.
    """
    rows = [("parameter", "default", "what it is"), *_rows(task.schema["properties"], given, 0)]
    lines = [shown(f"{task.key}: {task.title}" if task.title else task.key), *map(shown, filter(None, [task.summary]))]
    lines += ["", *_wrapped(rows)]
    for key, presets in task.schema.get("x-presets", {}).items():
        named = ((shown(f"{key}={name}"), shown(preset_words(preset))) for name, preset in presets.items())
        lines += ["", f"named {key}s", *definitions(named)]
    if task.metrics:
        lines += ["", "measured", *definitions((shown(name), shown(what)) for name, what in task.metrics.items())]
    return lines


def preset_words(preset: Mapping[str, Any]) -> str:
    """`system=poisson range=5:10  downstream of sys1-1-5`"""
    params = " ".join(f"{key}={values.text(value)}" for key, value in preset["params"].items())
    return f"{params}  {preset.get('summary', '')}".rstrip()


def _rows(properties: Properties, given: Mapping[str, str], depth: int) -> Iterator[tuple[str, str, str]]:
    for key, property in properties.items():
        yield "  " * depth + shown(key), _default(property), _meaning(property)
        for choice, described in property.get("x-choices", {}).items():
            brought = described.get("properties", {})
            if brought and given.get(key, choice) == choice:
                yield "  " * (depth + 1) + shown(f"{key}={choice}"), "", shown(described.get("title", ""))
                yield from _rows(brought, given, depth + 2)


def _default(property: Mapping[str, Any]) -> str:
    if "default" not in property:
        return "required"
    return shown(values.text(property["default"], property)) or '""'


def _meaning(property: Mapping[str, Any]) -> str:
    """`β, wave speed (a number from 0 to 100, in m/s)`"""
    unit = f", in {property['x-unit']}" if property.get("x-unit") else ""
    what = ", ".join(filter(None, (property.get("x-symbol"), property.get("description"))))
    admitted = f"{values.required(property)}{unit}"
    return shown(f"{what} ({admitted})" if what else admitted)


def _wrapped(rows: list[tuple[str, str, str]]) -> list[str]:
    """Aligned, the last column broken into lines where it meets the edge of the terminal."""
    room = terminal_width()
    left = grid([row[:2] for row in rows], ("left", "right"))
    indent = max(map(width, left)) + 2
    lines = []
    for (_, _, what), begin in zip(rows, left, strict=True):
        parts = textwrap.wrap(what, max(room - indent, NARROWEST)) if room is not None else [what]
        lines += [f"{begin:<{indent}}{part}" if i == 0 else " " * indent + part for i, part in enumerate(parts or [""])]
    return [line.rstrip() for line in lines]
