"""The examples of a training, where they are kept, and which of them each step sees.

The examples are held as a model's inputs on the device where there is room; else their fields stay in the file, mapped
into memory, and become inputs a batch at a time; of a file that the host's memory cannot hold either, the next batch is
read while a step computes. The batches are the same whichever the way, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from experiments.operators.generate import Samples
from experiments.operators.normalise import Inputs, Scales, inputs_of, norm

Way = Literal["memory", "mapped", "streamed"]
SHARE = 0.5
"""Of the memory that is free, what the samples may take."""
_MEMORY = Path("/proc/meminfo")
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


class Examples(Protocol):
    """ahead: whether taking them takes so long that the next ones are to be taken while others are worked on."""

    count: int
    ahead: bool

    def take(self, chosen: np.ndarray | None) -> Inputs:
        """The examples at these places, or all of them in order, on the device to train on."""
        ...


class Held:
    """All inputs on the device."""

    ahead = False

    def __init__(self, inputs: Inputs) -> None:
        self._inputs, self.count = inputs, len(inputs.target)

    def take(self, chosen: np.ndarray | None) -> Inputs:
        if chosen is None:
            return self._inputs
        places = torch.from_numpy(chosen).to(self._inputs.target.device)
        return Inputs(*(tensor[places] for tensor in self._inputs))


class Gathered:
    """Samples that become inputs when they are taken: parts, each fitted to the model's channels, one after another."""

    def __init__(self, parts: Sequence[Samples], scales: Scales, device: str, *, ahead: bool) -> None:
        self._parts, self._scales, self._device, self.ahead = parts, scales, device, ahead
        self._norms = [norm(part.source) for part in parts]
        self._ends = np.cumsum([len(part.source) for part in parts])
        self.count = int(self._ends[-1])

    def take(self, chosen: np.ndarray | None) -> Inputs:
        places = np.arange(self.count) if chosen is None else chosen
        owners = np.searchsorted(self._ends, places, side="right")
        found, sizes = [], []
        for owner in np.unique(owners):
            here = torch.from_numpy(places[owners == owner] - (self._ends[owner] - len(self._parts[owner].source)))
            found.append(self._parts[owner].part(here))
            sizes.append(self._norms[owner][here])
        inputs = inputs_of(Samples.joined(found), self._scales, torch.cat(sizes))
        back = torch.from_numpy(np.argsort(np.argsort(owners, kind="stable")))
        return Inputs(*(tensor[back].to(self._device) for tensor in inputs))


class Batches:
    """What each step sees: shuffled passes over all examples, one after another without a gap.

    A function of the seed and the number of the step.
    """

    def __init__(self, examples: Examples, size: int, seed: int) -> None:
        self._examples, self._size, self._seed = examples, size, seed
        self._reader = ThreadPoolExecutor(1) if examples.ahead else None
        self._next: tuple[int, Future[Inputs]] | None = None

    def of(self, step: int) -> Inputs:
        """The batch of a step, counted from 0."""
        if self._reader is None:
            return self._made(step)
        ready = self._next[1] if self._next and self._next[0] == step else self._reader.submit(self._made, step)
        found = ready.result()
        self._next = (step + 1, self._reader.submit(self._made, step + 1))
        return found

    def _made(self, step: int) -> Inputs:
        return self._examples.take(self._places(step))

    def _places(self, step: int) -> np.ndarray | None:
        count, size = self._examples.count, self._size
        if size == count:
            return None
        places = np.arange(step * size, (step + 1) * size)
        passes = range(places[0] // count, places[-1] // count + 1)
        order = np.concatenate([_order(self._seed, number, count) for number in passes])
        return order[places - passes[0] * count]


@functools.lru_cache(maxsize=4)
def _order(seed: int, number: int, count: int) -> np.ndarray:
    """The order of the examples in one pass over them."""
    return np.random.default_rng([seed, 1, number]).permutation(count)


def way(samples: int, host: int, device: int) -> Way:
    """Where to keep this many bytes of samples, with so many free on the host and on the device to train on.

    While inputs are made of samples both are in the host's memory.
    """
    if 2 * samples <= SHARE * host and samples <= SHARE * device:
        return "memory"
    return "mapped" if samples <= SHARE * host else "streamed"


def free(device: str) -> tuple[int, int]:
    """Bytes that are free on the host, as far as its control group may have them, and on the device."""
    host = 1024 * next(int(line.split()[1]) for line in _MEMORY.read_text().splitlines() if line.startswith("MemAvail"))
    try:
        host = min(host, int(_LIMIT.read_text()) - int(_USED.read_text()))
    except (OSError, ValueError):  # no control group, or one without a limit
        pass
    return host, torch.cuda.mem_get_info()[0] if device == "cuda" else host
