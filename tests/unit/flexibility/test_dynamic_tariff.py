"""The dynamic tariff: duals as prices, what they earn, and limits that hold when everybody plans alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import block_diag, coo_array, csr_array, hstack

from feeders import branches
from flexibility_study import PARENTS, VN_KV, flexibility_study, prepared, squeezed
from gridcommons.flexibility.aggregators import aggregator_names, make_aggregators
from gridcommons.flexibility.check import check_plan, find_violations
from gridcommons.flexibility.dynamic_tariff import NO_PRICE_PER_KWH, ROUGH_KW, TariffProblem, plain_tariff
from gridcommons.flexibility.settings import Settings
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import InfeasibleError
from gridcommons.optimisation.devices.chain import chain_rows


def problem_of(study, **settings):
    made, view, fleet, plan_kw, _ = prepared(study, Settings(**settings))
    return TariffProblem(view, fleet, made, plan_kw)


def planned_alone(plan):
    """Every aggregator's own plan at the published tariff, devices of others as they were."""
    problem = plan.linear.problem
    power_kw = problem.baseline_kw.copy()
    fleet = problem.fleet
    prices = np.zeros((len(aggregator_names(fleet)), len(fleet.load_points)))
    for party in make_aggregators(fleet, problem.baseline_kw, prices):
        power_kw[party.devices] = party.plan(plan.tariff_per_kwh)
    return power_kw


def peak_kw(**changes):
    *_, state = prepared(flexibility_study(**changes))
    return state.carried_kw.max(axis=0)


def in_series(first, second):
    """Both lines above b3 and b4 too small at once."""
    peaks_kw = peak_kw()
    return flexibility_study(rated_kw=(first * peaks_kw[0], second * peaks_kw[1], 1e4, 1e4))


CASES = {
    "one line": (lambda: squeezed(0.85, line=0), {}),
    "hardly": (lambda: squeezed(0.95, line=0), {}),
    "one load point": (lambda: squeezed(0.6, line=2), {}),
    "half answer": (lambda: squeezed(0.8, line=2, reprofiling=True), {}),
    "relaxed": (lambda: squeezed(0.7, line=0), {}),
    "relaxed much": (lambda: squeezed(0.5, line=2), {}),
    "in series": (lambda: in_series(0.72, 0.66), {}),
    "in series, capped": (lambda: in_series(0.72, 0.66), {"tariff_cap_on": "tariff"}),
}
CAP = 0.3


@pytest.fixture(scope="module", params=CASES)
def plan(request):
    made, settings = CASES[request.param]
    return problem_of(made(), **settings).solve(CAP)


def test_the_tariff_of_a_load_point_is_the_sum_of_what_limits_above_it_cost(plan):
    rows = plan.linear.rows
    tariff = np.zeros(plan.tariff_per_kwh.shape)
    for row in range(len(rows)):
        for point in range(len(tariff)):
            tariff[point, rows.step[row]] += rows.matrix[row, point] * plan.mu_per_kwh[row]
    np.testing.assert_allclose(plan.tariff_per_kwh, tariff, atol=1e-12)
    assert tariff.max() > 0.01


def test_the_limit_is_what_all_load_may_use(plan):
    """F by the load flow about which it is linear: D of all load there, and the room that is left."""
    rows, problem = plan.linear.rows, plan.linear.problem
    load_kw, _ = problem.fleet.bus_load(plan.linear.plan_kw)
    state = check_plan(problem.view, problem.fleet, plan.linear.plan_kw)
    for row in range(len(rows)):
        line = problem.view.study.grid.branches.name.index(rows.element[row])
        step = rows.step[row]
        behind_kw = rows.matrix[row] @ load_kw[problem.fleet.load_points, step]
        room_kw = problem.view.rated_kw[line] - state.carried_kw[step, line]
        assert plan.linear.limit_kw[row] == pytest.approx(behind_kw + room_kw, abs=1e-6)


