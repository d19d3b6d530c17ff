import os

import pytest

from engine import config
from engine.config import Config
from engine.errors import SpecError
from engine.paths import Home


def test_a_home_without_a_file_has_the_defaults(tmp_path):
    found = config.load(Home(tmp_path))
    assert found == Config()
    assert 1 <= found.slots <= os.cpu_count()


def test_a_file_says_what_differs(tmp_path):
    (tmp_path / "config.toml").write_text("cpus = 3\ngrace = 5\n")
    found = config.load(Home(tmp_path))
    assert (found.slots, found.grace, found.idle) == (3, 5.0, Config().idle)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cpu = 3", r"config\.toml: cpu: required one of .*cpus.*, got an unknown key"),
        ("cpus = 0", r"config\.toml: cpus: required a whole number >= 1, got 0"),
        ("grace = 'long'", r"config\.toml: grace: required a number, got long"),
        ("idle = 0", r"config\.toml: idle: required a number > 0.*, got 0"),
        ("cpus = ", r"config\.toml: required TOML, got Invalid value"),
        ("cpus = \xff", r"config\.toml: required TOML, got"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, text, told):
    (tmp_path / "config.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError, match=told):
        config.load(Home(tmp_path))


def test_cpus_are_those_that_this_process_is_bound_to():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert config.usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)
