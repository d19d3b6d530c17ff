import json
import os

import pytest
from tinydb import Query, TinyDB

from engine.errors import StoreCorrupt, StoreError, StoreFull
from engine.store.journal import JournalStorage
from engine.store.table import JournalDB


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalog.jsonl"


def opened(path, **options):
    return JournalDB(path, sync=False, **options)


def contents(path):
    """Of the default table, as a process that opens the file now sees it."""
    return {document.doc_id: dict(document) for document in opened(path, readonly=True)}


def test_a_line_torn_at_any_byte_hides_neither_what_came_before_nor_what_comes_after(path):
    db = opened(path)
    db.insert_multiple([{"n": 1}, {"n": 2}])
    db.update({"n": 5}, doc_ids=[2])
    whole_before = path.stat().st_size
    db.insert({"n": 3, "text": "a\nb", "nested": {"list": [1, None]}})
    data = path.read_bytes()
    for cut in range(whole_before, len(data)):
        path.write_bytes(data[:cut])
        assert contents(path) == {1: {"n": 1}, 2: {"n": 5}}
        new = opened(path).insert({"n": 4})
        assert contents(path) == {1: {"n": 1}, 2: {"n": 5}, new: {"n": 4}}
        assert opened(path, readonly=True).journal.torn == (cut > whole_before)


def test_a_reader_that_saw_a_torn_line_goes_on_behind_it(path):
    writer, reader = opened(path), opened(path)
    writer.insert({"n": 1})
    with open(path, "ab") as file:
        file.write(b'{"table":"_default","put":[2],"docu')
    assert len(reader) == 1
    writer.insert({"n": 2})
    assert [document["n"] for document in reader] == [1, 2]


def test_a_write_that_lacked_only_its_newline_never_comes_back(path):
    db = opened(path)
    db.insert({"n": 1})
    path.write_bytes(path.read_bytes() + b'{"table":"_default","put":[2],"documents":[{"n":"lost"}]}')
    assert opened(path).insert({"n": "kept"}) == 2
    assert contents(path)[2] == {"n": "kept"}


def test_ids_are_not_used_again_after_removal_compaction_dropping_and_reopening(path):
    db = opened(path)
    assert db.insert_multiple([{}, {}, {}]) == [1, 2, 3]
    db.remove(doc_ids=[2, 3])
    assert db.insert({}) == 4
    db.remove(doc_ids=[4])
    db.journal.compact()
    assert opened(path).insert({}) == 5
    db.truncate()
    db.journal.compact()
    db.journal.compact()
    assert opened(path).insert({}) == 6
    db.drop_table("_default")
    db.journal.compact()
    assert opened(path).insert({}) == 7
    db.drop_tables()
    assert opened(path).insert({}) == 8


def test_a_batch_is_one_line(path):
    db = opened(path)
    db.insert({})
    lines = len(path.read_bytes().splitlines())
    db.insert_multiple({"n": n} for n in range(50))
    db.update({"seen": True})
    db.remove(Query().n > 10)
    assert len(path.read_bytes().splitlines()) == lines + 3


def test_an_update_writes_only_what_changed(path):
    db = opened(path)
    db.insert({"big": "x" * 1000, "status": "queued"})

    def finish(document):
        document["status"] = "done"

    before = path.stat().st_size
    db.update({"status": "running"}, doc_ids=[1])
    db.update(finish, Query().status == "running")
    assert path.stat().st_size - before < 200
    assert contents(path)[1] == {"big": "x" * 1000, "status": "done"}


def test_many_updates_of_one_document_stay_cheap_to_read(path):
    db = opened(path)
    db.insert({"fixed": 0})
    for n in range(100):
        db.update({"n": n, f"k{n % 3}": n}, doc_ids=[1])
    assert contents(path)[1] == {"fixed": 0, "n": 99, "k0": 99, "k1": 97, "k2": 98}
    assert len(db.journal._tables["_default"].chain(1)) < 20


def test_the_journal_compacts_itself_and_keeps_everything(path):
    db = opened(path, compact_lines=20)
    db.insert_multiple({"n": 0} for _ in range(10))
    other = db.table("other")
    for n in range(200):
        db.update({"n": n}, doc_ids=[n % 10 + 1])
        other.upsert({"k": n % 5, "n": n}, Query().k == n % 5)
    assert len(path.read_bytes().splitlines()) < 60
    assert [document["n"] for document in opened(path)] == list(range(190, 200))
    assert [document["n"] for document in opened(path).table("other")] == list(range(195, 200))
    assert not list(path.parent.glob(".*.tmp"))