def test_revenues_are_prices_times_load(plan):
    """Σ μ (F + s) is the tariff on all planned load, Σ μ F less what is beyond the limits."""
    problem, rows = plan.linear.problem, plan.linear.rows
    fleet = problem.fleet
    load_kw, _ = fleet.bus_load(plan.power_kw)
    on_all = float((plan.tariff_per_kwh * load_kw[fleet.load_points]).sum())
    on_limits = sum(plan.mu_per_kwh[row] * plan.linear.limit_kw[row] for row in range(len(rows)))
    beyond = sum(plan.mu_per_kwh[row] * plan.slack_kw[row] for row in range(len(rows)))
    answering = ~fleet.reprofiling
    on_flexible = 0.0
    for device in np.flatnonzero(answering):
        point = list(fleet.load_points).index(fleet.bus[device])
        on_flexible += float(plan.tariff_per_kwh[point] @ plan.power_kw[device])
    assert plan.revenue_on_plan == pytest.approx(on_all, rel=1e-5)
    assert plan.revenue == pytest.approx(on_limits)
    assert plan.revenue_on_plan - plan.revenue == pytest.approx(beyond, rel=1e-6, abs=1e-6)
    assert plan.revenue_on_flexible == pytest.approx(on_flexible)
    assert 0.0 < plan.revenue_on_flexible < plan.revenue_on_plan


def test_prices_are_capped_and_at_the_cap_where_a_limit_is_relaxed(plan):
    settings = plan.linear.problem.settings
    assert plan.mu_per_kwh.min() >= 0.0
    if settings.tariff_cap_on == "limit":
        assert plan.mu_per_kwh.max() <= CAP + 1e-6
        np.testing.assert_allclose(plan.mu_per_kwh[plan.slack_kw > 1e-3], CAP, atol=1e-6)
    else:
        assert plan.tariff_per_kwh.max() <= CAP + 1e-6
        rows = plan.linear.rows
        for row in np.flatnonzero(plan.slack_kw > 1e-3):
            below = plan.tariff_per_kwh[rows.matrix[row] > 0.5, rows.step[row]]
            assert below.max() == pytest.approx(CAP, abs=1e-6)


def test_a_price_is_paid_only_for_a_limit_that_is_reached(plan):
    rows, fleet = plan.linear.rows, plan.linear.problem.fleet
    load_kw, _ = fleet.bus_load(plan.power_kw)
    used_kw = np.einsum("rn,nr->r", rows.matrix, load_kw[fleet.load_points][:, rows.step])
    left_kw = plan.linear.limit_kw + plan.slack_kw - used_kw
    assert left_kw.min() > -1e-4
    assert np.abs(plan.mu_per_kwh * left_kw).max() < 1e-4


def test_aggregators_who_plan_alone_do_what_the_operator_planned(plan):
    alone_kw = planned_alone(plan)
    assert np.abs(alone_kw - plan.power_kw).max() < 0.01
    fixed = plan.linear.problem.fleet.reprofiling
    np.testing.assert_array_equal(plan.power_kw[fixed], plan.linear.problem.baseline_kw[fixed])


def test_no_line_carries_more_than_its_limit_and_its_slack(plan):
    problem = plan.linear.problem
    state = check_plan(problem.view, problem.fleet, planned_alone(plan))
    said_kw = np.zeros(state.carried_kw.shape)
    for element, step, over_kw in plan.shortfalls():
        said_kw[step, problem.view.study.grid.branches.name.index(element)] = over_kw
    over_kw = state.carried_kw - problem.view.limit_kw - said_kw
    assert over_kw.max() < 0.1
    # What is said to be beyond a limit is beyond it.
    assert over_kw[said_kw > 0.0].min(initial=0.0) > -0.1


def test_the_cases_are_what_they_are_called():
    relaxed = problem_of(CASES["relaxed"][0]()).solve(CAP)
    assert relaxed.slack_kw.max() > 1.0
    hardly = problem_of(CASES["hardly"][0]()).solve(CAP)
    assert hardly.slack_kw.max() < 1e-3
    assert hardly.mu_per_kwh.max() < 0.1


def test_two_limits_in_series_may_cost_more_together_unless_the_sum_is_capped():
    study = in_series(0.72, 0.66)
    each, both = problem_of(study).solve(CAP), problem_of(study, tariff_cap_on="tariff").solve(CAP)
    assert each.mu_per_kwh.max() <= CAP + 1e-6
    assert each.tariff_per_kwh.max() > 1.5 * CAP
    assert both.tariff_per_kwh.max() == pytest.approx(CAP, abs=1e-6)
    lines = set(np.array(both.linear.rows.element)[both.mu_per_kwh > 1e-3])
    assert lines == {"line 0", "line 1"}
    assert both.slack_kw.sum() > each.slack_kw.sum()


