"""One training step of the FNO beside neuraloperator's, the same work from the same weights; and how fast data is made.

    python -m benchmarks.fno [--gpu] [--compiled] [--json FILE]

The step: 64 x 64 points, batch 16, 4 channels, width 32, 16 modes, 4 blocks, float32, one CPU thread; forward, sum of
squared errors, backward and the same fused Adam. Both get all four channels over the grid.

ratio_neuralop_step: seconds of the peer's step over ours, the median over interleaved pairs; above 1 is faster.
ratio_neuralop_step_gpu, .._gpu_launched, .._gpu_compiled: the same step on a GPU, where there is one: as trainings take
    it, replayed as a CUDA graph; launched kernel by kernel; and, with --compiled, compiled and replayed, as in long
    trainings. TF32 is off for both.
ratio_neuralop_paper_gpu, ..: likewise a step of the published size: 128 x 128 points, batch 128, width 32, 8 modes.
ratio_neuralop_memory_gpu: peak memory of that step on the GPU over the peer's, as launched. --gpu: only what needs one.
ratio_neuralop_memory: peak memory of our steps over the peer's, each in a process of its own and above what is resident
    before model and data are made; below 1 is smaller.
ratio_kept_memory: CPU seconds of our step at a width of 16 in a process as it is, over those in one that keeps what it
    frees, as workers do (`engine.memory`); the median over pairs of processes; above 1 is faster.
samples_per_s_poisson, .._advection_diffusion, .._helmholtz: 128 x 128, float32, in memory; of the mean over blocks, so
    that what is drawn again counts.
written_per_s_poisson: the same into a dataset with its hash, on the clock of the wall.
generate_mb: peak memory of making 32768 such samples, a block at a time, above what is resident after importing torch.
"""

from __future__ import annotations

import functools
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmarks._figures import report

if TYPE_CHECKING:
    from experiments.operators.recipe import Recipe

ROUNDS, GRID, BATCH, CHANNELS = 15, 64, 16, 4
LAUNCHED = 20
"""Steps on a GPU between two looks at the clock."""


class Training(NamedTuple):
    """predict: the fields predicted. step: one training step."""

    predict: Callable[[], torch.Tensor]
    step: Callable[[], object]


def training(
    which: str, device: str = "cpu", *, width: int = 32, modes: int = 16, grid: int = GRID, batch: int = BATCH
) -> Training:
    """Of "ours" or of the "peer"; on a GPU "replayed" as trainings do it, or "compiled" as well, as long ones are."""
    from experiments.models import fno
    from experiments.operators.adam import Adam
    from experiments.operators.gradients import Gradients

    spec = fno.FNO(width=width, modes=modes, blocks=4)
    drawn = fno.initialise(spec, CHANNELS, np.random.default_rng(0))
    given = {"dtype": torch.float32, "device": device}
    ours = {name: torch.tensor(array, **given, requires_grad=True) for name, array in drawn.items()}
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, grid, grid, CHANNELS, generator=generator).to(device)
    y = torch.randn(batch, grid, grid, generator=generator).to(device)
    none = torch.empty(batch, 0, device=device)
    parameters, forward = ours, functools.partial(fno.forward, spec)
    if which == "compiled":
        forward(ours, x, none)  # what is imported late, the compiler does not take
        forward = fno.compiled(spec)
    if which == "peer":
        from benchmarks._neuralop import peer

        net, first = peer(spec, ours).to(device), x.permute(0, 3, 1, 2).contiguous()
        parameters = dict(net.named_parameters())

    def predict() -> torch.Tensor:
        return net(first)[:, 0] if which == "peer" else forward(ours, x, none)

    views = {name: _real(tensor.detach()).requires_grad_() for name, tensor in parameters.items()}
    adam, number = Adam(views), 0
    gradients = Gradients(forward, _squared, ours, ours)

    def step() -> None:
        nonlocal number
        number += 1
        if which in ("replayed", "compiled"):
            gradients(x, none, y)
            for name, tensor in ours.items():
                views[name].grad = tensor.grad
        else:
            found = torch.autograd.grad(_squared(predict(), y), list(parameters.values()))
            for view, gradient in zip(views.values(), found, strict=True):
                view.grad = _real(gradient.contiguous())  # the fused kernel of a GPU asks for it
        adam.step(number, 1e-4)

    return Training(predict, step)


