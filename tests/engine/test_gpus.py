import json
import os
from itertools import count

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
    assert (first.uuid, first.memory_free, second.index) == ("GPU-000", 79 * GB, 1)


def test_a_machine_without_a_driver_has_none(monkeypatch):
    monkeypatch.delenv(gpus.SEAM, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if os.path.exists("/proc/driver/nvidia/version"):
        pytest.skip("there is a driver")
    assert gpus.inventory() == []


@pytest.mark.gpu
@pytest.mark.skipif(not os.path.exists("/proc/driver/nvidia/version"), reason="no driver")
def test_a_real_gpu_is_described(monkeypatch):
    monkeypatch.delenv(gpus.SEAM, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = gpus.inventory()
    assert found[0].uuid.startswith("GPU-") and found[0].name
    assert 0 <= found[0].memory_used < found[0].memory_total
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
