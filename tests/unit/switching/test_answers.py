"""The task ``switching``: its answers between clusters and for least losses, table by table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridcommons as gc
from communities import community_study
from feeders import branches, buses
from feeders import study as bus_study
from gridcommons.known_answers import voltage_band
from gridcommons.model.assets import Load
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import InfeasibleError, StudyError
from gridcommons.model.grid import FixedInjections, Grid, Sources
from gridcommons.model.switches import Switch
from gridcommons.model.tariffs import Prices
from gridcommons.switching.settings import Settings
from gridcommons.tasks import read_settings
from three_phase import four_bus_drawing

CONSUMPTION = np.array([[10.0, 20.0, 60.0], [40.0, 5.0, 0.0], [0.0, 30.0, 10.0]])
GENERATION = np.array([[45.0, 0.0, 5.0], [0.0, 70.0, 10.0], [0.0, 0.0, 50.0]])
SURPLUS = GENERATION - CONSUMPTION


def clustered(**given):
    return community_study(CONSUMPTION, GENERATION, step_minutes=30, **given)


def with_task(study, **task):
    return replace(study, tasks={"switching": task})


def run(study, **task):
    return gc.run(with_task(study, **task), "switching")


@pytest.fixture(scope="module")
def joined():
    return run(clustered(), objective="exchange", method="heuristic")


def test_together_all_exchange_what_they_have_too_much_or_lack(joined):
    figures = joined.summary
    total = SURPLUS.sum(axis=1)
    assert total.tolist() == [-40.0, 35.0, 10.0]
    assert figures["planned_fed_in_kwh"] == figures["best_fed_in_kwh"] == pytest.approx(45.0 / 2)
    assert figures["gap_share"] == 0.0
    losses = joined.tables["grid_exchange"]
    losses = losses[losses.scenario == "after"].losses_kwh.to_numpy()
    assert figures["fed_in_kwh"] == pytest.approx(45.0 / 2 - losses[1:].sum(), abs=1e-6)
    assert figures["absorbed_kwh"] == pytest.approx(40.0 / 2 + losses[0], abs=1e-6)
    assert figures["unserved_kwh"] == figures["curtailed_kwh"] == 0.0


def test_before_is_the_grid_as_the_study_has_it(joined):
    """Everything closed at the start: what one connection feeds in the other draws."""
    exchange, figures = joined.tables["grid_exchange"], joined.summary
    before = exchange[exchange.scenario == "before"]
    after = exchange[exchange.scenario == "after"]
    for part, suffix in ((before, "_before"), (after, "")):
        assert part.fed_in_kwh.sum() == pytest.approx(figures[f"fed_in{suffix}_kwh"])
        assert part.absorbed_kwh.sum() == pytest.approx(figures[f"absorbed{suffix}_kwh"])
        assert part.losses_kwh.mean() == pytest.approx(figures[f"losses{suffix}_kw"] / 2)
        balance = part.absorbed_kwh - part.fed_in_kwh - part.losses_kwh
        np.testing.assert_allclose(balance, -SURPLUS.sum(axis=1) / 2, atol=1e-7)
    assert figures["fed_in_before_kwh"] > figures["fed_in_kwh"] + 1.0


def test_flows_are_those_of_the_positions_after(joined):
    flows = joined.tables["switch_flows"]
    assert set(flows.scenario) == {"after"}
    at_pcc = flows[flows.kind == "pcc"].groupby("time").p_kw.sum().to_numpy()
    exchange = joined.tables["grid_exchange"]
    after = exchange[exchange.scenario == "after"]
    np.testing.assert_allclose(at_pcc / 2, after.absorbed_kwh - after.fed_in_kwh, atol=1e-9)
    assert set(flows[flows.kind == "pcc"].to_cluster) == {"A", "C"} and set(
        flows[flows.kind == "pcc"].from_cluster
    ) == {""}
    # Positive from the first cluster to the second: what flows into B is what it lacks.
    into = np.zeros(3)
    for name in ("A-B", "B-C"):
        mine = flows[flows.switch == name]
        into += mine.p_kw.to_numpy() * np.where(mine.to_cluster == "B", 1.0, -1.0)
    np.testing.assert_allclose(into, -SURPLUS[:, 1], atol=0.5)


def test_states_and_operations_tell_one_story(joined):
    states, operations = joined.tables["switch_states"], joined.tables["operations"]
    now = {switch.name: switch.closed for switch in clustered().switches}
    for time, rows in states.groupby("time", sort=True):
        mine = operations[operations.time == time]
        assert mine.operation.tolist() == list(range(len(mine)))
        for row in mine.itertuples():
            assert now[row.switch] != row.closes
            now[row.switch] = bool(row.closes)
        assert now == dict(zip(rows.switch, rows.closed.astype(bool), strict=True))
    figures = joined.summary
    assert len(operations) == figures["operations"] > 0
    assert figures["topology_changes"] == operations.time.nunique()
    assert figures["open_branches"] == sorted(name for name, closed in now.items() if not closed)
    assert states.time.min() == joined.tables["grid_exchange"].time.min()


def test_operations_cost_what_their_switches_cost():
    # Without prices everything pays.
    figures = run(replace(clustered(cost=3.0), prices=None), objective="exchange", method="optimal").summary
    assert figures["operations"] > 0 and figures["operation_cost_amount"] == 3.0 * figures["operations"]


def apart(**given):
    """One interval in which A has 10 kW too much and C lacks 50, the link B-C open: moving saves 20 kW."""
    study = community_study(
        np.array([[0.0, 0.0, 50.0]]), np.array([[10.0, 0.0, 0.0]]), step_minutes=60, **given
    )
    switches = tuple(replace(each, closed=each.name != "B-C") for each in study.switches)
    return replace(study, switches=switches)


def prices(buy, sell, fee=np.nan):
    return Prices(*(np.array([value]) for value in (buy, sell, fee, np.nan)))


@pytest.mark.parametrize(
    ("given", "moves"),
    [
        # 20 kW over a quarter of an hour at 0.2 are worth 1.00; two operations of 0.5 cost as much.
        ((prices(0.3, 0.1), 0.5, 15.0), False),
        ((prices(0.3, 0.1), 0.5, 15.1), True),
        ((prices(0.3, 0.1), 0.49, 15.0), True),
        ((prices(0.3, 0.1, 0.01), 0.5, 15.0), True),
        ((prices(0.3, 0.12), 0.5, 15.0), False),
        ((prices(0.1, 0.3), 0.5, 15.0), False),
        ((prices(0.3, np.nan), 0.5, 15.0), True),
        ((None, 0.5, 15.0), True),
        ((None, 0.0, 0.0), False),
    ],
)
def test_a_change_must_pay_within_its_time(given, moves):
    price, cost, minutes = given
    study = replace(apart(cost=cost), prices=price)
    figures = run(study, objective="exchange", method="optimal", worth_minutes=minutes).summary
    assert figures["operations"] == (2 if moves else 0)
    assert figures["planned_fed_in_kwh"] == (0.0 if moves else 10.0)
    # The best topology is the best whatever moving costs.
    assert figures["best_fed_in_kwh"] == 0.0
    assert figures["gap_share"] == (0.0 if moves else None)


def test_the_gap_is_the_share_of_what_the_best_feeds_in():
    """12 kW are fed in where 2 must be: C draws 10 of them at its own connection."""
    study = community_study(
        np.array([[0.0, 0.0, 10.0]]), np.array([[12.0, 0.0, 0.0]]), step_minutes=60, cost=9.0
    )
    switches = tuple(replace(each, closed=each.name != "B-C") for each in study.switches)
    result = run(replace(study, switches=switches), objective="exchange", method="optimal")
    gap = result.tables["switching_gap"]
    assert gap.planned_fed_in_kw.tolist() == [12.0] and gap.best_fed_in_kw.tolist() == [2.0]
    assert result.summary["gap_share"] == pytest.approx(5.0)


def test_positions_are_planned_for_what_envelopes_leave():
    """The roof of A is held to 5 kW: nothing can be fed in, as the load flow says, too."""
    study = replace(apart(), envelopes=Envelopes(("pv_A",), np.array([[-4.0]]), np.zeros((1, 1))))
    switches = tuple(replace(each, moves=False) for each in study.switches)
    figures = run(replace(study, switches=switches), objective="exchange", method="heuristic").summary
    assert figures["planned_fed_in_kwh"] == pytest.approx(4.0)
    assert figures["fed_in_kwh"] == pytest.approx(4.0, rel=0.01)


def test_in_parallel_where_it_is_allowed():
    study = apart(link_capacity_kw=4.0)
    held = run(study, objective="exchange", method="optimal")
    allowed = run(study, objective="exchange", method="optimal", parallel_allowed=True)
    assert held.summary["planned_fed_in_kwh"] == 10.0 and allowed.summary["planned_fed_in_kwh"] == 6.0
    # In the load flow more than 4 kW would take that way, so that it is planned and then not done.
    assert allowed.summary["open_branches"] == ["B-C"] and "capacity_kw" in allowed.summary["notes"][0]


def test_a_switch_that_does_not_move_stays_and_is_named():
    study = apart()
    switches = tuple(replace(each, moves=each.name != "B-C") for each in study.switches)
    figures = run(replace(study, switches=switches), objective="exchange", method="heuristic").summary
    assert figures["open_branches"] == ["B-C"] and any("B-C" in note for note in figures["notes"])


def test_without_any_connection_everybody_goes_unserved():
    study = clustered(moves=False, closed=False)
    figures = run(study, objective="injection", method="heuristic").summary
    assert figures["unserved_kwh"] == pytest.approx(CONSUMPTION.sum() / 2)
    assert figures["curtailed_kwh"] == pytest.approx(GENERATION.sum() / 2)
    assert figures["fed_in_kwh"] == figures["absorbed_kwh"] == 0.0
    assert figures["gap_share"] == 0.0 and figures["notes"]


# Least losses.


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
    return run(study, objective="losses", **task)


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


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"objective": "losses", "method": "heuristic"}, "optimal, enumeration, search"),
        ({"objective": "exchange", "method": "enumeration"}, "optimal, heuristic"),
        ({"objective": "injection", "method": "search"}, "optimal, heuristic"),
        ({"bound_seconds": -1.0}, "below 0"),
        ({"worth_minutes": -1.0}, "below 0"),
        ({"objective": "loss"}, "losses"),
        ({"limits": "keep"}, "hold"),
    ],
)
def test_settings_that_ask_for_what_there_is_not_are_refused(table, said):
    with pytest.raises(StudyError, match=said):
        read_settings(Settings, table, "switching")
