from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from engine.api import Resources
from engine.client import Client
from engine.errors import TaskError
from engine.paths import Home
from engine.recorder import Recorder
from engine.schema import complete
from experiments.operators import data, generate
from experiments.operators.dataset import TASK
from experiments.operators.recipe import Recipe

Run = Callable[..., Recorder]
SMALL = {"grid": "16", "samples": "300", "validation": "40", "test": "70", "chunk": "64"}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def made(run: Run) -> Recorder:
    return run(TASK, SMALL)


def test_it_publishes_the_samples_of_its_recipe(made: Recorder, recipe_of: Callable[..., Recipe]) -> None:
    artifact = made.shelf["poisson-1-5-16x16"]
    for split, count in (("train", 300), ("validation", 40), ("test", 70)):
        read, expected = data.read(artifact.path, split, count), generate.make(recipe_of(), split, count)
        assert torch.equal(read.source, expected.source)
        assert torch.equal(read.solution, expected.solution)
        assert np.array_equal(read.coefficients, expected.coefficients)
        assert np.array_equal(read.drawn, expected.drawn)
    facts = artifact.facts
    assert (facts["system"], facts["range"], facts["samples"], facts["grid"]) == ("poisson", [1.0, 5.0], 300, 16)


def test_the_file_says_what_is_in_it(made: Recorder) -> None:
    with h5py.File(made.shelf["poisson-1-5-16x16"].path) as file:
        assert file.attrs["complete"] == 1
        assert "∇·K∇u = f" in file.attrs["equation"]
        assert tuple(file.attrs["range"]) == (1.0, 5.0)
        assert list(file["train/coefficients"].attrs["names"]) == ["k11", "k22", "k12"]
        assert list(file["test/drawn"].attrs["names"]) == ["e", "theta", "sparsity"]
        assert file["train/solution"].attrs["units"] == "1"
        norms = np.sqrt(np.mean(file["train/source"][:].astype(float) ** 2, axis=(1, 2)))
        assert file.attrs["source_norm_median"] == pytest.approx(np.median(norms), rel=1e-12)
        digest = hashlib.sha256()
        for split in ("train", "validation", "test"):
            for name in ("source", "solution", "coefficients", "drawn"):
                digest.update(file[split][name][:].tobytes())
        assert file.attrs["sha256"].decode() == digest.hexdigest() == made.figures["sha256"]


def test_the_chunk_changes_no_byte(made: Recorder, run: Run) -> None:
    other = run(TASK, SMALL | {"chunk": "200"})
    assert len(other.points) < len(made.points)
    assert other.shelf["poisson-1-5-16x16"].sha256 == made.shelf["poisson-1-5-16x16"].sha256


def test_a_stopped_run_goes_on_where_it_was_to_the_same_file(made: Recorder, run: Run, tmp_path: Path) -> None:
    stopped = run(TASK, SMALL, folder=tmp_path / "stopped", stop_at=128)
    assert not stopped.shelf
    assert stopped.figures["stop_reason"] == "stopped"
    resumed = run(TASK, SMALL, folder=tmp_path / "stopped", state=stopped.checkpoints[-1][1])
    assert [step for step, _ in resumed.points] == [192, 256, 300, 340, 404, 410]
    assert resumed.shelf["poisson-1-5-16x16"].sha256 == made.shelf["poisson-1-5-16x16"].sha256


KILLED = """
import json, os, pathlib, signal, sys
from engine.recorder import Recorder
from experiments.operators.dataset import TASK
folder = pathlib.Path(sys.argv[1])
class Killed(Recorder):
    def metrics(self, step, /, **values):
        if step > 200:
            os.kill(os.getpid(), signal.SIGKILL)
    def checkpoint(self, step, state, /, *, now=False):
        (folder / "state.json").write_text(json.dumps(state()))
        return True
TASK.run(json.loads(sys.argv[2]), Killed(folder))
"""


def test_a_killed_run_goes_on_to_the_same_file(made: Recorder, run: Run, tmp_path: Path) -> None:
    import json

    folder = tmp_path / "killed"
    folder.mkdir()
    params = json.dumps(complete(TASK.describe().schema, SMALL))
    ended = subprocess.run([sys.executable, "-c", KILLED, str(folder), params], timeout=100)
    assert ended.returncode == -signal.SIGKILL
    state = json.loads((folder / "state.json").read_text())
    assert state["done"] == 192
    assert not data.header(folder / "samples.h5").complete
    resumed = run(TASK, SMALL, folder=folder, state=state)
    assert resumed.points[0][0] == 256
    assert resumed.shelf["poisson-1-5-16x16"].sha256 == made.shelf["poisson-1-5-16x16"].sha256


