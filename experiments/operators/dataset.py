"""The task `dataset`: makes the samples of a system and publishes them as an HDF5 file."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from engine.api import (
    Estimate,
    Finding,
    Params,
    Problem,
    Reporter,
    Spec,
    State,
    TaskDescription,
    TaskError,
    describe_struct,
    lazy_import,
    settings,
)
from engine.errors import StoreError
from experiments import device
from experiments.operators import recipe as recipes
from experiments.operators.recipe import SPLITS, Recipe, Sizes, Split
from experiments.operators.system import find

if TYPE_CHECKING:
    import numpy as np

    from experiments.operators import data, generate, verification
else:
    data = lazy_import("experiments.operators.data")
    generate = lazy_import("experiments.operators.generate")
    verification = lazy_import("experiments.operators.verification")


SIGNATURE = b"\x89HDF\r\n\x1a\n"
FINEST = 128
"""Points along each side of a field that is looked at: a terminal shows no more."""


class Making(Spec, frozen=True, kw_only=True):
    samples: Annotated[int, Meta(ge=1, description="Training samples; the first N are the same for any number")] = 1024
    chunk: Annotated[int, Meta(ge=1, description="Samples written at a time; the samples do not depend on it")] = 256
    publish: Annotated[str, Meta(description="Name to publish it under; empty: made of system, range and grid")] = ""


class DatasetTask:
    def describe(self) -> TaskDescription:
        making, common = describe_struct(Making), recipes.properties()
        properties = {
            **{key: common.pop(key) for key in ("system", "grid")},
            "samples": making.pop("samples"),
            **common,
            **making,
        }
        return TaskDescription(
            key="dataset",
            title="Operator data",
            summary="Draws PDEs from a system's range, solves them with a spectral method and publishes the samples.",
            schema={"type": "object", "properties": properties, "x-presets": recipes.presets()},
            label="{system} {grid}x{grid} N={samples}",
            metrics={
                "samples_per_s": "samples drawn, solved and written a second",
                "seconds": "time spent so far",
            },
        )

    def check(self, params: Params, /) -> list[Problem]:
        problems, name = recipes.problems_of(recipes.recipe_of(params)), settings(Making, params).publish
        if name and not re.fullmatch(r"[^\W_][\w.-]*", name):
            required = "a name of letters, digits, _, . and -, a letter or digit first"
            problems.append(Problem("publish", required, name))
        return problems

    def estimate(self, params: Params, /) -> Estimate:
        recipe, sizes = recipes.recipe_of(params), recipes.sizes_of(params)
        points = recipe.grid**2 * (1 if recipe.dtype == "float32" else 4)
        return Estimate(seconds=3 + 5e-8 * points * sizes.total, memory_gb=0.6 + 2e-7 * points)

    def run(self, params: Params, reporter: Reporter, /) -> None:
        recipe, sizes, making = recipes.recipe_of(params), recipes.sizes_of(params), settings(Making, params)
        device.prepare(reporter)
        path = reporter.folder / "samples.h5"
        state = reporter.resume()
        if state is None or not data.holds(path, recipe, sizes):
            state = {"done": 0, "seconds": 0.0}
            _require_room(path, recipe, sizes)
        try:
            if not state["done"]:
                data.create(path, recipe, sizes)
            finished = _fill(path, recipe, sizes, making.chunk, state, reporter)
        except OSError as error:
            raise TaskError(
                f"{path}: required room for {recipe.size(sizes.total) / 1e9:.3g} GB, got {error.strerror}; "
                "make room and resume: what is there is kept"
            ) from None
        if finished:
            found = data.finish(path)
            name, facts = self.identify(path)
            reporter.publish("dataset", path, name=making.publish or name, **facts)
            reporter.summary(samples=sizes.train, sha256=found.sha256, stop_reason="all samples made")
        else:
            reporter.summary(stop_reason="stopped")

    def identify(self, path: Path, /) -> tuple[str, dict[str, Any]]:
        with path.open("rb") as file:
            if file.read(len(SIGNATURE)) != SIGNATURE:  # without the seconds that importing h5py and torch takes
                raise TaskError(f"{path}: required an HDF5 file, got one of another kind")
        recipe, sizes, _, digest = data.complete(path)
        about = {"equation": find(recipe.system).equation, "content_sha256": digest}
        return recipe.name, recipes.facts(recipe, sizes) | about | {"quantities": data.quantities(path)}

    def verify(self, path: Path, /) -> Iterator[Finding]:
        return verification.verify(path)

    def preview(self, path: Path, count: int, /) -> dict[str, np.ndarray]:
        found = data.complete(path)
        samples = data.read(path, "train", min(count, found.sizes.train), mapped=True)
        step = -(-found.recipe.grid // FINEST)
        fields = {"source": samples.source, "solution": samples.solution}
        shown = {name: field[:, ::step, ::step].numpy() for name, field in fields.items()}
        return shown | {"coefficients": samples.coefficients, "drawn": samples.drawn}


def _fill(path: Path, recipe: Recipe, sizes: Sizes, chunk: int, state: State, reporter: Reporter) -> bool:
    """Makes and writes what is missing; False where a stop was asked for."""
    done, before, started = int(state["done"]), float(state["seconds"]), time.monotonic()
    seconds = before
    writer = data.Writer(path)

    def checkpoint() -> State:
        writer.flush()
        return {"done": done, "seconds": seconds}

    try:
        for split, start, stop in _chunks(sizes, done, chunk):
            at, begun = start, time.monotonic()
            for samples in generate.blocks(recipe, split, start, stop, reporter.device):
                writer.write(split, at, samples)
                at += len(samples.source)
            now = time.monotonic()
            done, seconds = done + stop - start, before + now - started
            reporter.metrics(done, samples_per_s=(stop - start) / (now - begun), seconds=seconds)
            reporter.progress(done, sizes.total, what=f"{split} samples")
            stopping = reporter.stopping and done < sizes.total
            reporter.checkpoint(done, checkpoint, now=stopping or done == sizes.total)
            if stopping:
                return False
    except OSError:
        with suppress(OSError, StoreError):  # what was written until now need not be made again
            reporter.checkpoint(done, checkpoint, now=True)
        raise
    finally:
        writer.close()
    return True


def _chunks(sizes: Sizes, done: int, chunk: int) -> Iterator[tuple[Split, int, int]]:
    """Split, start and stop of each portion that is missing where the first `done` samples of all are there.

    Portions end at whole blocks, so that no block is made twice.
    """
    portion = -(-chunk // generate.BLOCK) * generate.BLOCK
    for split in SPLITS:
        count = sizes.of(split)
        for start in range(min(done, count), count, portion):
            yield split, start, min(start + portion, count)
        done = max(0, done - count)


def _require_room(path: Path, recipe: Recipe, sizes: Sizes) -> None:
    needed, free = recipe.size(sizes.total), shutil.disk_usage(path.parent).free
    if needed > free:
        raise TaskError(f"{path}: required {needed / 1e9:.3g} GB free on its disk, got {free / 1e9:.3g} GB")


TASK = DatasetTask()
