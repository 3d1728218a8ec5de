"""Communities without a schedule say which law cannot hold, of which asset, when, by how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import InfeasibleError
from gridcommons.optimisation.linear_model import Shortfall
from gridcommons.scheduling import shortfalls
from gridcommons.scheduling.constraints import make_program
from gridcommons.scheduling.settings import Settings
from hubs import KINDS, device, hub_of, scheduled, study_of, whole_hub, with_start


def reason(hub, **settings):
    """What an infeasible community says, without what is the same in all of them."""
    with pytest.raises(InfeasibleError) as caught:
        scheduled(hub, **settings)
    head = "community c has no schedule: "
    assert str(caught.value).startswith(head)
    return str(caught.value).removeprefix(head)


def with_envelope(*assets, of=0, low_kw=-np.inf, high_kw=np.inf, **study):
    """A hub of which one asset has an operating envelope."""
    made = study_of(*assets, **study)
    steps = made.time.steps
    low, high = (np.broadcast_to(np.asarray(end, float), steps)[:, None] + 0.0 for end in (low_kw, high_kw))
    return whole_hub(replace(made, envelopes=Envelopes((assets[of].asset,), low, high)))


def test_a_turbine_that_must_give_more_heat_than_anybody_takes():
    """30 kW at least give 70 kW of heat; 58 and, in the second hour, 100 are wanted."""
    turbine = device("chp", generation_min_kw=30.0)
    hub = hub_of(turbine, device("load"), columns={"load.heat_kw": [58.0, 100.0]}, steps=2)
    assert reason(hub) == "heat balance at 2021-04-15T00:00+02:00: more heat than anybody takes, by 12 kW"


def test_heat_that_has_no_source_hour_by_hour_the_worst_first():
    hub = hub_of(device("load"), columns={"load.heat_kw": [0.0, 5.0, 7.5]}, steps=3, minutes=30)
    assert reason(hub) == (
        "heat balance at 2021-04-15T01:00+02:00: heat that nobody gives, 7.5 kW; "
        "heat balance at 2021-04-15T00:30+02:00: heat that nobody gives, 5 kW"
    )


def test_a_limit_of_the_network_that_is_too_low():
    hub = hub_of(device("load"), columns={"load.heat_kw": 50.0}, steps=1, heat=0.3)
    assert reason(hub, heat_import_max_kw=30.0).endswith("heat that nobody gives, 20 kW")
    assert scheduled(hub, heat_import_max_kw=50.0).plan().heat_kw[0] == pytest.approx(50.0)


def test_many_breaks_are_counted():
    hub = hub_of(device("load"), columns={"load.heat_kw": 5.0}, steps=12)
    said = reason(hub)
    assert said.count("heat that nobody gives") == shortfalls.MOST_LINES and said.endswith("; and 4 more")


def test_a_tank_that_cannot_be_kept_warm():
    """Nothing heats: 0.5 of 2 m³ at 60 °C are replaced by water of 8 °C, which leaves 47 °C instead of 55."""
    boiler = device(
        "smart_boiler",
        "tank",
        consumption_max_kw=0.0,
        loss_kw_per_k=0.0,
        temp_initial_c=60.0,
        inverter_kva=1.0,
    )
    other = device("smart_boiler", "other")
    hub = hub_of(other, boiler, columns={"tank.draw_m3": [0.0, 0.0, 0.5]}, steps=3)
    said = reason(hub)
    # Back to 60 °C, where it began, 13 K · 2 m³ · 1.163 kWh/(m³ K) are missing; the end itself lacks fewer K.
    assert "smart boiler: heat of the tank of tank at 2021-04-15T02:00+02:00: lacks 18.61 kWh" in said
    assert "smart boiler: ends no lower than it began of tank at 2021-04-15T02:00+02:00: short by 5 K" in said


def test_a_store_that_cannot_end_as_it_began_says_so_of_the_last_interval():
    """An envelope keeps it from being heated; what it loses at rest is missing at the end."""
    stores = device("stirling_store", "st"), device("stirling_store", "free")
    hub = with_envelope(*stores, high_kw=0.0, steps=5, heat=0.1)
    assert "operating envelope of st at 2021-04-15T0" in reason(hub)
    idle = device("stirling_store", "idle", consumption_max_kw=0.0)
    said = reason(hub_of(device("stirling_store", "free"), idle, steps=5, heat=0.1))
    assert said.startswith("stirling store: ")
    assert " of idle at 2021-04-15T0" in said and said.endswith(" kWh")


@pytest.mark.parametrize(
    ("low_kw", "high_kw", "words"),
    [
        (-np.inf, [0.0, -50.0], "01:00+02:00: above its most by 20 kW"),
        ([5.0, -np.inf], np.inf, "00:00+02:00: below its least by 5 kW"),
    ],
)
def test_an_operating_envelope_that_the_sun_cannot_meet(low_kw, high_kw, words):
    plants = device("pv"), device("pv", "other"), device("battery")
    hub = with_envelope(*plants, low_kw=low_kw, high_kw=high_kw, columns={"pv": 30.0, "other": 90.0}, steps=2)
    assert reason(hub) == f"operating envelope of pv at 2021-04-15T{words}"


@pytest.mark.parametrize("of", [1, 3])
@pytest.mark.parametrize(
    ("low_kw", "words"), [(30.0, "below its least by 10 kW"), (-30.0, "above its most by 15.6 kW")]
)
def test_an_envelope_is_of_its_asset_in_whatever_order_kinds_are_planned(of, low_kw, words):
    """Batteries that can charge 20 kW, and then give back 14.4 at most, among a store and the sun."""
    assets = device("heat_store"), device("battery", "b1"), device("pv", "sun"), device("battery", "b3")
    ends = {"low_kw": [-np.inf, 30.0]} if low_kw > 0.0 else {"high_kw": [np.inf, -30.0]}
    hub = with_envelope(*assets, of=of, columns={"sun": 50.0}, steps=2, **ends)
    assert reason(hub) == f"operating envelope of b{of} at 2021-04-15T01:00+02:00: {words}"


def test_a_pump_that_may_not_run_leaves_heat_that_nobody_gives():
    hub = with_envelope(
        device("heat_pump"), device("load"), high_kw=5.0, columns={"load.heat_kw": 25.0}, steps=1
    )
    assert reason(hub) == "heat balance at 2021-04-15T00:00+02:00: heat that nobody gives, 10 kW"


def test_a_car_that_is_driven_further_than_it_can_be_charged_beside_one_that_is_not():
    """25 kWh lie above the floor of 5, 11 are charged before 40 are driven: 4 are missing."""
    cars = device("ev_charger", "near"), device("ev_charger", "far")
    columns = {"far.drive_kwh": [0.0, 40.0], "far.plugged_in": [1.0, 0.0], "near.drive_kwh": [0.0, 3.0]}
    said = reason(hub_of(*cars, columns=columns, steps=2))
    assert said == "ev charger: state of far at 2021-04-15T01:00+02:00: lacks 4 kWh"


def test_a_house_that_cannot_be_kept_warm_is_named_beside_a_heat_pump_of_the_community():
    pump = device("heat_pump", "central")
    house = device("house", "cold", consumption_max_kw=0.5)
    said = reason(hub_of(pump, house, columns={"outdoor.temp_c": -20.0}, steps=3, heat=0.2)).split("; ")
    assert said and all(each.startswith("heat pump: state of cold at 2021-04-15T0") for each in said)
    assert all(": lacks " in each and each.endswith(" K") for each in said)


def test_a_turbine_that_needs_more_than_the_boiler_of_its_member():
    """60 kW at least take 200 kW of heat; the boiler of m1 gives 150, that of m0 has no turbine."""
    assets = [device("boiler", "b0"), device("boiler", "b1", member="m1", heat_max_kw=150.0)]
    assets.append(device("chp", member="m1", generation_min_kw=60.0))
    said = reason(hub_of(*assets, steps=1, heat=0.3))
    assert said.endswith(" of b1 at 2021-04-15T00:00+02:00: short by 50 kW")


def test_a_balance_and_an_envelope_that_both_cannot_hold():
    assets = device("pv"), device("load")
    columns = {"pv": 30.0, "load.heat_kw": 7.0}
    said = reason(with_envelope(*assets, high_kw=-32.0, columns=columns, steps=1)).split("; ")
    assert said == [
        "heat balance at 2021-04-15T00:00+02:00: heat that nobody gives, 7 kW",
        "operating envelope of pv at 2021-04-15T00:00+02:00: above its most by 2 kW",
    ]


def test_a_boiler_that_cannot_slow_down_fast_enough():
    boiler = device("boiler", ramp_kw_per_h=100.0, heat_max_kw=150.0)
    hub = with_start(hub_of(device("boiler", "idle"), boiler, steps=2, heat=0.3), boiler=300.0)
    assert reason(hub) == "boiler: ramp of boiler at 2021-04-15T00:00+02:00: falls too fast by 50 kW"


def test_what_contradicts_itself_is_told_as_that():
    house = device("house", consumption_max_kw=1.0)
    hub = hub_of(house, columns={"outdoor.temp_c": 0.0, "house.water_kw": 2.0}, steps=1)
    assert reason(hub) == "the ratings of house contradict each other"
    hub = hub_of(device("boiler"), device("boiler", "b2", heat_min_kw=400.0), steps=2, heat=0.2)
    assert reason(hub) == "the ratings of b2 contradict each other"


def test_every_law_that_can_break_has_a_unit_and_an_asset():
    """Of a community with two devices of each kind: the second is named by the second row of its law."""
    assets = [device(kind, f"{kind}{k}", member=f"m{k}") for k in range(2) for kind in KINDS]
    mute = device("pv", "a_pv_without_inverter", q_share=np.nan)
    hub = hub_of(mute, *assets, columns={"outdoor.temp_c": 5.0, "demand_response1": 9.0}, steps=3, heat=0.3)
    program = make_program(hub, Settings())
    always_hold = {"import", "heat peak", "reactive power"}
    names = {rows.name for rows in program.model.rows} - always_hold
    assert names | {"operating envelope"} == set(shortfalls.LAWS)
    for rows in program.model.rows:
        if rows.name not in always_hold | {"heat balance"}:
            cell = (1, *(0,) * (rows.expression.constant.ndim - 1))
            line = shortfalls._line(Shortfall(rows.name, cell, 1.0), hub, program)
            kind = rows.name.partition(":")[0].replace(" ", "_")
            kind = "house" if kind == "heat_pump" else kind
            assert f" of {kind}1 at " in line, line
            assert line.endswith((" kW", " kWh", " kvar", " kVA", " K"))
    owed = Shortfall("demand response: returned within the day", (0, 0), 1.0)
    assert "of demand_response0 at 2021-04-15T02:00" in shortfalls._line(owed, hub, program)
