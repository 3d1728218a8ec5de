"""Triangles interpolate from above, tangents price from below, and both find the same optimum."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.model.errors import InfeasibleError
from gridcommons.optimisation.apparent_power import given_up_kw, inner_polygon, tangents
from gridcommons.optimisation.linear_model import LinearModel
from gridcommons.scheduling.triangles import Triangulation, interpolate

P_KW, Q_KVAR = np.linspace(0.0, 100.0, 6), np.linspace(-60.0, 60.0, 7)
COST = Triangulation(P_KW, Q_KVAR, given_up_kw(P_KW[:, None], Q_KVAR + 0.0 * P_KW[:, None]))


def at(p_kw, q_kvar, grid=COST):
    """The interpolated function at fixed points."""
    model = LinearModel()
    p, q = (model.variable(np.shape(fixed), fixed, fixed) for fixed in (p_kw, q_kvar))
    value = interpolate(model, p, q, grid)
    model.add_cost(value)
    return value.value(model.solve().x)


def test_a_plane_and_the_corners_are_exact_and_each_triangle_is_flat():
    x, y = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0])
    value = np.array([[0.0, 1.0], [5.0, 2.0], [0.0, 7.0]])
    grid = Triangulation(x, y, value)
    corners = np.array([(a, b) for a in x for b in y])
    np.testing.assert_allclose(at(corners[:, 0], corners[:, 1], grid), value.ravel(), atol=1e-9)
    # The middle of the first rectangle lies on its cut, from 0 at (0, 0) to 2 at (1, 2).
    np.testing.assert_allclose(at(np.array([0.5]), np.array([1.0]), grid), [1.0], atol=1e-9)
    # Beside the cut, on the side of (1, 0) and on the side of (0, 2).
    np.testing.assert_allclose(
        at(np.array([0.75, 0.25]), np.array([0.5, 1.5]), grid),
        [0.25 * 0.0 + 0.5 * 5.0 + 0.25 * 2.0, 0.25 * 0.0 + 0.5 * 1.0 + 0.25 * 2.0],
        atol=1e-9,
    )
    with pytest.raises(InfeasibleError):
        at(np.array([4.0]), np.array([1.0]), grid)


def test_triangles_and_tangents_hold_the_exact_cost_between_them_within_their_bounds():
    generator = np.random.default_rng(3)
    p_kw, q_kvar = generator.uniform(20.0, 100.0, 40), generator.uniform(-60.0, 60.0, 40)
    exact, above = given_up_kw(p_kw, q_kvar), at(p_kw, q_kvar)
    below = tangents().largest(p_kw, q_kvar) - p_kw
    assert (below <= exact + 1e-9).all() and (exact <= above + 1e-9).all()
    # |S''| is at most 1 / S, so that a triangle of hypotenuse d errs by at most d² / 8 S (S >= 20 kVA here).
    hypotenuse = np.hypot(P_KW[1] - P_KW[0], Q_KVAR[1] - Q_KVAR[0])
    nearest_kva = np.hypot(20.0 * np.floor(p_kw / 20.0), 20.0 * np.floor(np.abs(q_kvar) / 20.0))
    assert (above - exact <= hypotenuse**2 / 8.0 / nearest_kva + 1e-9).all()
    large = np.abs(q_kvar) >= 0.01 * np.hypot(p_kw, q_kvar)
    assert (exact - below <= 0.03 * exact * (1.0 + 1e-6))[large].all()


@pytest.mark.parametrize("price", [0.5, 1.5])
def test_both_sell_the_same_reactive_power_to_a_buyer_within_a_step_of_the_grid(price):
    """The answer in closed form is Q = P s / √(1 − s²), s the price of Q over that of P."""
    available_kw, energy_price = 60.0, 2.0
    answers = []
    for way in ("tangents", "triangles"):
        model = LinearModel()
        q = model.variable((1,), 0.0, 60.0)
        p = model.variable((1,), available_kw, available_kw)
        if way == "tangents":
            lines = tangents()
            given_up = model.variable((1,))
            for p_share, q_share in zip(lines.p_share, lines.q_share, strict=True):
                model.require("price", given_up + p * (1.0 - p_share) - q * q_share, lower=0.0)
        else:
            fine = np.linspace(0.0, 60.0, 13)
            values = given_up_kw(np.array([[50.0], [60.0], [70.0]]), fine + np.zeros((3, 1)))
            given_up = interpolate(model, p, q, Triangulation(np.array([50.0, 60.0, 70.0]), fine, values))
        limit = inner_polygon()
        for p_share, q_share in zip(limit.p_share, limit.q_share, strict=True):
            model.require("limit_apparent_power", p * p_share + q * q_share, upper=limit.s_share * 100.0)
        model.add_cost(given_up * energy_price - q * price)
        answers.append(float(q.value(model.solve().x)[0]))
    share = price / energy_price
    closed = min(available_kw * share / np.sqrt(1.0 - share**2), 60.0)
    # A tangent's answer is a corner between two of them: a factor of √2 apart, so within 19 % of the angle.
    assert answers[0] == pytest.approx(closed, rel=0.25)
    assert answers[1] == pytest.approx(closed, abs=5.0)
