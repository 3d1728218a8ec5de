"""The market of one day: bought, delivered, checked by load flow; and what is missing is said."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from feeders import source
from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.adapters.loopback_parties import loopback_process
from gridcommons.flexibility import market as market_module
from gridcommons.flexibility import requirements
from gridcommons.flexibility.aggregators import Aggregator
from gridcommons.flexibility.books import verify_awards
from gridcommons.flexibility.check import find_violations
from gridcommons.flexibility.day_ahead import Stage, parties
from gridcommons.flexibility.market import MarketPlace, taken
from gridcommons.flexibility.settings import Settings
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import GridcommonsError
from gridcommons.model.flexibility import Offer
from gridcommons.ports import Engines

TWO_HOURS = {"share": 0.85, "line": 2, "homes": 40}
"""Two hours of one line are asked for, there is enough for both, and the rules of sharing differ."""


def place_of(study, offering=None, engines=None, **task):
    settings, view, fleet, plan_kw, state = prepared(study, Settings(**task))
    made = parties(fleet, plan_kw, settings, study.seed)
    before = Stage("baseline", plan_kw, state)
    offering = made if offering is None else offering(made)
    return MarketPlace(view, fleet, settings, engines or Engines(), before, made, offering)


def line_excess_kw(state):
    return state.carried_kw - state.view.limit_kw


def cleared_kw(stage):
    """Less load and payback by aggregator and bus, from shares and offers alone."""
    offers, found = {offer.offer: offer for offer in stage.book.offers}, {}
    for name, share in zip(stage.clearing.offers, stage.clearing.shares, strict=True):
        offer = offers[name]
        assert (share >= 0.0).all() and (share <= 1.0 + 1e-9).all()
        less_kw = share * offer.flexibility_kw
        back_kw = offer.payback_kw * less_kw.sum() / offer.flexibility_kw.sum()
        before = found.get((offer.aggregator, offer.bus), (0.0, 0.0))
        found[offer.aggregator, offer.bus] = (before[0] + less_kw, before[1] + back_kw)
    return {key: value for key, value in found.items() if value[0].any()}


@pytest.mark.parametrize("clearing", ["admm", "central"])
@pytest.mark.parametrize("shares", ["one", "per_hour"])
@pytest.mark.parametrize(
    "case", [TWO_HOURS, {"share": 0.93}, {"share": 0.9, "line": 3}], ids=["two hours", "line 0", "line 3"]
)
def test_what_is_bought_is_delivered_and_the_load_flow_holds(case, shares, clearing):
    place = place_of(squeezed(**case), shares=shares, clearing=clearing, offers_per_load_point=2)
    stage = place.run()
    before, after = place.before.state, stage.stage.state
    assert line_excess_kw(before).max() > 5.0
    assert line_excess_kw(after).max() <= 0.1 and not len(find_violations(after))
    assert stage.shortages == [] and not stage.book.rejections and stage.shares == shares
    cleared = cleared_kw(stage)
    bus = stage.requirement.bus
    assert {(award.aggregator, bus[award.load_point]) for award in stage.awards} == set(cleared)
    moved_kw = stage.stage.power_kw - place.before.power_kw
    untouched = np.ones(len(place.fleet), dtype=bool)
    for award in stage.awards:
        party = next(party for party in place.aggregators if party.name == award.aggregator)
        devices = party.in_fleet(party.bundle(award.load_point))
        untouched[devices] = False
        less_kw, back_kw = cleared[award.aggregator, bus[award.load_point]]
        np.testing.assert_allclose(award.obligation.less_kw, less_kw, atol=1e-9)
        np.testing.assert_allclose(award.obligation.more_kw, back_kw, atol=1e-9)
        total_kw, owes = moved_kw[devices].sum(axis=0), less_kw > 0.0
        np.testing.assert_allclose(-total_kw[owes], less_kw[owes], atol=0.01)
        assert (total_kw[~owes] <= back_kw[~owes] + 1e-3).all()
        assert award.delivery.shortfall_kw.max() == 0.0
    assert not moved_kw[untouched].any()
    assert place.fleet.chains.breach(stage.stage.power_kw) <= 1.1e-4


@pytest.mark.parametrize("case", [TWO_HOURS, {"share": 0.93}])
def test_payback_leaves_the_margin_free_and_makes_no_new_congestion(case):
    place = place_of(squeezed(**case), payback_margin_share=0.03)
    stage = place.run()
    after, before = stage.stage.state, place.before.state
    rises = after.load_kw.sum(axis=0) > before.load_kw.sum(axis=0) + 0.01
    assert rises.any() and not rises[stage.need.rows.step].any()
    assert (after.carried_kw[rises] <= 0.97 * after.view.limit_kw[rises] + 0.1).all()


@pytest.mark.parametrize("shares", ["one", "per_hour"])
def test_two_parties_buy_as_cheaply_as_one_that_sees_everything(shares):
    for case in (TWO_HOURS, {"share": 0.95}, {"share": 0.85}):
        found = {
            clearing: place_of(
                squeezed(**case), shares=shares, clearing=clearing, offers_per_load_point=2
            ).run()
            for clearing in ("admm", "central")
        }
        worth = {}
        for clearing, stage in found.items():
            missing = 10.0 * sum(kw for *_, kw in stage.shortages)
            worth[clearing] = stage.clearing.cost + missing
        assert worth["admm"] == pytest.approx(worth["central"], rel=1e-3)


def test_shares_by_the_hour_cost_no_more_than_one_share():
    one, by_hour = (place_of(squeezed(**TWO_HOURS), shares=rule).run() for rule in ("one", "per_hour"))
    assert by_hour.clearing.cost < 0.9 * one.clearing.cost
    assert all(np.ptp(share[offer.flexibility_kw > 0.0]) < 1e-9
               for offer, share in zip(one.book.offers, one.clearing.shares, strict=True))  # fmt: skip


def test_shares_by_the_hour_that_cannot_be_delivered_are_not_awarded(monkeypatch):
    """A mix of plan and offer can be; anything else is refused here, so that one share must be taken."""
    study, asked = squeezed(**TWO_HOURS), {}
    expected = place_of(study, shares="one").run()
    by_bus = {(offer.aggregator, offer.bus): offer for offer in expected.book.offers}
    real = market_module.deliver

    def deliver(bundle, obligation):
        name = bundle.fleet.aggregator[bundle.devices[0]]
        bus = ("b1", "b2", "b3", "b4")[bundle.fleet.load_point[bundle.devices[0]]]
        offer = by_bus[name, bus]
        here = offer.flexibility_kw > 0.0
        share = obligation.less_kw[here] / offer.flexibility_kw[here]
        asked[name, len(asked)] = np.ptp(share)
        done = real(bundle, obligation)
        lacks = np.where(obligation.less_kw > 0.0, 0.06 if np.ptp(share) > 1e-6 else 0.0, 0.0)
        return replace(done, shortfall_kw=lacks)

    monkeypatch.setattr(market_module, "deliver", deliver)
    stage = place_of(study, shares="per_hour").run()
    assert max(asked.values()) > 0.01
    assert stage.shares == "one" and stage.clearing.cost == expected.clearing.cost
    np.testing.assert_array_equal(stage.clearing.shares, expected.clearing.shares)
    np.testing.assert_array_equal(stage.stage.power_kw, expected.stage.power_kw)


def one_sided(study):
    """Only the aggregators at b3 offer."""
    return place_of(study, lambda made: [party for party in made if party.name in ("ag0", "ag2")])


def test_what_is_missing_is_said_by_limit_and_hour_though_nobody_offers():
    study = squeezed(0.8)
    stage = place_of(study, lambda made: []).run()
    over_kw = line_excess_kw(place_of(study).before.state)[:, 0]
    assert stage.clearing is None and stage.awards == () and not stage.book.offers
    steps = np.flatnonzero(over_kw > 0.1)
    assert [each[:3] for each in stage.shortages] == [
        ("line 0", "loading_max_percent", step) for step in steps
    ]
    np.testing.assert_allclose([each[3] for each in stage.shortages], over_kw[steps], atol=1e-9)
    np.testing.assert_array_equal(stage.stage.power_kw, place_of(study).before.power_kw)


def test_what_is_missing_is_what_the_load_flow_still_shows():
    place = place_of(squeezed(0.9))
    stage = place.run()
    ((element, _, step, missing_kw),) = stage.shortages
    left = find_violations(stage.stage.state)
    assert (element, step) == ("line 0", 18) and left.element == ("line 0",) and left.step.tolist() == [18]
    # Lower losses, and a clearing that may end 0.1 kW away, lie between the two.
    assert missing_kw == pytest.approx(left.excess_kw[0], abs=1.0) and missing_kw > 1.0
    # All there is has been taken at that hour.
    for offer, share in zip(stage.book.offers, stage.clearing.shares, strict=True):
        assert share[18] == pytest.approx(1.0, abs=1e-3) or offer.flexibility_kw[18] == 0.0


def test_a_limit_that_nobody_who_offers_can_help_is_missing_whole():
    *_, state = prepared(flexibility_study())
    peak_kw = state.carried_kw.max(axis=0)
    study = flexibility_study(rated_kw=(1e4, 1e4, 0.95 * peak_kw[2], 0.95 * peak_kw[3]))
    stage = one_sided(study).run()
    assert stage.clearing is not None and {offer.bus for offer in stage.book.offers} == {"b3"}
    over_kw = line_excess_kw(state := prepared(study)[4])[:, 3]
    wanted = [("line 3", int(step), over_kw[step]) for step in np.flatnonzero(over_kw > 0.1)]
    assert [(element, step) for element, _, step, _ in stage.shortages] == [each[:2] for each in wanted]
    np.testing.assert_allclose([kw for *_, kw in stage.shortages], [each[2] for each in wanted], atol=1e-9)
    assert state is not None


def test_what_only_fixed_load_breaks_is_missing_and_harms_no_clearing():
    """The line to b1 carries no home's load where b2 hangs on the source: nobody is asked for its excess."""
    study = squeezed(0.95, line=1)
    branches = study.grid.branches
    ends = branches.from_bus.copy()
    ends[1] = 0
    rating_ka = branches.i_max_from_ka.copy()
    rating_ka[0] = 150.0 / (np.sqrt(3.0) * 11.0) / 1e3
    branches = replace(branches, from_bus=ends, i_max_from_ka=rating_ka, i_max_to_ka=rating_ka)
    place = place_of(replace(study, grid=replace(study.grid, branches=branches)))
    stage = place.run()
    over_kw = line_excess_kw(place.before.state)[:, 0]
    steps = np.flatnonzero(over_kw > 0.1)
    assert len(steps) and stage.awards
    assert [each[:1] + each[2:3] for each in stage.shortages] == [("line 0", step) for step in steps]
    np.testing.assert_allclose([kw for *_, kw in stage.shortages], over_kw[steps], atol=1e-9)
    assert line_excess_kw(stage.stage.state)[:, 1:].max() <= 0.1


