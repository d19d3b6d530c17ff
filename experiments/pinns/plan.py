"""Which channels a network must carry for a problem: the fewest that give its residual and its conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from experiments.pinns.derivatives import Channel
from experiments.pinns.problem import Problem


class Plan(NamedTuple):
    """named: the channels of single derivatives. linear: the linear part of the residual, as (channel, factor) pairs,
    where None stands for u itself.
    """

    channels: tuple[Channel, ...]
    named: Mapping[str, int]
    linear: tuple[tuple[int | None, float], ...]


def plan(problem: Problem) -> Plan | None:
    """None where a derivative is mixed or of an order above two, which channels do not give.

    The derivatives of the linear part become one channel, unless it is a single one that is needed by itself as well.
    """
    system = problem.system
    axes = tuple(system.axes)
    linear = dict(system.linear(problem.coefficients))
    own = linear.pop("u", None)
    conditions = [condition.derivative for condition in problem.conditions]
    alone = [name for name in dict.fromkeys([*system.reads, *conditions]) if name not in axes and name != "u"]
    if not all(_is_simple(name) for name in [*linear, *alone]):
        return None
    as_one = len(linear) > 1 or not set(linear) <= set(alone)
    squared = {name[-1] for name in [*alone, *(linear if as_one else ())] if _order(name) == 2}
    channels: list[Channel] = []
    named: dict[str, int] = {}
    for axis in axes:
        if axis in squared or f"u_{axis}" in alone:
            named[f"u_{axis}"] = len(channels)
            channels.append(Channel(tuple(float(axis == other) for other in axes)))
    for name in alone:
        if _order(name) == 2:
            named[name] = len(channels)
            channels.append(Channel((0.0,) * len(axes), ((named[name[:-1]], 1.0),)))
    terms: list[tuple[int | None, float]] = [] if own is None else [(None, own)]
    if as_one:
        terms.append((len(channels), 1.0))
        direction = tuple(linear.get(f"u_{axis}", 0.0) for axis in axes)
        squares = tuple((named[name[:-1]], factor) for name, factor in linear.items() if _order(name) == 2)
        channels.append(Channel(direction, squares))
    else:
        terms += [(named[name], factor) for name, factor in linear.items()]
    return Plan(tuple(channels), named, tuple(terms))


def _order(name: str) -> int:
    return len(name) - len("u_")


def _is_simple(name: str) -> bool:
    """Of first or second order along one axis."""
    return _order(name) in (1, 2) and len(set(name[2:])) == 1
