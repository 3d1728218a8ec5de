"""The rounds of a day, against laws and against the rules written out step by step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcommons.model.errors import GridcommonsError
from gridcommons.trading.rounds import (
    FixedDelay,
    NormalDelay,
    RoundSettings,
    count_transactions,
    find_in_force,
    find_rounds,
)
from gridcommons.trading.triggers import Periodic, SendOnArea, SendOnDelta

CLUSTER = np.array([0, 1, 0, 2, 1, 0, 2])
NEVER = SendOnDelta(np.inf)


def walk(seed, minutes=240, members=7):
    """A day of measurements that wander, with a jump now and then."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(0.0, 1.0, (minutes, members))
    steps += generator.normal(0.0, 15.0, steps.shape) * (generator.random(steps.shape) < 0.01)
    return np.cumsum(steps, axis=0)


def rules(member, cluster, idle=60, **more):
    return RoundSettings(member_trigger=member, cluster_trigger=cluster, idle_minutes=idle, **more)


def find(p_kw, settings, cluster=CLUSTER, seed=0):
    return find_rounds(p_kw, cluster, settings, np.random.default_rng(seed))


def off(trigger, series, since, now):
    """How far a series is off, and beyond what it asks for a round."""
    if isinstance(trigger, SendOnDelta):
        return abs(series[now] - series[since]), trigger.delta_kw
    if isinstance(trigger, SendOnArea):
        minutes = range(since + 1, now + 1)
        return sum(abs(series[m] - series[since]) / 60.0 for m in minutes), trigger.area_kwh
    return now - since, trigger.period_minutes - 0.5


class ByHand:
    """The execution flow, one meter at a time."""

    def __init__(self, p_kw, cluster, rules):
        self.p_kw, self.rules = p_kw, rules
        self.cluster = cluster.tolist()
        self.sent = dict.fromkeys(range(len(self.cluster)), 0)
        self.last_community = 0
        self.rows = [(0, "community", -1, -1)]

    def fired(self, now):
        found = {}
        for k in self.sent:
            deviation, threshold = off(self.rules.member_trigger, self.p_kw[:, k], self.sent[k], now)
            if deviation > threshold:
                found[k] = deviation
        return found

    def is_far(self, c, now):
        if isinstance(self.rules.member_trigger, Periodic):
            return True
        series = self.p_kw[:, [k for k in self.sent if self.cluster[k] == c]].sum(axis=1)
        deviation, threshold = off(self.rules.cluster_trigger, series, self.last_community, now)
        return deviation > threshold

    def run(self, fired, now):
        def worst(clusters):
            return max((k for k in fired if self.cluster[k] in clusters), key=lambda k: (fired[k], -k))

        awake = sorted({self.cluster[k] for k in fired})
        far = [c for c in awake if self.is_far(c, now)]
        if far:
            self.rows.append((now, "community", -1, worst(far)))
            self.sent = dict.fromkeys(self.sent, now)
            self.last_community = now
            return
        for c in awake:
            self.rows.append((now, "cluster", c, worst([c])))
            self.sent |= {k: now for k in self.sent if self.cluster[k] == c}

    def all_rows(self):
        """Rows of minute, kind, cluster, member."""
        for now in range(1, len(self.p_kw)):
            fired = self.fired(now)
            if fired:
                self.run(fired, now)
            elif now - self.rows[-1][0] >= self.rules.idle_minutes:
                self.rows.append((now, "meters", -1, -1))
        return self.rows


def rows_of(rounds):
    columns = (rounds.minute.tolist(), rounds.kind, rounds.cluster.tolist(), rounds.member.tolist())
    return list(zip(*columns, strict=True))


triggers = st.one_of(
    st.sampled_from([2.0, 5.0, 12.0, 30.0, np.inf]).map(SendOnDelta),
    st.sampled_from([0.2, 1.0, 4.0]).map(SendOnArea),
    st.sampled_from([1, 6, 45]).map(Periodic),
)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), member=triggers, cluster=triggers, idle=st.sampled_from([1, 10, 60, 999]))
def test_the_flow_is_that_of_the_rules_written_out(seed, member, cluster, idle):
    p_kw = walk(seed, minutes=150)
    settings_ = rules(member, cluster, idle)
    assert rows_of(find(p_kw, settings_)) == ByHand(p_kw, CLUSTER, settings_).all_rows()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), delta_kw=st.floats(0.0, 20.0), cluster_kw=st.floats(0.0, 60.0))
