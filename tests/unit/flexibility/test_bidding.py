"""Offers: the best of all payback hours, deliverable by cars and houses, and paid for what they give up."""

from __future__ import annotations

from dataclasses import replace

import clarabel
import numpy as np
import pytest
from scipy.sparse import block_diag, csc_array, diags_array, eye_array, vstack

from flexibility_study import car, flexibility_study, prepared, pump
from gridcommons.flexibility.bidding import (
    Bundle,
    best_schedule,
    draw_prices,
    make_offers,
    payback_windows,
    schedule_at,
)
from gridcommons.flexibility.delivery import Obligation, deliver
from gridcommons.flexibility.fleet import make_fleet
from gridcommons.flexibility.settings import Settings
from gridcommons.model.flexibility import Requirement
from gridcommons.optimisation.devices.chain import chain_rows

STEPS = 24
ROOM = 1.1e-4
"""How far a schedule may leave a bound: what it is given where its plan lies on one, and the solver's."""


@pytest.fixture(scope="module")
def homes():
    *_, fleet, plan_kw, _ = prepared(flexibility_study(homes=12))
    return fleet, plan_kw


def bundle_of(homes, devices=(0, 4, 8, 12, 16, 20)):
    fleet, plan_kw = homes
    devices = np.array(devices)
    return Bundle(fleet, devices, plan_kw[devices])


def hours(*which):
    mask = np.zeros(STEPS, dtype=bool)
    mask[list(which)] = True
    return mask


def asking(asked, share=1.5, allowed=None):
    most_kw = 1e3 * asked[None, :]
    allowed = ~asked if allowed is None else allowed
    return Requirement(("b3",), 0.0 * most_kw, most_kw, allowed, share, 1.5)


def gain_of(bundle, power_kw, asked, price):
    """Income less discomfort and extra energy, from the formula."""
    fleet, moved_kw = bundle.fleet, power_kw - bundle.plan_kw
    total = 0.0
    for device, change_kw in zip(bundle.devices, moved_kw, strict=True):
        total -= fleet.discomfort_per_kw2h[device] * (change_kw**2).sum() * fleet.step_hours
        total -= (fleet.spot_per_kwh * change_kw).sum() * fleet.step_hours
    return total + price * -moved_kw[:, asked].sum() * fleet.step_hours


def by_clarabel(bundle, asked, hour, price, share):
    """The most that can be gained with one payback hour, and its schedule, by a solver that sees a sparse QP.

    Each variable of a device is free only where it may move: less at the hours asked, more at the payback
    hour; where its plan touches the bound of a state it has 1e-4 of room, as the offers have.
    """
    fleet, chains, plan_kw = bundle.fleet, bundle.fleet.chains.take(bundle.devices), bundle.plan_kw
    count, wide, step_hours = len(bundle.devices), 3 * STEPS, bundle.fleet.step_hours
    low, high = np.full((2, count, wide), np.nan)
    low[:, :STEPS] = np.where(asked, np.minimum(chains.power_low, plan_kw), plan_kw)
    high[:, :STEPS] = plan_kw
    high[:, hour] = np.maximum(chains.power_high, plan_kw)[:, hour]
    states = chains.states(plan_kw)
    low[:, STEPS:] = np.minimum(chains.state_low, states - 1e-4).reshape(count, -1)
    high[:, STEPS:] = np.maximum(chains.state_high, states + 1e-4).reshape(count, -1)
    laws, given = zip(*(chain_rows(chains, device) for device in range(count)), strict=True)
    quadratic, linear = np.zeros((2, count, wide))
    discomfort = fleet.discomfort_per_kw2h[bundle.devices, None] * step_hours
    quadratic[:, :STEPS] = 2.0 * discomfort
    linear[:, :STEPS] = (fleet.spot_per_kwh + price * asked) * step_hours - 2.0 * discomfort * plan_kw
    weight = np.zeros((count, wide))
    weight[:, :STEPS] = share * asked
    weight[:, hour] = 1.0
    cap = (weight[:, :STEPS] * plan_kw).sum()
    low, high = low.ravel(), high.ravel()
    above, below = np.flatnonzero(np.isfinite(low)), np.flatnonzero(np.isfinite(high))
    one = csc_array(eye_array(count * wide, format="csr"))
    parts = [block_diag(laws), one[below], -one[above], csc_array(weight.ravel()[None, :])]
    matrix = csc_array(vstack(parts))
    right = np.concatenate([*given, high[below], -low[above], [cap]])
    equal = parts[0].shape[0]
    cones = [clarabel.ZeroConeT(equal), clarabel.NonnegativeConeT(matrix.shape[0] - equal)]
    how = clarabel.DefaultSettings()
    how.verbose = False
    solver = clarabel.DefaultSolver(
        csc_array(diags_array(quadratic.ravel())), linear.ravel(), matrix, right, cones, how
    )
    found = solver.solve()
    assert str(found.status) == "Solved"
    power_kw = np.asarray(found.x).reshape(count, wide)[:, :STEPS]
    return gain_of(bundle, power_kw, asked, price), power_kw