def test_a_reader_reports_exactly_what_changed_across_a_compaction(path):
    writer = opened(path)
    writer.insert_multiple({"n": n} for n in range(10))
    reader = opened(path).journal
    assert reader.take_changes("_default") == set()
    writer.update({"n": 0}, doc_ids=[3])
    writer.remove(doc_ids=[4])
    writer.journal.compact()
    writer.insert({"n": 11})
    assert reader.take_changes("_default") == {3, 4, 11}
    assert reader.take_changes("_default") == set()


def test_a_reader_left_behind_by_several_compactions_is_told_of_everything(path):
    writer = opened(path)
    writer.insert_multiple({"n": n} for n in range(3))
    reader = opened(path)
    writer.journal.compact()
    writer.remove(doc_ids=[2])
    writer.journal.compact()
    writer.insert({})
    assert reader.journal.take_changes("_default") == {1, 2, 3, 4}
    assert [document.doc_id for document in reader] == [1, 3, 4]


def test_a_scan_that_began_before_a_compaction_ends_well(path):
    db = opened(path)
    db.insert_multiple({"n": n} for n in range(1000))
    scan = iter(db)
    first = next(scan)
    writer = opened(path)
    writer.remove(Query().n >= 500)
    writer.journal.compact()
    assert len(db) == 500
    assert [first["n"], *(document["n"] for document in scan)] == list(range(1000))


def test_a_line_longer_than_one_reading_is_read(path):
    opened(path).insert_multiple({"n": n, "text": "x" * 1000} for n in range(5000))
    opened(path).insert({"n": 5000})
    assert [document["n"] for document in opened(path)] == list(range(5001))


def test_what_a_killed_compaction_left_is_swept_away(path):
    db = opened(path)
    db.insert({})
    left = path.with_name(f".{path.name}.0123abcd.tmp")
    left.write_bytes(b"half")
    other = path.with_name(f".{path.name}.lock.tmp2")
    other.touch()
    db.journal.compact()
    assert not left.exists()
    assert other.exists()


def test_a_journal_that_is_taken_away_is_empty_and_begun_again_with_new_ids(path):
    db, reader = opened(path), opened(path)
    db.insert_multiple([{}, {}])
    assert len(reader) == 2
    path.unlink()
    assert db.all() == reader.all() == []
    assert reader.journal.take_changes("_default") == {1, 2}
    assert db.insert({"n": 1}) == 3
    assert reader.all() == [{"n": 1}]


def test_a_journal_that_is_put_back_from_a_copy_is_read_anew(path):
    db, reader = opened(path), opened(path)
    db.insert({"n": 1})
    copy = path.read_bytes()
    db.insert_multiple([{"n": 2}, {"n": 3}])
    assert len(reader) == 3
    path.write_bytes(copy)
    assert reader.all() == [{"n": 1}]
    assert db.insert({"n": 4}) == 2
    assert reader.all() == [{"n": 1}, {"n": 4}]


def test_the_query_cache_notices_what_another_instance_wrote(path):
    db, other = opened(path), opened(path)
    db.insert_multiple([{"n": 1}, {"n": 2}])
    query = Query().n == 1
    assert len(other.search(query)) == 1
    assert other.count(query) == 1
    db.update({"n": 1})
    assert other.count(query) == 2
    db.journal.compact()
    db.remove(doc_ids=[1])
    assert [document.doc_id for document in other.search(query)] == [2]
    db.table("elsewhere").insert({})
    assert other.count(query) == 1


def test_documents_handed_out_share_nothing(path):
    db = opened(path)
    given = {"n": 1, "nested": {"list": [1]}}
    db.insert(given)
    given["nested"]["list"].append(2)
    for read in (
        lambda: db.get(doc_id=1),
        lambda: db.all()[0],
        lambda: db.search(Query().n == 1)[0],
        lambda: db.get(Query().n == 1),
        lambda: db.get(doc_ids=[1])[0],
    ):
        read()["nested"]["list"].append(3)
        assert read()["nested"]["list"] == [1]


def test_floats_that_are_not_finite_survive(path):
    opened(path).insert({"loss": float("nan"), "best": float("-inf"), "list": [float("inf"), None]})
    stored = contents(path)[1]
    assert stored["loss"] != stored["loss"]
    assert stored["best"] == float("-inf")
    assert stored["list"] == [float("inf"), None]


@pytest.mark.parametrize(
    "data", [b'{"_default": {"1": {"a": 1}}}', b"hello\nworld\n", bytes(range(256)), b"[]\n", b"{}"]
)
def test_a_file_of_something_else_is_refused_and_left_alone(path, data):
    path.write_bytes(data)
    with pytest.raises(StoreCorrupt, match=r"catalog\.jsonl.*move it away"):
        opened(path)
    assert path.read_bytes() == data


