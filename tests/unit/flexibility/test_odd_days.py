"""Days that are legal and out of the ordinary: nothing to do, nothing to give, names that mislead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flexibility_study import STEPS, flexibility_study, prepared, pump, squeezed
from gridcommons.flexibility.fleet import make_fleet
from gridcommons.flexibility.settings import Settings
from gridcommons.model.errors import InfeasibleError, StudyError
from gridcommons.model.flexibility import Offer
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.chain_plans import plan_devices
from gridcommons.optimisation.devices.heat_pump import heating_chains
from gridcommons.tasks import run


def offer(name="o", aggregator="ag0", price=0.5, less=None):
    less_kw = np.zeros(STEPS) if less is None else less
    return Offer(
        offer=name,
        aggregator=aggregator,
        bus="b3",
        price_per_kwh=price,
        flexibility_kw=less_kw,
        payback_kw=np.zeros(STEPS),
    )


def test_a_day_without_congestion_has_a_coordinated_tariff_of_nothing():
    study = flexibility_study(reprofiling=True, instruments=["tariff"], tariff="coordinated")
    summary = run(study, "flexibility").summary
    assert summary["highest_tariff_per_kwh"] == 0.0 and summary["coordination_net"] is None
    assert summary["balances"] == {}


def test_a_coordinated_tariff_without_a_contract_says_what_to_change():
    study = squeezed(0.85, instruments=["tariff"], tariff="coordinated")
    with pytest.raises(InfeasibleError, match="set tariff = 'relaxed', or write the contract"):
        run(study, "flexibility")
    with pytest.raises(InfeasibleError, match="leave 'reprofiling' out of instruments"):
        run(squeezed(0.85, instruments=["reprofiling"]), "flexibility")


def test_what_cannot_be_delivered_for_want_of_room_is_not_paid_for():
    """The line is short at one hour and full at all others: nothing can be taken back."""
    study = flexibility_study(reprofiling=True, instruments=["reprofiling"])
    *_, state = prepared(study)
    carried_kw = state.carried_kw[:, 0]
    limits = study.limits
    percent = np.full((STEPS, len(study.grid.branches)), 1e6)
    rated_kw = 1e4
    percent[:, 0] = 100.0 * 1.0005 * carried_kw / rated_kw
    peak = int(carried_kw.argmax())
    percent[peak, 0] = 100.0 * 0.9 * carried_kw[peak] / rated_kw
    result = run(replace(study, limits=replace(limits, loading_max_percent=percent)), "flexibility")
    calls = result.tables["reprofiling_calls"]
    delivered_kw = (calls["quantity_kw"] - calls["undelivered_kw"]).to_numpy()
    assert calls["undelivered_kw"].max() > 10.0
    np.testing.assert_allclose(calls["amount"], calls["price_per_kwh"] * delivered_kw, atol=1e-9)
    paid = -result.summary["balances"].get("DSO", 0.0)
    assert paid == pytest.approx(result.summary["reprofiling_cost"], abs=0.05)
    assert result.summary["reprofiling_cost"] < 0.2 * float(
        (calls["price_per_kwh"] * calls["quantity_kw"]).sum()
    )


def test_a_market_price_above_the_cap_is_not_paid():
    study = squeezed(0.7, instruments=["market"], payment="as_clear")
    result = run(study, "flexibility")
    assert result.tables["flexibility_prices"]["price_per_kwh"].max() > 1.5
    ordered_kwh = result.tables["deliveries"]["delivered_kw"].sum()
    assert 0.0 < -result.summary["balances"]["DSO"] <= 1.5 * ordered_kwh + 0.05


@pytest.mark.parametrize("name", ["DSO", "fixed load", "customers of ag1"])
def test_an_aggregator_is_not_called_as_an_account_is(name):
    study = flexibility_study()
    members = tuple(
        replace(member, aggregator=name) if member.aggregator == "ag0" else member
        for member in study.community.members
    )
    study = replace(study, community=replace(study.community, members=members))
    with pytest.raises(StudyError, match=f"column aggregator: found '{name}'"):
        make_fleet(study, Settings())


def test_a_discomfort_of_nothing_is_refused_with_its_place():
    study = flexibility_study(homes=2)
    assets = tuple(
        replace(asset, discomfort_per_kw2h=0.0) if asset.asset == "car0" else asset
        for asset in study.community.assets
    )
    study = replace(study, community=replace(study.community, assets=assets))
    with pytest.raises(StudyError, match="'car0' with a discomfort of 0, expected above 0"):
        make_fleet(study, Settings())


def test_a_warm_spell_after_a_cold_one_is_no_fault_of_the_heat_pump():
    """A house that had to be heated is warmer than one that never was when the weather turns."""
    time = TimeAxis(flexibility_study(homes=1).time.start, 60, 168)
    outdoor_c = np.where(np.arange(168) < 96, 4.0, 27.0)
    chains = heating_chains([pump("pump", "home")], Profiles(time, {"outdoor.temp_c": outdoor_c}))
    power_kw = plan_devices(chains, np.full(1, 0.02), np.full((1, 168), 0.3))
    assert chains.breach(power_kw) < 1e-6
    assert chains.state_high[0, :90, 0].max() == 24.0 and chains.state_high[0, -1, 0] > 24.0


def test_offers_to_a_day_that_asks_for_nothing_are_said_to_be_so():
    study = flexibility_study(instruments=["market"])
    sent = (offer("early", less=np.where(np.arange(STEPS) == 18, 1.0, 0.0)),)
    result = run(replace(study, offers=sent), "flexibility")
    rows = result.tables["rejections"].astype(str)
    assert rows[["offer", "reason"]].to_numpy().tolist() == [["early", "nothing is asked for"]]


def test_after_a_tariff_moved_energy_costs_the_tariff_too():
    """Offers and their costs count what the moved kWh cost, tariff included."""
    study = squeezed(0.8, instruments=["tariff", "market"], tariff_cap_per_kwh=0.05)
    result = run(study, "flexibility")
    settlement = result.tables["settlement"].astype({"item": str, "party": str})
    energy = settlement[(settlement["item"] == "energy compensation") & (settlement["amount"] > 0)]
    tariffs = result.tables["dynamic_tariffs"].astype({"scheme": str, "bus": str})
    tariffs = tariffs[tariffs["scheme"] == "relaxed"].set_index(["bus", "time"])["tariff_per_kwh"]
    plans = result.tables["aggregator_plans"].astype({"scenario": str, "aggregator": str, "bus": str})
    by_stage = plans.set_index(["scenario", "aggregator", "bus", "time"])["p_kw"]
    moved_kw = by_stage.loc["market"] - by_stage.loc["tariff"]
    spot = dict(zip(study.time.stamps(), study.prices.import_price_per_kwh, strict=True))
    cost = {}
    for (name, bus, stamp), kw in moved_kw.items():
        price = spot[np.datetime64(stamp.tz_localize(None), "ms")] + tariffs[bus, stamp]
        cost[name] = cost.get(name, 0.0) + kw * price
    for name, expected in cost.items():
        paid = float(energy[energy["party"] == f"customers of {name}"]["amount"].sum())
        assert paid == pytest.approx(max(expected, 0.0), abs=0.02)
    assert sum(cost.values()) > 0.1