def check_best(bundle, asked, price, share, allowed=None):
    requirement = asking(asked, share, allowed)
    found = best_schedule(bundle, asked, requirement, price)
    gains = {
        int(hour): by_clarabel(bundle, asked, hour, price, share)[0]
        for hour in np.flatnonzero(requirement.payback_allowed)
    }
    best = max(gains, key=gains.__getitem__)
    assert found.gain == pytest.approx(gains[best], abs=1e-4)
    assert gain_of(bundle, found.power_kw, asked, price) == pytest.approx(found.gain, abs=1e-9)
    (hour,) = np.flatnonzero(found.payback_kw > 1e-3)
    assert gains[hour] > gains[best] - 2e-4
    return found, gains


@pytest.mark.parametrize(("price", "share"), [(0.3, 1.5), (0.7, 1.5), (1.4, 1.0)])
def test_the_best_of_all_payback_hours_is_found(homes, price, share):
    found, gains = check_best(bundle_of(homes), hours(17, 18), price, share)
    # The choice matters: the hours are worlds apart.
    assert min(gains.values()) < 0.9 * found.gain


@pytest.mark.parametrize(
    ("price", "share", "allowed"),
    [
        (1.4, 1.1, hours(0, 2, 3, 9)),
        (1.4, 1.02, hours(0, 2, 3)),
        (0.7, 0.95, hours(20)),
        (0.7, 0.98, hours(20)),
    ],
)
def test_a_cap_on_payback_that_binds_costs_no_more_than_it_must(homes, price, share, allowed):
    found, _ = check_best(bundle_of(homes), hours(18), price, share, allowed)
    assert found.payback_kw.sum() <= share * found.flexibility_kw.sum() + 2e-6
    binds = (
        schedule_at(bundle_of(homes), hours(18), found.payback_kw > 0.0, price, 10.0).gain > found.gain + 1e-3
    )
    assert binds == (share != 0.98)
    if binds:
        assert found.payback_kw.sum() == pytest.approx(share * found.flexibility_kw.sum(), rel=1e-4)


def test_of_a_house_that_leaks_no_more_is_taken_than_the_cap_allows():
    study = flexibility_study(homes=2)
    assets = tuple(
        replace(asset, k1_kw_per_k=0.6, k2_kw_per_k=2.0, structure_kwh_per_k=3.0)
        if asset.asset == "pump0"
        else asset
        for asset in study.community.assets
    )
    study = replace(study, community=replace(study.community, assets=assets))
    *_, fleet, plan_kw, _ = prepared(study)
    bundle = Bundle(fleet, np.array([2, 3]), plan_kw[[2, 3]])
    # What is moved to an earlier hour leaks away before it is needed.
    asked, early = hours(18), hours(14)
    free = schedule_at(bundle, asked, early, 1.4, 10.0)
    share_kw = free.power_kw - bundle.plan_kw
    assert -share_kw[0, 14] < 1.5 * share_kw[0, 18] < -0.3
    cap = 0.97 * free.payback_kw.sum() / free.flexibility_kw.sum()
    capped = schedule_at(bundle, asked, early, 1.4, cap)
    assert capped.payback_kw.sum() == pytest.approx(cap * capped.flexibility_kw.sum(), rel=1e-4)
    gain, power_kw = by_clarabel(bundle, asked, 14, 1.4, cap)
    assert capped.gain == pytest.approx(gain, abs=1e-4)
    np.testing.assert_allclose(capped.power_kw, power_kw, atol=5e-3)
    # The leaky house gives less than it would alone, the other more.
    less_kw = (free.power_kw - capped.power_kw)[:, 18]
    assert less_kw[0] < -0.1 and less_kw[1] >= -1e-4


