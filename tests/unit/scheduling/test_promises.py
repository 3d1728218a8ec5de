"""What was sold before is kept when the rest of a horizon is planned anew, or paid for."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.optimisation.devices.operation import Past
from gridcommons.scheduling.community import IMBALANCE, Community
from gridcommons.scheduling.energy_hub import make_hub
from gridcommons.scheduling.messages import Call, Exchange
from gridcommons.scheduling.parties import Standing
from gridcommons.scheduling.promises import Promised
from gridcommons.scheduling.settings import Settings
from hubs import device, study_of

STEPS = 4


def hub_of(*kinds, start=None, past=None, **given):
    study = study_of(*(device(kind) for kind in kinds), steps=STEPS, **given)
    return make_hub(study, "c", slice(0, STEPS), start or {}, past)


def promised(p_kw, sold_kvar=0.0, injected_kvar=0.0):
    """The same in every interval unless a row is given."""
    return Promised(
        *(np.broadcast_to(np.asarray(each, float), (1, STEPS)) for each in (p_kw, sold_kvar, injected_kvar))
    )


def planned(hub, sold=None, **settings):
    community = Community(hub, Settings(**settings), sold)
    community.schedule()
    return community


def test_without_a_promise_nothing_changes():
    hub = hub_of("pv", "battery", columns={"pv": 80.0})
    free = planned(hub).plan()
    kept = planned(hub, promised(free.p_kw)).plan()
    np.testing.assert_allclose(kept.p_kw, free.p_kw, atol=1e-6)
    assert kept.cost[IMBALANCE] == pytest.approx(0.0, abs=1e-6)


def test_leaving_what_was_sold_is_paid_for_both_ways():
    """A sun that gives 10 kW less, and nothing that could make up for it."""
    hub = hub_of("pv", columns={"pv": 70.0})
    plan = planned(hub, promised(-80.0), imbalance_share=0.5).plan()
    np.testing.assert_allclose(plan.p_kw, -70.0, atol=1e-6)
    assert plan.cost[IMBALANCE] == pytest.approx(0.5 * 0.4 * 10.0 * STEPS)
    more = planned(hub, promised(-60.0), imbalance_share=0.5).plan()
    # Feeding in 10 kW more earns 0.3 and costs 0.2.
    np.testing.assert_allclose(more.p_kw, -70.0, atol=1e-6)
    assert more.cost[IMBALANCE] == pytest.approx(0.5 * 0.4 * 10.0 * STEPS)


def test_where_leaving_costs_more_than_it_brings_it_is_not_left():
    hub = hub_of("pv", columns={"pv": 70.0})
    plan = planned(hub, promised(-60.0), imbalance_share=1.0).plan()
    np.testing.assert_allclose(plan.p_kw, -60.0, atol=1e-6)


def test_reactive_power_that_was_sold_is_given_on_its_side():
    hub = hub_of("pv", columns={"pv": 80.0})
    sold = [[0.0, 10.0, -12.0, 0.0]]
    plan = planned(hub, promised(-80.0, sold, [[0.0, 10.0, -12.0, 0.0]]), reactive_fee_per_kvarh=0.0).plan()
    np.testing.assert_allclose(plan.q_kvar, [[0.0, -10.0, 12.0, 0.0]], atol=1e-5)


def test_a_promise_is_what_must_be_injected_and_not_what_was_sold():
    """Sold 10 beyond a schedule that drew 4: 6 must be injected."""
    hub = hub_of("pv", columns={"pv": 80.0})
    plan = planned(hub, promised(-80.0, 10.0, 6.0), reactive_fee_per_kvarh=0.0).plan()
    np.testing.assert_allclose(plan.q_kvar, -6.0, atol=1e-5)


def test_what_loads_draw_is_no_part_of_a_promise():
    """A load that draws 30 kvar more than it was to draw neither breaks a promise nor keeps one."""
    load = device("load", power_factor=0.8)
    for drawn_kw in (0.0, 40.0):
        study = study_of(load, device("pv"), steps=STEPS, columns={"pv": 80.0, "load": drawn_kw})
        hub = make_hub(study, "c", slice(0, STEPS), {})
        plan = planned(hub, promised(drawn_kw - 80.0, 10.0, 10.0), reactive_fee_per_kvarh=0.0).plan()
        np.testing.assert_allclose(plan.q_kvar, 0.75 * drawn_kw - 10.0, atol=1e-5)


def test_what_cannot_be_given_is_short_and_no_error():
    """An inverter gives no more reactive than active power."""
    hub = hub_of("pv", columns={"pv": 5.0})
    plan = planned(hub, promised(-5.0, 20.0, 20.0)).plan()
    assert (plan.q_kvar <= 0.0).all() and plan.q_kvar.min() >= -20.0
    # All of the sun goes into what was sold: on a circle of S = P is |Q| ≤ P.
    assert -plan.q_kvar.max() > 3.0


def test_an_answer_does_not_take_back_what_was_sold():
    hub = hub_of("pv", columns={"pv": 80.0})
    community = planned(hub, promised(-80.0, [[0.0, 10.0, 0.0, 0.0]], [[0.0, 10.0, 0.0, 0.0]]))
    call = Call(round=1, called=np.array([1, 2]), price_per_kvarh=np.array([[-0.2, 0.05]]))
    answer = Exchange.from_bytes(community.answer(call.to_bytes()))
    # Absorbing is paid for in the hour in which injecting was sold.
    assert answer.q_kvar[0, 1] <= -10.0 + 1e-5 and answer.q_kvar[0, 2] < -1.0


def test_a_schedule_is_made_once():
    community = planned(hub_of("pv", columns={"pv": 80.0}))
    first = community.scheduled
    assert community.schedule() == community.schedule() and community.scheduled is first


class TestTheRestOfAHorizon:
    def test_ends_with_what_the_horizon_began_with(self):
        """A battery that is nearly empty at noon, in a horizon that began at half."""
        rest = hub_of("battery", start={"battery": 10.0}, past=Past({"battery": 30.0}))
        assert planned(rest).plan().end["battery"] == pytest.approx(30.0)
        alone = hub_of("battery", start={"battery": 10.0})
        assert planned(alone).plan().end["battery"] == pytest.approx(10.0)

    def test_of_the_first_horizon_with_what_ratings_say(self):
        rest = hub_of("battery", start={"battery": 10.0}, past=Past())
        assert planned(rest).plan().end["battery"] == pytest.approx(30.0)

    def test_pays_no_heat_peak_twice(self):
        """50 kW were drawn before; 40 more cost nothing on top, 60 cost their part beyond."""
        prices = {"heat": 0.1}
        cost = {}
        for name, past in (("before", Past({}, 50.0, 20.0)), ("alone", None)):
            for demand_kw in (40.0, 60.0):
                hub = hub_of("load", past=past, columns={"load": 1.0, "load.heat_kw": demand_kw}, **prices)
                settings = {"heat_peak_price_per_kw_day": 2.4, "heat_fee_per_day": 24.0}
                cost[name, demand_kw] = planned(hub, **settings).plan().cost
        assert cost["before", 40.0]["heat peak"] == pytest.approx(2.4 * 50.0)
        assert cost["before", 60.0]["heat peak"] == pytest.approx(2.4 * 60.0)
        # Four of 24 hours alone.
        assert cost["alone", 60.0]["heat peak"] == pytest.approx(2.4 * 60.0 / 6.0)
        assert cost["before", 60.0]["heat fee"] == pytest.approx(24.0)


def test_who_stands_says_the_same_whatever_is_asked():
    exchange = Exchange(round=0, community="c", bus=("b1",), p_kw=np.ones((1, 2)), q_kvar=np.zeros((1, 2)))
    party = Standing(exchange)
    call = Call(round=3, called=np.array([1]), price_per_kvarh=np.array([[9.0]]))
    said = Exchange.from_bytes(party.answer(call.to_bytes()))
    assert party.name == "c" and Exchange.from_bytes(party.schedule()).round == 0
    assert said.round == 3 and said.p_kw.tolist() == [[1.0, 1.0]] and said.q_kvar.tolist() == [[0.0, 0.0]]
