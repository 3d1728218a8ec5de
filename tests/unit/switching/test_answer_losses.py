"""The task ``switching`` for least losses: one topology, what it saves, and the way there, table by table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridcommons as gc
from feeders import branches, buses
from feeders import study as bus_study
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import Load
from gridcommons.model.errors import InfeasibleError, StudyError
from gridcommons.model.grid import FixedInjections, Grid, Sources
from gridcommons.model.switches import Switch
from three_phase import four_bus_drawing

RING = [(0, 1), (1, 2), (0, 3), (3, 4), (2, 4)]
"""b0 the source with two arms of two lines each, and a tie between their ends."""


def ring(kw, *, kvar=0.0, steps=1, closed=(True, True, True, True, False), **given):
    ends = given.pop("ends", RING)
    lines = branches(ends, 0.05 + 0.02j, i_max_ka=given.pop("rated_ka", None))
    lines = replace(lines, from_closed=np.array(closed), to_closed=np.array(closed))
    grid = Grid(buses(5), lines, Sources(("s",), np.zeros(1, int), np.ones(1), np.zeros(1)))
    assets = [Load(asset=f"l{bus}", member=f"b{bus}") for bus in range(1, 5)]
    by_bus = np.broadcast_to(np.array(kw, dtype=float), (steps, 4))
    profiles = {f"l{bus}": by_bus[:, bus - 1] for bus in range(1, 5)}
    profiles |= {f"l{bus}.q_kvar": np.full(steps, kvar) for bus in range(1, 5)}
    limits = voltage_band(grid, *given.pop("band", (0.8, 1.2)))
    return replace(bus_study(grid, assets, profiles, steps=steps, limits=limits), **given)


def losses(study, **task):
    return gc.run(replace(study, tasks={"switching": {"objective": "losses", **task}}), "switching")


def loop_losses_kw(kw, opened):
    """Losses of the ring of arms b1-b2 and b3-b4 with one line open, without voltage drops [kW]."""
    order, names = [1, 2, 4, 3], ["line 0", "line 1", "line 4", "line 3", "line 2"]
    load = [kw[bus - 1] for bus in order]
    cut = names.index(opened)
    flows = [sum(load[k:cut]) for k in range(cut)] + [sum(load[cut : k + 1]) for k in range(cut, 4)]
    return 0.05 / 1e3 * sum(flow**2 for flow in flows)


def test_the_line_that_is_opened_is_the_best_of_all_five():
    rng = np.random.default_rng(4)
    for _ in range(4):
        kw = rng.uniform(1.0, 60.0, 4)
        result = losses(ring(kw))
        each = {name: loop_losses_kw(kw, name) for name in (f"line {k}" for k in range(5))}
        best = min(each, key=each.__getitem__)
        figures = result.summary
        assert figures["open_branches"] == [best]
        assert figures["open_branch_numbers"] == [int(best[-1]) + 1]
        assert figures["losses_kw"] == pytest.approx(each[best], rel=0.1)
        assert figures["losses_before_kw"] == pytest.approx(each["line 4"], rel=0.1)
        assert figures["topologies_evaluated"] == 5 and figures["gap_share"] == 0.0
        assert figures["method"] == "enumeration" and figures["switches"] == 5


HEAVY = (90.0, 60.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def heavy():
    return losses(ring(HEAVY))


def test_saved_and_reached(heavy):
    figures, tables = heavy.summary, heavy.tables
    assert figures["open_branches"] == ["line 1"]
    saved = 1.0 - figures["losses_kw"] / figures["losses_before_kw"]
    assert figures["saved_share"] == pytest.approx(saved) and saved > 0.05
    assert figures["losses_kwh"] == pytest.approx(figures["losses_kw"] * 0.25)
    assert figures["is_radial"] and figures["everyone_served"] and figures["violations"] == 0
    assert figures["operations"] == 2 and figures["operations_end"] == "goal"
    assert figures["operations_reason"] == ""
    operations = tables["operations"]
    assert operations.switch.tolist() == ["line 4", "line 1"] and operations.closes.tolist() == [True, False]
    states = tables["switch_states"]
    closed = {name: part.closed.tolist() for name, part in states.groupby("scenario", observed=True)}
    assert closed == {"before": [True, True, True, True, False], "after": [True, False, True, True, True]}


def test_flows_before_and_after_are_those_of_the_load_flow(heavy):
    tables, figures = heavy.tables, heavy.summary
    by = tables["losses"].set_index("scenario").losses_kw
    assert by["before"] == pytest.approx(figures["losses_before_kw"])
    assert by["after"] == pytest.approx(figures["losses_kw"], rel=1e-6)
    flows = tables["branch_loadings"].set_index(["scenario", "branch"]).p_from_kw
    for scenario, tie in (("before", 0.0), ("after", -60.0)):
        entering = flows[scenario, "line 0"] + flows[scenario, "line 2"]
        assert entering == pytest.approx(sum(HEAVY) + by[scenario], abs=1e-6)
        assert flows[scenario, "line 4"] == pytest.approx(tie, abs=1e-6)
    assert abs(flows["after", "line 1"]) < 1e-9
    volts = tables["bus_voltages"].set_index(["scenario", "bus"]).vm_pu
    assert figures["vm_min_pu"] == pytest.approx(volts["after"].min())
    assert volts["before", "b2"] != pytest.approx(volts["after", "b2"], abs=1e-5)


def test_steps_that_are_alike_count_once_and_weigh_as_often():
    kw = np.array([HEAVY, (1.0, 1.0, 80.0, 50.0), HEAVY, (1.0, 1.0, 80.0, 50.0)])
    once, twice, uneven = (
        losses(ring(kw[rows], steps=len(rows))) for rows in ([0, 1], [0, 1, 2, 3], [0, 1, 2])
    )
    assert twice.summary["losses_kwh"] == pytest.approx(2.0 * once.summary["losses_kwh"])
    assert twice.summary["losses_kw"] == pytest.approx(once.summary["losses_kw"])
    after = uneven.tables["losses"]
    after = after[after.scenario == "after"].losses_kw
    assert len(after) == 3 and uneven.summary["losses_kw"] == pytest.approx(after.mean(), rel=1e-6)
    # Twice as often the heavy side decides.
    assert uneven.summary["open_branches"] == ["line 1"]


def test_reactive_power_loses_too():
    plain, reactive = losses(ring(HEAVY)), losses(ring(HEAVY, kvar=40.0))
    assert reactive.summary["losses_kw"] > 1.2 * plain.summary["losses_kw"]
    after = reactive.tables["losses"]
    assert after[after.scenario == "after"].losses_kw.iloc[0] == pytest.approx(reactive.summary["losses_kw"])


def test_a_search_finds_the_same_and_claims_no_gap(heavy):
    found = losses(ring(HEAVY), method="search").summary
    assert found["method"] == "search" and found["gap_share"] is None
    assert found["open_branches"] == heavy.summary["open_branches"]
    bound = losses(ring(HEAVY), method="search", bound_seconds=5.0).summary
    assert bound["bound_status"] == "proven" and bound["bound_kwh"] <= bound["losses_kwh"] * (1.0 + 1e-6)
    assert "bound_kwh" not in found


def test_named_switches_alone_are_moved():
    study = ring(HEAVY, switches=(Switch("line 0", (0,), True), Switch("line 4", (4,), False)))
    figures = losses(study).summary
    # Line 1, which would be best, is no switch.
    assert figures["switches"] == 2 and figures["open_branches"] in (["line 4"], ["line 0"])
    assert figures["topologies_evaluated"] == 2


def test_without_named_switches_lines_are_moved_and_nothing_else():
    study = ring(HEAVY)
    kinds = ("line", "transformer", "line", "line", "line")
    lines = replace(study.grid.branches, kind=kinds)
    figures = losses(replace(study, grid=replace(study.grid, branches=lines))).summary
    assert figures["switches"] == 4 and "line 1" not in figures["open_branches"]


def test_a_switch_that_does_not_move_stays_where_it_is():
    switches = tuple(Switch(f"line {k}", (k,), k != 4, moves=k != 1) for k in range(5))
    figures = losses(ring(HEAVY, switches=switches)).summary
    assert "line 1" not in figures["open_branches"] and figures["topologies_evaluated"] == 4


def test_who_is_not_served_at_the_start_is_in_no_figure_of_before():
    figures = losses(ring(HEAVY, closed=(True, False, True, True, False))).summary
    assert figures["everyone_served"] and figures["open_branches"] == ["line 1"]
    assert figures["losses_before_kw"] < figures["losses_kw"] and figures["saved_share"] < 0.0
    assert figures["operations"] == 1


def test_a_start_without_load_flow_has_no_figure_and_no_rows():
    """All load at the end of a ring whose other arm is far stronger: only one side can carry it."""
    study = ring((0.0, 2600.0, 0.0, 0.0), band=(0.2, 1.5))
    lines = study.grid.branches
    r, x = (np.array(part) for part in (lines.r_pu, lines.x_pu))
    r[2:], x[2:] = 0.001, 0.001
    r[:2], x[:2] = 0.2, 0.2
    study = replace(study, grid=replace(study.grid, branches=replace(lines, r_pu=r, x_pu=x)))
    result = losses(study)
    assert result.summary["losses_before_kw"] is None and result.summary["saved_share"] is None
    assert set(result.tables["losses"].scenario) == {"after"}
    assert set(result.tables["switch_states"].scenario) == {"before", "after"}


def test_limits_are_reported_or_held():
    """The best topology overloads line 4, which is rated for less than 60 kW."""
    rated_ka = np.array([np.inf, np.inf, np.inf, np.inf, 0.07])
    study = ring(HEAVY, rated_ka=rated_ka)
    reported = losses(study)
    broken = reported.tables["violations"]
    assert reported.summary["open_branches"] == ["line 1"]
    assert reported.summary["violations"] == len(broken) == 1
    row = broken.iloc[0]
    assert (row.element, row.kind, row.limit) == ("line 4", "loading_max_percent", 100.0)
    assert row.value == pytest.approx(0.1 * 60.0 / (np.sqrt(3) * 0.4 * 0.07), rel=0.05)
    assert row.excess == pytest.approx(row.value - row.limit)
    held = losses(study, limits="hold")
    assert held.summary["open_branches"] != ["line 1"] and held.summary["violations"] == 0
    assert held.summary["losses_kw"] > reported.summary["losses_kw"]
    assert reported.summary["operations_end"] != "goal" and reported.summary["operations_reason"]
    with pytest.raises(InfeasibleError, match="vm_min_pu|line|b2"):
        losses(ring(HEAVY, band=(0.9999, 1.2)), limits="hold")


def test_a_violation_has_the_time_of_its_interval():
    rated_ka = np.array([np.inf, np.inf, np.inf, np.inf, 0.07])
    kw = np.array([(3.0, 9.0, 0.1, 0.1), HEAVY])
    broken = losses(ring(kw, steps=2, rated_ka=rated_ka)).tables["violations"]
    assert broken.time.dt.strftime("%H:%M").tolist() == ["00:15"]
    # Operations are judged under the heaviest interval, whichever that is.
    for rows in ([0, 1], [1, 0]):
        assert losses(ring(kw[rows], steps=2, rated_ka=rated_ka)).summary["operations_end"] != "goal"


def test_the_grid_files_own_loads_count():
    fixed = FixedInjections(("f",), np.array([2]), np.array([60.0]), np.zeros(1))
    study = ring((90.0, 0.0, 1.0, 1.0))
    study = replace(study, grid=replace(study.grid, fixed=fixed))
    figures = losses(study).summary
    assert figures["open_branches"] == ["line 1"]
    assert figures["losses_kw"] == pytest.approx(losses(ring(HEAVY)).summary["losses_kw"])


def test_of_a_three_phase_grid_least_losses_are_refused():
    study = replace(ring(HEAVY), grid=four_bus_drawing().grid())
    with pytest.raises(StudyError, match="losses of a three-phase grid") as raised:
        losses(study)
    assert (raised.value.problems[0].file, raised.value.problems[0].table) == (
        "study.toml",
        "tasks.switching",
    )