def check_schedule(bundle, schedule, asked, share=1.5):
    fleet, moved_kw = bundle.fleet, schedule.power_kw - bundle.plan_kw
    assert fleet.chains.take(bundle.devices).breach(schedule.power_kw) <= ROOM
    assert moved_kw[:, asked].max() <= 1e-9
    back = schedule.payback_kw > 0.0
    assert back.sum() <= 1 and not (back & asked).any()
    assert moved_kw[:, back].min(initial=0.0) >= -1e-9
    assert np.abs(moved_kw[:, ~asked & ~back]).max() <= 1e-9
    np.testing.assert_allclose(schedule.flexibility_kw, -moved_kw.sum(axis=0) * asked, atol=1e-9)
    np.testing.assert_allclose(schedule.payback_kw, moved_kw.sum(axis=0) * back, atol=1e-9)
    assert schedule.payback_kw.sum() <= share * schedule.flexibility_kw.sum() + 1e-5
    assert schedule.gain > 0.0


@pytest.mark.parametrize("asked", [hours(18), hours(17, 18), hours(4, 5, 18), hours(0, 23)])
@pytest.mark.parametrize("share", [0.5, 1.5])
def test_schedules_keep_every_car_and_house_within_its_bounds(homes, asked, share):
    for devices in ((0, 4, 8, 12, 16, 20), (1,), (13, 17)):
        for price in (0.4, 1.4):
            bundle = bundle_of(homes, devices)
            schedule = best_schedule(bundle, asked, asking(asked, share), price)
            if schedule is not None:
                check_schedule(bundle, schedule, asked, share)


def test_the_payback_hour_is_one_of_those_allowed(homes):
    asked, bundle = hours(18), bundle_of(homes)
    free = best_schedule(bundle, asked, asking(asked), 0.7)
    (best,) = np.flatnonzero(free.payback_kw)
    for allowed in (hours(2), hours(12, 21)):
        found = best_schedule(bundle, asked, asking(asked, allowed=allowed), 0.7)
        assert set(np.flatnonzero(found.payback_kw)) <= set(np.flatnonzero(allowed))
        assert found.gain < free.gain
    assert best not in (2, 12)
    # An hour that is asked for is none, whatever the table says.
    odd = asking(asked, allowed=hours(18))
    assert best_schedule(bundle, asked, odd, 0.7) is None


def test_a_longer_interval_is_worth_more_by_its_length(homes):
    bundle, asked = bundle_of(homes), hours(17, 18)
    whole = best_schedule(bundle, asked, asking(asked), 0.7)
    double = replace(bundle, fleet=replace(bundle.fleet, step_hours=2.0))
    longer = best_schedule(double, asked, asking(asked), 0.7)
    assert longer.gain == pytest.approx(2.0 * whole.gain, rel=1e-5)
    np.testing.assert_allclose(longer.power_kw, whole.power_kw, atol=1e-3)


@pytest.mark.parametrize("asked", [hours(18), hours(17, 18)])
def test_several_offers_add_up_to_the_dearest_schedule(homes, asked):
    bundle, prices = bundle_of(homes), np.array([0.4, 0.5, 0.6])
    offers = make_offers(bundle, ("ag0", "b3"), asked, asking(asked), prices)
    assert [offer.relation for offer in offers] == ["increment"] * 3
    assert [offer.price_per_kwh for offer in offers] == [0.4, 0.5, 0.6]
    assert {offer.group for offer in offers} == {"ag0/b3"} and len({offer.offer for offer in offers}) == 3
    first = best_schedule(bundle, asked, asking(asked), 0.4)
    np.testing.assert_allclose(offers[0].flexibility_kw, first.flexibility_kw, atol=1e-9)
    dearest = schedule_at(bundle, asked, first.payback_kw > 0.0, 0.6, 1.5)
    for name in ("flexibility_kw", "payback_kw"):
        parts = np.array([getattr(offer, name) for offer in offers])
        assert parts.min() >= 0.0 and (parts.max(axis=1) > 0.05).all()
        np.testing.assert_allclose(parts.sum(axis=0), getattr(dearest, name), atol=1e-5)


