import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.optimisation.solve import LinearProgram, solve
from gridcommons.scheduling.purchase import Need, plan_purchase
from gridcommons.scheduling.supply_curves import Supply

CAP = 5.0


def straight(slope, most=1e6):
    """A seller who gives quantity = price / slope, either way."""
    return Supply(np.array([-most * slope, most * slope]), np.array([-most, most]))


def one_voltage(missing_kvar, effects):
    return Need(np.array([missing_kvar * 1e-5]), np.array([effects]) * 1e-5, np.array([1e-5]))


def one_sided(slope, side, most=1e6):
    """The same, who gives in one direction alone, as a curve that only one side was asked of."""
    points = np.array([0.0, most]) if side > 0.0 else np.array([-most, 0.0])
    return Supply(points * slope, points)


class TestOneVoltage:
    def test_is_mended_by_the_line_of_the_only_seller(self):
        found = plan_purchase(one_voltage(20.0, [0.5]), [straight(0.01)], 0.0, CAP)
        assert found.quantity_kvar[0] == pytest.approx(40.0)
        assert found.price_per_kvarh[0] == pytest.approx(0.4)

    def test_sellers_are_paid_alike_for_their_effect(self):
        found = plan_purchase(one_voltage(20.0, [1.0, 0.5]), [straight(0.01), straight(0.02)], 0.0, CAP)
        assert found.price_per_kvarh[1] == pytest.approx(0.5 * found.price_per_kvarh[0])
        assert found.quantity_kvar @ np.array([1.0, 0.5]) == pytest.approx(20.0)

    def test_costs_least(self):
        """Against every other split of the same effect."""
        effects, slopes = np.array([1.0, 0.6, 0.2]), np.array([0.01, 0.004, 0.03])
        found = plan_purchase(one_voltage(30.0, effects), [straight(s) for s in slopes], 0.0, CAP)
        cost = 0.5 * slopes @ found.quantity_kvar**2
        rng = np.random.default_rng(1)
        for _ in range(200):
            other = found.quantity_kvar + rng.normal(size=3)
            other += effects * (30.0 - effects @ other) / (effects @ effects)
            assert 0.5 * slopes @ other**2 >= cost - 1e-9

    def test_a_voltage_that_is_too_high_asks_to_absorb(self):
        found = plan_purchase(one_voltage(20.0, [-1.0]), [straight(0.01)], 0.0, CAP)
        assert found.quantity_kvar[0] == pytest.approx(-20.0)
        assert found.price_per_kvarh[0] == pytest.approx(-0.2)

    def test_no_one_pays_more_than_the_shortage_price(self):
        short = Supply(np.array([0.0, 0.1]), np.array([0.0, 8.0]))
        found = plan_purchase(one_voltage(20.0, [1.0]), [short], 0.0, CAP)
        assert found.price_per_kvarh[0] == CAP
        assert found.quantity_kvar[0] == pytest.approx(8.0)
        assert found.short_kvar[0] == pytest.approx(12.0)

    def test_who_has_no_effect_is_asked_nothing(self):
        found = plan_purchase(one_voltage(20.0, [1.0, 0.0]), [straight(0.01), straight(0.01)], 0.0, CAP)
        assert found.price_per_kvarh[1] == 0.0 and found.quantity_kvar[1] == 0.0

    def test_nothing_is_bought_where_nothing_is_missing(self):
        found = plan_purchase(one_voltage(-3.0, [1.0]), [straight(0.01)], 0.0, CAP)
        assert found.quantity_kvar[0] == 0.0

    def test_the_start_of_prices_is_the_fee(self):
        """At the fee the schedule is the answer: nothing is beyond it."""
        supply = Supply(np.array([0.05, 0.25]), np.array([0.0, 20.0]))
        found = plan_purchase(one_voltage(10.0, [1.0]), [supply], 0.05, CAP)
        assert found.price_per_kvarh[0] == pytest.approx(0.15)

    def test_part_of_a_jump_is_bought_between_its_prices(self):
        jump = Supply(np.array([0.0, 0.3, 0.301, 9.0]), np.array([0.0, 1.0, 90.0, 91.0]))
        found = plan_purchase(one_voltage(40.0, [1.0]), [jump], 0.0, CAP)
        assert found.quantity_kvar[0] == pytest.approx(40.0)
        assert 0.3 < found.price_per_kvarh[0] < 0.301


class TestSeveralVoltages:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 10_000), st.sampled_from([1.0, -1.0]))
    def test_are_mended_at_the_cost_of_a_linear_program_of_fine_steps(self, seed, side):
        rng = np.random.default_rng(seed)
        rows, sellers = rng.integers(2, 4), rng.integers(2, 6)
        effect = rng.uniform(0.1, 1.0, (rows, sellers)) * 1e-5
        own, missing = np.full(rows, 1.2e-5), rng.uniform(5.0, 40.0, rows) * 1e-5
        slopes = rng.uniform(0.002, 0.02, sellers)
        need = Need(missing, side * effect, own)
        found = plan_purchase(need, [one_sided(s, side) for s in slopes], 0.0, 50.0)
        assert (side * effect @ found.quantity_kvar >= missing - 1e-9).all()
        # Every seller's line in 400 steps of equal width, each at the price of its middle.
        width, steps = 0.5, 400
        price = (np.arange(steps) + 0.5) * width
        cost = np.concatenate([slope * price for slope in slopes])
        matrix = -np.repeat(effect, steps, axis=1) * 1e5
        program = LinearProgram(cost, matrix, -missing * 1e5, np.zeros(len(cost)), np.full(len(cost), width))
        least = solve(program).objective
        ours = 0.5 * slopes @ found.quantity_kvar**2
        # A step of width w misses a line of slope s by s w²/8 at most.
        assert ours == pytest.approx(least, rel=1e-3, abs=float(slopes.sum()) * width**2 / 8.0)

    def test_a_voltage_that_is_held_by_another_costs_nothing(self):
        need = Need(np.array([20e-5, 5e-5]), np.array([[1e-5], [1e-5]]), np.array([1e-5, 1e-5]))
        found = plan_purchase(need, [straight(0.01)], 0.0, CAP)
        assert found.quantity_kvar[0] == pytest.approx(20.0, rel=1e-6)
        assert found.price_per_kvarh[0] == pytest.approx(0.2, rel=1e-6)

    def test_that_nobody_can_hold_are_short_at_the_shortage_price_and_the_others_are_held(self):
        effect = np.array([[1e-5, 0.0], [0.0, 1e-5]])
        need = Need(np.array([20e-5, 8e-5]), effect, np.array([1e-5, 1e-5]))
        little = Supply(np.array([0.0, 0.1]), np.array([0.0, 5.0]))
        found = plan_purchase(need, [little, straight(0.01)], 0.0, CAP)
        assert found.price_per_kvarh.tolist() == pytest.approx([CAP, 0.08])
        assert found.short_kvar == pytest.approx([15.0, 0.0])
