"""Delivery: what is owed is scheduled at least cost, what cannot be is said, meters have the last word."""

from __future__ import annotations

from dataclasses import replace

import clarabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import block_diag, csc_array, diags_array, eye_array, vstack

from flexibility_study import flexibility_study, prepared
from gridcommons.flexibility.bidding import Bundle, best_schedule
from gridcommons.flexibility.delivery import Obligation, deliver, measure, verify_delivery
from gridcommons.model.flexibility import Requirement
from gridcommons.optimisation.devices.chain import chain_rows

STEPS = 24


@pytest.fixture(scope="module")
def bundle():
    *_, fleet, plan_kw, _ = prepared(flexibility_study(homes=12))
    devices = np.array([0, 4, 8, 12, 16, 20])
    return Bundle(fleet, devices, plan_kw[devices])


def at(**by_hour):
    values = np.zeros(STEPS)
    for name, value in by_hour.items():
        values[int(name[1:])] = value
    return values


def bid_of(bundle, price=0.7, asked=(17, 18)):
    mask = np.zeros(STEPS, dtype=bool)
    mask[list(asked)] = True
    most_kw = 1e3 * mask[None, :]
    return best_schedule(bundle, mask, Requirement(("b3",), most_kw, most_kw, ~mask, 1.5, 1.5), price)


def least_cost(bundle, obligation):
    """Discomfort and energy of the cheapest schedule that meets an obligation in full, by Clarabel."""
    fleet, chains, plan_kw = bundle.fleet, bundle.fleet.chains.take(bundle.devices), bundle.plan_kw
    count, wide = len(bundle.devices), 3 * STEPS
    owes, may = obligation.less_kw > 0.0, obligation.more_kw > 0.0
    low, high = np.full((2, count, wide), np.nan)
    low[:, :STEPS] = np.where(owes, np.minimum(chains.power_low, plan_kw), plan_kw)
    high[:, :STEPS] = np.where(may, np.maximum(chains.power_high, plan_kw), plan_kw)
    states = chains.states(plan_kw)
    low[:, STEPS:] = np.minimum(chains.state_low, states - 1e-4).reshape(count, -1)
    high[:, STEPS:] = np.maximum(chains.state_high, states + 1e-4).reshape(count, -1)
    low, high = low.ravel(), high.ravel()
    laws, given_rows = zip(*(chain_rows(chains, device) for device in range(count)), strict=True)
    above, below = np.flatnonzero(np.isfinite(low)), np.flatnonzero(np.isfinite(high))
    one = csc_array(eye_array(count * wide, format="csr"))
    steps = np.flatnonzero(owes | may)
    total = np.zeros((len(steps), count, wide))
    total[np.arange(len(steps)), :, steps] = 1.0
    room_kw = (plan_kw.sum(axis=0) - obligation.less_kw + obligation.more_kw)[steps]
    parts = [block_diag(laws), one[below], -one[above], csc_array(total.reshape(len(steps), -1))]
    matrix = csc_array(vstack(parts))
    quadratic, linear = np.zeros((2, count, wide))
    discomfort = fleet.discomfort_per_kw2h[bundle.devices, None] * fleet.step_hours
    quadratic[:, :STEPS] = 2.0 * discomfort
    linear[:, :STEPS] = fleet.spot_per_kwh * fleet.step_hours - 2.0 * discomfort * plan_kw
    equal = parts[0].shape[0]
    cones = [clarabel.ZeroConeT(equal), clarabel.NonnegativeConeT(matrix.shape[0] - equal)]
    how = clarabel.DefaultSettings()
    how.verbose = False
    right = np.concatenate([*given_rows, high[below], -low[above], room_kw])
    found = clarabel.DefaultSolver(
        csc_array(diags_array(quadratic.ravel())), linear.ravel(), matrix, right, cones, how
    ).solve()
    assert str(found.status) == "Solved"
    return bundle.cost(np.asarray(found.x).reshape(count, wide)[:, :STEPS])


