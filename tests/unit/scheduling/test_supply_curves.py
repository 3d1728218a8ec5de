import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.scheduling.supply_curves import Ahead, SupplyCurve, as_offered, extend


def curve(*answers, start=0.0):
    found = SupplyCurve(np.array([start]), np.zeros(1), start)
    for price, quantity in answers:
        found = found.with_answer(price, quantity)
    return found


class TestAnswers:
    def test_are_kept_in_the_order_of_prices(self):
        found = curve((0.3, 30.0), (0.1, 10.0), (0.2, 25.0))
        assert found.price_per_kvarh.tolist() == [0.0, 0.1, 0.2, 0.3]
        assert found.quantity_kvar.tolist() == [0.0, 10.0, 25.0, 30.0]

    def test_that_contradict_a_newer_one_are_forgotten(self):
        found = curve((0.1, 20.0), (0.2, 40.0)).with_answer(0.15, 15.0)
        assert found.price_per_kvarh.tolist() == [0.0, 0.15, 0.2]
        found = found.with_answer(0.2, 12.0)
        assert found.price_per_kvarh.tolist() == [0.0, 0.2]

    def test_at_the_same_price_the_newer_counts(self):
        assert curve((0.1, 20.0), (0.1, 22.0)).quantity_kvar.tolist() == [0.0, 22.0]

    @given(
        st.lists(
            st.tuples(st.floats(-1, 1).map(lambda p: round(p, 3)), st.floats(-100, 100)),
            min_size=1,
            max_size=12,
        )
    )
    def test_always_rise(self, answers):
        found = curve(*answers)
        assert (np.diff(found.price_per_kvarh) > 0.0).all()
        assert (np.diff(found.quantity_kvar) >= 0.0).all()

    def test_the_asked_price_nearest_to_another_at_which_enough_was_offered(self):
        found = curve((0.1, 10.0), (0.2, 20.0), (0.4, 21.0))
        assert found.asked_price_near(0.15, 15.0) == 0.2
        assert found.asked_price_near(0.35, 15.0) == 0.4
        assert found.asked_price_near(0.35, 22.0) is None

    def test_the_same_for_absorbing(self):
        found = curve((-0.1, -10.0), (-0.2, -20.0))
        assert found.asked_price_near(-0.12, -15.0) == -0.2
        assert found.asked_price_near(-0.12, -8.0) == -0.1
        assert found.asked_price_near(-0.12, -25.0) is None

    def test_bracket(self):
        found = curve((0.1, 10.0), (0.2, 20.0))
        assert found.bracket(15.0) == (0.1, 0.2)
        assert found.bracket(25.0) == (0.2, np.inf)


class TestAhead:
    def test_with_the_start_alone_all_of_the_need_costs_the_published_step(self):
        supply = extend(curve(), Ahead(50.0, 50.0, 1, 0.1))
        assert supply.at(0.1) == pytest.approx(50.0)
        assert supply.at(0.05) == pytest.approx(25.0)

    def test_who_shares_a_need_is_asked_the_step_for_its_part(self):
        supply = extend(curve(), Ahead(50.0, 50.0, 5, 0.1))
        assert supply.at(0.1) == pytest.approx(10.0)

    def test_absorbing_goes_to_negative_prices(self):
        supply = extend(curve(), Ahead(-50.0, -50.0, 1, 0.1))
        assert supply.at(-0.1) == pytest.approx(-50.0)
        assert supply.at(0.1) == 0.0

    def test_later_the_line_through_two_answers_goes_on(self):
        supply = extend(curve((0.1, 10.0)), Ahead(30.0, 20.0, 1, 0.05))
        assert supply.at(0.2) == pytest.approx(20.0)
        assert supply.at(0.3) == pytest.approx(30.0)

    def test_where_nothing_more_comes_the_price_still_grows_no_more_than_threefold(self):
        supply = extend(curve((0.1, 10.0), (0.2, 10.0)), Ahead(30.0, 20.0, 1, 0.05))
        assert supply.at(0.2 + 3.0 * 0.2) == pytest.approx(30.0)

    def test_who_shares_a_need_grows_threefold_over_its_part(self):
        supply = extend(curve((0.1, 10.0), (0.2, 10.0)), Ahead(30.0, 20.0, 5, 0.05))
        assert supply.at(0.2 + 3.0 * 0.2) == pytest.approx(10.0 + 20.0 / 5)

    def test_after_a_jump_it_rises_by_half_the_published_step_at_least(self):
        supply = extend(curve((0.1, 10.0), (0.1001, 20.0)), Ahead(30.0, 10.0, 1, 0.06))
        assert supply.at(0.1001 + 0.5 * 0.06 / 30.0 * 10.0) == pytest.approx(30.0)

    def test_what_was_offered_goes_no_further(self):
        supply = as_offered(curve((0.1, 10.0)))
        assert supply.at(0.5) == 10.0

    @given(st.floats(-0.5, 0.5))
    def test_the_area_is_the_integral_of_the_amount(self, price):
        supply = extend(curve((0.1, 10.0), (0.2, 14.0)), Ahead(30.0, 16.0, 1, 0.05))
        fine = np.linspace(supply.price_per_kvarh[0], price, 20_001)
        amounts = np.interp(fine, supply.price_per_kvarh, supply.quantity_kvar)
        expected = float(np.sum(0.5 * (amounts[1:] + amounts[:-1]) * np.diff(fine)))
        assert supply.area(price) == pytest.approx(expected, abs=1e-6)