def test_a_stock_tinydb_file_is_refused(path):
    with TinyDB(path) as stock:
        stock.insert({"a": 1})
    with pytest.raises(StoreCorrupt):
        opened(path)


def test_a_journal_of_a_newer_format_is_refused(path):
    opened(path).insert({})
    header, *rest = path.read_text().splitlines(keepends=True)
    newer = json.dumps({**json.loads(header), "format": 2}) + "\n"
    path.write_text(newer + "".join(rest))
    with pytest.raises(StoreError, match=r"format 1 or older, got 2.*newer sciml-tui"):
        opened(path)


def test_a_line_changed_by_hand_is_said_not_misread(path):
    opened(path).insert_multiple([{"a": 1}, {"a": 2}])
    path.write_bytes(path.read_bytes().replace(b"},{", b"}, {"))
    with pytest.raises(StoreCorrupt, match="changed by hand"):
        opened(path)


def test_an_empty_file_is_an_empty_journal(path):
    path.touch()
    db = opened(path)
    assert db.all() == []
    assert db.insert({"n": 1}) == 1
    assert contents(path) == {1: {"n": 1}}


def test_looking_only_makes_and_changes_nothing(path):
    looking = JournalDB(path, readonly=True)
    assert looking.all() == []
    assert looking.tables() == set()
    opened(path).insert({"n": 1})
    os.unlink(f"{path}.lock")
    before = path.read_bytes()
    assert looking.get(doc_id=1) == {"n": 1}
    for write in (lambda: looking.insert({}), lambda: looking.truncate(), lambda: looking.remove(doc_ids=[1])):
        with pytest.raises(StoreError, match="read-only"):
            write()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_file_system_that_is_read_only_can_be_looked_at(small_disk):
    path = small_disk.folder / "catalog.jsonl"
    opened(path).insert({"n": 1})
    with small_disk.read_only():
        assert contents(path) == {1: {"n": 1}}
        with pytest.raises(StoreError, match="--readonly"):
            opened(path).insert({})
    opened(path).insert({"n": 2})


def test_a_full_disk_loses_nothing_and_mends_itself(small_disk):
    path = small_disk.folder / "catalog.jsonl"
    db, reader = opened(path), opened(path)
    kept = db.insert_multiple({"n": n} for n in range(20))
    small_disk.fill()
    with pytest.raises(StoreFull, match=r"catalog\.jsonl"):
        for n in range(10_000):
            kept.append(db.insert({"n": n, "text": "x" * 100}))
    assert [document.doc_id for document in db] == kept
    assert [document.doc_id for document in reader] == kept
    assert sorted(contents(path)) == kept
    with pytest.raises(StoreFull):
        db.journal.compact()
    small_disk.free()
    kept.append(db.insert({"n": -1}))
    assert sorted(contents(path)) == kept == [document.doc_id for document in reader]


def test_a_write_cut_off_in_its_middle_leaves_no_trace(path, file_limit):
    db, reader = opened(path), opened(path)
    db.insert_multiple({"n": n} for n in range(20))
    size = path.stat().st_size
    file_limit(size + 30)
    with pytest.raises(StoreFull):
        db.insert({"text": "x" * 100})
    with pytest.raises(StoreFull):
        db.update({"text": "x" * 100}, doc_ids=[1])
    assert path.stat().st_size == size
    assert len(db) == len(reader) == 20
    assert "text" not in db.get(doc_id=1)


def test_the_plain_storage_protocol_works_for_tinydbs_own_classes(path):
    with TinyDB(path, storage=JournalStorage, sync=False) as stock:
        stock.insert({"a": 1})
        stock.table("other").insert_multiple([{"b": 1}, {"b": 2}])
        stock.update({"a": 2}, Query().a == 1)
        assert stock.tables() == {"_default", "other"}
        stock.drop_table("other")
    assert contents(path) == {1: {"a": 2}}


def test_tables_are_listed_dropped_and_truncated(path):
    db = opened(path)
    db.table("a").insert({})
    db.table("b").insert({})
    db.table("c", persist_empty=True)
    assert db.tables() == {"a", "b", "c"}
    db.drop_table("a")
    db.table("b").truncate()
    assert opened(path).tables() == {"b", "c"}
    assert len(db.table("b")) == 0
    db.table("a").insert({"n": 1})
    assert len(opened(path).table("a")) == 1
    db.drop_tables()
    assert db.tables() == opened(path).tables() == set()