def check_delivery(bundle, obligation, done):
    chains, moved_kw = bundle.fleet.chains.take(bundle.devices), done.power_kw - bundle.plan_kw
    owes, may = obligation.less_kw > 0.0, obligation.more_kw > 0.0
    assert chains.breach(done.power_kw) <= 1.1e-4
    assert np.abs(moved_kw[:, ~owes & ~may]).max(initial=0.0) <= 1e-9
    assert moved_kw[:, owes].max() <= 1e-9 and moved_kw[:, may].min(initial=0.0) >= -1e-9
    given_kw = -moved_kw.sum(axis=0)
    lacks_kw = np.where(owes, obligation.less_kw - given_kw, 0.0)
    np.testing.assert_allclose(done.shortfall_kw, np.maximum(lacks_kw, 0.0), atol=1.1e-3)
    # Nothing is taken back beyond what may be, however much is owed.
    assert (-given_kw[may] - obligation.more_kw[may]).max(initial=0.0) <= 1e-3
    assert done.discomfort_cost + done.energy_cost == pytest.approx(bundle.cost(done.power_kw), abs=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("price", [0.7, 1.4])
def test_what_was_offered_is_delivered_at_least_cost(bundle, price, share):
    bid = bid_of(bundle, price)
    obligation = Obligation(share * bid.flexibility_kw, share * bid.payback_kw)
    done = deliver(bundle, obligation)
    check_delivery(bundle, obligation, done)
    assert done.shortfall_kw.max() == 0.0
    moved_kw = (bundle.plan_kw - done.power_kw).sum(axis=0)
    owes = obligation.less_kw > 0.0
    np.testing.assert_allclose(moved_kw[owes], obligation.less_kw[owes], atol=0.01)
    assert done.discomfort_cost + done.energy_cost == pytest.approx(least_cost(bundle, obligation), abs=2e-3)
    # The bid mixed with the plan is one way to deliver; none that is chosen costs more.
    mix_kw = bundle.plan_kw + share * (bid.power_kw - bundle.plan_kw)
    assert done.discomfort_cost + done.energy_cost <= bundle.cost(mix_kw) + 1e-3


def test_the_whole_bid_is_the_schedule_that_was_bid(bundle):
    bid = bid_of(bundle)
    done = deliver(bundle, Obligation(bid.flexibility_kw, bid.payback_kw))
    np.testing.assert_allclose(done.power_kw, bid.power_kw, atol=0.02)


@pytest.mark.parametrize("hour", [0, 4, 5, 11, 17, 18, 23])
@pytest.mark.parametrize("back_kw", [0.1, 2.0, 50.0])
def test_what_is_owed_is_never_met_by_taking_back_more_than_may_be(bundle, hour, back_kw):
    """More payback would be the cheaper way out where less energy comes back than was given."""
    planned_kw = bundle.plan_kw.sum(axis=0)
    for back in (hour - 3, hour + 2):
        if 0 <= back < STEPS and planned_kw[hour] > 0.5:
            obligation = Obligation(at(**{f"h{hour}": 0.8 * planned_kw[hour]}), at(**{f"h{back}": back_kw}))
            check_delivery(bundle, obligation, deliver(bundle, obligation))


def test_a_shortfall_is_what_nobody_can_give_and_only_that(bundle):
    planned_kw = bundle.plan_kw.sum(axis=0)
    everywhere = np.where(np.arange(STEPS) == 18, 0.0, 100.0)
    # All of the load at 18, and 5 kW more than there is.
    done = deliver(bundle, Obligation(at(h18=planned_kw[18] + 5.0), everywhere))
    could = deliver(bundle, Obligation(at(h18=planned_kw[18]), everywhere))
    assert done.shortfall_kw[18] == pytest.approx(5.0 + could.shortfall_kw[18], abs=2e-3)
    assert done.shortfall_kw[18] >= 5.0 - 1e-3 and not np.delete(done.shortfall_kw, 18).any()
    check_delivery(bundle, Obligation(at(h18=planned_kw[18] + 5.0), everywhere), done)
    # Without a single hour to take anything back a car that is due to leave gives nothing.
    bid = bid_of(bundle)
    nowhere = deliver(bundle, Obligation(bid.flexibility_kw, np.zeros(STEPS)))
    cars = Bundle(bundle.fleet, bundle.devices[:3], bundle.plan_kw[:3])
    stuck = deliver(cars, Obligation(at(h18=1.0), np.zeros(STEPS)))
    assert nowhere.shortfall_kw.max() > 0.5
    assert stuck.shortfall_kw[18] == pytest.approx(1.0, abs=0.01)


def test_nothing_owed_costs_nothing(bundle):
    done = measure(bundle, Obligation(np.zeros(STEPS), np.zeros(STEPS)), bundle.plan_kw)
    assert (done.discomfort_cost, done.energy_cost) == (0.0, 0.0) and not done.shortfall_kw.any()


def test_costs_are_discomfort_and_energy_by_hand(bundle):
    power_kw = bundle.plan_kw.copy()
    power_kw[0, 18] -= 2.0
    power_kw[1, 18] -= 1.0
    power_kw[0, 21] += 3.0
    fleet = replace(
        bundle.fleet,
        step_hours=0.5,
        discomfort_per_kw2h=np.where(np.arange(len(bundle.fleet)) == bundle.devices[1], 0.3, 0.1),
        spot_per_kwh=np.where(np.arange(STEPS) == 18, 0.2, 0.6),
    )
    owed = Obligation(at(h18=4.0), at(h21=3.0))
    done = measure(replace(bundle, fleet=fleet), owed, power_kw)
    assert done.discomfort_cost == pytest.approx(0.5 * (0.1 * 4.0 + 0.3 * 1.0 + 0.1 * 9.0))
    assert done.energy_cost == pytest.approx(0.5 * (0.6 * 3.0 - 0.2 * 3.0))
    np.testing.assert_allclose(done.shortfall_kw, at(h18=1.0))


def test_meters_pay_what_the_specification_says():
    """Shapeshifter specification, settlement phase, 2025: baseline 10, ordered 2, fee 7, penalty 11."""
    metered_kw = np.array([7.0, 8.0, 9.0, 10.0, 11.0])
    delivered_kw, missing_kw = verify_delivery(np.full(5, 10.0), metered_kw, np.full(5, 2.0))
    assert (7 * delivered_kw - 11 * missing_kw).tolist() == [14.0, 14.0, -4.0, -22.0, -33.0]


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.0, 30.0)), min_size=1, max_size=20)
)
def test_delivered_and_missing_make_up_what_was_ordered(rows):
    baseline_kw, metered_kw, ordered_kw = np.array(rows).T
    delivered_kw, missing_kw = verify_delivery(baseline_kw, metered_kw, ordered_kw)
    assert (delivered_kw >= 0.0).all() and (delivered_kw <= ordered_kw).all() and (missing_kw >= 0.0).all()
    nothing = ordered_kw == 0.0
    assert not delivered_kw[nothing].any() and not missing_kw[nothing].any()
    # Who draws more than the baseline misses more than was ordered.
    within = (metered_kw <= baseline_kw) & ~nothing
    np.testing.assert_allclose((delivered_kw + missing_kw)[within], ordered_kw[within], atol=1e-9)
    above = (metered_kw > baseline_kw) & ~nothing
    np.testing.assert_allclose(missing_kw[above], (ordered_kw + metered_kw - baseline_kw)[above], atol=1e-9)