def test_between_two_rounds_of_a_cluster_no_member_is_further_off_than_the_threshold(
    seed, delta_kw, cluster_kw
):
    p_kw = walk(seed)
    rounds = find(p_kw, rules(SendOnDelta(delta_kw), SendOnDelta(cluster_kw)))
    for number in range(3):
        mine = number == CLUSTER
        runs = rounds.minute[(rounds.cluster == number) | rounds.is_kind("community")]
        reference = runs[np.searchsorted(runs, np.arange(len(p_kw)), "right") - 1]
        assert (np.abs(p_kw - p_kw[reference])[:, mine] <= delta_kw).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_a_higher_threshold_never_starts_a_lone_member_s_rounds_earlier(seed):
    p_kw = walk(seed)[:, :1]
    for trigger, thresholds in ((SendOnDelta, (1.0, 3.0, 9.0, 27.0)), (SendOnArea, (0.1, 0.5, 2.0, 9.0))):
        first = []
        for threshold in thresholds:
            rounds = find(p_kw, rules(trigger(threshold), NEVER, 999), np.zeros(1, np.int64))
            first.append(rounds.minute[1] if len(rounds) > 1 else len(p_kw))
        assert first == sorted(first)


@pytest.mark.parametrize(
    ("trigger", "thresholds"),
    [(SendOnDelta, (1.0, 3.0, 10.0, 30.0, 90.0)), (SendOnArea, (0.3, 1.0, 3.0, 10.0, 30.0))],
)
def test_rounds_fall_with_the_threshold(trigger, thresholds):
    p_kw = walk(5, minutes=1440)
    counts = [len(find(p_kw, rules(trigger(each), trigger(each), 9999))) for each in thresholds]
    assert counts == sorted(counts, reverse=True) and len(set(counts)) == len(counts)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), idle=st.integers(1, 50))
def test_an_infinite_threshold_leaves_the_first_round_and_the_readings(seed, idle):
    rounds = find(walk(seed), rules(NEVER, SendOnDelta(0.0), idle))
    assert rounds.minute.tolist() == list(range(0, 240, idle))
    assert rounds.kind == ("community", *["meters"] * (len(rounds) - 1))
    assert rounds.trigger == ("first", *["idle"] * (len(rounds) - 1))
    assert (rounds.cluster == -1).all() and (rounds.member == -1).all()


def test_a_reading_renews_no_reference():
    p_kw = np.arange(12.0)[:, None] * 2.0
    rounds = find(p_kw, rules(SendOnDelta(9.0), NEVER, idle=2), np.zeros(1, np.int64))
    assert rows_of(rounds) == [
        (0, "community", -1, -1),
        (2, "meters", -1, -1),
        (4, "meters", -1, -1),
        (5, "cluster", 0, 0),
        (7, "meters", -1, -1),
        (9, "meters", -1, -1),
        (10, "cluster", 0, 0),
    ]


def test_a_periodic_trigger_runs_everything_every_period():
    rounds = find(walk(1, minutes=1440), rules(Periodic(6), NEVER, idle=60))
    assert set(rounds.kind) == {"community"} and len(rounds) == 240
    assert rounds.minute.tolist() == list(range(0, 1440, 6))
    assert rounds.trigger == ("first", *["periodic"] * 239)


def test_all_members_of_a_cluster_send_when_one_of_them_fires():
    p_kw = np.array([[0.0, 0.0], [6.0, 3.0], [6.0, 7.0], [6.0, 9.1]])
    together = find(p_kw, rules(SendOnDelta(5.0), NEVER), np.array([0, 0]))
    assert rows_of(together)[1:] == [(1, "cluster", 0, 0), (3, "cluster", 0, 1)]
    apart = find(p_kw, rules(SendOnDelta(5.0), NEVER), np.array([0, 1]))
    assert rows_of(apart)[1:] == [(1, "cluster", 0, 0), (2, "cluster", 1, 1)]


def test_a_cluster_s_deviation_counts_from_the_last_community_round():
    p_kw = np.array([0.0, 6.0, 12.0, 18.0, 24.0])[:, None]
    rounds = find(p_kw, rules(SendOnDelta(5.0), SendOnDelta(15.0)), np.zeros(1, np.int64))
    assert rows_of(rounds)[1:] == [
        (1, "cluster", 0, 0),
        (2, "cluster", 0, 0),
        (3, "community", -1, 0),
        (4, "cluster", 0, 0),
    ]


def test_who_deviates_most_is_named():
    p_kw = np.array([[0.0, 0.0, 0.0], [6.0, -9.0, 7.0]])
    rounds = find(p_kw, rules(SendOnDelta(5.0), NEVER), np.zeros(3, np.int64))
    assert rounds.member.tolist() == [-1, 1]