def _squared(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (predicted - target).square().sum()


def _real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def compare_steps() -> dict[str, float]:
    ours, theirs = training("ours"), training("peer")
    print(f"outputs differ by          {_difference(ours, theirs):.2g}  (relative L2)")
    ours.step()
    theirs.step()
    times = [(_seconds(theirs.step), _seconds(ours.step)) for _ in range(ROUNDS)]
    for name, seconds in zip(("neuraloperator", "ours"), zip(*times, strict=True), strict=True):
        print(f"{name + ', a step':26s} {statistics.median(seconds) * 1e3:.0f} ms  (median of {ROUNDS})")
    return {"ratio_neuralop_step": statistics.median(peer / own for peer, own in times)}


@torch.no_grad()
def _difference(one: Training, other: Training) -> float:
    first, second = one.predict().cpu(), other.predict().cpu()
    return ((first - second).norm() / second.norm()).item()


def compare_on_gpu() -> dict[str, float]:
    torch.backends.cudnn.allow_tf32 = False  # on by default, and the peer's 1x1 convolutions would use it
    paper = _ratios_on_gpu("128 x 128, batch 128", grid=128, batch=128, width=32, modes=8)
    ours, theirs = (_peak_on_gpu(which, grid=128, batch=128, width=32, modes=8) for which in ("ours", "peer"))
    print(f"peak memory of a step      {ours / 1e9:.2f} GB, neuraloperator {theirs / 1e9:.2f} GB")
    return {
        **{f"ratio_neuralop_step_gpu{suffix}": ratio for suffix, ratio in _ratios_on_gpu("64 x 64, batch 16").items()},
        **{f"ratio_neuralop_paper_gpu{suffix}": ratio for suffix, ratio in paper.items()},
        "ratio_neuralop_memory_gpu": ours / theirs,
    }


def _ratios_on_gpu(title: str, **size: int) -> dict[str, float]:
    """Of the peer's step and ours as trainings do it, "", as "_launched" one by one, and "_compiled"."""
    named = {"": "replayed", "_launched": "ours", **({"_compiled": "compiled"} if "--compiled" in sys.argv else {})}
    made = {which: training(which, "cuda", **size) for which in ("peer", *named.values())}
    on_cpu = training("ours", **size)
    print(f"{title}: outputs on a GPU differ from those on a CPU by")
    print(f"  ours {_difference(made['ours'], on_cpu):.2g}, neuraloperator {_difference(made['peer'], on_cpu):.2g}")
    del on_cpu

    def seconds(step: Callable[[], object]) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(LAUNCHED):
            step()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / LAUNCHED

    for one in made.values():
        seconds(one.step)  # graphs are captured
    rounds = [{which: seconds(one.step) for which, one in made.items()} for _ in range(ROUNDS)]
    for which in made:
        print(f"{which + ', a step on a GPU':26s} {statistics.median(one[which] for one in rounds) * 1e3:.2f} ms")
    return {suffix: statistics.median(one["peer"] / one[which] for one in rounds) for suffix, which in named.items()}


def _peak_on_gpu(which: str, **size: int) -> float:
    """Bytes of the GPU that two steps take above weights and data."""
    one = training(which, "cuda", **size)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        one.step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    """CPU seconds of this thread, the only one at work: other programs on the machine disturb them least."""
    start = clock()
    work()
    return clock() - start


def compare_memory() -> dict[str, float]:
    ours, theirs = (_measured(which) for which in ("ours", "peer"))
    print(f"peak memory of steps       {ours:.0f} MB, neuraloperator {theirs:.0f} MB")
    return {"ratio_neuralop_memory": ours / theirs}


def compare_kept_memory() -> dict[str, float]:
    pairs = [(_measured("plain", "--step-of"), _measured("kept", "--step-of")) for _ in range(3)]
    plain, kept = (statistics.median(each) * 1e3 for each in zip(*pairs, strict=True))
    print(f"a step of width 16         {plain:.0f} ms, {kept:.0f} ms where freed memory is kept")
    return {"ratio_kept_memory": statistics.median(plain / kept for plain, kept in pairs)}


def step_of(which: str) -> float:
    """CPU seconds of a step, the mean of many, in a process as it is ("plain") or as a worker ("kept")."""
    from engine import memory

    if which == "kept":
        memory.keep_freed()
    step = training("ours", width=16, modes=8).step
    step()
    return statistics.mean(_seconds(step) for _ in range(40))


def _measured(which: str, figure: str = "--peak-of") -> float:
    """MB or seconds, in a fresh process."""
    code = [sys.executable, "-m", "benchmarks.fno", figure, which]
    return float(subprocess.run(code, capture_output=True, text=True, check=True).stdout.split()[-1])


def peak_of(which: str) -> float:
    """Peak of resident memory in MB above what is resident when all modules are imported."""
    if which == "generate":
        before = _resident("VmRSS")  # of torch alone
        from experiments.operators import generate

        work = generate.blocks(_recipe(), "train", 0, 1 << 15)
    else:
        __import__("experiments.models._fourier" if which == "ours" else "benchmarks._neuralop")
        before = _resident("VmRSS")
        step = training(which).step
        work = (step() for _ in range(4))
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM counts from here
    for _ in work:
        pass
    return _resident("VmHWM") - before


def _resident(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def _recipe(system: str = "poisson") -> Recipe:
    from experiments.operators.recipe import Recipe
    from experiments.operators.system import find

    low, high = find(system).range["default"]
    return Recipe(system=system, range=(low, high), grid=128, dtype="float32", seed=0)


def made_per_second(system: str) -> float:
    from experiments.operators import generate

    recipe = _recipe(system)
    generate.make_block(recipe, "train", 0)
    seconds = statistics.mean(_seconds(lambda n=n: generate.make_block(recipe, "train", n)) for n in range(40))
    return generate.BLOCK / seconds


def generation() -> dict[str, float]:
    from experiments.operators import data
    from experiments.operators.recipe import Sizes
    from experiments.operators.system import systems

    made = {f"samples_per_s_{system}": made_per_second(system) for system in systems()[0]}
    recipe, sizes = _recipe(), Sizes(train=2048, validation=1, test=1)

    def write() -> None:
        path.unlink(missing_ok=True)
        data.made(path, recipe, sizes)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "samples.h5")
        written = statistics.median(_seconds(write, time.perf_counter) for _ in range(3))
    memory = _measured("generate")
    print(f"making 32768 samples       {memory:.0f} MB above the import of torch")
    return {**made, "written_per_s_poisson": sizes.train / written, "generate_mb": memory}


def main() -> None:
    torch.set_num_threads(1)
    if "--peak-of" in sys.argv:
        print(peak_of(sys.argv[-1]))
        return
    if "--step-of" in sys.argv:
        print(step_of(sys.argv[-1]))
        return
    figures: dict[str, float] = {}
    if not importlib.util.find_spec("neuralop"):
        print("neuraloperator is not installed: pip install -c constraints.txt -e '.[bench]'")
    else:
        if "--gpu" not in sys.argv:
            figures |= compare_steps() | compare_memory()
        if torch.cuda.is_available():
            figures |= compare_on_gpu()
        else:
            print("no GPU here: ratio_neuralop_step_gpu is not measured")
    if "--gpu" not in sys.argv:
        figures |= compare_kept_memory() | generation()
    report(figures, sys.argv[1:])


if __name__ == "__main__":
    main()
