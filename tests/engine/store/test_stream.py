import json
import math
import os
import random
import signal
import threading
import time

import numpy as np
import pytest
from tinydb import Query, where

from engine.errors import StoreCorrupt, StoreError, StoreFull
from engine.store.stream import StreamReader, StreamWriter, tail
from engine.store.stream_table import open_stream


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def read(path):
    reader = StreamReader(path)
    reader.poll()
    return reader


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_points_are_read_as_columns(path):
    before = time.time()
    with StreamWriter(path) as writer:
        for step in range(1, 1001):
            writer.point(step, {"loss": 1 / step, **({"rel_l2": 0.5} if step % 10 == 0 else {})})
    reader = read(path)
    columns = reader.columns
    assert list(columns) == ["step", "time", "loss", "rel_l2"]
    assert all(column.dtype == np.float64 and column.shape == (1000,) for column in columns.values())
    np.testing.assert_array_equal(columns["step"], np.arange(1, 1001))
    np.testing.assert_array_equal(columns["loss"], 1 / np.arange(1, 1001))
    np.testing.assert_array_equal(np.isnan(columns["rel_l2"]), np.arange(1, 1001) % 10 != 0)
    assert before <= columns["time"][0] <= columns["time"][-1] <= time.time()
    assert reader.length == 1000
    assert reader.last == {"step": 1000, "time": columns["time"][-1], "loss": 1e-3, "rel_l2": 0.5}


def test_a_reader_follows_a_writer_and_says_whether_there_was_news(path):
    reader = StreamReader(path)
    assert not reader.poll()
    assert (reader.columns, reader.last, reader.length, reader.tables) == ({}, {}, 0, set())
    with StreamWriter(path) as writer:
        assert not reader.poll()
        for step in range(5000):
            writer.point(step, {"loss": step})
            if step % 700 == 0:
                writer.flush()
                assert reader.poll()
                assert not reader.poll()
                assert reader.length == step + 1
    assert reader.poll()
    np.testing.assert_array_equal(reader.columns["loss"], np.arange(5000))


def test_the_last_point_of_a_slow_run_appears_by_itself(path):
    reader = StreamReader(path)
    with StreamWriter(path, max_delay=0.01) as writer:
        for step in range(3):
            writer.point(step, {"loss": 1.0})
            until(lambda: reader.poll() and reader.length == step + 1)  # noqa: B023
        writer.record("stages", {"name": "a"})
        until(lambda: reader.poll() and reader.newest("stages") == {"name": "a"})


def test_the_first_row_and_full_batches_are_written_at_once_one_line_each(path):
    with StreamWriter(path, max_delay=3600, max_rows=10) as writer:
        for step in range(25):
            writer.point(step, {"loss": 1.0})
        assert len(path.read_bytes().splitlines()) == 1 + 3
        assert read(path).length == 1 + 20


def test_floats_that_are_not_finite_and_values_that_are_missing_are_told_apart(path):
    values = [math.nan, math.inf, -math.inf, None, 0.1]
    with StreamWriter(path) as writer:
        for step, value in enumerate(values):
            writer.point(step, {} if value is None else {"loss": np.float64(value)})
    np.testing.assert_array_equal(read(path).columns["loss"], [math.nan, math.inf, -math.inf, math.nan, 0.1])
    documents = open_stream(path).all()
    assert ["loss" in document for document in documents] == [True, True, True, False, True]
    assert math.isnan(documents[0]["loss"])
    assert documents[1]["loss"] == math.inf


def test_columns_that_come_late_or_go_are_filled(path):
    with StreamWriter(path) as writer:
        writer.point(1, {"a": 1.0})
        writer.flush()
        writer.point(2, {"b": 2.0})
        writer.flush()
        for step in range(3, 3000):
            writer.point(step, {"a": float(step)})
    columns = read(path).columns
    assert math.isnan(columns["b"][0])
    assert math.isnan(columns["a"][1])
    assert np.isnan(columns["b"][2:]).all()
    np.testing.assert_array_equal(columns["a"][2:], np.arange(3, 3000))
    assert read(path).last["b"] == 2.0


def test_views_handed_out_stay_as_they_were(path):
    reader = StreamReader(path)
    with StreamWriter(path) as writer:
        for step in range(10):
            writer.point(step, {"loss": float(step)})
        writer.flush()
        reader.poll()
        before = reader.columns["loss"]
        writer.rewind(4)
        for step in range(5, 5000):
            writer.point(step, {"loss": -1.0})
    reader.poll()
    np.testing.assert_array_equal(before, np.arange(10))
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 1
    assert reader.columns["loss"][5] == -1