def test_a_higher_cap_leaves_less_beyond_the_limits():
    problem = problem_of(squeezed(0.7, line=0))
    beyond_kw = [problem.solve(cap).slack_kw.sum() for cap in (0.05, 0.2, 1.0, 5.0)]
    assert all(later < before + 1e-6 for before, later in zip(beyond_kw, beyond_kw[1:], strict=False))
    assert beyond_kw[0] > beyond_kw[-1] + 10.0


@pytest.mark.parametrize("share", [0.97, 0.95, 0.93, 0.9])
def test_a_limit_that_hardly_binds_has_its_small_price_whatever_the_cap(share):
    """A relief price that nobody pays has no part in the tariff."""
    problem = problem_of(squeezed(share, line=0))
    plain, relaxed = problem.solve(NO_PRICE_PER_KWH), problem.solve(2.0)
    assert plain.off_kw < 0.05
    np.testing.assert_allclose(plain.tariff_per_kwh, relaxed.tariff_per_kwh, atol=2e-4)
    assert np.abs(planned_alone(plain) - plain.power_kw).max() < 0.01


# Intervals that are not an hour


def quarter_hours():
    """The same day in quarter-hours: each hour of a profile as four alike."""
    study = flexibility_study(homes=8)
    columns = {
        name: np.repeat(values, 4) / (4.0 if name.endswith("drive_kwh") else 1.0)
        for name, values in study.profiles.columns.items()
    }
    time = replace(study.time, step_minutes=15, steps=96)
    prices = replace(
        study.prices,
        **{
            name: np.repeat(getattr(study.prices, name), 4)
            for name in ("import_price_per_kwh", "network_fee_per_kwh")
        },
        **{
            name: np.full(96, np.nan)
            for name in vars(study.prices)
            if name not in ("import_price_per_kwh", "network_fee_per_kwh")
        },
    )
    return replace(study, profiles=replace(study.profiles, time=time, columns=columns), prices=prices)


def test_a_tariff_of_quarter_hours_is_a_price_per_kilowatt_hour():
    study = quarter_hours()
    _, _, _, _, state = prepared(study)
    peaks_kw = state.carried_kw.max(axis=0)
    i_max_ka = np.array([1e4, 1e4, 0.6 * peaks_kw[2], 1e4]) / (np.sqrt(3.0) * VN_KV) / 1e3
    lines = replace(study.grid.branches, i_max_from_ka=i_max_ka, i_max_to_ka=i_max_ka)
    problem = problem_of(replace(study, grid=replace(study.grid, branches=lines)))
    plan = problem.solve(CAP)
    assert plan.slack_kw.max() > 0.1
    assert plan.mu_per_kwh.max() == pytest.approx(CAP, abs=1e-5)
    assert np.abs(planned_alone(plan) - plan.power_kw).max() < 0.01
    load_kw, _ = problem.fleet.bus_load(plan.power_kw)
    on_all = float((plan.tariff_per_kwh * load_kw[problem.fleet.load_points]).sum()) / 4.0
    assert plan.revenue_on_plan == pytest.approx(on_all, rel=1e-5)
    assert plan.revenue == pytest.approx(float(plan.mu_per_kwh @ plan.linear.limit_kw) / 4.0)
    answering_kw = problem.fleet.at_load_points(plan.power_kw)
    on_flexible = float((plan.tariff_per_kwh * answering_kw).sum()) / 4.0
    assert plan.revenue_on_flexible == pytest.approx(on_flexible)
    over_kw = plan.state.carried_kw[:, 2] - problem.view.limit_kw[:, 2]
    assert over_kw.max() == pytest.approx(plan.slack_kw.max(), abs=0.1)


# The plain tariff


