"""Several systems learned at once: which, and how many samples of each.

The run's own system comes first, with weight 1; others are written `key:low:high` or `key:low:high:weight`. The samples
of a mixture are the first ones of each system's own sets, as many as its share of the weights; so a mixture takes as
many examples in all as a single system does. Every system is tested on as many samples as one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from engine.api import Params, Problem, Spec, SpecError, settings
from experiments.operators import recipe as recipes
from experiments.operators.recipe import Recipe, Sizes
from experiments.operators.system import find


class Mixture(Spec, frozen=True, kw_only=True):
    mix: Annotated[
        tuple[str, ...],
        Meta(
            description="Other systems to learn besides, as helmholtz:1:10 or, with a weight other than 1, "
            "helmholtz:1:10:0.5; the samples are shared out by weight, and those of others are made on the spot"
        ),
    ] = ()


class Part(NamedTuple):
    recipe: Recipe
    sizes: Sizes


def parts_of(params: Params) -> list[Part]:
    """The systems of a run, its own first: a single one where nothing is mixed.

    Raises SpecError where what is mixed cannot be read, is out of its range, comes twice or gets no samples.
    """
    recipe, sizes = recipes.recipe_of(params), recipes.sizes_of(params)
    written = settings(Mixture, params).mix
    if not written:
        return [Part(recipe, sizes)]
    others = [_read(text, recipe) for text in written]
    mixed, weights = [recipe, *(other for other, _ in others)], [1.0, *(weight for _, weight in others)]
    keys = [part.system for part in mixed]
    if len(set(keys)) < len(keys):
        raise SpecError([Problem("mix", "each system once", ", ".join(keys))])
    train, validation = (_shares(name, getattr(sizes, field), weights) for name, field in SHARED.items())
    return [
        Part(part, Sizes(train=t, validation=v, test=sizes.test))
        for part, t, v in zip(mixed, train, validation, strict=True)
    ]


SHARED = {"samples": "train", "validation": "validation"}


def _read(text: str, recipe: Recipe) -> tuple[Recipe, float]:
    key, *rest = text.split(":")
    try:
        low, high, weight = (float(part) for part in (rest if len(rest) == 3 else [*rest, "1"]))
    except ValueError:
        raise SpecError([Problem("mix", "key:low:high or key:low:high:weight", text)]) from None
    try:
        bounds = find(key).range
    except SpecError as error:
        raise SpecError(Problem("mix", p.required, p.got, p.hint) for p in error.problems) from None
    least, most = bounds["items"].get("exclusiveMinimum", float("-inf")), bounds["items"].get("maximum", float("inf"))
    if not (least < low <= high <= most and 0 < weight < float("inf")):
        required = f"a range of {key} above {least:g} and up to {most:g}, the lower end first, and a weight above 0"
        raise SpecError([Problem("mix", required, text)])
    other = msgspec.structs.replace(recipe, system=key, range=(low, high))
    if problems := recipes.problems_of(other):
        raise SpecError(Problem("mix", p.required, p.got, p.hint) for p in problems)
    return other, weight


def _shares(name: str, count: int, weights: Sequence[float]) -> list[int]:
    """`count` in proportion to the weights, the remainder to those that were cut most."""
    exact = [count * weight / sum(weights) for weight in weights]
    shares = [int(share) for share in exact]
    for index in sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])[: count - sum(shares)]:
        shares[index] += 1
    if 0 in shares:
        raise SpecError([Problem(name, "so many that each system of the mixture has one", str(count))])
    return shares


def name(parts: Sequence[Part]) -> str:
    """`poisson-1-5-32x32`, then `+helmholtz-1-10` for each other system."""
    others = (f"+{part.system}-{part.range[0]:g}-{part.range[1]:g}" for part, _ in parts[1:])
    return parts[0].recipe.name + "".join(others)