def test_offers_that_do_not_nest_are_alternatives(homes):
    """Pay more, and at some hour less is given: each is then a schedule of its own."""
    bundle, asked, prices = bundle_of(homes, (12, 16, 20)), hours(4, 5, 17, 18), np.array([0.3, 0.9, 1.5])
    offers = make_offers(bundle, ("ag0", "b3"), asked, asking(asked), prices)
    assert [offer.relation for offer in offers] == ["exclusive"] * 3
    assert (
        min((b.flexibility_kw - a.flexibility_kw).min() for a, b in zip(offers, offers[1:], strict=False)) < 0
    )
    for offer in offers:
        hour = offer.payback_kw > 0.0
        same = schedule_at(bundle, asked, hour, offer.price_per_kwh, 1.5)
        np.testing.assert_allclose(offer.flexibility_kw, same.flexibility_kw, atol=1e-6)


def test_any_mix_of_plan_and_offers_can_be_delivered(homes):
    bundle, asked, rng = bundle_of(homes), hours(17, 18), np.random.default_rng(3)
    offers = make_offers(bundle, ("ag0", "b3"), asked, asking(asked), np.array([0.4, 0.5, 0.6]))
    chains = bundle.fleet.chains.take(bundle.devices)
    for _ in range(10):
        shares = -np.sort(-rng.uniform(0.0, 1.0, 3))
        less_kw = sum(share * offer.flexibility_kw for share, offer in zip(shares, offers, strict=True))
        more_kw = sum(share * offer.payback_kw for share, offer in zip(shares, offers, strict=True))
        done = deliver(bundle, Obligation(less_kw, more_kw))
        assert done.shortfall_kw.max() == 0.0
        assert chains.breach(done.power_kw) <= ROOM
        np.testing.assert_allclose(
            (bundle.plan_kw - done.power_kw).sum(axis=0)[asked], less_kw[asked], atol=0.01
        )


def test_a_mix_of_two_schedules_is_one(homes):
    bundle, asked = bundle_of(homes), hours(17, 18)
    bid = best_schedule(bundle, asked, asking(asked), 0.7).power_kw
    for share in (0.1, 0.5, 0.9):
        mix_kw = bundle.plan_kw + share * (bid - bundle.plan_kw)
        assert bundle.fleet.chains.take(bundle.devices).breach(mix_kw) <= ROOM


def test_the_car_that_minds_less_gives_more():
    """SMART-MLA §5.2: of two cars with the same trips, 0.38 gives more than 0.44."""
    study = flexibility_study(homes=8)
    assets = tuple(
        replace(asset, discomfort_per_kw2h={"car0": 0.38, "car4": 0.44}[asset.asset])
        if asset.asset in ("car0", "car4")
        else asset
        for asset in study.community.assets
    )
    columns = dict(study.profiles.columns)
    for name in ("plugged_in", "drive_kwh"):
        columns[f"car4.{name}"] = columns[f"car0.{name}"]
    study = replace(
        study,
        community=replace(study.community, assets=assets),
        profiles=replace(study.profiles, columns=columns),
    )
    *_, fleet, plan_kw, _ = prepared(study)
    assert fleet.discomfort_per_kw2h[[0, 4]].tolist() == [0.38, 0.44]
    np.testing.assert_allclose(plan_kw[0], plan_kw[4], atol=1e-6)
    asked = hours(int(plan_kw[0].argmax()))
    gives_kw = {}
    for device in (0, 4):
        bundle = Bundle(fleet, np.array([device]), plan_kw[[device]])
        gives_kw[device] = best_schedule(bundle, asked, asking(asked), 0.5).flexibility_kw.sum()
    assert gives_kw[0] > gives_kw[4] > 0.0
    # One car, nothing binding: the price equals marginal discomfort at both hours and the dearer energy.
    assert gives_kw[0] * 0.38 == pytest.approx(gives_kw[4] * 0.44, rel=1e-3)


def test_where_no_hour_pays_nothing_is_offered(homes):
    fleet, plan_kw = homes
    asked = hours(18)
    bundle = bundle_of(homes)
    spot = fleet.spot_per_kwh
    # Energy is so dear outside the hour asked for that no price allowed pays for it.
    never = replace(bundle, fleet=replace(fleet, spot_per_kwh=np.where(asked, spot, spot + 5.0)))
    assert make_offers(never, ("ag0", "b3"), asked, asking(asked), np.array([0.7, 1.0])) == []
    idle = replace(bundle, plan_kw=np.zeros_like(bundle.plan_kw)[:1], devices=bundle.devices[:1])
    assert make_offers(idle, ("ag0", "b3"), hours(8), asking(hours(8)), np.array([0.7])) == []
    nowhere = asking(asked, allowed=hours())
    assert make_offers(bundle, ("ag0", "b3"), asked, nowhere, np.array([0.7])) == []


