import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store import codec

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.just("$float")
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@given(documents)
def test_whatever_json_and_floats_can_say_survives(document):
    text = codec.encode(document)
    assert b"\n" not in text
    assert same(codec.decode(text), document)


def test_floats_that_are_not_finite_have_the_documented_words():
    assert codec.encode([math.nan, math.inf, -math.inf]) == b'[{"$float":"nan"},{"$float":"inf"},{"$float":"-inf"}]'


def test_numpy_scalars_are_the_numbers_they_are():
    values = [np.float64(0.1), np.float32(0.5), np.int64(3), np.bool_(True), np.float64("nan"), np.float32("-inf")]
    decoded = codec.decode(codec.encode({"values": values}))["values"]
    assert same(decoded, [0.1, 0.5, 3, True, math.nan, -math.inf])


def test_a_file_name_that_is_no_utf8_is_written_out():
    document = {"name": os.fsdecode(b"\xe9.h5"), os.fsdecode(b"\xff"): ["β", None]}
    assert codec.decode(codec.encode(document)) == {"name": "\\udce9.h5", "\\udcff": ["β", None]}


@pytest.mark.parametrize("value", [object(), np.zeros(3), 1j])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(TypeError):
        codec.encode({"value": value})
