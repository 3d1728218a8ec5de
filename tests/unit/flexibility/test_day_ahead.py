"""The day ahead, instrument after instrument: what each leaves, what is delivered, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.flexibility.check import find_violations
from gridcommons.flexibility.day_ahead import (
    Stage,
    baseline_stage,
    check_instruments,
    reprofiling_stage,
    room_to_take_back,
    tariff_stage,
)
from gridcommons.flexibility.reprofiling import broken_rows, call_customers, customers
from gridcommons.flexibility.settings import INSTRUMENTS, Settings
from gridcommons.model.assets import Load
from gridcommons.model.errors import InfeasibleError

SEED = 7


def no_one(_):
    """Told of tariffs tried."""


def day_of(study, **settings):
    made, view, fleet, _, _ = prepared(study, Settings(**settings))
    return view, fleet, made, baseline_stage(view, fleet)


def tariff_of(study, told=no_one, **settings):
    view, fleet, made, before = day_of(study, **settings)
    return view, fleet, before, tariff_stage(view, fleet, made, before, SEED, told)


def reprofiled(study, **settings):
    view, fleet, made, before = day_of(study, **settings)
    return view, fleet, made, before, reprofiling_stage(view, fleet, made, before)


# Baseline


def test_the_baseline_is_the_cheapest_plan_at_the_spot_price():
    """No feasible other plan costs less, and each device is within its bounds."""
    _, fleet, _, before = day_of(flexibility_study(homes=8))
    power_kw = before.power_kw
    assert fleet.chains.breach(power_kw) < 1e-6
    slope = fleet.curvature_per_kw2h * power_kw + fleet.spot_per_kwh
    rng = np.random.default_rng(2)
    for _ in range(5):
        other_kw = fleet.plan(fleet.spot_per_kwh + rng.normal(0.0, 0.2, power_kw.shape))
        assert (slope * (other_kw - power_kw)).sum(axis=1).min() > -1e-5
    load_kw, _ = fleet.bus_load(power_kw)
    np.testing.assert_array_equal(before.state.load_kw, load_kw)


# Tariff


@pytest.mark.parametrize("how", ["plain", "relaxed", "coordinated"])
def test_aggregators_do_what_was_expected_of_them(how):
    view, fleet, before, done = tariff_of(squeezed(0.85, line=2, reprofiling=True), tariff=how)
    assert done.stage.name == "tariff"
    assert done.apart_kw < 0.01
    assert np.abs(done.stage.power_kw - done.published.power_kw).max() == done.apart_kw
    np.testing.assert_array_equal(done.stage.power_kw[fleet.reprofiling], before.power_kw[fleet.reprofiling])
    assert np.abs(done.stage.power_kw - before.power_kw)[~fleet.reprofiling].max() > 0.1
    over_kw = done.stage.state.carried_kw - view.limit_kw
    assert over_kw.max() < done.published.slack_kw.max(initial=0.0) + 0.1
    assert (done.coordination is not None) == (how == "coordinated")


def test_aggregators_answer_the_tariff_and_not_the_operators_plan():
    """What they do follows from spot price and tariff alone, to the last bit."""
    _, fleet, _, done = tariff_of(squeezed(0.85, line=2, reprofiling=True))
    own_kw = fleet.plan(fleet.spot_per_kwh + done.published.tariff_per_kwh[fleet.load_point])
    answering = ~fleet.reprofiling
    np.testing.assert_array_equal(done.stage.power_kw[answering], own_kw[answering])
    assert done.apart_kw > 0.0


def test_the_relaxed_tariff_has_the_cap_of_the_settings():
    *_, done = tariff_of(squeezed(0.7, line=0), tariff="relaxed", tariff_cap_per_kwh=0.4)
    assert done.published.cap_per_kwh == 0.4
    assert done.published.mu_per_kwh.max() == pytest.approx(0.4, abs=1e-6)
    assert done.published is not done.plain
    assert done.plain.is_beyond_price


def test_the_plain_tariff_is_the_one_published():
    view, _, _, done = tariff_of(squeezed(0.85, line=0), tariff="plain")
    assert done.published is done.plain
    assert (done.stage.state.carried_kw - view.limit_kw).max() < 0.1


def test_a_plain_tariff_that_holds_nothing_is_refused_and_a_relaxed_one_is_not():
    study = squeezed(0.7, line=0)
    with pytest.raises(
        InfeasibleError, match=r"^no tariff holds the limits: line 0 at 2024-01-10 18:00 lacks"
    ):
        tariff_of(study, tariff="plain")
    *_, done = tariff_of(study, tariff="relaxed")
    assert done.published.slack_kw.max() > 1.0


def test_the_coordinated_tariff_is_lower_and_pays_for_the_rest():
    told = []
    _, _, _, done = tariff_of(squeezed(0.8, line=2, reprofiling=True), told=told.append, tariff="coordinated")
    found = done.coordination.found
    assert done.published is found.plan
    assert abs(found.revenue - found.cost) <= 1e-3
    assert done.published.tariff_per_kwh.max() < done.plain.tariff_per_kwh.max()
    assert len(told) > 3


# Re-profiling


@pytest.mark.parametrize(("share", "line"), [(0.9, 2), (0.8, 2), (0.93, 0)])
def test_what_is_called_is_delivered_and_no_line_is_over(share, line):
    study = squeezed(share, line=line, reprofiling=True, homes=40)
    view, fleet, _, before, done = reprofiled(study)
    assert len(find_violations(before.state)) > 0
    assert not done.call.missing_kw.any()
    assert (done.stage.state.carried_kw - view.limit_kw).max() < 0.1
    assert len(find_violations(done.stage.state)) == 0
    assert fleet.chains.breach(done.stage.power_kw) < 1e-3
    for point, delivery in done.deliveries.items():
        mine = fleet.reprofiling & (fleet.load_point == point)
        less_kw = (before.power_kw - done.stage.power_kw)[mine].sum(axis=0)
        called = done.call.quantity_kw[point] > 0.0
        assert called.any()
        np.testing.assert_array_less(done.call.quantity_kw[point][called] - 1e-3, less_kw[called])
        assert not delivery.shortfall_kw.any()


def test_only_customers_under_contract_who_are_called_move():
    study = squeezed(0.8, line=2, reprofiling=True)
    _, fleet, _, before, done = reprofiled(study)
    moved_kw = np.abs(done.stage.power_kw - before.power_kw).max(axis=1)
    # Line 2 feeds b3 alone.
    may = fleet.reprofiling & (fleet.bus == 3)
    assert moved_kw[may].max() > 0.1
    assert not moved_kw[~may].any()
    assert set(done.deliveries) == set(done.obligations) == {int(np.flatnonzero(fleet.load_points == 3)[0])}


@pytest.mark.parametrize("share", [0.95, 0.85, 0.75])
def test_what_comes_back_makes_no_new_violation(share):
    """Every line carries at every hour less than its limit, or no more than before."""
    study = squeezed(share, line=0, reprofiling=True, homes=40)
    view, _, _, before, done = reprofiled(study)
    over_kw = done.stage.state.carried_kw - view.limit_kw
    worse_kw = done.stage.state.carried_kw - before.state.carried_kw
    assert worse_kw.max() > 1.0, "nothing comes back"
    assert np.minimum(over_kw, worse_kw).max() < 0.1


def test_what_comes_back_stays_within_the_room_that_was_shared():
    study = squeezed(0.8, line=2, reprofiling=True)
    _, fleet, _, before, done = reprofiled(study)
    for point, obligation in done.obligations.items():
        mine = fleet.reprofiling & (fleet.load_point == point)
        more_kw = (done.stage.power_kw - before.power_kw)[mine].sum(axis=0)
        np.testing.assert_array_less(more_kw, obligation.more_kw + 1e-2)


def test_room_to_take_back_leaves_the_margin_of_every_line():
    """All load points together, at the most each may take back, stay below rating less margin."""
    settings = {"payback_margin_share": 0.05}
    study = squeezed(0.9, line=0, reprofiling=True)
    view, fleet, made, before = day_of(study, **settings)
    call = call_customers(fleet, broken_rows(fleet, before.state), before.power_kw, 0.05)
    back_kw = room_to_take_back(fleet, made, before, call)
    asked = call.quantity_kw > 0.0
    assert asked.any()
    assert not back_kw[asked].any()
    assert not back_kw[call.quantity_kw.sum(axis=1) == 0.0].any()
    # Never more than devices can draw beyond their plan.
    up_kw = fleet.at_load_points(fleet.chains.power_high - before.power_kw, fleet.reprofiling)
    assert (back_kw - up_kw).max() <= 1e-9
    room_kw = 0.95 * view.limit_kw[:, 0] - before.state.carried_kw[:, 0]
    together_kw = back_kw.sum(axis=0)
    assert (together_kw - np.maximum(room_kw, 0.0)).max() <= 1e-6
    bound = (room_kw > 0.0) & (room_kw < up_kw.sum(axis=0)) & ~asked.any(axis=0)
    assert bound.any()
    # By what each owes.
    owed_kw = call.quantity_kw.sum(axis=1)
    for step in np.flatnonzero(bound):
        free = back_kw[:, step] < up_kw[:, step] - 1e-9
        share = back_kw[free & (owed_kw > 0.0), step] / owed_kw[free & (owed_kw > 0.0)]
        np.testing.assert_allclose(share, room_kw[step] / owed_kw.sum(), rtol=1e-6)


def leaning(study):
    """The study with a fixed load that draws three kvar for every four kW."""
    assets = tuple(
        replace(asset, power_factor=0.8) if isinstance(asset, Load) else asset
        for asset in study.community.assets
    )
    return replace(study, community=replace(study.community, assets=assets))


def squeezed_and_leaning(share, line, **changes):
    *_, state = prepared(leaning(flexibility_study(**changes)))
    rated_kw = [1e4] * 4
    rated_kw[line] = share * float(state.carried_kw[:, line].max())
    return leaning(flexibility_study(rated_kw=tuple(rated_kw), **changes))


def test_nothing_is_taken_back_at_an_hour_that_is_called():
    """Even where no limit is broken; at all other hours as much as the devices can draw, without a limit."""
    _, fleet, made, before = day_of(flexibility_study(reprofiling=True))
    call = call_customers(fleet, broken_rows(fleet, before.state), before.power_kw, 0.05)
    quantity_kw = call.quantity_kw.copy()
    quantity_kw[2, [5, 6]] = 1.0
    back_kw = room_to_take_back(fleet, made, before, replace(call, quantity_kw=quantity_kw))
    up_kw = fleet.at_load_points(fleet.chains.power_high - before.power_kw, fleet.reprofiling)
    assert up_kw[2, [5, 6]].min() > 1.0
    up_kw[2, [5, 6]] = 0.0
    np.testing.assert_allclose(back_kw[2], up_kw[2])
    assert not np.delete(back_kw, 2, axis=0).any()


@pytest.mark.parametrize(("share", "line"), [(0.95, 0), (0.8, 2)])
def test_a_call_is_topped_up_by_what_the_load_flow_still_shows(share, line):
    """Beside reactive power a kW less is not a kVA less: the first call is not enough, the last is."""
    study = squeezed_and_leaning(share, line, reprofiling=True, homes=40)
    view, fleet, _, before, done = reprofiled(study)
    first = call_customers(fleet, broken_rows(fleet, before.state), before.power_kw, 0.05)
    more_kw = (done.call.quantity_kw - first.quantity_kw).sum(axis=0)
    assert more_kw.max() > 0.5
    assert more_kw.min() > -1e-9
    assert done.call.rows.element == first.rows.element
    assert not done.call.missing_kw.any()
    assert (done.stage.state.carried_kw - view.limit_kw).max() < 0.1


def test_a_tariff_holds_limits_beside_reactive_power():
    view, _, _, done = tariff_of(squeezed_and_leaning(0.9, 0), tariff="plain")
    over_kw = done.stage.state.carried_kw[:, 0] - view.limit_kw[:, 0]
    assert -0.1 < over_kw.max() < 0.1
    assert done.apart_kw < 0.01


def test_what_customers_cannot_give_is_said_and_left():
    """At a limit far below what is under contract, they give what they can and the rest is missing."""
    study = squeezed(0.5, line=2, reprofiling=True)
    view, fleet, _, before, done = reprofiled(study)
    planned_kw = fleet.at_load_points(before.power_kw, fleet.reprofiling)
    assert done.call.missing_kw.max() > 1.0
    over_kw = done.stage.state.carried_kw - view.limit_kw
    for row in np.flatnonzero(done.call.missing_kw > 3.0):
        step = done.call.rows.step[row]
        assert done.call.quantity_kw[2, step] == pytest.approx(planned_kw[2, step], abs=1e-6)
        # What nobody has to give is missing once, and what was called and not delivered beside it.
        undelivered_kw = (done.call.quantity_kw - done.delivered_kw)[2, step]
        assert done.call.missing_kw[row] + undelivered_kw == pytest.approx(over_kw[step, 2], abs=0.5)


def test_a_day_without_congestion_calls_nobody():
    _, fleet, _, before, done = reprofiled(flexibility_study(reprofiling=True))
    assert not done.call.quantity_kw.any()
    assert not done.deliveries
    np.testing.assert_array_equal(done.stage.power_kw, before.power_kw)
    assert customers(fleet).sum() > 0


def test_after_a_coordinated_tariff_re_profiling_solves_the_rest():
    """The day of the source: tariff, call, and an AC load flow within 0.1 kW of every limit."""
    settings = {"tariff": "coordinated"}
    study = squeezed(0.85, line=2, reprofiling=True, homes=40)
    view, fleet, made, before = day_of(study, **settings)
    tariff = tariff_stage(view, fleet, made, before, SEED, no_one)
    assert (tariff.stage.state.carried_kw - view.limit_kw).max() > 1.0
    done = reprofiling_stage(view, fleet, made, tariff.stage)
    assert (done.stage.state.carried_kw - view.limit_kw).max() < 0.1
    np.testing.assert_array_equal(
        done.stage.power_kw[~fleet.reprofiling], tariff.stage.power_kw[~fleet.reprofiling]
    )
    # What is called is what the tariff was coordinated with, and the load flow beyond it.
    found = tariff.coordination.found
    assert done.call.cost(1.0) == pytest.approx(found.cost, rel=0.05)


def test_a_stage_is_the_same_bytes_again():
    study = squeezed(0.85, line=2, reprofiling=True)
    first, second = (tariff_of(study, tariff="coordinated")[-1] for _ in range(2))
    assert first.stage.power_kw.tobytes() == second.stage.power_kw.tobytes()
    assert first.published.tariff_per_kwh.tobytes() == second.published.tariff_per_kwh.tobytes()


# Who could answer


def test_re_profiling_without_a_contract_is_refused():
    _, _, fleet, *_ = prepared(flexibility_study())
    with pytest.raises(InfeasibleError, match="no member with a flexible device has the contract"):
        check_instruments(fleet, Settings(instruments=("reprofiling",)))
    check_instruments(fleet, Settings(instruments=("tariff", "market")))


@pytest.mark.parametrize("instrument", ["tariff", "market"])
def test_prices_that_nobody_answers_are_refused(instrument):
    _, _, fleet, *_ = prepared(flexibility_study(reprofiling=True))
    bound = replace(fleet, reprofiling=np.ones(len(fleet), dtype=bool))
    with pytest.raises(InfeasibleError, match="every member with a flexible device is under contract"):
        check_instruments(bound, Settings(instruments=(instrument,)))
    check_instruments(bound, Settings(instruments=("reprofiling",)))
    check_instruments(fleet, Settings(instruments=INSTRUMENTS))


def test_a_stage_carries_its_own_load_flow():
    _, fleet, _, before = day_of(flexibility_study(homes=8))
    assert isinstance(before, Stage)
    assert before.name == "baseline"
    np.testing.assert_allclose(
        before.state.load_kw.sum(axis=0), fleet.bus_load(before.power_kw)[0].sum(axis=0)
    )


# Settings


def test_the_defaults_are_allowed():
    assert Settings().instruments == ("tariff", "reprofiling", "market")


@pytest.mark.parametrize(
    "name",
    [
        "tariff_cap_per_kwh",
        "plan_curvature_per_kw2h",
        "discomfort_per_kw2h",
        "response_kw_per_price",
        "offers_per_load_point",
        "price_max_per_kwh",
        "answer_timeout_s",
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_what_has_to_be_above_zero_is(name, value):
    with pytest.raises(ValueError, match=f"^{name} = {value}, but it is above 0$"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    "name",
    [
        "offer_price_per_kwh",
        "offer_price_spread_per_kwh",
        "payback_max_share",
        "voltage_margin_pu",
        "penalty_per_kwh",
    ],
)
def test_what_may_be_zero_is_not_below(name):
    assert getattr(Settings(**{name: 0.0}), name) == 0.0
    with pytest.raises(ValueError, match=f"^{name} = -0.1, but it is 0 or more$"):
        Settings(**{name: -0.1})


@pytest.mark.parametrize("name", ["payback_margin_share", "customer_share"])
def test_shares_lie_from_nought_to_one(name):
    for value in (0.0, 1.0):
        assert getattr(Settings(**{name: value}), name) == value
    for value in (-0.01, 1.01, float("nan")):
        with pytest.raises(ValueError, match=f"^{name} = .*, but a share lies from 0 to 1$"):
            Settings(**{name: value})


@pytest.mark.parametrize("price", [1.5, 1.0])
def test_a_shortage_is_worth_more_than_any_offer(price):
    with pytest.raises(
        ValueError, match="^shortage_price_per_kwh = .*, but it lies above price_max_per_kwh = 1.5"
    ):
        Settings(shortage_price_per_kwh=price)
    assert Settings(shortage_price_per_kwh=1.51).shortage_price_per_kwh == 1.51


def test_instruments_are_known_and_named_once():
    with pytest.raises(ValueError, match="^instruments names 'battery'$"):
        Settings(instruments=("tariff", "battery"))
    for instruments in ((), ("tariff", "tariff")):
        with pytest.raises(ValueError, match="^instruments must be named, each once$"):
            Settings(instruments=instruments)


def test_all_refusals_are_said_at_once():
    with pytest.raises(ValueError) as refused:
        Settings(
            instruments=("flood",),
            tariff_cap_per_kwh=0.0,
            penalty_per_kwh=-1.0,
            customer_share=2.0,
            shortage_price_per_kwh=0.1,
        )
    said = str(refused.value).split("; ")
    assert [line.split(" ")[0] for line in said] == [
        "instruments",
        "tariff_cap_per_kwh",
        "penalty_per_kwh",
        "customer_share",
        "shortage_price_per_kwh",
    ]
