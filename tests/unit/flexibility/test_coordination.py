"""The cap at which the tariff pays for re-profiling: neutral, exact, and the same by either search."""

from __future__ import annotations

import numpy as np
import pytest

from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.flexibility.check import check_plan
from gridcommons.flexibility.coordination import Trials, coordinate
from gridcommons.flexibility.dynamic_tariff import NO_PRICE_PER_KWH, TariffProblem
from gridcommons.flexibility.reprofiling import call_customers, customers
from gridcommons.flexibility.settings import Settings
from gridcommons.model.errors import InfeasibleError

SQUEEZES = [(0.8, 2), (0.7, 2), (0.85, 0), (0.9, 0)]
UNDER_1E_3 = 1e-3


def problem_of(share, line, homes=24, **settings):
    settings = Settings(tariff="coordinated", **settings)
    study = squeezed(share, line=line, homes=homes, reprofiling=True)
    _, view, fleet, plan_kw, _ = prepared(study, settings)
    return TariffProblem(view, fleet, settings, plan_kw)


def found_by(problem, method="brent", seed=1, told=lambda _: None):
    return coordinate(problem, method, np.random.default_rng(seed), told)


@pytest.fixture(scope="module", params=SQUEEZES, ids=str)
def case(request):
    problem = problem_of(*request.param)
    return problem, found_by(problem).found


def test_the_operator_neither_gains_nor_loses(case):
    """Revenue Σ μ F and cost Σ π q, both summed here by hand."""
    problem, found = case
    rows = found.plan.linear.rows
    revenue = sum(found.plan.mu_per_kwh[row] * found.plan.linear.limit_kw[row] for row in range(len(rows)))
    cost = float((found.call.price_per_kwh * found.call.quantity_kw).sum())
    assert revenue == pytest.approx(found.revenue)
    assert cost == pytest.approx(found.cost)
    assert abs(revenue - cost) <= UNDER_1E_3
    assert cost > 1.0


def test_the_call_is_for_what_the_tariff_leaves(case):
    problem, found = case
    count = customers(problem.fleet)
    left = [(element, step, over_kw) for element, step, over_kw in found.plan.shortfalls()]
    assert left
    matrix = {
        (element, int(step)): row
        for element, step, row in zip(
            found.plan.linear.rows.element,
            found.plan.linear.rows.step,
            found.plan.linear.rows.matrix,
            strict=True,
        )
    }
    for element, step, over_kw in left:
        given_kw = matrix[element, step] @ found.call.quantity_kw[:, step]
        assert given_kw == pytest.approx(over_kw, abs=1e-5)
    gives = count > 0.0
    response_kw = problem.settings.response_kw_per_price * count[gives]
    np.testing.assert_allclose(
        found.call.price_per_kwh[gives], found.call.quantity_kw[gives] / response_kw[:, None], atol=1e-12
    )


def test_the_cap_binds_and_its_tariff_is_below_the_plain_one(case):
    problem, found = case
    assert found.plan.mu_per_kwh.max() == pytest.approx(found.cap_per_kwh, abs=1e-6)
    plain = problem.solve(NO_PRICE_PER_KWH)
    assert found.plan.tariff_per_kwh.max() < plain.tariff_per_kwh.max()


def test_the_cap_found_is_neutral_about_its_own_load_flow(case):
    """Rows about the plan found say what its AC load flow says: the same cap, tried afresh, is neutral."""
    problem, found = case
    state = check_plan(problem.view, problem.fleet, found.plan.power_kw)
    again = problem.linearise(found.plan.power_kw, state).at(found.cap_per_kwh)
    call = call_customers(problem.fleet, found.call.rows, again.power_kw, 0.05)
    assert again.revenue == pytest.approx(found.revenue, abs=UNDER_1E_3)
    assert call.cost(1.0) == pytest.approx(found.cost, abs=UNDER_1E_3)
    for element, step, over_kw in found.plan.shortfalls():
        line = int(element.split()[1])
        excess_kw = state.carried_kw[step, line] - problem.view.limit_kw[step, line]
        assert excess_kw == pytest.approx(over_kw, abs=1e-3)


def test_below_the_cap_the_operator_loses_and_above_gains(case):
    problem, found = case
    for share, sign in ((0.9, -1.0), (1.1, 1.0)):
        plan = found.plan.linear.at(share * found.cap_per_kwh)
        left = np.flatnonzero(plan.slack_kw > 1e-7)
        need_kw = plan.slack_kw[left]
        cost = 0.0
        for row, over_kw in zip(left, need_kw, strict=True):
            behind = plan.linear.rows.matrix[row] > 0.5
            cost += over_kw**2 / (0.05 * customers(problem.fleet)[behind].sum())
        assert np.sign(plan.revenue - cost) == sign


