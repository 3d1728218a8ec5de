"""What tangents and polygon promise of the circle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.optimisation.apparent_power import (
    given_up_kw,
    inner_polygon,
    opportunity_cost,
    tangents,
)


def on_circle(angle):
    return np.cos(angle), np.sin(angle)


def test_a_three_four_five_triangle_gives_up_one():
    p_kw, q_kvar = np.array([4.0, 4.0, 0.0, 5.0, 0.0]), np.array([3.0, -3.0, 2.0, 0.0, 0.0])
    np.testing.assert_allclose(given_up_kw(p_kw, q_kvar), [1.0, 1.0, 2.0, 0.0, 0.0], rtol=1e-15)
    cost = opportunity_cost(p_kw, q_kvar, np.array([0.2, -0.2, 0.5, 1.0, 1.0]), 0.5)
    np.testing.assert_allclose(cost, [0.1, 0.0, 0.5, 0.0, 0.0], rtol=1e-15)


def test_a_small_reactive_power_keeps_its_digits():
    np.testing.assert_allclose(given_up_kw(np.array(1e6), np.array(1e-3)), 0.5e-12, rtol=1e-12)


@pytest.mark.parametrize(("error_share", "from_share"), [(0.03, 0.01), (0.1, 0.01), (0.01, 0.001)])
def test_tangents_price_within_their_error_and_never_too_high(error_share, from_share):
    lines = tangents(error_share, from_share)
    angle = np.linspace(np.arcsin(from_share), 0.5 * np.pi, 200_001)
    p_kw, q_kvar = on_circle(angle)
    exact = given_up_kw(p_kw, q_kvar)
    for sign in (1.0, -1.0):
        short = (exact - (lines.largest(p_kw, sign * q_kvar) - p_kw)) / exact
        assert short.min() >= -1e-9
        assert short.max() <= error_share * (1.0 + 1e-6)
        # No tangent is wasted: the error is reached beside each of them.
        assert short.max() >= 0.999 * error_share


def test_there_are_fifteen_tangents_a_side_and_one_at_no_reactive_power():
    lines = tangents()
    assert len(lines) == 31
    assert lines.q_share[15] == 0.0 and lines.p_share[15] == 1.0
    np.testing.assert_array_equal(lines.q_share, -lines.q_share[::-1])


@given(st.floats(0.0, 1e4), st.floats(-1e4, 1e4))
def test_tangents_lie_below_apparent_power_everywhere(p_kw, q_kvar):
    largest = tangents().largest(np.array(p_kw), np.array(q_kvar))
    assert largest <= np.hypot(p_kw, q_kvar) * (1.0 + 1e-12) + 1e-300


@pytest.mark.parametrize("sides", [8, 64])
def test_the_polygon_lies_inside_and_takes_away_what_it_says(sides):
    lines = inner_polygon(sides)
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 40_001)
    p_kw, q_kvar = on_circle(angle)
    # Along each ray the farthest point that all lines allow.
    reach = lines.s_share / lines.largest(p_kw, q_kvar)
    assert reach.max() <= 1.0 + 1e-12
    np.testing.assert_allclose(reach.min(), np.cos(np.pi / sides), rtol=1e-6)
    np.testing.assert_allclose(lines.s_share / lines.largest(np.ones(1), np.zeros(1)), 1.0, rtol=1e-12)
    np.testing.assert_allclose(
        lines.s_share / lines.largest(np.zeros(2), np.array([1.0, -1.0])), 1.0, rtol=1e-12
    )
    assert len(lines) == sides // 2
