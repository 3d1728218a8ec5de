import numpy as np
import pytest

from gridcommons.optimisation.apparent_power import opportunity_cost
from gridcommons.scheduling.oracles import bisect_price, closed_form_kvar


class TestClosedForm:
    def test_is_the_best_of_a_fine_scan(self):
        q = np.linspace(-80.0, 80.0, 160_001)
        for price in (-0.3, -0.05, 0.02, 0.2, 0.49):
            gain = price * q - opportunity_cost(np.full_like(q, 100.0), q, np.full_like(q, 0.5), 1.0)
            best = q[np.argmax(gain)]
            found = closed_form_kvar(np.array(100.0), np.array(price), 0.5, 80.0)
            assert float(found) == pytest.approx(best, abs=2e-3)

    def test_gives_all_at_the_price_of_active_power_and_above(self):
        given = closed_form_kvar(np.array(10.0), np.array([0.5, 2.0, -0.5]), 0.5, 8.0)
        assert given.tolist() == [8.0, 8.0, -8.0]


class TestBisection:
    def test_finds_the_least_price(self):
        assert bisect_price(lambda price: 0.37 - price, 2.0) == pytest.approx(0.37, abs=1e-12)
        assert bisect_price(lambda price: price + 0.37, -2.0) == pytest.approx(-0.37, abs=1e-12)

    def test_refuses_where_the_most_is_not_enough(self):
        with pytest.raises(ValueError, match="leaves 0.5 missing"):
            bisect_price(lambda price: 0.5, 2.0)
