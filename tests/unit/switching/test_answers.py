"""The task ``switching``: its answers between clusters, table by table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridcommons as gc
from communities import community_study
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import StudyError
from gridcommons.model.limits import Limits
from gridcommons.model.tariffs import Prices
from gridcommons.switching.settings import Settings
from gridcommons.tasks import read_settings

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
        ((prices(0.1, 0.3), 0.4, 15.0), False),
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


def test_prices_are_those_of_the_interval():
    """The same balances twice; only at the second price does it pay to move."""
    study = community_study(
        np.array([[0.0, 0.0, 50.0]] * 2), np.array([[10.0, 0.0, 0.0]] * 2), step_minutes=60, cost=0.5
    )
    blank = np.full(2, np.nan)
    study = replace(
        study,
        switches=tuple(replace(each, closed=each.name != "B-C") for each in study.switches),
        prices=Prices(np.array([0.3, 0.4]), np.array([0.1, 0.1]), blank, blank),
    )
    result = run(study, objective="exchange", method="optimal")
    assert result.tables["switching_gap"].planned_fed_in_kw.tolist() == [10.0, 0.0]
    states = result.tables["switch_states"]
    assert states.time.dt.strftime("%H:%M").tolist() == ["00:00"] * 4 + ["01:00"] * 4
    assert not dict(zip(states.switch[:4], states.closed[:4], strict=True))["B-C"]


def test_operations_hold_the_limits_of_their_interval_under_its_loads():
    """In the second interval C needs 60 kW, and over the link it would fall below its limit of then."""
    study = community_study(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 60.0]]), np.zeros((2, 3)), pccs=("A",))
    switches = tuple(replace(each, closed=each.name != "B-C") for each in study.switches)
    wide = study.limits
    limits = Limits(*(np.repeat(getattr(wide, name), 2, axis=0) for name in wide.__dataclass_fields__))
    limits.vm_min_pu[1] = 0.9975
    free = run(replace(study, switches=switches), objective="exchange", method="optimal").summary
    assert free["open_branches"] == [] and free["operations"] == 1 and free["unserved_kwh"] == 0.0
    held = run(
        replace(study, switches=switches, limits=limits), objective="exchange", method="optimal"
    ).summary
    assert held["open_branches"] == ["B-C"] and "vm_min_pu" in held["notes"][0]
    assert held["unserved_kwh"] == 15.0


def test_two_clusters_by_hand(examples):
    """The source's two cases: A's connection open, then both closed with the link between them."""
    study = gc.load_study(examples / "two_clusters")
    result = gc.run(study, "switching")
    assert result.summary["open_branches"] == [] and result.summary["operations"] == 3
    exchange = result.tables["grid_exchange"]
    first, second = (part.time.tolist() for _, part in exchange.groupby("scenario", observed=True))
    assert first == second and first[0] < first[1]
    flows = result.tables["switch_flows"]
    link = flows[flows.switch == "link"]
    assert set(zip(link.from_cluster, link.to_cluster, strict=True)) == {("A", "B")}


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
    # What is planned is that of the positions that are reached.
    assert held.summary["planned_fed_in_kwh"] == 10.0 and allowed.summary["planned_fed_in_kwh"] == 10.0
    assert held.summary["best_fed_in_kwh"] == 10.0 and allowed.summary["best_fed_in_kwh"] == 6.0
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