def test_what_less_load_cannot_help_is_missing_and_is_not_made_worse():
    """All voltages are too high: less load at the peak would raise them, so nothing is bought."""
    study = squeezed(0.95)
    grid = replace(study.grid, sources=source(0, 1.08))
    place = place_of(replace(study, grid=grid, limits=voltage_band(grid, 0.9, 1.05)), offers_per_load_point=2)
    stage = place.run()
    high = [row for row, kind in enumerate(stage.need.rows.kind) if kind == "vm_max_pu"]
    said = {key[:3]: key[3] for key in stage.shortages}
    assert len(high) == 4 * 24
    for row in high:
        key = stage.need.rows.element[row], "vm_max_pu", int(stage.need.rows.step[row])
        assert said[key] == pytest.approx(-stage.need.rows.room_kw[row])
    # Voltage rows cost what they miss; the overload is worth no more than what it would make worse.
    after, before = stage.stage.state.vm_pu, place.before.state.vm_pu
    assert np.nanmax(after) <= np.nanmax(before) + 1e-5


def test_a_limit_that_nobody_was_asked_for_is_missing_whole_whatever_was_cleared():
    stage = place_of(squeezed(0.93)).run()
    need = stage.need
    assert stage.shortages == [] and len(need.rows) == 1
    nobodys = replace(stage, need=replace(need, asked=np.zeros_like(need.asked)))
    assert nobodys.shortages == [("line 0", "loading_max_percent", 18, -need.rows.room_kw[0])]


