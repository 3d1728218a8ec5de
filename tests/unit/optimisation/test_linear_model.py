"""A model by names is the program that its arrays say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.model.errors import InfeasibleError
from gridcommons.optimisation.linear_model import LinearModel, Shortfall
from gridcommons.optimisation.solve import LinearProgram, solve


def test_lower_ends_and_equations_hold_and_their_duals_have_the_other_sign():
    # min x + 3y, x + y = 4, y - x >= -2: x = 3, y = 1; one kWh more of either row costs 2 and 1.
    program = LinearProgram(
        cost=np.array([1.0, 3.0]),
        matrix=np.array([[1.0, 1.0], [-1.0, 1.0]]),
        row_max=np.array([4.0, np.inf]),
        lower=np.zeros(2),
        upper=np.full(2, np.inf),
        row_min=np.array([4.0, -2.0]),
    )
    optimum = solve(program)
    np.testing.assert_allclose(optimum.x, [3.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(optimum.mu, [-2.0, -1.0], atol=1e-9)


def test_a_battery_buys_cheap_and_serves_dear_hours():
    load_kw, price = np.array([1.0, 1.0, 3.0]), np.array([1.0, 2.0, 5.0])
    model = LinearModel()
    import_kw = model.variable((3,))
    charge_kw, discharge_kw = model.variable((3,), upper=2.0), model.variable((3,), upper=2.0)
    energy_kwh = model.variable((3,), upper=3.0)
    model.require_equal("balance_power", import_kw - charge_kw + discharge_kw, load_kw)
    model.require_equal("start_empty", energy_kwh[0] - 0.8 * charge_kw[0] + discharge_kw[0])
    model.require_equal(
        "store_energy", energy_kwh[1:] - energy_kwh[:-1] - 0.8 * charge_kw[1:] + discharge_kw[1:]
    )
    model.add_cost(import_kw * price)
    optimum = model.solve()
    # 2 kWh of the first hour become 1.6, 0.5 of the second 0.4; two of the dear three are served from them.
    np.testing.assert_allclose(charge_kw.value(optimum.x), [2.0, 0.5, 0.0], atol=1e-9)
    np.testing.assert_allclose(discharge_kw.value(optimum.x), [0.0, 0.0, 2.0], atol=1e-9)
    np.testing.assert_allclose(optimum.objective, 3.0 + 2.0 * 1.5 + 5.0, atol=1e-9)


def test_whole_variables_are_whole():
    model = LinearModel()
    units = model.variable((2,), upper=10.0, whole=True)
    model.require("serve", (units * [2.0, 3.0]).sum(0), lower=7.0)
    model.add_cost(units * np.array([2.0, 3.4]))
    optimum = model.solve()
    np.testing.assert_allclose(units.value(optimum.x), [2.0, 1.0], atol=1e-9)


def test_what_is_lacking_is_told_by_law_cell_and_amount():
    model = LinearModel()
    boiler_kw = model.variable((2, 2), upper=[[4.0], [3.0]])
    model.require("limit_ramp", boiler_kw[:, 1] - boiler_kw[:, 0], lower=-1.0, upper=1.0)
    model.require_equal("balance_heat", boiler_kw.sum(0), [9.0, 2.0])
    with pytest.raises(InfeasibleError):
        model.solve()
    # At 2 kW in the second hour, the first has at most 4: 5 are missing there; no other way lacks less.
    found = model.shortfalls(["balance_heat"])
    assert sum(each.amount for each in found if each.cell == (0,)) - sum(
        each.amount for each in found if each.cell == (1,)
    ) == pytest.approx(5.0)
    assert {each.name for each in found} == {"balance_heat"}
    with pytest.raises(InfeasibleError):
        model.shortfalls(["limit_ramp"])


def test_shortfalls_have_the_sign_of_what_is_missing_and_come_largest_first():
    model = LinearModel()
    power_kw = model.variable((3,), lower=1.0, upper=2.0)
    model.require_equal("balance_power", power_kw, [2.5, 1.5, 0.0])
    found = model.shortfalls(["balance_power"])
    assert [(each.name, each.cell) for each in found] == [("balance_power", (2,)), ("balance_power", (0,))]
    np.testing.assert_allclose([each.amount for each in found], [-1.0, 0.5], atol=1e-9)
    assert isinstance(found[0], Shortfall)


def test_shapes_that_do_not_fit_are_refused():
    model = LinearModel()
    x = model.variable((2, 3))
    with pytest.raises(ValueError, match=r"\(3,\) cells in a sum, expected \(2, 3\)"):
        x + x[0]
    with pytest.raises(ValueError, match=r"\(4, 2, 3\) cells"):
        x + np.ones((4, 2, 3))
    with pytest.raises(ValueError, match="twice"):
        x[[0, 0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_arithmetic_of_expressions_is_that_of_their_values(seed):
    generator = np.random.default_rng(seed)
    model = LinearModel()
    shape = tuple(generator.integers(1, 5, 2).tolist())
    a, b = model.variable(shape), model.variable(shape)
    x = generator.normal(size=model.columns)
    weight, by_row = generator.normal(size=shape), generator.normal(size=(shape[0], 1))
    axis = int(generator.integers(-2, 2))
    mask = generator.random(shape) < 0.5
    va, vb = a.value(x), b.value(x)
    for expression, expected in (
        (2.0 * a - b * weight + weight, 2.0 * va - vb * weight + weight),
        (weight - (a + b) * by_row, weight - (va + vb) * by_row),
        ((a * weight + a + 1.0).sum(axis), (va * weight + va + 1.0).sum(axis)),
        ((a + b + weight)[1:, ::-1], (va + vb + weight)[1:, ::-1]),
        ((a - b - 3.0)[mask], (va - vb - 3.0)[mask]),
        (a[0].sum(0), va[0].sum()),
    ):
        assert expression.shape == np.shape(expected)
        np.testing.assert_allclose(expression.value(x), expected, atol=1e-12)