def test_storage_is_that_of_equations_5_and_6():
    members = np.array([34, 17, 15, 34, 14])
    assert count_transactions("cluster", 1, members) == 2 + 17
    assert count_transactions("community", -1, members) == (2 * 5 + 114) + (3 + 5)
    assert count_transactions("meters", -1, members) == 5 + 1
    p_kw = np.zeros((7, 7))
    p_kw[2:, 4] = 9.0
    rounds = find(p_kw, rules(SendOnDelta(5.0), NEVER, idle=3))
    assert rounds.kind == ("community", "cluster", "meters")
    assert rounds.storage_bytes.tolist() == [(6 + 7 + 6) * 4000, (2 + 2) * 4000, 4 * 4000]
    small = replace(rules(SendOnDelta(5.0), NEVER, idle=3), transaction_bytes=10)
    assert find(p_kw, small).storage_bytes.tolist() == [190, 40, 40]


def test_decisions_of_community_rounds_arrive_at_the_next_whole_minute_after_their_delay():
    p_kw = walk(3)
    for delay_minutes, late in ((0.0, 0), (2.0, 2), (2.1, 3)):
        rounds = find(p_kw, rules(SendOnDelta(3.0), SendOnDelta(9.0), delay=FixedDelay(delay_minutes)))
        added = rounds.effect_minute - rounds.minute
        community = rounds.is_kind("community")
        assert {"cluster", "community"} <= set(rounds.kind)
        assert (added[community] == late).all() and not added[~community].any()
        assert rounds.takes_effect.all()


def test_a_decision_that_arrives_when_a_newer_one_holds_is_dropped():
    assert find_in_force(np.array([0, 9, 5, 8, 8, 12])).tolist() == [True, False, True, False, True, True]
    assert find_in_force(np.array([30, 20, 10])).tolist() == [False, False, True]
    assert find_in_force(np.zeros(0, np.int64)).tolist() == []


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_decisions_that_take_effect_do_so_in_the_order_of_their_rounds(seed):
    long = NormalDelay(600.0, 600.0)
    rounds = find(walk(seed), rules(SendOnDelta(3.0), SendOnDelta(3.0), delay=long), seed=seed)
    community = rounds.is_kind("community")
    effect = rounds.effect_minute[community]
    kept = rounds.takes_effect[community]
    assert (np.diff(effect[kept]) > 0).all()
    for k in np.flatnonzero(~kept):
        assert (effect[k + 1 :] <= effect[k]).any()
    assert rounds.takes_effect[~community].all()


def test_drawn_delays_are_normal_above_zero_and_come_from_the_generator():
    delay = NormalDelay(120.0, 60.0)
    once, again = (delay.draw(20_000, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (once >= 0.0).all() and (once != 0.0).all()
    # A normal distribution truncated at z = -2: mean + sd φ(z)/(1 − Φ(z)).
    tail = 0.5 * (1.0 + math.erf(2.0 / math.sqrt(2.0)))
    expected_s = 120.0 + 60.0 * math.exp(-2.0) / math.sqrt(2.0 * math.pi) / tail
    assert once.mean() * 60.0 == pytest.approx(expected_s, abs=4 * 60.0 / math.sqrt(20_000))
    assert NormalDelay(90.0, 0.0).draw(3, np.random.default_rng(0)).tolist() == [1.5, 1.5, 1.5]


BAD = [
    (lambda: find(np.zeros((3, 2)), rules(NEVER, NEVER)), r"shape \(3, 2\) and clusters of shape \(7,\)"),
    (lambda: find(np.zeros((0, 7)), rules(NEVER, NEVER)), "neither empty"),
    (
        lambda: find(np.zeros((3, 7)), rules(NEVER, NEVER), CLUSTER + 1),
        r"\[1, 2, 3\], expected numbers from 0",
    ),
    (lambda: find(np.zeros((3, 7)), rules(NEVER, NEVER), CLUSTER - 1), "expected numbers from 0"),
    (lambda: find(np.full((3, 7), np.nan), rules(NEVER, NEVER)), "nan kW of member 0 in minute 0"),
    (lambda: rules(NEVER, NEVER, 0), "idle_minutes 0, expected 1 or more"),
    (lambda: FixedDelay(-1.0), "found -1 minutes"),
    (lambda: NormalDelay(-1.0, 1.0), "mean of -1 s"),
    (lambda: NormalDelay(1.0, np.inf), "deviation of inf s"),
]


@pytest.mark.parametrize(("wrong", "says"), BAD, ids=[case[1] for case in BAD])
def test_what_means_nothing_is_refused(wrong, says):
    with pytest.raises(GridcommonsError, match=says):
        wrong()