def test_a_little_that_the_tariff_leaves_is_called_too():
    """Just below the highest price of the plain tariff, a fraction of a kilowatt is left."""
    problem = problem_of(0.8, 2)
    plain = problem.solve(NO_PRICE_PER_KWH)
    trials = Trials(plain.linear, lambda _: None)
    trial = trials.at(float(plain.mu_per_kwh.max()) - 1e-3)
    assert 0.05 < trial.plan.slack_kw.max() < 0.45
    assert trial.call.quantity_kw.sum() == pytest.approx(trial.plan.slack_kw.sum(), rel=1e-4)
    assert trial.cost > 0.0


def test_a_cap_is_found_however_high():
    """Far beyond what a limit costs where the tariff solves it: hardly anything moves any more."""
    found = found_by(problem_of(0.75, 0)).found
    assert found.cap_per_kwh > 10.0
    assert abs(found.net) <= UNDER_1E_3


def test_every_cap_is_tried_once_and_told():
    told = []
    found = found_by(problem_of(0.8, 2), told=told.append)
    caps = [trial.cap_per_kwh for trial in found.tried]
    assert len(caps) == len(set(caps))
    assert set(told) == {1}
    assert len(told) >= len(caps)
    assert found.found in found.tried


def test_more_answer_to_incentives_means_a_lower_cap():
    caps = [
        found_by(problem_of(0.8, 2, response_kw_per_price=response)).found.cap_per_kwh
        for response in (0.05, 0.5, 5.0)
    ]
    assert caps == sorted(caps, reverse=True)
    assert caps[0] > caps[-1]


def test_a_search_is_repeatable_to_the_last_bit():
    problem = problem_of(0.85, 0)
    first, second = (found_by(problem).found for _ in range(2))
    assert first.cap_per_kwh == second.cap_per_kwh
    assert first.plan.power_kw.tobytes() == second.plan.power_kw.tobytes()


def test_without_congestion_there_is_nothing_to_coordinate():
    settings = Settings(tariff="coordinated")
    _, view, fleet, plan_kw, _ = prepared(flexibility_study(reprofiling=True), settings)
    with pytest.raises(InfeasibleError, match=r"^nothing to coordinate: without a tariff re-profiling costs"):
        found_by(TariffProblem(view, fleet, settings, plan_kw))


def test_nobody_under_contract_is_nothing_to_coordinate():
    settings = Settings(tariff="coordinated")
    _, view, fleet, plan_kw, _ = prepared(squeezed(0.8, line=2), settings)
    with pytest.raises(InfeasibleError, match=r"^nothing to coordinate"):
        found_by(TariffProblem(view, fleet, settings, plan_kw))


def test_re_profiling_that_no_tariff_can_pay_is_said():
    """Customers who hardly answer: at every cap the call costs more than the tariff brings in."""
    problem = problem_of(0.5, 2, response_kw_per_price=1e-7)
    with pytest.raises(
        InfeasibleError, match=r"^no cap makes the DSO neutral: at [\d.]+ per kWh .* costs [\d,.]+"
    ):
        found_by(problem)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "line"), [(0.8, 2), (0.9, 0), (0.95, 0)])
def test_a_swarm_finds_the_same_cap(share, line):
    problem = problem_of(share, line, homes=8)
    brent, swarm = found_by(problem).found, found_by(problem, "swarm").found
    assert swarm.cap_per_kwh == pytest.approx(brent.cap_per_kwh, abs=1e-4)
    assert abs(swarm.net) <= UNDER_1E_3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_every_squeeze_has_one_neutral_cap(seed):
    """Random lines and limits: neutral, within a tariff anybody could pay, and one change of sign."""
    rng = np.random.default_rng(seed)
    line = int(rng.integers(0, 4))
    share = float(rng.uniform(0.7, 0.96) if line > 1 else rng.uniform(0.8, 0.97))
    problem = problem_of(share, line)
    coordination = found_by(problem)
    found = coordination.found
    assert abs(found.net) <= UNDER_1E_3
    assert 0.0 < found.cap_per_kwh < 100.0
    trials = sorted(coordination.tried, key=lambda trial: trial.cap_per_kwh)
    signs = [trial.net > UNDER_1E_3 for trial in trials if abs(trial.net) > UNDER_1E_3]
    assert signs == sorted(signs)
