"""Limits of a window: constant ones repeat, changing ones are those of its own steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridcommons.known_answers import chain_grid, voltage_band


def test_a_window_has_the_limits_of_its_own_steps():
    grid = chain_grid()
    of_step = 0.9 + 0.01 * np.arange(7)[:, None] * np.ones(5)
    limits = replace(voltage_band(grid, 0.9, 1.1), vm_min_pu=of_step)
    window = limits.window(3, 5)
    np.testing.assert_array_equal(window.vm_min_pu, of_step[3:5])
    assert window.vm_max_pu.shape == (2, 5) and (window.vm_max_pu == 1.1).all()
