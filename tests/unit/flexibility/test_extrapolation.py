"""Extrapolation: it ends a spiral in a few rounds, and goes nowhere far where residuals say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.flexibility.extrapolation import REACH, Extrapolation


def spiral(point):
    """A slow affine contraction: rotate by 20 degrees, shrink by 3 %, about (1, 2)."""
    turn = np.deg2rad(20.0)
    law = 0.97 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.array([1.0, 2.0]) + law @ (point - np.array([1.0, 2.0]))


@pytest.mark.parametrize("memory", [5, 10])
def test_a_spiral_ends_in_a_few_rounds(memory):
    ahead, point = Extrapolation(memory), np.array([30.0, -40.0])
    for _ in range(8):
        point = ahead.next_after(point, spiral(point))
    assert np.linalg.norm(point - [1.0, 2.0]) < 1e-6


def test_without_memory_the_iteration_is_as_it_was():
    ahead, point = Extrapolation(0), np.array([30.0, -40.0])
    for _ in range(5):
        again = spiral(point)
        point = ahead.next_after(point, again)
        np.testing.assert_array_equal(point, again)


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_a_drift_that_never_changes_is_followed_in_strides_and_not_to_infinity(noise):
    """A step that is the same each round has no end to extrapolate to."""
    rng, drift = np.random.default_rng(1), np.array([0.01, -0.02])
    ahead, point = Extrapolation(10), np.zeros(2)
    for _ in range(50):
        step = drift + noise * rng.normal(size=2)
        following = ahead.next_after(point, point + step)
        assert np.linalg.norm(following - point) <= (REACH + 1.0 + 1e-6) * np.linalg.norm(step)
        point = following


def test_a_step_that_makes_matters_worse_is_undone():
    ahead = Extrapolation(3)
    first = ahead.next_after(np.array([0.0]), np.array([1.0]))
    second = ahead.next_after(first, first + 0.5)
    # The extrapolated point has a larger residual than the one before: back to the plain image.
    assert ahead.next_after(second, second + 5.0) == pytest.approx(first + 0.5)