def least_shortfall_kw(plan):
    """Σ s by a linear program over the devices' own laws: what no plan of them can avoid."""
    problem, rows = plan.linear.problem, plan.linear.rows
    fleet, chains = problem.fleet, problem.fleet.chains
    devices = np.flatnonzero(~fleet.reprofiling)
    steps, width = chains.steps, 3 * chains.steps
    laws, given = zip(*(chain_rows(chains, device) for device in devices), strict=True)
    slacks, size = len(rows), len(devices) * width + len(rows)
    equal = hstack([block_diag(laws), coo_array((sum(len(g) for g in given), slacks))]).tocsr()
    low, high = np.zeros(size), np.full(size, np.inf)
    shared = np.zeros((slacks, size))
    room_kw = plan.linear.limit_kw.copy()
    for row in range(slacks):
        step = rows.step[row]
        rest_kw = fleet.fixed_kw[fleet.load_points, step]
        for device in np.flatnonzero(fleet.reprofiling):
            rest_kw = rest_kw + plan.power_kw[device, step] * (fleet.load_points == fleet.bus[device])
        room_kw[row] -= rows.matrix[row] @ rest_kw
        for place, device in enumerate(devices):
            point = list(fleet.load_points).index(fleet.bus[device])
            shared[row, place * width + step] = rows.matrix[row, point]
        shared[row, len(devices) * width + row] = -1.0
    for place, device in enumerate(devices):
        start = place * width
        low[start : start + steps], high[start : start + steps] = (
            chains.power_low[device],
            chains.power_high[device],
        )
        low[start + steps : start + width] = chains.state_low[device].ravel()
        high[start + steps : start + width] = chains.state_high[device].ravel()
    goal = np.zeros(size)
    goal[len(devices) * width :] = 1.0
    found = linprog(
        goal,
        A_ub=csr_array(shared),
        b_ub=room_kw,
        A_eq=equal,
        b_eq=np.concatenate(given),
        bounds=np.stack([low, high], axis=1),
        method="highs",
    )
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize(
    ("share", "line", "changes"),
    [(0.7, 0, {}), (0.5, 2, {}), (0.75, 0, {"reprofiling": True}), (0.6500201510707996, 0, {})],
)
def test_what_no_tariff_can_hold_lacks_the_least_possible(share, line, changes):
    problem = problem_of(squeezed(share, line=line, **changes))
    plan = problem.solve(NO_PRICE_PER_KWH)
    assert plan.is_beyond_price
    total_kw = sum(over_kw for *_, over_kw in plan.shortfalls())
    assert total_kw > 5.0
    assert total_kw == pytest.approx(least_shortfall_kw(plan), abs=0.5)
    over_kw = plan.state.carried_kw[:, line] - problem.view.limit_kw[:, line]
    assert np.maximum(over_kw, 0.0).sum() == pytest.approx(total_kw, abs=ROUGH_KW * len(plan.shortfalls()))


def test_a_plain_tariff_that_does_not_exist_names_line_local_hour_and_shortfall():
    study = squeezed(0.7, line=0)
    time = replace(study.time, timezone="Europe/Copenhagen")
    problem = problem_of(replace(study, profiles=replace(study.profiles, time=time)))
    (element, step, over_kw), *more = problem.solve(NO_PRICE_PER_KWH).shortfalls()
    assert (element, step, more) == ("line 0", 18, [])
    with pytest.raises(InfeasibleError) as refused:
        plain_tariff(problem)
    expected = f"no tariff holds the limits: line 0 at 2024-01-10 19:00 lacks {over_kw:.1f} kW"
    assert str(refused.value) == expected


def test_a_plain_tariff_holds_every_limit():
    problem = problem_of(in_series(0.85, 0.8))
    plan = plain_tariff(problem)
    assert not plan.is_beyond_price
    assert plan.shortfalls() == []
    over_kw = plan.state.carried_kw - problem.view.limit_kw
    assert over_kw.max() < 0.1
    assert plan.tariff_per_kwh.max() > 0.1
    assert len(find_violations(check_plan(problem.view, problem.fleet, planned_alone(plan)))) == 0


def test_without_congestion_there_is_no_tariff():
    problem = problem_of(flexibility_study())
    plan = plain_tariff(problem)
    assert not plan.tariff_per_kwh.any()
    assert plan.revenue == 0.0
    np.testing.assert_allclose(plan.power_kw, problem.baseline_kw, atol=1e-9)


def test_a_tariff_is_the_least_change_of_all_plans():
    """Cheaper for the devices, spot and curvature, than any other plan within the limits."""
    problem = problem_of(squeezed(0.8, line=0))
    fleet, plan = problem.fleet, plain_tariff(problem)

    def own_cost(power_kw):
        return float((0.5 * fleet.curvature_per_kw2h * power_kw**2 + fleet.spot_per_kwh * power_kw).sum())

    least = own_cost(plan.power_kw)
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(40):
        price = fleet.spot_per_kwh + plan.tariff_per_kwh[fleet.load_point]
        price = price + rng.uniform(0.0, 0.5) * (plan.tariff_per_kwh[fleet.load_point] > 0.0)
        price = price + rng.normal(0.0, 0.01, price.shape)
        other_kw = fleet.plan(price)
        over_kw = check_plan(problem.view, fleet, other_kw).carried_kw - problem.view.limit_kw
        if over_kw.max() <= 0.0:
            held += 1
            assert own_cost(other_kw) > least
    assert held > 5