def test_payback_is_bought_as_far_as_the_margin_leaves_room(monkeypatch):
    """At the hour that all would choose 5 kW are free: no more comes back there than these."""
    monkeypatch.setattr(requirements, "PARTS", (1e-3,))
    # Far enough above the study's limit that this hour is not asked for itself.
    study, margin = squeezed(0.91), 0.03
    first = place_of(study, payback_margin_share=margin).run()
    back_kw = sum(offer.payback_kw for offer in first.book.offers)
    hour = int(back_kw.argmax())
    assert back_kw[hour] > 20.0
    state = first.stage.state
    most_kw = (1.0 - margin) * state.view.limit_kw[hour, 0]
    columns = dict(study.profiles.columns)
    before_kw = place_of(study).before.state.carried_kw[hour, 0]
    columns["load1"] = columns["load1"] + np.where(np.arange(24) == hour, most_kw - 5.0 - before_kw, 0.0)
    tight = replace(study, profiles=replace(study.profiles, columns=columns))
    stage = place_of(tight, payback_margin_share=margin).run()
    assert sum(offer.payback_kw[hour] for offer in stage.book.offers) > 10.0
    carried_kw = stage.stage.state.carried_kw[hour, 0]
    assert carried_kw <= most_kw + 0.1
    # The hour is used, as far as it goes.
    assert carried_kw >= most_kw - 0.5 and stage.awards


