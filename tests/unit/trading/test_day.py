"""The day of trading: laws of its scenarios, contracts, money and switches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridcommons as gc
from communities import community_study
from gridcommons.model.clusters import ClusterGraph, Link, Pcc
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import GridcommonsError, StudyError
from gridcommons.model.orders import StandingOrder
from gridcommons.ports import Engines
from gridcommons.tasks import read_settings
from gridcommons.trading.community_day import make_community_day
from gridcommons.trading.scenarios import all_joined, clusters_alone
from gridcommons.trading.settings import SCENARIOS, Settings

STEPS = 8


def drawn(seed: int = 5, **task):
    rng = np.random.default_rng(seed)
    consumption = rng.uniform(5.0, 60.0, (STEPS, 3))
    generation = rng.uniform(0.0, 80.0, (STEPS, 3)) * (rng.random((STEPS, 3)) < 0.7)
    given = {"threshold": 15, "delay_mean_s": 0.0, "delay_sd_s": 0.0} | task
    return community_study(consumption, generation, **given)


@pytest.fixture(scope="module")
def result():
    return gc.run(drawn(), "trading")


def of(frame, scenario):
    return frame[frame.scenario == scenario]


def test_each_step_towards_switching_feeds_in_and_exchanges_less(result):
    figures = [result.summary["scenarios"][name] for name in SCENARIOS]
    fed_in, exchange = ([each[key] for each in figures] for key in ("fed_in_kwh", "exchange_kwh"))
    assert fed_in == sorted(fed_in, reverse=True) and exchange == sorted(exchange, reverse=True)
    assert fed_in[0] > 1.2 * fed_in[1] and fed_in[2] > fed_in[3] > 0.0


def test_what_comes_in_less_what_goes_out_and_is_lost_is_the_same_in_all_scenarios(result):
    drawn_kwh = result.summary["consumption_kwh"] - result.summary["generation_kwh"]
    for name in SCENARIOS:
        one = of(result.tables["grid_exchange"], name)
        balance = one.absorbed_kwh.sum() - one.fed_in_kwh.sum() - one.losses_kwh.sum()
        assert balance == pytest.approx(drawn_kwh, abs=1e-6)
    assert result.summary["conservation_kwh"] < 1e-6


def test_switched_exchange_is_the_balance_of_all_members(result):
    """With links of ample capacity one group is left: what one has too much of, another uses."""
    study = drawn()
    day = make_community_day(study, "band")
    surplus = np.maximum(day.balance_kw.sum(axis=1), 0.0).sum() / 60
    fed_in = result.summary["scenarios"]["switched"]["fed_in_kwh"]
    assert fed_in <= surplus and fed_in == pytest.approx(surplus, rel=0.03)
    assert result.summary["gap_share"] == pytest.approx(0.0, abs=1e-9)


def test_bills_add_up_to_what_the_main_grid_gets(result):
    exchange, bills = result.tables["grid_exchange"], result.tables["bills"]
    for name in SCENARIOS:
        one = of(exchange, name)
        paid = (one.absorbed_kwh * 0.30 - one.fed_in_kwh * 0.10).sum()
        mine = of(bills, name)
        if name == "switched":
            assert paid == pytest.approx(mine.bill_amount.sum(), abs=1e-9)
        parts = mine.trades_amount + mine.grid_amount + mine.shared_amount
        np.testing.assert_allclose(parts, mine.bill_amount, atol=1e-12)
        assert mine.trades_amount.sum() == pytest.approx(0.0, abs=1e-9)


def test_joined_connections_are_billed_each_by_its_own_meter(result):
    """In scenario 3 one connection feeds in while the other draws: no meter nets the two."""
    flows = of(result.tables["switch_flows"], "joined")
    at_pcc = flows[flows.kind == "pcc"].p_kw
    paid = (at_pcc.clip(lower=0) * 0.30 + at_pcc.clip(upper=0) * 0.10).sum() / 60
    assert of(result.tables["bills"], "joined").bill_amount.sum() == pytest.approx(paid, abs=1e-9)


def test_trades_of_a_member_are_its_share_of_the_bill(result):
    trades, bills = of(result.tables["trades"], "switched"), of(result.tables["bills"], "switched")
    amount = trades.energy_kwh * trades.price_per_kwh
    for row in bills.itertuples():
        own = amount[trades.buyer == row.member].sum() - amount[trades.seller == row.member].sum()
        assert row.trades_amount == pytest.approx(own, abs=1e-9)
        assert row.bought_kwh == pytest.approx(trades.energy_kwh[trades.buyer == row.member].sum(), abs=1e-9)
        assert row.sold_kwh == pytest.approx(trades.energy_kwh[trades.seller == row.member].sum(), abs=1e-9)


def test_nobody_pays_more_for_trades_and_rest_than_alone(result):
    """A trade lies inside the band; only the shared difference can add to it."""
    alone, together = (of(result.tables["bills"], name) for name in ("members", "switched"))
    own = together.trades_amount.to_numpy() + together.grid_amount.to_numpy()
    assert (own <= alone.bill_amount.to_numpy() + 1e-9).all()
    assert own.sum() < alone.bill_amount.sum() - 0.1


def test_trades_run_from_round_to_round_and_carry_what_was_cleared(result):
    trades, rounds = of(result.tables["trades"], "switched"), result.tables["rounds"]
    assert (trades.minutes == 15).all()
    assert set(trades["round"]) <= set(rounds["round"])
    day = make_community_day(drawn(), "band")
    surplus, deficit = (np.maximum(sign * day.p_kw, 0.0).sum(axis=1) for sign in (-1.0, 1.0))
    assert trades.energy_kwh.sum() == pytest.approx(np.minimum(surplus, deficit).sum() / 60, rel=1e-9)


def test_late_decisions_leave_the_old_trades_and_positions_in_force():
    late = gc.run(drawn(delay_mean_s=5 * 60.0), "trading")
    rounds = late.tables["rounds"]
    assert ((rounds.effect_time - rounds.time).dt.total_seconds() == 300.0).all()
    trades = of(late.tables["trades"], "switched")
    first = trades.time.min()
    assert (first - rounds.time.min()).total_seconds() == 300.0
    states = late.tables["switch_states"]
    assert set(of(states, "switched").time) - {rounds.time.min()} <= set(rounds.effect_time)
    prompt = gc.run(drawn(), "trading").summary["scenarios"]["switched"]["fed_in_kwh"]
    assert late.summary["scenarios"]["switched"]["fed_in_kwh"] > prompt


def test_positions_between_changes_stand_still_and_flows_follow_them(result):
    flows, states = (of(result.tables[name], "switched") for name in ("switch_flows", "switch_states"))
    for name in states.switch.unique():
        mine = states[states.switch == name].set_index("time").closed
        power = flows[flows.switch == name].set_index("time").p_kw
        closed = mine.reindex(power.index, method="ffill")
        assert (power[~closed.astype(bool)].abs() < 1e-7).all()
    assert (flows[flows.kind == "pcc"].p_kw.abs() > 1.0).any()


def test_the_grid_operator_is_told_what_then_comes_but_for_losses(result):
    told = result.tables["expected_exchange"].groupby("time").p_kw.sum()
    came = of(result.tables["switch_flows"], "switched")
    came = came[came.kind == "pcc"].groupby("time").p_kw.sum()
    losses = of(result.tables["grid_exchange"], "switched").set_index("time").losses_kwh * 60
    for time, expected in told.items():
        assert came[time] == pytest.approx(expected + losses[time], abs=1e-4)


def test_operations_lead_from_one_state_to_the_next(result):
    states, operations = of(result.tables["switch_states"], "switched"), result.tables["operations"]
    before = {switch.name: switch.closed for switch in drawn().switches}
    for time, rows in states.groupby("time", sort=True):
        for row in operations[operations.time == time].sort_values("operation").itertuples():
            assert before[row.switch] != row.closes
            before[row.switch] = bool(row.closes)
        assert before == dict(zip(rows.switch, rows.closed.astype(bool), strict=True))
    assert len(operations) == result.summary["operations"] > 0


def test_operations_that_do_not_pay_are_left_out():
    free, dear = (gc.run(drawn(cost=cost), "trading").summary for cost in (0.0, 50.0))
    assert free["operations"] > dear["operations"]
    assert dear["scenarios"]["switched"]["fed_in_kwh"] > free["scenarios"]["switched"]["fed_in_kwh"]
    cheap = gc.run(drawn(cost=0.01), "trading").summary
    assert cheap["operation_cost_amount"] == pytest.approx(0.01 * cheap["operations"])


def test_without_a_connection_everybody_is_islanded_and_told():
    lost = drawn(moves=False, closed=False)
    figures = gc.run(lost, "trading").summary
    switched = figures["scenarios"]["switched"]
    assert switched["fed_in_kwh"] == switched["absorbed_kwh"] == 0.0
    assert switched["unserved_kwh"] > 0.0 and switched["curtailed_kwh"] > 0.0
    net = figures["consumption_kwh"] - figures["generation_kwh"]
    assert switched["unserved_kwh"] - switched["curtailed_kwh"] == pytest.approx(net)
    assert any("main grid" in note for note in figures["notes"])


def test_a_link_without_capacity_is_never_used_and_named():
    figures = gc.run(drawn(link_capacity_kw=0.0, pccs=("A", "B", "C"), closed=False), "trading")
    flows = of(figures.tables["switch_flows"], "switched")
    assert (flows[flows.kind == "link"].p_kw.abs() < 1e-7).all()
    assert any("no capacity" in note for note in figures.summary["notes"])


def test_clusters_alone_join_whoever_has_no_connection_over_the_largest_link():
    links = (Link("1-2", "1", "2", 10.0), Link("2-3", "2", "3", 30.0), Link("3-4", "3", "4", 5.0))
    graph = ClusterGraph(("1", "2", "3", "4"), links, (Pcc("P1", "1"), Pcc("P3", "3"), Pcc("P4", "4")))
    np.testing.assert_array_equal(clusters_alone(graph), [False, True, False, True, True, True])
    np.testing.assert_array_equal(all_joined(graph), np.ones(6, dtype=bool))


def test_clusters_behind_one_another_reach_a_connection_over_several_links():
    links = (Link("1-2", "1", "2"), Link("2-3", "2", "3"))
    graph = ClusterGraph(("1", "2", "3"), links, (Pcc("P1", "1"),))
    assert clusters_alone(graph).all()


def test_compared_cases_run_beside_the_chosen_one():
    study = drawn(
        triggers_compared=[["send_on_delta", 5.0], ["periodic", 30.0]], delays_compared_minutes=[0, 10]
    )
    found = gc.run(study, "trading").summary["compared"]
    assert [(c["trigger"], c["threshold"], c["delay_minutes"]) for c in found] == [
        ("send_on_delta", 5.0, None),
        ("periodic", 30.0, None),
        ("periodic", 15.0, 0.0),
        ("periodic", 15.0, 10.0),
    ]
    assert found[1]["community_rounds"] == STEPS // 2
    assert found[3]["excess_fed_in_kwh"] > found[2]["excess_fed_in_kwh"] >= -1e-6


def test_the_same_study_gives_the_same_tables():
    first, second = (gc.run(drawn(delay_mean_s=120.0, delay_sd_s=60.0), "trading") for _ in range(2))
    for name in first.tables:
        assert first.tables[name].equals(second.tables[name]), name


def test_a_member_without_cluster_and_missing_prices_are_told_at_once():
    study = drawn()
    members = tuple(replace(member, cluster="") for member in study.community.members)
    study = replace(study, community=replace(study.community, members=members), prices=None)
    with pytest.raises(StudyError) as error:
        gc.run(study, "trading")
    text = str(error.value)
    assert "3 members without a cluster" in text and "prices.csv" in text


def test_prices_at_which_the_grid_pays_more_than_it_asks_are_refused():
    study = drawn()
    prices = replace(study.prices, export_price_per_kwh=np.full(STEPS, 0.31))
    with pytest.raises(StudyError, match="pays more than it asks"):
        gc.run(replace(study, prices=prices), "trading")
    fee = replace(prices, network_fee_per_kwh=np.full(STEPS, 0.02))
    gc.run(replace(study, prices=fee, tasks={"trading": {"scenarios": ["members"]}}), "trading")


def test_a_mechanism_for_an_unknown_cluster_is_refused():
    with pytest.raises(StudyError, match="a cluster of members.csv: A, B, C"):
        gc.run(drawn(mechanisms={"D": "pay_as_bid"}), "trading")


def test_engines_without_a_controller_say_so():
    with pytest.raises(GridcommonsError, match="default_engines"):
        gc.run(drawn(), "trading", Engines())


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({"mechanism": "merit"}, "merit_order"),
        ({"trigger": "send_on_delta", "threshold": 0.0}, "above 0"),
        ({"trigger": "periodic", "threshold": 1.5}, "whole minutes"),
        ({"triggers_compared": [["sod", 3.0]]}, "send_on_delta"),
        ({"member_threshold_share": 0.0}, "above 0"),
        ({"delay_mean_s": -1.0}, "negative"),
        ({"worth_minutes": -1.0}, "negative"),
        ({"delays_compared_minutes": [3.0, -1.0]}, "negative"),
        ({"trigger": "periodic", "threshold": 0.0}, "whole minutes"),
        ({"member_threshold_share": 1.01}, "up to 1"),
        ({"community_mechanism": "merit"}, "merit_order"),
        ({"mechanisms": {"A": "merit"}}, "merit_order"),
        ({"transaction_bytes": -1}, "transaction_bytes"),
        ({"scenarios": ["joined"], "delays_compared_minutes": [3.0]}, "without the scenario switched"),
        ({"scenarios": ["joined"], "triggers_compared": [["periodic", 3.0]]}, "without the scenario"),
        ({"scenarios": []}, "no scenario"),
        ({"idle_minutes": 0}, "idle_minutes"),
    ],
)
def test_settings_that_make_no_day_are_refused(table, what):
    with pytest.raises(StudyError, match=what):
        read_settings(Settings, table, "trading")


def test_settings_at_the_ends_of_what_is_allowed():
    table = {"member_threshold_share": 1.0, "transaction_bytes": 0, "idle_minutes": 1, "threshold": 1.0}
    assert read_settings(Settings, table, "trading").member_threshold_share == 1.0
    with pytest.raises(ValueError, match="endless"):
        Settings(delays_compared_minutes=(float("inf"),))


def test_a_months_window_is_the_longest():
    long = np.ones((32 * 24, 3))
    study = community_study(long, long, step_minutes=60, threshold=60)
    with pytest.raises(StudyError, match="at most 31 days"):
        gc.run(study, "trading")


def with_orders(*orders: StandingOrder):
    return replace(drawn(), orders=orders)


def order(name="o1", member="mA", cluster="A", **given):
    usual = {"is_buy": True, "power_kw": 7.0, "price_per_kwh": 0.2, "placed_step": 0, "expires_step": 7}
    return StandingOrder(order=name, member=member, cluster=cluster, **(usual | given))


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([order(price_per_kwh=0.31)], "expected a price from 0.1"),
        ([order(placed_step=2, expires_step=1)], "expired after step 1, this is step 2"),
        ([order(cluster="D")], "there is no cluster 'D'"),
        ([order(cluster="B")], "belongs to cluster 'A'"),
        ([order(member="mD", cluster="A")], "there is no member 'mD'"),
        ([order(power_kw=-1.0)], "above 0"),
        ([order("o1"), order("o2", is_buy=False, price_per_kwh=0.15)], "would trade with itself"),
    ],
)
def test_orders_that_cannot_trade_are_refused_with_the_reason(orders, reason):
    result = gc.run(with_orders(*orders), "trading")
    mine = result.tables["orders"]
    mine = mine[mine.order.isin([each.order for each in orders])]
    assert len(mine) and mine.reason.astype(str).str.contains(reason, regex=False).all()
    assert (mine.entered_kwh == 0.0).all() and result.summary["rejected_orders"] == len(mine)


def test_a_members_own_orders_take_the_place_of_the_made_ones():
    result = gc.run(with_orders(order(price_per_kwh=0.3, expires_step=3)), "trading")
    orders = result.tables["orders"]
    mine = orders[orders.member == "mA"]
    assert (mine.order == "o1").all() and len(mine) == 4 and (mine.energy_kwh == 7.0).all()
    trades = of(result.tables["trades"], "switched")
    bought = trades[trades.buyer == "mA"]
    assert 0.0 < bought.energy_kwh.sum() <= 7.0 + 1e-9
    assert not (trades.seller == "mA").any()


def test_operating_envelopes_cut_orders_and_generation():
    study = drawn()
    net = np.stack([study.profiles.of(f"pv_{name}") for name in "ABC"], axis=1)
    envelopes = Envelopes(("pv_A",), np.full((STEPS, 1), -4.0), np.zeros((STEPS, 1)))
    assert (net[:, 0] > 10.0).any()
    result = gc.run(replace(study, envelopes=envelopes), "trading")
    orders = result.tables["orders"]
    cut = orders[(orders.member == "mA") & (orders.side == "sell")]
    assert len(cut) and (cut.entered_kwh < cut.energy_kwh).all()
    assert cut.reason.astype(str).str.contains("operating envelope of 'mA'", regex=False).all()
    held = result.summary["generation_kwh"]
    lost = np.maximum(net[:, 0] - 4.0, 0.0).sum() * 0.25
    whole = gc.run(study, "trading").summary["generation_kwh"]
    assert held == pytest.approx(whole - lost) and lost > 1.0
    assert result.summary["conservation_kwh"] < 1e-6
