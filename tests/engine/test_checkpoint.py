import math
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine import checkpoint
from engine.errors import StoreCorrupt, StoreError

dtypes = st.one_of(
    arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    arrays.integer_dtypes(endianness="?"),
    arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.boolean_dtypes(),
)
tensors = arrays.arrays(dtypes, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(["map", "array", "float"])
scalars = st.none() | st.booleans() | st.integers() | st.integers(-(2**200), 2**200) | st.floats() | texts
states = st.dictionaries(
    texts,
    st.recursive(
        scalars | tensors,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=4,
)


def assert_same(got, expected):
    if isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype.newbyteorder("=")
        assert got.shape == expected.shape
        assert got.tobytes() == expected.astype(got.dtype, order="C").tobytes()
        assert got.flags.writeable
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        for key, value in expected.items():
            assert_same(got[key], value)
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for ours, theirs in zip(got, expected, strict=True):
            assert_same(ours, theirs)
    elif isinstance(expected, float):
        assert type(got) is float
        assert (math.isnan(got) and math.isnan(expected)) or (
            got == expected and math.copysign(1, got) == math.copysign(1, expected)
        )
    else:
        assert type(got) is type(expected)
        assert got == expected


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states)
def test_any_state_comes_back_as_it_was(tmp_path, state):
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, state)
    assert_same(checkpoint.load(path), state)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_arrays_that_are_not_contiguous_are_stored_in_order(tmp_path):
    whole = np.arange(24.0).reshape(2, 3, 4)
    state = {
        "transposed": whole.T,
        "strided": whole[:, ::2, ::-1],
        "fortran": np.asfortranarray(whole),
        "broadcast": np.broadcast_to(np.float32(2), (2, 2)),
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 3), np.int8),
    }
    checkpoint.save(tmp_path / "a", state)
    assert_same(checkpoint.load(tmp_path / "a"), state)


def test_numpy_scalars_become_the_numbers_they_are_and_tuples_lists(tmp_path):
    state = {"a": np.float64(0.1), "b": np.int32(3), "c": (1, (2.0, np.bool_(True)))}
    checkpoint.save(tmp_path / "a", state)
    assert_same(checkpoint.load(tmp_path / "a"), {"a": 0.1, "b": 3, "c": [1, [2.0, True]]})


def test_the_state_of_a_random_generator_survives(tmp_path):
    generator = np.random.default_rng(3)
    generator.random(7)
    checkpoint.save(tmp_path / "a", {"generator": generator.bit_generator.state})
    expected = generator.random(5)
    other = np.random.default_rng()
    other.bit_generator.state = checkpoint.load(tmp_path / "a")["generator"]
    np.testing.assert_array_equal(other.random(5), expected)


def test_the_file_is_a_safetensors_file(tmp_path):
    state = {"weights": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([True, False])], "n": np.array(7)}
    checkpoint.save(tmp_path / "a", state)
    loaded = safetensors.numpy.load_file(tmp_path / "a")
    assert_same(loaded["0"], state["weights"][0])
    assert_same(loaded["1"], state["weights"][1])
    assert_same(loaded["2"], state["n"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(2, complex), r"state\['model'\]\[1\].*complex128"),
        (np.array(["a"]), r"state\['model'\]\[1\].*<U1"),
        (np.array([object()]), r"state\['model'\]\[1\].*object"),
        (object(), r"state\['model'\]\[1\].*got object"),
        ({1: 2}, r"state\['model'\]\[1\].*keys that are texts, got 1"),
        (b"x", "got bytes"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        checkpoint.save(tmp_path / "a", {"model": [0, value]})
    assert list(tmp_path.iterdir()) == []


def a_state(step):
    return {"step": step, "weights": np.full((50,), float(step))}


def test_the_newest_is_by_step_and_the_old_are_pruned(tmp_path):
    folder = tmp_path / "checkpoints"
    assert checkpoint.newest(folder) is None
    for step in (9, 10, 100, 20):
        checkpoint.save(checkpoint.path_of(folder, step), a_state(step))
    (folder / "step-x.safetensors").touch()
    (folder / "other.txt").touch()
    newest = checkpoint.newest(folder)
    assert newest == checkpoint.path_of(folder, 100)
    assert checkpoint.load(newest)["step"] == 100
    checkpoint.prune(folder)
    assert sorted(path.stem for path in folder.iterdir()) == ["other", "step-100", "step-20", "step-x"]


def test_a_file_cut_off_anywhere_is_passed_over(tmp_path):
    checkpoint.save(checkpoint.path_of(tmp_path, 1), a_state(1))
    last = checkpoint.path_of(tmp_path, 2)
    checkpoint.save(last, a_state(2))
    data = last.read_bytes()
    for cut in [*range(0, len(data), 13), len(data) - 1]:
        last.write_bytes(data[:cut])
        with pytest.raises(StoreCorrupt, match=r"step-2\.safetensors"):
            checkpoint.load(last)
        assert checkpoint.newest(tmp_path) == checkpoint.path_of(tmp_path, 1)


def test_a_file_with_a_changed_bit_is_passed_over(tmp_path):
    checkpoint.save(checkpoint.path_of(tmp_path, 1), a_state(1))
    last = checkpoint.path_of(tmp_path, 2)
    checkpoint.save(last, a_state(2))
    data = bytearray(last.read_bytes())
    data[-20] ^= 1
    last.write_bytes(data)
    with pytest.raises(StoreCorrupt, match="checksum"):
        checkpoint.load(last)
    assert checkpoint.newest(tmp_path) == checkpoint.path_of(tmp_path, 1)


def test_pruning_never_counts_a_file_that_was_cut_off(tmp_path):
    for step in (1, 2, 3):
        checkpoint.save(checkpoint.path_of(tmp_path, step), a_state(step))
    last = checkpoint.path_of(tmp_path, 3)
    os.truncate(last, last.stat().st_size - 1)
    checkpoint.prune(tmp_path, keep=1)
    assert os.listdir(tmp_path) == ["step-2.safetensors"]


def test_a_foreign_or_missing_file_is_said(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(3)}, foreign)
    with pytest.raises(StoreCorrupt, match="not a checkpoint of sciml-tui"):
        checkpoint.load(foreign)
    with pytest.raises(StoreError, match="missing"):
        checkpoint.load(tmp_path / "missing")


def test_saving_replaces_as_a_whole_or_not_at_all(tmp_path: Path):
    path = checkpoint.path_of(tmp_path, 1)
    checkpoint.save(path, a_state(1))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save(path, {"weights": np.ones(10), "bad": object()})
    assert path.read_bytes() == before
    checkpoint.save(path, a_state(5))
    assert checkpoint.load(path)["step"] == 5
