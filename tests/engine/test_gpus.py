import json
import os
import sys
from itertools import count
from types import SimpleNamespace

import msgspec
import pytest

from engine import gpus
from engine.api import RunSpec
from engine.gpus import Gpu, GpuProcess
from engine.records import Claim, Run, Status

GB = 10**9


def gpu(index, **changes):
    return Gpu(index=index, uuid=f"GPU-{index}{index}{index}", name="Test", memory_total=80 * GB, **changes)


def run_with(*uuids, share=1.0, job="", number=count(1)):
    claim = Claim(host="h", boot="b", pid=1, at=0.0, gpus=uuids, gpu_share=share, job=job)
    return Run(id=f"r{next(number):04x}", spec=RunSpec(task="t"), status=Status.RUNNING, claim=claim)


def test_the_inventory_is_read_from_the_file_that_the_seam_names(tmp_path, monkeypatch):
    file = tmp_path / "gpus.json"
    file.write_bytes(msgspec.json.encode([gpu(0, memory_used=GB), gpu(1)]))
    monkeypatch.setenv(gpus.SEAM, str(file))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    first, second = gpus.inventory()
    assert (first.uuid, first.memory_total - first.memory_used, second.index) == ("GPU-000", 79 * GB, 1)


def test_a_machine_without_a_driver_has_none(monkeypatch):
    monkeypatch.delenv(gpus.SEAM, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if any(map(os.path.exists, ("/proc/driver/nvidia/version", "/dev/dxg"))):
        pytest.skip("there is a driver")
    assert gpus.inventory() == []


def driver(monkeypatch, **answers):
    """A driver that answers so; all other questions are not supported."""

    class NVMLError(Exception):
        pass

    errors = {name: type(name, (NVMLError,), {}) for name in ("NotSupported", "NotFound", "NoPermission")}
    errors |= {name: type(name, (NVMLError,), {}) for name in ("LibraryNotFound", "DriverNotLoaded")}

    def unsupported(*_, **__):
        raise errors["NotSupported"]

    asked = ("DeviceGetMemoryInfo", "DeviceGetComputeRunningProcesses", "DeviceGetUtilizationRates")
    functions = dict.fromkeys((*asked, "DeviceGetMigMode"), unsupported)
    functions |= {"Init": lambda: None, "Shutdown": lambda: None, "DeviceGetCount": lambda: 1}
    functions |= {"DeviceGetHandleByIndex": str, "DeviceGetUUID": lambda handle: f"GPU-{handle}"}
    functions |= {"DeviceGetName": lambda handle: f"Test {handle}", **answers}
    known = {"NVMLError": NVMLError, "nvmlMemory_v2": 2, "NVML_DEVICE_MIG_ENABLE": 1}
    known |= {f"NVMLError_{name}": error for name, error in errors.items()}
    known |= {f"nvml{name}": function for name, function in functions.items()}
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(**known))
    monkeypatch.delenv(gpus.SEAM, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return errors


def test_a_gpu_of_which_the_driver_tells_little_can_be_used(monkeypatch):
    driver(monkeypatch)
    assert gpus.inventory() == [Gpu(index=0, uuid="GPU-0", name="Test 0", memory_total=0)]


def test_an_older_driver_tells_memory_in_its_own_way(monkeypatch):
    def memory(handle, version=None):
        if version:
            raise errors["NotFound"]
        return SimpleNamespace(total=80 * GB, used=GB)

    errors = driver(monkeypatch, DeviceGetMemoryInfo=memory)
    (found,) = gpus.inventory()
    assert (found.memory_total, found.memory_used) == (80 * GB, GB)


def test_of_a_gpu_that_is_divided_the_parts_are_there(monkeypatch):
    """As CUDA has it: a process computes on one of them, which it names by its own UUID."""

    def part(handle, place):
        if place == 1:
            raise errors["NotFound"]
        return f"{handle}.{place}"

    def memory(handle, version=None):
        if handle == "0":  # of a whole that is divided it is not told to everybody
            raise errors["NoPermission"]
        return SimpleNamespace(total=10 * GB, used=0)

    errors = driver(
        monkeypatch,
        DeviceGetMigMode=lambda handle: [1, 1],
        DeviceGetMaxMigDeviceCount=lambda handle: 3,
        DeviceGetMigDeviceHandleByIndex=part,
        DeviceGetMemoryInfo=memory,
        DeviceGetUUID=lambda handle: f"MIG-{handle}" if "." in handle else f"GPU-{handle}",
    )
    found = gpus.inventory()
    assert [(it.uuid, it.whole, it.index) for it in found] == [("MIG-0.0", "GPU-0", 0), ("MIG-0.2", "GPU-0", 0)]
    assert found[0].memory_total == 10 * GB
    for chosen, left in (("MIG-0.2", ["MIG-0.2"]), ("0", ["MIG-0.0", "MIG-0.2"]), ("GPU-0", ["MIG-0.0", "MIG-0.2"])):
        assert [it.uuid for it in gpus.visible(found, chosen)] == left


@pytest.mark.gpu
@pytest.mark.skipif(not os.path.exists("/proc/driver/nvidia/version"), reason="no driver")
def test_a_real_gpu_is_described(monkeypatch):
    monkeypatch.delenv(gpus.SEAM, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = gpus.inventory()
    assert found[0].uuid.startswith(("GPU-", "MIG-")) and found[0].name
    assert 0 <= found[0].memory_used <= found[0].memory_total
    assert found[0].used is None or 0 <= found[0].used <= 1


@pytest.mark.parametrize(
    ("chosen", "left"),
    [(None, [0, 1, 2]), ("", []), ("2", [2]), ("GPU-111", [1]), ("GPU-1,0", [0, 1]), ("-1", []), ("NoDevFiles", [])],
)
def test_cuda_visible_devices_limits_the_inventory(chosen, left):
    assert [it.index for it in gpus.visible([gpu(0), gpu(1), gpu(2)], chosen)] == left


def test_leases_are_the_claims_of_active_runs():
    runs = [run_with("GPU-000", "GPU-111"), run_with("GPU-222", share=0.5), run_with("GPU-222", share=0.25)]
    assert gpus.leases([*runs, run_with()]) == {"GPU-000": 1.0, "GPU-111": 1.0, "GPU-222": 0.75}


def test_runs_that_share_a_job_hold_one_lease():
    runs = [run_with("GPU-000", share=0.5, job="r0001/1") for _ in range(3)]
    assert gpus.leases([*runs, run_with("GPU-000", share=0.25, job="r0001/2")]) == {"GPU-000": 0.75}


def test_a_gpu_on_which_others_hold_memory_is_foreign():
    found = [gpu(0, memory_used=GB // 2), gpu(1, memory_used=2 * GB)]
    assert gpus.foreign(found, taken=(), ours=(), busy_bytes=GB) == {"GPU-111"}


def test_a_leased_gpu_is_foreign_only_through_processes_that_are_not_ours():
    me, nobody = os.getpid(), 2**22 + 1
    held = (GpuProcess(me, 40 * GB), GpuProcess(nobody, 20 * GB))
    found = [gpu(0, memory_used=60 * GB, processes=held)]
    assert gpus.foreign(found, taken={"GPU-000"}, ours={me}, busy_bytes=GB) == frozenset()
    assert gpus.foreign(found, taken={"GPU-000"}, ours=(), busy_bytes=GB) == {"GPU-000"}


def test_the_worker_sees_its_gpus_by_uuid_or_none():
    assert gpus.environment(["GPU-1", "GPU-0"]) == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "GPU-1,GPU-0",
    }
    assert gpus.environment([])["CUDA_VISIBLE_DEVICES"] == ""


def test_a_description_of_gpus_is_plain_json():
    text = msgspec.json.encode([gpu(0, processes=(GpuProcess(7, GB),))])
    assert json.loads(text)[0]["processes"] == [{"pid": 7, "memory": GB}]
