from __future__ import annotations

from collections.abc import Iterator

import pytest

from tui import palette


@pytest.fixture
def in_ascii() -> Iterator[None]:
    palette.use_ascii(True)
    yield
    palette.use_ascii(False)