FULL = """
import json, pathlib, resource, signal, sys
import torch
from engine.errors import TaskError
from engine.recorder import Recorder
from experiments.operators.dataset import TASK
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = pathlib.Path(sys.argv[1])
class Full(Recorder):
    def metrics(self, step, /, **values):
        size = (folder / "samples.h5").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, size))
recorder = Full(folder)
try:
    TASK.run(json.loads(sys.argv[2]), recorder)
except TaskError as error:
    print(json.dumps([str(error), recorder.checkpoints[-1][1]]))
"""


def test_where_nothing_more_can_be_written_it_says_so_and_can_go_on(made: Recorder, run: Run, tmp_path: Path) -> None:
    import json

    folder = tmp_path / "full"
    folder.mkdir()
    params = json.dumps(complete(TASK.describe().schema, SMALL))
    code = [sys.executable, "-c", FULL, str(folder), params]
    message, state = json.loads(subprocess.run(code, capture_output=True, check=True, timeout=100).stdout)
    assert "required room for 0.00084 GB, got File too large; make room and resume" in message
    assert 0 < state["done"] < 410  # kept as it failed: no checkpoint was due before
    resumed = run(TASK, SMALL, folder=folder, state=state)
    assert resumed.shelf["poisson-1-5-16x16"].sha256 == made.shelf["poisson-1-5-16x16"].sha256


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_run_whose_disk_fills_up_fails_with_one_message_and_goes_on_to_the_same_file(
    made: Recorder, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, filler, write = Home(disk / "home").create(), disk / "filler", data.Writer.write

    def fill_the_disk_first(writer: data.Writer, *given: Any) -> None:
        with suppress(OSError), filler.open("ab") as file:
            while file.write(bytes(1 << 12)):
                file.flush()
        write(writer, *given)

    with Client(home) as client:
        here = Resources(launcher="inline", gpus=0)
        specs = client.plan("dataset", SMALL, resources=here)
        monkeypatch.setattr(data.Writer, "write", fill_the_disk_first)
        [full] = client.submit(specs)
        assert full.status == "failed"
        assert "no space left" in full.reason.lower() and "\n" not in full.reason
        assert client.datasets() == []
        monkeypatch.undo()
        filler.unlink()
        assert client.resume(full.id).status == "done"
        assert client.datasets()[0].sha256 == made.shelf["poisson-1-5-16x16"].sha256


def test_the_room_for_all_samples_is_taken_at_the_start(disk: Path, recipe_of: Callable[..., Recipe]) -> None:
    before = shutil.disk_usage(disk).free
    data.create(disk / "samples.h5", recipe_of(), data.Sizes(train=2500, validation=1, test=1))
    assert before - shutil.disk_usage(disk).free > 2500 * 2 * 16 * 16 * 4
    with pytest.raises(OSError, match="No space left"):
        data.create(disk / "more.h5", recipe_of(), data.Sizes(train=2500, validation=1, test=1))


def test_a_state_without_its_file_begins_again(made: Recorder, run: Run) -> None:
    again = run(TASK, SMALL, state={"done": 256, "seconds": 1.0})
    assert again.shelf["poisson-1-5-16x16"].sha256 == made.shelf["poisson-1-5-16x16"].sha256


def test_a_set_that_the_disk_cannot_hold_is_refused_before_it_is_begun(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"required 1.1e\+06 GB free on its disk, got"):
        run(TASK, {"grid": "4096", "samples": "8192000"}, folder=tmp_path / "huge")
    assert not list((tmp_path / "huge").iterdir())


def test_another_name_can_be_given(run: Run) -> None:
    assert list(run(TASK, SMALL | {"publish": "mine"}).shelf) == ["mine"]
    (problem,) = TASK.check(complete(TASK.describe().schema, {"publish": "../mine"}))
    assert problem.field == "publish"


def test_reading_more_than_there_is_names_what_is_there(made: Recorder) -> None:
    with pytest.raises(TaskError, match="required 301 train samples, got 300"):
        data.read(made.shelf["poisson-1-5-16x16"].path, "train", 301)


def test_a_truncated_a_foreign_and_an_unfinished_file_are_refused(
    made: Recorder, tmp_path: Path, recipe_of: Callable[..., Recipe]
) -> None:
    whole = made.shelf["poisson-1-5-16x16"].path.read_bytes()
    truncated, text, foreign, unfinished = (tmp_path / name for name in ("a.h5", "b.h5", "c.h5", "d.h5"))
    truncated.write_bytes(whole[:-1000])
    text.write_text("not HDF5")
    with h5py.File(foreign, "w") as file:
        file["tensor"] = np.zeros(3)
    data.create(unfinished, recipe_of(), data.Sizes(train=64, validation=1, test=1))
    for path, said in (
        (truncated, "truncated file"),
        (text, "file signature not found"),
        (foreign, "got a foreign HDF5 file"),
        (unfinished, "got one whose making was interrupted"),
        (tmp_path / "none.h5", "No such file"),
    ):
        with pytest.raises(TaskError, match=said) as raised:
            data.read(path, "train", 1)
        assert str(path) in str(raised.value)
