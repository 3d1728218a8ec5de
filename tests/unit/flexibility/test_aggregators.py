"""Aggregators: each sees its own devices, the prices at its load points and the published requirement."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from flexibility_study import flexibility_study, prepared, squeezed
from gridcommons.flexibility.aggregators import (
    Aggregator,
    aggregator_names,
    make_aggregators,
    offering_parties,
)
from gridcommons.flexibility.day_ahead import parties
from gridcommons.flexibility.offer_check import check_offers
from gridcommons.flexibility.requirements import find_needs, publish
from gridcommons.flexibility.settings import Settings


def offered(study, **task):
    settings, view, fleet, plan_kw, state = prepared(study, Settings(**task))
    requirement = publish(view, state, fleet, find_needs(state, fleet, settings), settings)
    return parties(fleet, plan_kw, settings, study.seed), requirement, fleet, plan_kw


def test_every_device_that_answers_prices_has_one_aggregator():
    *_, fleet, plan_kw, _ = prepared(flexibility_study(homes=12))
    # Each aggregator has customers of both kinds.
    fleet = replace(fleet, reprofiling=np.arange(len(fleet)) % 3 == 0)
    made = make_aggregators(fleet, plan_kw, np.full((len(aggregator_names(fleet)), 4), 0.7))
    devices = np.concatenate([party.devices for party in made])
    assert sorted(devices) == np.flatnonzero(~fleet.reprofiling).tolist()
    for party in made:
        assert {fleet.aggregator[device] for device in party.devices} == {party.name}
        np.testing.assert_array_equal(party.plan_kw, plan_kw[party.devices])
        bundles = [party.bundle(int(point)) for point in party.load_points]
        together = np.concatenate([party.in_fleet(bundle) for bundle in bundles])
        assert sorted(together) == sorted(party.devices)
        for point in party.load_points:
            bundle = party.bundle(int(point))
            mine = party.in_fleet(bundle)
            assert (fleet.load_point[mine] == point).all()
            np.testing.assert_array_equal(bundle.plan_kw, plan_kw[mine])


def test_one_whose_customers_are_all_under_contract_makes_no_market():
    *_, fleet, plan_kw, _ = prepared(flexibility_study(homes=12))
    fleet = replace(fleet, reprofiling=np.array([name == "ag1" for name in fleet.aggregator]))
    assert aggregator_names(fleet) == ("ag0", "ag2", "ag3")
    with pytest.raises(ValueError, match="shorter"):
        make_aggregators(fleet, plan_kw, np.full((2, 4), 0.7))


def test_a_plan_answers_the_tariff_at_its_own_load_point_alone():
    made, _, fleet, plan_kw = offered(flexibility_study(homes=8))
    tariff = np.zeros((4, 24))
    tariff[2, 18] = 1.5
    for party in made:
        power_kw = party.plan(tariff)
        price = np.tile(fleet.spot_per_kwh, (len(party.devices), 1))
        at_b3 = fleet.load_point[party.devices] == 2
        price[at_b3, 18] += 1.5
        np.testing.assert_array_equal(power_kw, fleet.plan(price, party.devices))
        np.testing.assert_allclose(power_kw[~at_b3], party.plan_kw[~at_b3], atol=1e-9)
    assert sum(party.plan(tariff)[:, 18].sum() for party in made) < plan_kw[:, 18].sum() - 1.0


def test_an_aggregator_has_its_own_devices_and_nothing_of_anyone_else():
    made, _, fleet, _ = offered(squeezed(0.95))
    for party in made:
        own = party.fleet
        assert own.chains.name == tuple(fleet.chains.name[device] for device in party.devices)
        assert set(own.aggregator) == {party.name}
        assert set(own.member) == {fleet.member[device] for device in party.devices}
        for column in fields(fleet.chains)[1:]:
            assert len(getattr(own.chains, column.name)) == len(party.devices)
        assert not own.fixed_kw.any() and not own.fixed_kvar.any()
        assert fleet.fixed_kw.any()


@pytest.mark.parametrize("share", [0.9, 0.95])
@pytest.mark.parametrize("count", [1, 3])
def test_every_offer_of_theirs_is_taken_in(share, count):
    made, requirement, *_ = offered(squeezed(share), offers_per_load_point=count)
    answers = {party.name: party.offers(requirement) for party in made}
    capacity_kw = {
        (party.name, requirement.bus[point]): party.bundle(int(point)).plan_kw.sum(axis=0)
        for party in made
        for point in party.load_points
    }
    book = check_offers(answers, requirement, capacity_kw)
    assert not book.rejections
    # A further offer that adds nothing is not made; every aggregator makes one at least.
    assert {offer.aggregator for offer in book.offers} == {"ag0", "ag1", "ag2", "ag3"}
    assert 4 <= len(book.offers) <= 4 * count and (len(book.offers) > 8) == (count == 3)
    for offer in book.offers:
        point = requirement.bus.index(offer.bus)
        assert not offer.flexibility_kw[~requirement.asked[point]].any()
        assert not offer.payback_kw[~requirement.payback_allowed].any()


def test_further_offers_are_a_quarter_of_the_first_price_dearer_and_never_above_the_cap():
    study = squeezed(0.95)
    made, requirement, *_ = offered(study, offers_per_load_point=4, price_max_per_kwh=0.85)
    all_made = 0
    for party in made:
        by_bus = {}
        for offer in party.offers(requirement):
            by_bus.setdefault(offer.bus, []).append(offer.price_per_kwh)
        for bus, prices in by_bus.items():
            first = party.price_per_kwh[requirement.bus.index(bus)]
            ladder = [first * (1.0 + 0.25 * step) for step in range(4)]
            allowed = [price for price in ladder if price <= 0.85]
            assert len(allowed) < 4
            # Where all that can be given is given for less, the dearer ones are not made.
            np.testing.assert_allclose(prices, allowed[: len(prices)], atol=1e-4)
            all_made += len(prices) == len(allowed)
    assert all_made >= 2


def test_nobody_is_asked_nobody_offers():
    made, requirement, *_ = offered(flexibility_study(homes=8))
    assert not requirement.asked.any()
    assert all(party.offers(requirement) == [] for party in made)
    above = [replace(party, price_per_kwh=np.full(4, 1.6)) for party in made]
    asked = replace(requirement, most_kw=np.full((4, 24), 5.0), payback_allowed=np.zeros(24, dtype=bool))
    assert all(party.offers(asked) == [] for party in above)
    assert isinstance(made[0], Aggregator)


def test_who_has_sent_offers_is_asked_for_nothing_else():
    made, requirement, *_ = offered(squeezed(0.95))
    theirs = {party.name: party.offers(requirement) for party in made}
    sent = [replace(theirs["ag1"][0], price_per_kwh=0.3), replace(theirs["ag1"][0], aggregator="new")]
    asked = offering_parties(made, sent)
    answers = {party.name: list(party.offers(requirement)) for party in asked}
    assert sorted(answers) == ["ag0", "ag1", "ag2", "ag3", "new"]
    assert answers["ag1"] == [sent[0]] and answers["new"] == [sent[1]]
    assert [offer.offer for offer in answers["ag0"]] == [offer.offer for offer in theirs["ag0"]]
    assert offering_parties(made, []) == made
