"""GPUs: what the machine has, who uses it, and what is leased to runs.

The one seam is `inventory`. `SCIML_TUI_GPUS` may name a JSON file, a list of `Gpu`, that takes the driver's place: for
tests, and to try the scheduler on a machine without GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from engine import processes, records
from engine.errors import ServiceError
from engine.records import Run

SEAM = "SCIML_TUI_GPUS"


class GpuProcess(msgspec.Struct, frozen=True):
    """A process on a GPU. `memory` in bytes; 0 where the driver does not tell, as in containers."""

    pid: int
    memory: int = 0


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, or one of the parts (MIG) that it is divided into. Memory in bytes; `memory_used` is what processes use,
    without what the driver keeps for itself; both are 0 where the driver does not tell, as of memory that a CPU shares.

    `used` is the share of the last second or so in which it computed; None where the driver does not tell. `whole`: of
    a part, the UUID of its GPU.
    """

    index: int
    uuid: str
    name: str
    memory_total: int
    memory_used: int = 0
    used: float | None = None
    processes: tuple[GpuProcess, ...] = ()
    whole: str = ""


def inventory() -> list[Gpu]:
    """GPUs that runs may use, in the order of the bus; none where there is no driver.

    `CUDA_VISIBLE_DEVICES`, by index or by UUID, limits them as it limits CUDA. Raises ServiceError where there is a
    driver that does not answer.
    """
    if SEAM in os.environ:
        found = msgspec.json.decode(Path(os.environ[SEAM]).read_bytes(), type=list[Gpu])
    else:
        found = _ask_driver()
    return visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(gpus: list[Gpu], chosen: str | None) -> list[Gpu]:
    """Those that a value of CUDA_VISIBLE_DEVICES leaves visible; a UUID may be shortened, as for CUDA. A GPU that is
    named stands for its parts.
    """
    if chosen is None:
        return gpus
    names = [name.strip() for name in chosen.split(",") if name.strip()]
    return [
        gpu
        for gpu in gpus
        if any(name == str(gpu.index) or gpu.uuid.startswith(name) or gpu.whole.startswith(name) for name in names)
    ]


def _ask_driver() -> list[Gpu]:
    import pynvml  # where it is needed: a list of runs does without

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return []
    except pynvml.NVMLError as error:
        raise ServiceError(f"GPUs: required an answer of the driver, got {error}; try nvidia-smi") from None
    try:
        return [gpu for index in range(pynvml.nvmlDeviceGetCount()) for gpu in _described(pynvml, index)]
    except pynvml.NVMLError as error:
        raise ServiceError(f"GPUs: required an answer of the driver, got {error}; try nvidia-smi") from None
    finally:
        pynvml.nvmlShutdown()


def _described(pynvml: Any, index: int) -> list[Gpu]:
    """The GPU or, where it is divided, its parts: CUDA computes on no more than one of them."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    parts = _parts(pynvml, handle)
    if parts is None:
        return [_one(pynvml, index, handle)]
    whole = pynvml.nvmlDeviceGetUUID(handle)
    return [msgspec.structs.replace(_one(pynvml, index, part), whole=whole) for part in parts]


def _parts(pynvml: Any, handle: Any) -> list[Any] | None:
    """None where the GPU is not divided."""
    try:
        if pynvml.nvmlDeviceGetMigMode(handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return None
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except pynvml.NVMLError:  # it cannot be divided, or the driver is older
        return None
    found = []
    for place in range(most):
        with suppress(pynvml.NVMLError_NotFound):  # a place that no part has
            found.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place))
    return found


def _one(pynvml: Any, index: int, handle: Any) -> Gpu:
    total, taken = _memory(pynvml, handle)
    try:
        running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except pynvml.NVMLError:  # not told to everybody
        running = []
    try:
        used = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    except pynvml.NVMLError:  # not told of parts of a GPU
        used = None
    return Gpu(
        index=index,
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        name=pynvml.nvmlDeviceGetName(handle),
        memory_total=total,
        memory_used=taken,
        used=used,
        processes=tuple(GpuProcess(process.pid, process.usedGpuMemory or 0) for process in running),
    )


def _memory(pynvml: Any, handle: Any) -> tuple[int, int]:
    """All, and what is used of it."""
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError:
        try:  # an older driver, which counts its own share as used
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_NoPermission):
            return 0, 0
    return memory.total, memory.used


def leases(runs: Iterable[Run]) -> dict[str, float]:
    """What active runs were given: the share of each GPU, by UUID, that is taken. Nothing else keeps books."""
    taken: dict[str, float] = {}
    for claim in records.leases(runs):
        for uuid in claim.gpus:
            taken[uuid] = taken.get(uuid, 0.0) + claim.gpu_share
    return taken


def foreign(gpus: Iterable[Gpu], taken: Collection[str], ours: Collection[int], busy_bytes: float) -> frozenset[str]:
    """UUIDs of the GPUs that others use: their processes hold more memory than `busy_bytes`.

    ours: pids of our runs. On a GPU that is leased to a run, memory whose owner cannot be seen counts as the run's.
    """

    def of_others(gpu: Gpu) -> int:
        if gpu.uuid not in taken:
            return gpu.memory_used
        strangers = [it for it in gpu.processes if it.pid not in ours and processes.start_time(it.pid) is not None]
        return sum(process.memory for process in strangers)

    return frozenset(gpu.uuid for gpu in gpus if of_others(gpu) > busy_bytes)


def environment(uuids: Iterable[str]) -> dict[str, str]:
    """What makes CUDA see these GPUs and no others, numbered from 0 in this order; none of them: CPU."""
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(uuids)}
