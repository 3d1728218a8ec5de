"""Trading and switching as a user runs them, and what the command line says of bad input."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import gridcommons as gc
from command_line import gridcommons
from gridcommons.known_answers import BARAN_WU_FILE

T1, T2 = "2022-06-15T10:00:00Z", "2022-06-15T11:00:00Z"


@pytest.fixture
def study(examples, tmp_path):
    return shutil.copytree(examples / "two_clusters", tmp_path / "study")


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new))


def run(study, task, **said):
    out = study.parent / f"out_{task}"
    told = gridcommons("run", study, "--task", task, "--out", out, **said)
    return told if said.get("code") else gc.read_result(out)


def refused(study, task):
    """What is said of a study that cannot be run; nothing is left behind."""
    told = run(study, task, code=2)
    assert not (study.parent / f"out_{task}" / "summary.json").exists()
    assert "Traceback" not in told
    return " ".join(told.split())


def of(frame, scenario):
    return frame[frame.scenario == scenario]


def test_a_day_of_trading_by_hand(study):
    """The four figures of every hour: +10 and −50 kW, then +50 and −60 kW over a link for 30 kW."""
    (study / "switches.csv").write_text(
        "branch,capacity_kw,operation_cost\nPCC A,,0.1\nPCC B,,0.2\nlink,30,0.4\n"
    )
    edit(study / "study.toml", "threshold = 60", 'threshold = 60\nlimit_prices = "band"')
    result = run(study, "trading")
    figures, tables = result.summary, result.tables
    scenarios = figures["scenarios"]
    assert scenarios["members"]["fed_in_kwh"] == pytest.approx(20 + 60 + 10 + 15)
    assert scenarios["members"]["bill_amount"] == pytest.approx(0.26 * 155 - 0.06 * 105)
    assert scenarios["clusters"]["fed_in_kwh"] == pytest.approx(60.0, abs=0.1)
    assert scenarios["switched"]["absorbed_kwh"] == pytest.approx(40 + 35, abs=0.5)
    assert figures["conservation_kwh"] < 1e-6 and figures["gap_share"] == pytest.approx(0.0)
    trades = of(tables["trades"], "switched")
    # Every trade half way between 0.06 and 0.26.
    np.testing.assert_allclose(trades.price_per_kwh, 0.16)
    rows = zip(trades.buyer, trades.seller, trades.tier, trades.energy_kwh.round(9), strict=True)
    assert sorted(rows) == [
        ("home", "roof", "cluster", 10.0),
        ("home", "roof", "cluster", 10.0),
        ("shop", "roof", "community", 10.0),
        ("shop", "roof", "community", 50.0),
        ("shop", "workshop", "cluster", 10.0),
        ("shop", "workshop", "cluster", 15.0),
    ]
    operations = tables["operations"]
    assert list(zip(operations.switch, operations.closes, strict=True)) == [
        ("link", True),
        ("PCC A", False),
        ("PCC A", True),
    ]
    assert figures["operation_cost_amount"] == pytest.approx(0.4 + 0.1 + 0.1)
    told = tables["expected_exchange"]
    assert told.p_kw.tolist() == pytest.approx([0.0, 40.0, -20.0, 30.0])
    bills = of(tables["bills"], "switched").set_index("member").bill_amount
    exchange = of(tables["grid_exchange"], "switched")
    paid = 0.26 * exchange.absorbed_kwh.sum() - 0.06 * exchange.fed_in_kwh.sum()
    assert bills.sum() == pytest.approx(paid, abs=1e-9)
    report = (study.parent / "out_trading" / "report.html").read_text()
    assert "Two clusters and one link" in report


def test_switching_of_the_same_study_finds_the_same_positions(study):
    result = run(study, "switching")
    figures = result.summary
    assert figures["operations"] == 3 and figures["topology_changes"] == 2
    assert figures["planned_fed_in_kwh"] == figures["best_fed_in_kwh"] == 20.0
    flows = result.tables["switch_flows"].set_index(["time", "switch"]).p_kw
    assert flows[T1, "link"] == pytest.approx(10.0, abs=1e-6) and flows[T1, "PCC A"] == pytest.approx(0.0)
    assert flows[T2, "link"] == pytest.approx(25.4, abs=0.05)
    states = result.tables["switch_states"].set_index(["time", "switch"]).closed
    assert [bool(states[T1, name]) for name in ("PCC A", "PCC B", "link")] == [False, True, True]


@pytest.mark.slow
def test_the_33_bus_feeder_is_opened_where_it_is_known_to_lose_least(tmp_path):
    study = tmp_path / "study"
    gridcommons("new", study, "--matpower", BARAN_WU_FILE)
    with (study / "study.toml").open("a") as file:
        file.write('\n[tasks.switching]\nobjective = "losses"\n')
    figures = run(study, "switching").summary
    assert figures["losses_before_kw"] == pytest.approx(202.677, abs=5e-4)
    assert figures["losses_kw"] == pytest.approx(139.551, abs=5e-4)
    assert figures["open_branch_numbers"] == [7, 9, 14, 32, 37]
    assert figures["topologies_evaluated"] == 50_751 and figures["gap_share"] == 0.0
    assert figures["is_radial"] and figures["everyone_served"] and figures["operations_end"] == "goal"
    edit(study / "study.toml", 'objective = "losses"', 'objective = "losses"\nlimits = "hold"')
    told = refused_infeasible(study)
    assert "vm_min_pu of bus 32 is 0.94" in told and "its limit is 0.95" in told


def refused_infeasible(study):
    told = gridcommons("run", study, "--task", "switching", "--out", study.parent / "none", code=3)
    assert "Traceback" not in told
    return " ".join(told.split())


def test_a_three_phase_grid_has_no_least_losses(examples, tmp_path):
    study = shutil.copytree(examples / "ieee123_weekday", tmp_path / "study")
    text = (study / "study.toml").read_text()
    head, _, _ = text.partition("[tasks.switching]")
    (study / "study.toml").write_text(head + '\n[tasks.switching]\nobjective = "losses"\n')
    assert "losses of a three-phase grid, expected a balanced grid" in refused(study, "switching")


def test_a_switch_that_does_not_move_is_named_and_costs_what_it_costs(study):
    (study / "switches.csv").write_text("branch,capacity_kw,moves\nPCC A,,\nPCC B,,\nlink,30,false\n")
    result = run(study, "trading")
    assert any("link" in note for note in result.summary["notes"])
    scenarios = result.summary["scenarios"]
    assert scenarios["switched"]["fed_in_kwh"] == pytest.approx(scenarios["clusters"]["fed_in_kwh"])
    assert result.summary["operations"] == 0


def test_all_connections_lost_is_told_and_nothing_flows(study):
    grid = json.loads((study / "grid.json").read_text())
    grid["branches"] |= {"from_closed": [False] * 3, "to_closed": [False] * 3}
    (study / "grid.json").write_text(json.dumps(grid))
    (study / "switches.csv").write_text("branch,moves\nPCC A,false\nPCC B,false\nlink,true\n")
    figures = run(study, "trading").summary
    switched = figures["scenarios"]["switched"]
    assert switched["fed_in_kwh"] == switched["absorbed_kwh"] == switched["losses_kwh"] == 0.0
    assert switched["unserved_kwh"] == pytest.approx(155.0)
    assert switched["curtailed_kwh"] == pytest.approx(105.0)
    assert any("main grid" in note for note in figures["notes"]) and figures["conservation_kwh"] < 1e-6


def test_a_link_without_capacity_is_never_closed(study):
    edit(study / "switches.csv", "link,30", "link,0")
    result = run(study, "switching")
    states = result.tables["switch_states"]
    assert not states[states.switch == "link"].closed.any()
    assert any("link" in note for note in result.summary["notes"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("branch\nPCC A\nPCC B\nlinc\n", "switches.csv row 4, column branch: found 'linc'"),
        ("branch\nPCC A\nPCC B\nlink\nlink\n", "'link' again, expected unique names; row 4 has it first"),
        ("branch,capacity\nlink,3\n", "an unknown column"),
    ],
)
def test_switches_that_are_none_are_told_with_their_place(study, text, said):
    (study / "switches.csv").write_text(text)
    assert said in refused(study, "trading")


def test_members_without_cluster_and_prices_are_told_together(study):
    (study / "prices.csv").unlink()
    edit(study / "members.csv", "home,A,A", "home,A,")
    told = refused(study, "trading")
    assert "1 members without a cluster (home)" in told and "prices.csv: found no such file" in told


def test_settings_that_there_are_not_are_told_with_what_there_is(study):
    edit(study / "study.toml", "threshold = 60", 'threshold = 60\nmechanism = "merit"')
    assert "merit_order" in refused(study, "trading")
    edit(study / "study.toml", 'method = "heuristic"', 'method = "search"')
    assert "optimal, heuristic" in refused(study, "switching")


def test_late_decisions_of_a_short_window_trade_nothing(study):
    edit(study / "study.toml", "delay_mean_s = 0", "delay_mean_s = 7200")
    result = run(study, "trading")
    assert result.summary["scenarios"]["switched"]["traded_kwh"] == 0.0
    assert result.summary["conservation_kwh"] < 1e-6