def test_a_price_that_does_not_pay_keeps_no_dearer_one_away(homes):
    """Energy is 0.5 dearer at every other hour: 0.4 does not pay for it, 0.9 and 1.2 do."""
    fleet, _ = homes
    bundle, asked = bundle_of(homes), hours(18)
    spot = np.where(asked, 0.2, 0.7)
    dear = replace(bundle, fleet=replace(fleet, spot_per_kwh=spot))
    assert make_offers(dear, ("ag0", "b3"), asked, asking(asked), np.array([0.4])) == []
    offers = make_offers(dear, ("ag0", "b3"), asked, asking(asked), np.array([0.4, 0.9, 1.2]))
    assert [offer.price_per_kwh for offer in offers] == [0.9, 1.2]
    first = best_schedule(dear, asked, asking(asked), 0.9)
    np.testing.assert_allclose(offers[0].payback_kw, first.payback_kw, atol=1e-9)


def test_what_is_too_little_is_not_offered(homes):
    fleet, _ = homes
    bundle, asked = bundle_of(homes, (12,)), hours(18)
    for discomfort, offered in ((0.5, True), (50.0, False)):
        stiff = replace(bundle, fleet=replace(fleet, discomfort_per_kw2h=np.full(len(fleet), discomfort)))
        offers = make_offers(stiff, ("ag0", "b3"), asked, asking(asked), np.array([0.7]))
        assert bool(offers) == offered
        assert all(offer.flexibility_kw.max() > 0.05 and offer.relation == "alone" for offer in offers)


def test_prices_are_drawn_from_the_seed_in_cents_below_the_cap():
    settings = Settings(offer_price_per_kwh=1.4, offer_price_spread_per_kwh=0.3)
    drawn = draw_prices(settings, 7, 40, 50)
    assert drawn.shape == (40, 50) and drawn.max() == 1.5
    np.testing.assert_array_equal(np.round(drawn, 2), drawn)
    np.testing.assert_array_equal(drawn, draw_prices(settings, 7, 40, 50))
    assert (drawn != draw_prices(settings, 8, 40, 50)).any()
    free = draw_prices(Settings(offer_price_spread_per_kwh=0.05), 7, 40, 50)
    assert free.mean() == pytest.approx(0.7, abs=0.005) and free.std() == pytest.approx(0.05, abs=0.003)
    np.testing.assert_array_equal(draw_prices(Settings(offer_price_spread_per_kwh=0.0), 7, 2, 2), 0.7)
    assert draw_prices(Settings(offer_price_per_kwh=0.0, offer_price_spread_per_kwh=0.0), 7, 1, 1) == 0.01


def test_discomfort_comes_from_the_asset_or_the_settings():
    study = flexibility_study(homes=2)
    assets = tuple(
        replace(asset, discomfort_per_kw2h=0.11) if asset.asset == "pump1" else asset
        for asset in study.community.assets
    )
    fleet = make_fleet(
        replace(study, community=replace(study.community, assets=assets)), Settings(discomfort_per_kw2h=0.07)
    )
    assert dict(zip(fleet.chains.name, fleet.discomfort_per_kw2h, strict=True)) == {
        "car0": 0.07,
        "car1": 0.07,
        "pump0": 0.07,
        "pump1": 0.11,
    }
    assert car("c", "m").flexible and pump("p", "m").flexible


def test_a_payback_hour_has_all_the_intervals_of_an_hour():
    allowed = np.ones(12, dtype=bool)
    allowed[[5, 8, 9, 10, 11]] = False
    quarters = payback_windows(allowed, 0.25)
    assert [np.flatnonzero(mask).tolist() for mask in quarters] == [[0, 1, 2, 3], [4, 6, 7]]
    hours = payback_windows(allowed, 1.0)
    assert [np.flatnonzero(mask).tolist() for mask in hours] == [[0], [1], [2], [3], [4], [6], [7]]
    assert len(payback_windows(np.zeros(4, dtype=bool), 0.25)) == 0