def test_nobody_sells_more_than_they_have_planned():
    study = squeezed(0.95)

    def boasting(made):
        planned_kw = made[0].plan_kw.sum(axis=0)
        offer = Offer(
            offer="all",
            aggregator="ag0",
            bus="b3",
            price_per_kwh=0.1,
            flexibility_kw=np.where(np.arange(24) == 18, 1.1 * planned_kw, 0.0),
            payback_kw=np.zeros(24),
        )
        return [Evil("ag0", lambda: [offer]), *made[1:]]

    place = place_of(study, boasting)
    stage = place.run()
    (rejection,) = stage.book.rejections
    planned_kw = place.aggregators[0].plan_kw[:, 18].sum()
    assert rejection.reason == (
        f"offers {1.1 * planned_kw:.2f} kW at interval 18, above its capacity of {planned_kw:.2f} kW, "
        "the load that it has planned at b3"
    )


def low_voltage_study(gap_pu, **changes):
    *_, state = prepared(flexibility_study(**changes))
    return flexibility_study(vm_band=(float(state.vm_pu.min()) + gap_pu - 0.01, 1.1), **changes)


def test_a_low_voltage_is_lifted_into_the_band_with_its_margin():
    study = low_voltage_study(1e-4)
    place = place_of(study, shares="per_hour", offers_per_load_point=3)
    stage = place.run()
    asked_pu = place.view.limits.vm_min_pu + 0.01
    before, after = place.before.state.vm_pu, stage.stage.state.vm_pu
    assert set(stage.need.rows.kind) == {"vm_min_pu"} and stage.shortages == [] and stage.awards
    assert (before < asked_pu - 1e-5).any() and (after[:, 1:] >= asked_pu[:, 1:] - 1e-5).all()
    assert 0.0 < stage.linear_vm_error_pu <= 0.005
    # The linear error, from the voltages before and after and a small step of the load flow between.
    from_load = after - before
    assert np.abs(from_load).max() > 1e-4 > 10.0 * stage.linear_vm_error_pu


def test_where_nothing_is_broken_nobody_is_asked():
    def nobody(made):
        return [Evil("ag9", lambda: pytest.fail("was asked"))]

    stage = place_of(flexibility_study(homes=8), nobody).run()
    assert stage.clearing is None and stage.awards == () and stage.shortages == []
    assert stage.book.offers == () and stage.book.rejections == () and stage.linear_vm_error_pu == 0.0


class Evil:
    """A party that sends what it is told to."""

    def __init__(self, name, answer):
        self.name = name
        self._answer = answer

    def offers(self, requirement):
        return self._answer()


def test_evil_parties_are_named_and_change_nothing_for_the_others():
    study, never = squeezed(0.95), threading.Event()
    honest = place_of(study).run()

    def fail():
        raise RuntimeError("no")

    def impersonates():
        return [replace(honest.book.offers[0], price_per_kwh=0.0)]

    evil = [
        Evil("deaf", never.wait),
        Evil("fails", fail),
        Evil("garbage", lambda: {"offers": []}),
        Evil("ag8", impersonates),
        Evil("ag9", lambda: [replace(honest.book.offers[0], aggregator="ag9", offer="x")]),
    ]
    start = time.monotonic()
    stage = place_of(study, lambda made: [*evil, *made], answer_timeout_s=2.0).run()
    never.set()
    assert time.monotonic() - start < 8.0
    assert [each.aggregator for each in stage.book.rejections] == ["deaf", "fails", "garbage", "ag8", "ag9"]
    reasons = [each.reason for each in stage.book.rejections]
    assert reasons[0] == "no answer within 2 s" and reasons[1] == "failed: RuntimeError: no"
    assert reasons[3] == "names the aggregator 'ag0', but came from 'ag8'"
    assert reasons[4].startswith("comes from 'ag9', who has no devices at b3")
    assert [offer.offer for offer in stage.book.offers] == [offer.offer for offer in honest.book.offers]
    np.testing.assert_array_equal(stage.clearing.shares, honest.clearing.shares)