# Other grids


def meshed(rated_kw=(1e4,) * 5):
    """The feeder with b3 and b4 joined: what flows to either splits over both lines."""
    study = flexibility_study()
    ends = [(parent, k + 1) for k, parent in enumerate(PARENTS)] + [(3, 4)]
    i_max_ka = np.asarray(rated_kw) / (np.sqrt(3.0) * VN_KV) / 1e3
    z_pu = complex(0.26, 0.027) * 0.75 / VN_KV**2
    grid = replace(study.grid, branches=branches(ends, z_pu, i_max_ka=i_max_ka))
    return replace(study, grid=grid, limits=voltage_band(grid, 0.9, 1.1))


def test_a_meshed_grid_is_priced_by_its_flow_factors():
    *_, state = prepared(meshed())
    rated_kw = [1e4] * 5
    # b4 gets most of its load over line 3 and some over line 2: by 2/3 and 1/3 at equal impedances.
    rated_kw[2] = 0.8 * float(state.carried_kw[:, 2].max())
    problem = problem_of(meshed(tuple(rated_kw)))
    plan = plain_tariff(problem)
    rows = plan.linear.rows
    mine = np.array([element == "line 2" for element in rows.element])
    np.testing.assert_allclose(rows.matrix[mine], np.tile([0, 0, 2 / 3, 1 / 3], (mine.sum(), 1)), atol=1e-9)
    assert plan.tariff_per_kwh.max() > 0.05
    np.testing.assert_allclose(plan.tariff_per_kwh[3], plan.tariff_per_kwh[2] / 2.0, atol=1e-9)
    alone_kw = planned_alone(plan)
    assert np.abs(alone_kw - plan.power_kw).max() < 0.01
    over_kw = check_plan(problem.view, problem.fleet, alone_kw).carried_kw - problem.view.limit_kw
    assert over_kw.max() < 0.1
    assert over_kw[:, 2].max() > -0.1


@pytest.mark.parametrize("above_pu", [2e-4, 5e-4])
def test_a_voltage_limit_is_priced_by_its_sensitivities(above_pu):
    *_, state = prepared(flexibility_study())
    low = float(state.vm_pu.min()) + above_pu
    problem = problem_of(flexibility_study(vm_band=(low, 1.1)))
    plan = plain_tariff(problem)
    priced = plan.mu_per_kwh > 1e-4
    assert set(np.array(plan.linear.rows.kind)[priced]) == {"vm_min_pu"}
    assert plan.state.vm_pu.min() == pytest.approx(low, abs=1e-7)
    tariff = plan.tariff_per_kwh
    hour = int(tariff.max(axis=0).argmax())
    # Dearer the further out: b1 shares one section, b2 two.
    assert 0.0 < tariff[0, hour] < tariff[1, hour] < min(tariff[2, hour], tariff[3, hour])
    assert np.abs(planned_alone(plan) - plan.power_kw).max() < 0.01
    assert len(find_violations(check_plan(problem.view, problem.fleet, planned_alone(plan)))) == 0


def test_a_voltage_that_no_tariff_can_lift_names_the_bus():
    *_, state = prepared(flexibility_study())
    low = float(state.vm_pu.min()) + 1e-3
    with pytest.raises(InfeasibleError, match=r"b[34] at 2024-01-10 18:00 lacks \d+\.\d kW"):
        plain_tariff(problem_of(flexibility_study(vm_band=(low, 1.1))))


def test_load_flow_and_rows_end_at_the_same_point():
    """One linearisation is not enough; at the plan returned, priced limits have no room left."""
    problem = problem_of(squeezed(0.75, line=0))
    plan_kw = problem.baseline_kw
    first = problem.linearise(plan_kw, check_plan(problem.view, problem.fleet, plan_kw)).at(CAP)
    assert first.off_kw > 0.05
    last = problem.solve(CAP)
    assert last.off_kw < 0.05
    limit_kw, rows = problem.view.limit_kw, last.linear.rows
    priced = np.flatnonzero((last.mu_per_kwh > 1e-3) & (last.slack_kw < 1e-3))
    assert len(priced) > 0
    for row in priced:
        carried_kw = last.state.carried_kw[rows.step[row], 0]
        assert carried_kw == pytest.approx(limit_kw[rows.step[row], 0], abs=0.06)
