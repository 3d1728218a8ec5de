"""Each objective shares a linear room by its own law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.envelopes.objectives import OBJECTIVES, LinearRoom


def room(seed: int, *, separate: bool = False) -> LinearRoom:
    """Up to six limits over five assets; ``separate``: each asset in its own limit only."""
    generator = np.random.default_rng(seed)
    limits = 5 if separate else int(generator.integers(1, 7))
    cost = np.eye(5) if separate else generator.uniform(0.0, 1.0, (limits, 5))
    down = np.zeros_like(cost) if separate else generator.uniform(0.0, 1.0, (limits, 5))
    return LinearRoom(
        cost,
        down,
        generator.uniform(0.1, 6.0, limits),
        generator.uniform(0.5, 10.0, 5),
        np.zeros(5) if separate else generator.uniform(0.0, 10.0, 5),
        np.arange(5),
    )


@given(seed=st.integers(0, 100_000), name=st.sampled_from(sorted(OBJECTIVES)))
def test_every_share_is_inside_the_room(seed, name):
    of = room(seed)
    x = OBJECTIVES[name](of)
    assert (x >= 0.0).all() and (x <= of.most + 1e-9).all()
    assert (of.cost @ x <= of.room + 1e-8).all()


@given(seed=st.integers(0, 100_000))
def test_max_total_has_the_largest_sum(seed):
    of = room(seed)
    best = OBJECTIVES["max_total"](of).sum()
    assert all(share(of).sum() <= best * (1 + 1e-5) for share in OBJECTIVES.values())


@given(seed=st.integers(0, 100_000))
def test_equal_is_a_common_value_or_the_own_bound_and_cannot_rise(seed):
    of = room(seed)
    x = OBJECTIVES["equal"](of)
    for side in (slice(0, 5), slice(5, 10)):
        common = x[side].max()
        np.testing.assert_allclose(x[side], np.minimum(common, of.most[side]), atol=1e-9)
        raised = x.copy()
        raised[side] = np.minimum(common + 1e-3, of.most[side])
        assert (raised[side] == x[side]).all() or (of.cost @ raised > of.room).any()


@given(seed=st.integers(0, 100_000))
def test_proportional_is_a_common_share_of_each_range(seed):
    of = room(seed)
    x = OBJECTIVES["proportional"](of)
    for side in (slice(0, 5), slice(5, 10)):
        share = x[side] / of.most[side]
        np.testing.assert_allclose(share, share[0], rtol=1e-9)


@given(seed=st.integers(0, 100_000))
def test_max_min_raises_nobody_without_lowering_someone_who_has_less(seed):
    of = room(seed)
    x = OBJECTIVES["max_min"](of)
    slack = of.room - of.cost @ x
    for k in np.flatnonzero(x < of.most - 1e-6):
        tight = (of.cost[:, k] > 1e-6) & (slack < 1e-7)
        assert tight.any()


def test_max_min_differs_from_equal_where_assets_share_no_limit():
    of = room(3, separate=True)
    x, common = OBJECTIVES["max_min"](of), OBJECTIVES["equal"](of)
    np.testing.assert_allclose(x[:5], np.minimum(of.room, of.up_max), atol=1e-9)
    assert common[:5].max() == pytest.approx(min(of.room[of.room < of.up_max].min(), of.up_max.max()))


def test_a_limit_without_room_stops_only_those_who_need_it():
    of = LinearRoom(
        np.array([[1.0, 0.0]]), np.zeros((1, 2)), np.zeros(1), np.array([5.0, 5.0]), np.zeros(2), np.arange(2)
    )
    for name in ("max_total", "max_min", "proportional_fairness"):
        np.testing.assert_allclose(OBJECTIVES[name](of), [0.0, 5.0, 0.0, 0.0], atol=1e-4)
