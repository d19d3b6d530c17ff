"""What a run computes on: checked and set up before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import Reporter, lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


def prepare(reporter: Reporter) -> None:
    """As many threads as were granted; on a GPU, which must be one that torch can use, float32 without short cuts.

    A torch without CUDA, a driver that is too old, a GPU that a build knows no more: with gpus=auto the run goes to the
    CPU. Raises TaskError where a GPU was asked for.
    """
    torch.set_num_threads(reporter.cpus)
    if reporter.device == "cpu":
        return
    if why := fault():
        reporter.without_gpu(why)
        return
    # TF32 would keep 10 bits of float32's 23 in products: too few for derivatives and for the data of operators.
    # It is off unless the environment turns it on, as containers of NVIDIA do.
    torch.set_float32_matmul_precision("highest")


def fault() -> str:
    """Why torch cannot use the GPU; empty where it can."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__}, which is built without CUDA"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} for CUDA {torch.version.cuda}, which finds no GPU: is the driver older?"
    try:
        torch.ones(1, device="cuda").add_(1).item()
    except RuntimeError as error:
        return str(error).strip().partition("\n")[0]
    return ""
