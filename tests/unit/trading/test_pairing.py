"""Bars laid side by side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.trading.pairing import lay_side_by_side


def pairs(first, second):
    found = lay_side_by_side(np.array(first, dtype=float), np.array(second, dtype=float))
    return list(zip(found.first.tolist(), found.second.tolist(), found.energy_kwh.tolist(), strict=True))


def test_bars_meet_where_they_overlap():
    assert pairs([3, 1], [1, 2.5, 2]) == [(0, 0, 1.0), (0, 1, 2.0), (1, 1, 0.5), (1, 2, 0.5)]


def test_what_is_longer_than_the_other_side_meets_nothing():
    assert pairs([5], [1, 1]) == [(0, 0, 1.0), (0, 1, 1.0)]
    assert pairs([1], [5, 1]) == [(0, 0, 1.0)]


def test_bars_of_no_length_meet_nothing():
    assert pairs([0, 2, 0], [0, 0, 2]) == [(1, 2, 2.0)]
    assert pairs([0], [0]) == pairs([], [1]) == pairs([1], []) == []


def test_rounding_makes_no_pair():
    assert [(i, j) for i, j, _ in pairs([0.1, 0.2, 5.0], [0.3, 5.0])] == [(0, 0), (1, 0), (2, 1)]


lengths = st.lists(
    st.one_of(st.integers(0, 9).map(lambda k: k / 10.0), st.floats(1e-3, 1e3)), min_size=1, max_size=30
)


@given(first=lengths, second=lengths)
def test_the_shorter_side_is_used_up_and_nobody_more_than_whole(first, second):
    found = lay_side_by_side(np.array(first), np.array(second))
    used = [
        np.bincount(place, found.energy_kwh, len(bars))
        for place, bars in ((found.first, first), (found.second, second))
    ]
    total = min(sum(first), sum(second))
    assert found.energy_kwh.sum() == pytest.approx(total, rel=1e-9)
    for part, bars in zip(used, (first, second), strict=True):
        assert (part <= np.array(bars) * (1.0 + 1e-15)).all()
        # From the best on: all before the last that is used are used whole.
        whole = np.flatnonzero(part)[:-1]
        np.testing.assert_allclose(part[whole], np.array(bars)[whole], rtol=1e-6, atol=1e-9)
    assert len(found.energy_kwh) <= len(first) + len(second) - 1
