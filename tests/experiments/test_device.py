"""What a run computes on is looked at before it computes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.paths import Home
from engine.recorder import Recorder
from engine.schema import complete
from experiments import device
from experiments.operators.dataset import TASK as DATASET
from experiments.operators.task import TASK as OPERATOR
from experiments.pinns.task import TASK as PINN

without_cuda = pytest.mark.skipif(torch.version.cuda is not None, reason="torch is built with CUDA")
QUICK: list[tuple[Any, dict[str, Any]]] = [
    (PINN, {"points": 20, "model.width": 4, "model.depth": 1, "optimizer.closures": 3}),
    (DATASET, {"grid": 16, "samples": 4, "validation": 1, "test": 1}),
    (OPERATOR, {"grid": 16, "samples": 4, "validation": 1, "test": 1, "steps": 2, "model.width": 4, "model.modes": 2}),
]


def test_a_gpu_computes_in_the_precision_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says: containers turn TF32 on."""
    monkeypatch.setattr(device, "fault", lambda: "")
    torch.set_float32_matmul_precision("high")
    try:
        device.prepare(Recorder(tmp_path, device="cuda"))
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision("highest")


@without_cuda
def test_a_torch_without_cuda_is_said_to_be_one() -> None:
    assert device.fault() == f"torch {torch.__version__}, which is built without CUDA"


def test_a_gpu_that_torch_cannot_use_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.fault().endswith("for CUDA 13.0, which finds no GPU: is the driver older?")

    def launched(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with ...")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", launched)
    assert device.fault() == "CUDA error: no kernel image is available for execution on the device"


@without_cuda
@pytest.mark.parametrize(("task", "params"), QUICK, ids=["pinn", "dataset", "operator"])
def test_every_task_runs_on_the_cpu_instead(task: Any, params: dict[str, Any], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, device="cuda")
    task.run(complete(task.describe().schema, params), recorder)
    assert recorder.device == "cpu"
    assert recorder.figures["stop_reason"]
    assert "built without CUDA" in recorder.warnings[0]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Runs started by the command line in the background, as they ended; what tests hold of a GPU is no hindrance."""
    Home(tmp_path / "home").create().config.write_text("gpu_busy_mb = 1e6\n")
    line = [sys.executable, "-P", "-m", "tui.cli", "--home", str(tmp_path / "home")]

    def ended(*words: str) -> list[dict[str, Any]]:
        done = subprocess.run([*line, "run", *words, "--wait", "--json"], capture_output=True, text=True, check=False)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    yield ended
    subprocess.run([*line, "scheduler", "stop"], capture_output=True, check=False)


PINN_RUN = ("pinn", "beta=1", "points=40", "model.width=6", "model.depth=2", "optimizer.closures=30")
OPERATOR_RUN = (
    "operator",
    "mode=pretrain",
    "grid=16",
    "samples=16",
    "validation=4",
    "test=4",
    "steps=10",
    "model.width=6",
)


@without_cuda
def test_with_auto_a_gpu_that_torch_cannot_use_is_no_hindrance(
    command: Callable[..., list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gpus.json"
    file.write_text('[{"index": 0, "uuid": "GPU-0", "name": "H100", "memory_total": 80000000000}]')
    monkeypatch.setenv("SCIML_TUI_GPUS", str(file))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (run,) = command(*PINN_RUN)
    assert (run["status"], run["device"]) == ("done", "cpu")
    assert "built without CUDA" in run["warnings"][0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_real_gpu_has_no_fault() -> None:
    assert device.fault() == ""


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    "words",
    [PINN_RUN, (*PINN_RUN, "--seeds", "0-2", "--pack"), (*OPERATOR_RUN, "model.modes=4", "model.width=6")],
    ids=lambda it: it[0],
)
def test_runs_in_the_background_compute_on_the_gpu_that_they_were_leased(
    words: tuple[str, ...], command: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own GPUs: from the driver's inventory to the device that torch sees."""
    monkeypatch.delenv("SCIML_TUI_GPUS", raising=False)
    for run in command(*words, "--gpus", "1"):
        assert (run["status"], run["device"], run["warnings"]) == ("done", "cuda", [])
        assert run["versions"]["gpu"]
