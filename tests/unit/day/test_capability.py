"""The task as a whole: any selection of instruments is a day, and the same day is the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from day_study import EXACT, day_of, day_study, field_of
from dense_load_flow import solve
from gridcommons.day.timeline import Stages, run_alone
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import FixedInjections
from gridcommons.tasks import run

USED = ("tariff", "market", "control", "envelopes", "trading")


@pytest.mark.parametrize("left_out", [(), *((name,) for name in USED), USED])
def test_a_day_without_any_of_its_instruments_is_a_day_and_the_same_one_twice(left_out):
    study = day_study(without=list(left_out))
    one, two = (run(study, "day") for _ in range(2))
    assert one.summary == two.summary and list(one.tables) == list(two.tables)
    for name, table in one.tables.items():
        assert table.equals(two.tables[name])
    assert one.summary["instruments"] == [name for name in USED if name not in left_out]
    assert one.summary["postings_sum"] == 0.0
    assert ("day_envelopes" in one.tables) == ("envelopes" not in left_out)
    sold = set(one.tables["commitments"]["stage"]) if "commitments" in one.tables else set()
    assert sold == {"market", "trading"} - set(left_out)


def test_instruments_mend_what_nobody_planning_breaks():
    """On a known day: the feeder is overloaded alone and as everybody plans by price, and held in the end."""
    summary = run(day_study(**EXACT), "day").summary
    assert summary["broken_alone"] > 0 and summary["broken_baseline"] > 0 and summary["broken"] == 0
    assert summary["worst_loading_percent"] <= 98.0 + 1e-3
    assert summary["missing_kwh"] < 1.0


def test_a_whole_day_of_quarter_hours_is_as_fast_as_it_is_long():
    """96 intervals; the energy of the day is near that of its hours."""
    quarter, hour = (
        run(day_study(steps=steps, minutes=minutes, **EXACT), "day").tables["statements"]
        for steps, minutes in ((96, 15), (24, 60))
    )
    assert len(quarter) == len(hour) == 8
    assert quarter["withdrawn_kwh"].sum() == pytest.approx(hour["withdrawn_kwh"].sum(), rel=0.25)


def test_voltages_are_those_of_another_load_flow():
    """The realised powers by kind and the dense load flow of the tests give the same voltages."""
    study = day_study(homes=1)
    result = run(study, "day")
    power = result.tables["day_power"]
    power = power[power["scenario"] == "realised"].pivot(index="time", columns="kind", values="p_kw")
    vm_pu = result.tables["bus_voltages"].query("scenario == 'realised' and bus == 'b5'")["vm_pu"]
    tan = np.sqrt(1.0 / 0.97**2 - 1.0)
    names, buses = tuple("abcdef"), np.arange(6)
    for step in (0, 7, 19):
        p_kw, q_kvar = np.zeros((2, 6))
        p_kw[1], q_kvar[1] = power.iloc[step].sum(), tan * power["load"].iloc[step]
        v = solve(replace(study.grid, fixed=FixedInjections(names, buses, p_kw, q_kvar)))
        assert vm_pu.iloc[step] == pytest.approx(np.abs(v[5]), abs=1e-7)


def test_each_scenario_has_the_load_flow_of_its_powers():
    study = day_study()
    field = field_of(study)
    day, alone = day_of(field), run_alone(Stages(field))
    table = run(study, "day").tables["bus_voltages"]
    for scenario, p_kw, q_kvar in (
        ("alone", alone.p_kw, alone.q_kvar),
        ("baseline", day.baseline.plan_kw, day.baseline.plan_kvar),
        ("planned", day.final.plan_kw, day.final.plan_kvar),
        ("realised", day.done.p_kw, day.done.q_kvar),
    ):
        vm_pu = table["vm_pu"][table["scenario"] == scenario].to_numpy()
        assert np.array_equal(vm_pu, field.flow(p_kw, q_kvar).vm_pu.ravel())
        assert np.abs(q_kvar).max() > 0.1


def test_the_table_of_worth_has_each_day():
    result = run(day_study(worth=["envelopes", "trading"]), "day")
    worth = result.tables["worth"].set_index("day")
    assert list(worth.index) == [
        "none",
        "envelopes alone",
        "trading alone",
        "all but envelopes",
        "all but trading",
        "all",
    ]
    assert worth.loc["all", "members_pay"] == pytest.approx(result.summary["cost"])
    assert worth.loc["all", "worst_loading_percent"] == result.summary["worst_loading_percent"]
    assert worth.loc["all but envelopes", "broken"] > worth.loc["all", "broken"]
    # What is traded moves money between members and their suppliers, and no kWh.
    assert worth.loc["all but trading", "worst_loading_percent"] == worth.loc["all", "worst_loading_percent"]


def test_gates_that_are_none_are_a_problem_of_the_study():
    with pytest.raises(StudyError, match="lunch"):
        run(day_study(gates={"lunch": "12:00"}), "day")
    with pytest.raises(StudyError, match=r"sharing_key"):
        run(day_study(sharing_key="fair"), "day")