def test_a_rewind_drops_what_came_after_its_step_and_nothing_of_the_file(path):
    reader = StreamReader(path)
    with StreamWriter(path) as writer:
        writer.record("warnings", {"text": "of the run as a whole"})
        for step in range(1, 11):
            writer.point(step, {"loss": float(step)})
            writer.record("stages", {"name": f"s{step}", "step": step})
        writer.flush()
        reader.poll()
        size = path.stat().st_size
        writer.rewind(7)
    assert path.stat().st_size > size
    with StreamWriter(path) as resumed:
        resumed.point(8, {"loss": -8.0})
    reader.poll()
    for seen in (reader, read(path)):
        assert seen.columns["step"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
        assert seen.last["loss"] == -8.0
        assert [document["name"] for document in seen.documents("stages")] == [f"s{n}" for n in range(1, 8)]
        assert len(seen.documents("warnings")) == 1


def test_rewinding_to_before_the_beginning_leaves_an_empty_stream(path):
    with StreamWriter(path) as writer:
        writer.rewind(0)
        writer.point(1, {"loss": 1.0})
        writer.rewind(0)
    reader = read(path)
    assert reader.length == 0
    assert reader.last == {}
    assert tail(path, ["loss"]) == {"loss": []}


def test_documents_share_nothing_and_carry_any_json(path):
    document = {"name": "β", "step": 3, "nested": {"list": [1, None, math.inf]}}
    with StreamWriter(path) as writer:
        writer.record("stages", document)
        document["nested"]["list"].clear()
    reader = read(path)
    reader.documents("stages")[0]["nested"]["list"].clear()
    assert reader.documents("stages") == [{"name": "β", "step": 3, "nested": {"list": [1, None, math.inf]}}]
    assert reader.newest("stages") == reader.documents("stages")[0]
    assert reader.newest("none") is None
    assert reader.documents("none") == []


def test_the_tail_reads_the_end_of_a_big_file_only(path, monkeypatch):
    with StreamWriter(path) as writer:
        for step in range(20_000):
            writer.point(step, {"loss": float(step), **({"rare": float(step)} if step % 1000 == 0 else {})})
        writer.rewind(19_990)
        writer.point(19_991, {"loss": math.nan})
        writer.point(19_992, {"loss": 7.0})
    asked = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: asked.append(size) or pread(fd, size, at))
    assert tail(path, ["loss"], points=5) == {"loss": [19_987.0, 19_988.0, 19_989.0, 19_990.0, 7.0]}
    assert sum(asked) <= 1 << 16 < path.stat().st_size
    assert tail(path, ["rare"], points=3) == {"rare": [17_000.0, 18_000.0, 19_000.0]}
    assert len(tail(path, ["loss", "none"])["loss"]) == 64
    assert tail(path.with_name("missing"), ["loss"]) == {"loss": []}


def test_a_line_torn_at_any_byte_hides_nothing_else(path):
    with StreamWriter(path) as writer:
        writer.point(1, {"loss": 1.0})
        writer.flush()
        whole = path.stat().st_size
        writer.point(2, {"loss": math.nan})
    data = path.read_bytes()
    for cut in range(whole, len(data)):
        path.write_bytes(data[:cut])
        early = read(path)
        with StreamWriter(path) as writer:
            writer.point(3, {"loss": 3.0})
        early.poll()
        for reader in (early, read(path)):
            assert reader.columns["loss"].tolist() == [1.0, 3.0]
        assert tail(path, ["loss"]) == {"loss": [1.0, 3.0]}


def test_a_header_torn_at_any_byte_is_begun_again(path):
    StreamWriter(path).close()
    data = path.read_bytes()
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        early = read(path)
        with StreamWriter(path) as writer:
            writer.point(1, {"loss": 1.0})
        assert early.poll()
        assert read(path).length == early.length == 1


def write_until_killed(path, ready):
    with StreamWriter(path, max_delay=0.001, max_rows=7) as writer:
        reader = read(path)
        step = int(reader.last.get("step", 0))
        for step in range(step + 1, 10_000_000):  # noqa: B020
            writer.point(step, {"loss": float(step)})
            if step % 50 == 0:
                writer.flush()
                os.write(ready, b"x")


