"""Batteries that members own together: what the market asks, what their energy allows, who earns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridcommons as gc
from communities import community_study
from gridcommons.model.assets import Battery
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import StudyError
from gridcommons.model.profiles import Profiles

STEPS = 8
OF_A = np.array([-30.0, -30.0, -50.0, 5.0, 20.0, 40.0, 40.0, 10.0])
OF_B = 0.5
"""What members A and B draw, and C nothing; the heuristic joins over B only where it lacks something [kW]."""
NET = OF_A + OF_B


def study(shares=(0.5, 0.3, 0.0), battery=True, **rating):
    consumption, generation = np.zeros((2, STEPS, 3))
    consumption[:, 0], generation[:, 0] = np.maximum(OF_A, 0.0), np.maximum(-OF_A, 0.0)
    consumption[:, 1] = OF_B
    task = {"threshold": 15, "delay_mean_s": 0.0, "delay_sd_s": 0.0, "scenarios": ["members", "switched"]}
    made = community_study(consumption, generation, **task)
    members = tuple(
        replace(member, battery_share=share)
        for member, share in zip(made.community.members, shares, strict=True)
    )
    usual = {
        "charge_max_kw": 25.0,
        "discharge_max_kw": 20.0,
        "energy_kwh": 20.0,
        "charge_efficiency_share": 0.9,
        "discharge_efficiency_share": 0.8,
        "soc_initial_share": 0.25,
        "soc_min_share": 0.1,
        "soc_max_share": 0.9,
    }
    assets = made.community.assets
    if battery:
        assets = (*assets, Battery(asset="store", member="mC", flexible=True, **(usual | rating)))
    return replace(made, community=replace(made.community, members=members, assets=assets))


def of(frame, scenario="switched"):
    return frame[frame.scenario == scenario]


def by_hand(rating_kw=(25.0, 20.0), envelope=(-np.inf, np.inf)):
    """Power and energy minute by minute, from the law itself."""
    energy, powers, energies = 5.0, [], []
    for minute in range(15 * STEPS):
        wanted = np.clip(-NET[minute // 15], -rating_kw[1], rating_kw[0])
        most = (18.0 - energy) * 60.0 / 0.9
        least = -(energy - 2.0) * 60.0 * 0.8
        power = np.clip(np.clip(wanted, least, most), *envelope)
        powers.append(power)
        energies.append(energy)
        energy += (0.9 * power if power > 0 else power / 0.8) / 60.0
    return np.array(powers), np.array(energies)


def test_it_takes_the_surplus_and_gives_it_back_within_power_and_energy():
    stored = of(gc.run(study(), "trading").tables["batteries"])
    power, energy = by_hand()
    np.testing.assert_allclose(stored.p_kw, power, atol=1e-9)
    np.testing.assert_allclose(stored.energy_kwh, energy, atol=1e-9)
    assert stored.energy_kwh.max() == pytest.approx(18.0) and stored.energy_kwh.min() == pytest.approx(2.0)
    assert (power > 0).any() and (power < 0).any() and (power == 0.0).any()


def test_its_envelope_is_kept():
    bound = Envelopes(("store",), np.full((STEPS, 1), -6.0), np.full((STEPS, 1), 4.0))
    stored = of(gc.run(replace(study(), envelopes=bound), "trading").tables["batteries"])
    np.testing.assert_allclose(stored.p_kw, by_hand(envelope=(-6.0, 4.0))[0], atol=1e-9)


def test_exchange_falls_by_what_it_moves_and_energy_is_conserved():
    with_store, without = gc.run(study(), "trading").summary, gc.run(study(battery=False), "trading").summary
    power = by_hand()[0] / 60.0
    charged, discharged = np.maximum(power, 0).sum(), np.maximum(-power, 0).sum()
    now, before = (each["scenarios"]["switched"] for each in (with_store, without))
    assert now["charged_kwh"] == pytest.approx(charged)
    assert now["discharged_kwh"] == pytest.approx(discharged)
    assert before["fed_in_kwh"] - now["fed_in_kwh"] == pytest.approx(charged, rel=0.02)
    assert before["absorbed_kwh"] - now["absorbed_kwh"] == pytest.approx(discharged, rel=0.02)
    assert with_store["conservation_kwh"] < 1e-6 and "charged_kwh" not in before


def test_owners_pay_feed_in_and_get_retail_by_their_shares_and_bills_add_up():
    result = gc.run(study(), "trading")
    bills = of(result.tables["bills"]).set_index("member")
    power = by_hand()[0] / 60.0
    amount = np.maximum(power, 0).sum() * 0.10 - np.maximum(-power, 0).sum() * 0.30
    assert amount < 0.0
    for member, share in (("mA", 0.5), ("mB", 0.3), ("mC", 0.2)):
        assert bills.battery_amount[member] == pytest.approx(share * amount)
    exchange = of(result.tables["grid_exchange"])
    paid = (exchange.absorbed_kwh * 0.30 - exchange.fed_in_kwh * 0.10).sum()
    assert bills.bill_amount.sum() == pytest.approx(paid, abs=1e-9)
    # What is shared beside that are losses alone.
    assert 0.0 < bills.shared_amount.sum() < 0.1
    assert (of(result.tables["bills"], "members").battery_amount == 0.0).all()


def test_without_shares_a_battery_is_nobodys_and_stays_idle():
    result = gc.run(study(shares=(0.0, 0.0, 0.0)), "trading")
    assert "batteries" not in result.tables


def test_the_grid_operator_expects_what_the_battery_takes():
    result = gc.run(study(), "trading")
    told = result.tables["expected_exchange"].groupby("time").p_kw.sum()
    wanted = np.clip(-NET, -20.0, 25.0)
    np.testing.assert_allclose(told, NET + wanted, atol=1e-9)


def test_a_shared_battery_with_a_profile_is_refused():
    made = study()
    columns = dict(made.profiles.columns) | {"store": np.ones(STEPS)}
    with pytest.raises(StudyError, match="it follows the market"):
        gc.run(replace(made, profiles=Profiles(made.time, columns)), "trading")
