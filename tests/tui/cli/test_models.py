"""`models`: what the shelf says, and copies of what it holds."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from engine.paths import Home
from engine.records import Shelved
from engine.store.catalog import Catalog

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def home(empty: Path) -> Path:
    """With one model on its shelf."""
    file = Home(empty).models / "small.safetensors"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(WEIGHTS)
    made = Shelved(
        name="small",
        kind="model",
        path=str(file.relative_to(empty)),
        size=len(WEIGHTS),
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        run="r0001",
        created=0.0,
        facts={"model": "fno", "parameters": 67281},
    )
    with closing(Catalog(Home(empty))) as catalog, catalog.lock():
        catalog.shelve(made)
    return empty


def test_a_model_is_listed_and_shown(call, home):
    assert call("models", "ls", home=home).lines[1].split()[:3] == ["small", "r0001", "10"]
    assert "  parameters  67281" in call("models", "show", "small", home=home).lines


def test_a_model_is_copied_to_a_file_or_into_a_folder(call, home, tmp_path, monkeypatch):
    assert call("models", "export", "small", "-o", str(tmp_path / "mine.safetensors"), home=home).code == 0
    assert (tmp_path / "mine.safetensors").read_bytes() == WEIGHTS
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    assert call("models", "export", "small", home=home).err.startswith("small.safetensors")
    assert (tmp_path / "there" / "small.safetensors").read_bytes() == WEIGHTS


def test_a_file_that_is_there_is_overwritten_only_if_forced(call, home, tmp_path):
    (tmp_path / "small.safetensors").write_text("precious")
    words = ("models", "export", "small", "-o", str(tmp_path))
    refused = call(*words, home=home)
    assert (refused.code, (tmp_path / "small.safetensors").read_text()) == (2, "precious")
    assert "required a file that does not exist" in refused.err and "--force overwrites it" in refused.err
    assert call(*words, "--force", home=home).code == 0
    assert (tmp_path / "small.safetensors").read_bytes() == WEIGHTS


def test_a_model_is_removed_with_its_file_after_a_question_on_a_terminal(call, home, monkeypatch):
    asked = []
    monkeypatch.setattr("tui.verbs.data.confirmed", lambda question: asked.append(question))
    assert call("models", "rm", "small", home=home).code == 1
    assert asked == ["remove model small and its file?"]
    assert call("models", "rm", "small", "-y", home=home).lines == ["small"]
    assert not (Home(home).models / "small.safetensors").exists()
    gone = call("models", "rm", "small", "-y", home=home)
    assert gone.code == 2 and "required the name of a model that exists, got 'small'" in gone.err


def test_what_is_damaged_or_gone_or_was_never_there_is_not_copied(call, home, tmp_path):
    words = ("models", "export", "small", "-o", str(tmp_path / "mine"))
    file = Home(home).models / "small.safetensors"
    file.write_bytes(WEIGHTS[:-1])
    damaged = call(*words, home=home)
    assert damaged.code == 1 and "required the hash" in damaged.err
    file.unlink()
    gone = call(*words, home=home)
    assert gone.code == 1 and "required the file of small, got none" in gone.err
    assert call("models", "export", "nope", home=home).code == 2
    assert not (tmp_path / "mine").exists()
