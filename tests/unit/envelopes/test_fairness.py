"""Who got what: Jain's index by hand, energies of the right length, totals."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.envelopes.boxes import Boxes
from gridcommons.envelopes.fairness import Shares, jain_index


def test_jain_is_one_where_all_have_the_same_and_one_nth_where_one_has_all():
    assert jain_index(np.full(7, 0.3)) == pytest.approx(1.0)
    assert jain_index(np.array([0.0, 0.0, 5.0, 0.0])) == pytest.approx(0.25)
    assert jain_index(np.array([1.0, 2.0, 3.0])) == pytest.approx(36.0 / 42.0)
    assert np.isnan(jain_index(np.zeros(3)))


def test_energy_is_power_times_the_length_of_the_steps_over_all_windows():
    shares = Shares(("A", "B", "C"), 0.25)
    for _ in range(2):
        up, down = np.array([[4.0, 0.0, 0.0]] * 3), np.array([[0.0, 8.0, 0.0]] * 3)
        shares.add("max_total", Boxes(np.zeros((3, 3)), up, down))
        shares.add_most(np.array([[8.0, 0.0, 0.0]] * 3), np.array([[0.0, 8.0, 0.0]] * 3))
    np.testing.assert_allclose(shares.import_kwh["max_total"], [6.0, 0.0, 0.0])
    np.testing.assert_allclose(shares.export_kwh["max_total"], [0.0, 12.0, 0.0])
    # C cannot move at all, so that it is not counted among the unsatisfied.
    np.testing.assert_allclose(shares.satisfaction("max_total"), [0.5, 1.0])
    assert shares.summary("max_total")["max_total"]["jain_index"] == pytest.approx(2.25 / 2.5)
