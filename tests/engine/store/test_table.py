"""The TinyDB operations do over a journal what they do in memory."""

import copy
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinydb import Query, TinyDB
from tinydb.operations import add, delete, increment
from tinydb.operations import set as put
from tinydb.storages import MemoryStorage
from tinydb.table import Document

from engine.store.table import JournalDB

values = st.sampled_from([0, 1, 1.0, True, None, "x", [1, [2]], {"k": {"l": [0]}}])
documents = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)
places = st.lists(st.integers(0, 12), max_size=4)
"""Of ids, in the order they were given out: the two stores do not give out the same."""
queries = st.sampled_from(
    [
        Query().a == 1,
        Query().b.exists(),
        ~(Query().a.exists()),
        Query().c.one_of([None, "x"]),
        (Query().a == 0) | (Query().b == "x"),
        Query().b.k.l.exists(),
        Query().fragment({"a": 1}),
        Query().noop(),
    ]
)


def rewrite(document):
    document.pop("a", None)
    document.setdefault("b", {})
    document["c"] = [document["b"]]


def nest(document):
    if isinstance(document.get("b"), dict):
        document["b"] = {**document["b"], "k": 0}


changes = documents | st.sampled_from([rewrite, nest, put("c", 7)])
operations = st.one_of(
    st.tuples(st.just("insert"), documents),
    st.tuples(st.just("insert_multiple"), st.lists(documents, max_size=4)),
    st.tuples(st.just("update"), changes, queries),
    st.tuples(st.just("update_ids"), changes, places),
    st.tuples(st.just("update_all"), changes),
    st.tuples(st.just("update_multiple"), st.lists(st.tuples(changes, queries), max_size=2)),
    st.tuples(st.just("upsert"), documents, queries),
    st.tuples(st.just("remove"), queries),
    st.tuples(st.just("remove_ids"), places),
    st.tuples(st.just("truncate")),
    st.tuples(st.just("search"), queries),
    st.tuples(st.just("first"), queries),
    st.tuples(st.just("get_ids"), places),
    st.tuples(st.just("compact")),
    st.tuples(st.just("reopen")),
)


class JsonInMemory(MemoryStorage):
    """Stock TinyDB as it is over a JSON file: documents in memory share nothing."""

    def read(self):
        return copy.deepcopy(self.memory)

    def write(self, data):
        self.memory = json.loads(json.dumps(data))


class Pair:
    """A stock table in memory, and journals over one file; `use` says through which of two instances one goes."""

    def __init__(self, folder):
        self.stock = TinyDB(storage=JsonInMemory)
        self.path = folder / "journal.jsonl"
        self.journals = [self.opened(), self.opened()]
        self.stock_ids, self.ids = [], []
        self.ours = {}

    def opened(self):
        return JournalDB(self.path, sync=False, compact_lines=8)

    def do(self, use, name, *args):
        mine = self.journals[use]
        if name == "compact":
            mine.journal.compact()
        elif name == "reopen":
            self.journals[use] = self.opened()
        elif name == "truncate":
            self.stock.truncate()
            mine.truncate()
            self.stock_ids, self.ids = [], []
        elif name.endswith("_ids"):
            self.by_ids(mine, name.removesuffix("_ids"), *args)
        else:
            method = {"update_all": "update", "first": "get"}.get(name, name)
            self.compare(name, getattr(self.stock, method)(*args), getattr(mine, method)(*args))

    def by_ids(self, mine, method, *args):
        """Ids that were removed may be among them; none twice."""
        *changes, places = args
        places = [place for place in dict.fromkeys(places) if place < len(self.ids)]
        expected = getattr(self.stock, method)(*changes, doc_ids=[self.stock_ids[place] for place in places])
        self.compare(method, expected, getattr(mine, method)(*changes, doc_ids=[self.ids[place] for place in places]))

    def compare(self, name, expected, got):
        if name.startswith(("insert", "upsert")):
            self.know([expected] if name == "insert" else expected, [got] if name == "insert" else got)
        elif name in ("search", "get", "first"):
            assert got == expected
        else:
            assert got == [self.ours[doc_id] for doc_id in expected]

    def know(self, expected, got):
        assert len(expected) == len(got)
        for theirs, mine in zip(expected, got, strict=True):
            if theirs not in self.stock_ids:
                self.stock_ids.append(theirs)
                self.ids.append(mine)
                self.ours[theirs] = mine
            assert self.ours[theirs] == mine

    def check(self):
        for journal in self.journals:
            assert [type(document) for document in journal] == [Document] * len(self.stock)
            assert journal.all() == self.stock.all()
            assert list(map(dict_order, journal)) == list(map(dict_order, self.stock))
            assert len(journal) == len(self.stock)


def dict_order(document):
    return [(key, type(value)) for key, value in document.items()]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), operations), max_size=25))
def test_any_operations_give_what_stock_tinydb_gives(sequence):
    folder = Path(tempfile.mkdtemp())
    try:
        pair = Pair(folder)
        for use, operation in sequence:
            pair.do(use, *operation)
            pair.check()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["stock", "journal"])
def db(request, tmp_path):
    if request.param == "stock":
        return TinyDB(storage=MemoryStorage)
    return JournalDB(tmp_path / "journal.jsonl", sync=False)


def test_a_change_deep_inside_a_document_is_stored(db):
    db.insert({"n": 1, "nested": {"list": [1]}})
    db.update(lambda document: document["nested"]["list"].append(2), doc_ids=[1])
    assert db.get(doc_id=1) == {"n": 1, "nested": {"list": [1, 2]}}


def test_explicit_ids_are_kept(db):
    assert db.insert(Document({"n": 1}, 7)) == 7
    assert db.insert({"n": 2}) == 8
    assert db.upsert(Document({"n": 3}, 7)) == [7]
    assert db.upsert(Document({"n": 4}, 11)) == [11]
    assert db.get(doc_id=7) == {"n": 3}
    with pytest.raises(ValueError, match="ID 7 already exists"):
        db.insert(Document({}, 7))
    with pytest.raises(ValueError, match="ID 8 already exists"):
        db.insert_multiple([{"n": 0}, Document({}, 8)])
    assert [document["n"] for document in db] == [3, 2, 4]


def test_what_is_no_document_is_refused_and_nothing_is_written(db):
    db.insert({})
    with pytest.raises(ValueError, match="not a Mapping"):
        db.insert([1])
    with pytest.raises(ValueError, match="not a Mapping"):
        db.insert_multiple([{"n": 1}, 3])
    with pytest.raises(ValueError, match="doc_id"):
        db.upsert({"n": 1})
    for call in (db.get, db.contains, db.remove):
        with pytest.raises(RuntimeError):
            call()
    assert db.all() == [{}]


def test_an_update_that_fails_halfway_changes_nothing(tmp_path):
    db = JournalDB(tmp_path / "journal.jsonl", sync=False)
    db.insert_multiple([{"n": 1}, {"n": "text"}, {"n": 3}])
    with pytest.raises(TypeError):
        db.update(add("n", 1))
    assert [document["n"] for document in db] == [1, "text", 3]


def test_operations_of_tinydb_work(db):
    db.insert_multiple([{"n": 1, "m": 1}, {"n": 2, "m": 2}])
    db.update(increment("n"), Query().m == 1)
    db.update(delete("m"), Query().n == 2)
    assert db.all() == [{"n": 2}, {"n": 2}]
    assert db.count(Query().n == 2) == 2
    assert db.contains(Query().n == 2)
    assert not db.contains(doc_id=9)
    assert db.get(doc_id=9) is None