def test_writers_that_are_killed_leave_a_readable_stream(path, start):
    readable, writable = os.pipe()
    reader = StreamReader(path)
    for _ in range(8):
        process = start(write_until_killed, path, writable)
        assert os.read(readable, 1) == b"x"
        time.sleep(random.random() * 0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        reader.poll()
        last = reader.last["step"]
    os.close(readable)
    os.close(writable)
    for seen in (reader, read(path)):
        np.testing.assert_array_equal(seen.columns["step"], np.arange(1, last + 1))
        np.testing.assert_array_equal(seen.columns["loss"], seen.columns["step"])


def test_a_full_disk_is_said_by_the_next_call_and_nothing_reported_before_is_lost(small_disk):
    path = small_disk.folder / "metrics.jsonl"
    writer = StreamWriter(path, max_delay=0.005)
    writer.point(1, {"loss": 1.0})
    writer.flush()
    small_disk.fill()
    reported = 1
    with pytest.raises(StoreFull, match=r"metrics\.jsonl"):
        for step in range(2, 1_000_000):
            writer.point(step, {"loss": float(step)})
            reported = step
            if step % 100 == 0:
                time.sleep(0.001)
    reader = read(path)
    assert reader.torn == 0
    assert 1 <= reader.length < reported
    with pytest.raises(StoreFull):
        writer.record("stages", {"name": "a"})
    small_disk.free()
    writer.point(reported + 2, {"loss": 0.0})
    writer.close()
    reader.poll()
    for seen in (reader, read(path)):
        steps = seen.columns["step"].tolist()
        assert steps == sorted(set(steps))
        assert {*range(1, reported + 1), reported + 2} <= set(steps)
        assert seen.torn == 0


def test_a_write_cut_off_in_its_middle_leaves_no_trace(path, file_limit):
    writer = StreamWriter(path, max_delay=3600)
    writer.point(1, {"loss": 1.0})
    writer.flush()
    size = path.stat().st_size
    file_limit(size + 20)
    writer.point(2, {"loss": 2.0})
    with pytest.raises(StoreFull):
        writer.flush()
    with pytest.raises(StoreFull):
        writer.close()
    assert path.stat().st_size == size
    with pytest.raises(StoreError, match="closed"):
        writer.point(3, {})


def test_a_value_that_is_no_number_is_refused_where_it_is_reported(path):
    with StreamWriter(path) as writer:
        with pytest.raises((TypeError, ValueError)):
            writer.point(1, {"loss": "low"})
        with pytest.raises(TypeError):
            writer.record("stages", {"what": object()})
        with pytest.raises(TypeError):
            writer.point(None, {"loss": 1.0})
        for name in ("step", "time"):
            with pytest.raises(ValueError, match="names other than step and time"):
                writer.point(1, {name: 3.0})
        writer.point(2, {"loss": 1.0})
    assert read(path).columns["step"].tolist() == [2]


def test_threads_report_into_one_stream(path):
    def report(first):
        for step in range(first, first + 500):
            writer.point(step, {"loss": float(step)})
            if step % 50 == 0:
                writer.record("stages", {"step": step})

    with StreamWriter(path, max_delay=0.001, max_rows=16) as writer:
        threads = [threading.Thread(target=report, args=(first,)) for first in (0, 500, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    reader = read(path)
    assert sorted(reader.columns["step"]) == list(range(1500))
    np.testing.assert_array_equal(reader.columns["step"], reader.columns["loss"])
    assert len(reader.documents("stages")) == 30


@pytest.mark.parametrize("data", [b"step,loss\n1,2\n", b'{"sciml_tui":"catalog","format":1}\n', bytes(range(256))])
def test_a_file_of_something_else_is_refused_and_left_alone(path, data):
    path.write_bytes(data)
    for use in (StreamWriter, read):
        with pytest.raises(StoreCorrupt, match=r"metrics\.jsonl"):
            use(path)
    assert path.read_bytes() == data


def test_a_stream_of_a_newer_format_is_refused(path):
    path.write_text(json.dumps({"sciml_tui": "stream", "format": 2}) + "\n")
    for use in (StreamWriter, read):
        with pytest.raises(StoreError, match="newer sciml-tui"):
            use(path)


def test_lines_that_this_version_does_not_know_are_passed_over(path):
    with StreamWriter(path) as writer:
        writer.point(1, {"loss": 1.0})
    with open(path, "a") as file:
        file.write('{"histogram":{"bins":[1,2]}}\n{"points":{"step":[2],"time":[1.0],"loss":[2.0]},"unit":"s"}\n')
        file.write(
            '{"points":{"loss":[3.0]}}\n{"points":{"step":[3],"time":["x"]}}\n{"points":{"step":[3,4],"time":[1.0]}}\n'
        )
    reader = read(path)
    assert reader.columns["loss"].tolist() == [1.0, 2.0]
    assert reader.torn == 3
    assert tail(path, ["loss"]) == {"loss": [1.0, 2.0]}


def test_a_line_longer_than_one_reading_is_read(path):
    with StreamWriter(path) as writer:
        writer.record("stages", {"text": "x" * 3_000_000})
        writer.point(1, {"loss": 1.0})
    reader = read(path)
    assert len(reader.newest("stages")["text"]) == 3_000_000
    assert reader.length == 1


def test_a_stream_is_a_tinydb(path):
    writer = StreamWriter(path)
    for step in range(10):
        writer.point(step, {"loss": 1.0 / (step + 1), **({"err": 0.5} if step == 9 else {})})
    writer.record("stages", {"name": "beta=1", "step": 0})
    writer.flush()
    db = open_stream(path)
    assert db.tables() == {"metrics", "stages"}
    assert len(db) == 10
    assert db.get(doc_id=3)["loss"] == 1 / 3
    assert isinstance(db.get(doc_id=3)["step"], int)
    query = (Query().loss < 0.2) & (Query().step < 8)
    assert [document.doc_id for document in db.search(query)] == [6, 7, 8]
    assert db.count(Query().err.exists()) == 1
    assert db.table("stages").get(where("name") == "beta=1")["step"] == 0
    writer.rewind(5)
    assert [document["step"] for document in db.search(query)] == [5]
    writer.close()
    with pytest.raises(StoreError, match="written by its run alone"):
        db.insert({"step": 1})
    with pytest.raises(StoreError):
        db.table("stages").remove(where("step") == 0)
    assert open_stream(path.with_name("missing")).all() == []
    assert not path.with_name("missing").exists()