def test_what_devices_cannot_deliver_is_not_taken_in_and_leaves_the_place_to_others():
    """An aggregator that offers all its load at the peak and takes nothing back, which cars cannot."""

    def boasting(made):
        first = made[0]
        planned_kw = first.plan_kw.sum(axis=0)
        less_kw = np.where(np.arange(24) == 18, planned_kw, 0.0)
        offer = Offer(
            offer="all", aggregator="ag0", bus="b3", price_per_kwh=0.1,
            flexibility_kw=less_kw, payback_kw=np.zeros(24),
        )  # fmt: skip
        return [Evil("ag0", lambda: [offer]), *made[1:]]

    place = place_of(squeezed(0.93), boasting)
    stage = place.run()
    (rejection,) = stage.book.rejections
    assert rejection.offer == "all" and "its devices cannot deliver" in rejection.reason
    assert stage.awards and all(award.aggregator != "ag0" for award in stage.awards)
    verified = verify_awards(stage, place.aggregators, place.view.study.profiles)
    assert not any(each.missing_kw.any() for each in verified)


def test_a_block_waits_for_the_central_clearing():
    def in_blocks(made):
        def answer(party):
            return lambda requirement: [replace(o, divisible=False) for o in party.offers(requirement)]

        first = Evil(made[0].name, None)
        first.offers = answer(made[0])
        return [first, *made[1:]]

    study = squeezed(0.95)
    stage = place_of(study, in_blocks).run()
    assert "ag0" not in {offer.aggregator for offer in stage.book.offers}
    assert [(each.aggregator, each.reason) for each in stage.book.rejections] == [
        ("ag0", "a block, all or nothing: only the central clearing takes it")
    ]
    central = place_of(study, in_blocks, clearing="central").run()
    assert not central.book.rejections
    row = [offer.aggregator for offer in central.book.offers].index("ag0")
    assert set(np.round(central.clearing.shares[row][central.book.offers[row].flexibility_kw > 0], 9)) <= {
        0,
        1,
    }


def test_payback_follows_the_energy_taken():
    less_kw, back_kw = np.array([0.0, 6.0, 2.0, 0.0]), np.array([4.0, 0.0, 0.0, 0.0])
    offer = Offer(
        offer="o", aggregator="a", bus="b", price_per_kwh=0.5, flexibility_kw=less_kw, payback_kw=back_kw
    )
    one = taken(offer, np.array([0.0, 0.5, 0.5, 0.0]))
    np.testing.assert_allclose(one, [0.5 * less_kw, 0.5 * back_kw])
    by_hour = taken(offer, np.array([0.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(by_hour, [[0.0, 6.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]])


def test_two_processes_come_to_the_same_result_and_need_engines_that_start_them():
    study = squeezed(**TWO_HOURS)
    one = place_of(study).run()
    engines = Engines(other_process=loopback_process)
    two = place_of(study, engines=engines, parties="two_processes").run()
    assert two.clearing.shares.tobytes() == one.clearing.shares.tobytes()
    assert two.stage.power_kw.tobytes() == one.stage.power_kw.tobytes()
    with pytest.raises(GridcommonsError, match="needs engines that can start a process"):
        place_of(study, parties="two_processes").run()


def test_the_other_process_may_take_as_long_as_the_study_says():
    waited = []

    def other(party, timeout_s):
        waited.append(timeout_s)
        return nullcontext(party)

    engines = Engines(other_process=other)
    place_of(squeezed(**TWO_HOURS), engines=engines, parties="two_processes", answer_timeout_s=7.5).run()
    assert waited == [7.5]


def test_an_aggregator_is_an_offering_party_like_any_other():
    study = squeezed(0.95)
    wrapped = place_of(study, lambda made: [Wrapped(party) for party in made]).run()
    np.testing.assert_array_equal(wrapped.clearing.shares, place_of(study).run().clearing.shares)


class Wrapped:
    """Nothing of an aggregator but its name and its offers."""

    def __init__(self, party: Aggregator):
        self.name = party.name
        self.offers = party.offers
