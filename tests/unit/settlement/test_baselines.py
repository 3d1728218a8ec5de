"""Baselines: means of earlier days, the matching day, nomination, and adjustment when asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.known_answers.settlement import BASELINE_ANSWERS_KW, DAYS_KW
from gridcommons.model.errors import GridcommonsError
from gridcommons.settlement.baselines import BASELINES, BaselineRule, LoadRecord, baseline_kw

TEN_DAYS = LoadRecord(np.array(DAYS_KW)[:, None], np.full((10, 1), 40.0), np.array([44.0]), np.array([37.0]))
OF_DAYS = [name for name in BASELINES if name != "nominated"]


def drawn(seed, days=12, slots=4, pre_slots=3):
    generator = np.random.default_rng(seed)
    return LoadRecord(
        generator.uniform(1.0, 50.0, (days, slots)),
        generator.uniform(1.0, 50.0, (days, pre_slots)),
        generator.uniform(1.0, 50.0, pre_slots),
        generator.uniform(1.0, 50.0, slots),
    )


records = st.integers(0, 2**32).map(drawn)


@pytest.mark.parametrize(("method", "adjustment"), BASELINE_ANSWERS_KW)
def test_known_answers(method, adjustment):
    found_kw = baseline_kw(TEN_DAYS, BaselineRule(method, adjustment=adjustment))
    assert found_kw == pytest.approx(BASELINE_ANSWERS_KW[method, adjustment], abs=1e-9)


@pytest.mark.parametrize("method", BASELINES)
class TestEveryBaseline:
    @given(record=records)
    def test_is_not_adjusted_unless_asked_for(self, method, record):
        other = replace(record, actual_pre_kw=record.actual_pre_kw.copy())
        if method != "matching_day":
            other = replace(record, actual_pre_kw=record.actual_pre_kw + 20.0)
        np.testing.assert_array_equal(
            baseline_kw(record, BaselineRule(method)), baseline_kw(other, BaselineRule(method))
        )

    @given(record=records)
    def test_moves_with_its_days(self, method, record):
        assert baseline_kw(record, BaselineRule(method)).shape == (4,)
        higher = replace(record, earlier_kw=record.earlier_kw + 3.0, nominated_kw=record.nominated_kw + 3.0)
        np.testing.assert_allclose(
            baseline_kw(higher, BaselineRule(method)), baseline_kw(record, BaselineRule(method)) + 3.0
        )


@pytest.mark.parametrize("method", OF_DAYS)
class TestOfDays:
    @given(record=records)
    def test_lies_between_the_days_that_are_looked_at(self, method, record):
        found_kw, days_kw = baseline_kw(record, BaselineRule(method)), record.earlier_kw[-10:]
        assert (days_kw.min(axis=0) - 1e-9 <= found_kw).all() and (
            found_kw <= days_kw.max(axis=0) + 1e-9
        ).all()

    @given(record=records)
    def test_days_before_those_do_not_count(self, method, record):
        earlier_kw, earlier_pre_kw = record.earlier_kw.copy(), record.earlier_pre_kw.copy()
        earlier_kw[:2], earlier_pre_kw[:2] = 999.0, record.actual_pre_kw
        changed = replace(record, earlier_kw=earlier_kw, earlier_pre_kw=earlier_pre_kw)
        rule = BaselineRule(method)
        np.testing.assert_array_equal(baseline_kw(changed, rule), baseline_kw(record, rule))

    @given(record=records)
    def test_additive_adjustment_meets_the_mean_before_the_event(self, method, record):
        """With the event's own slots in place of those before it, the adjusted baseline has their mean."""
        record = replace(record, earlier_pre_kw=record.earlier_kw, actual_pre_kw=record.earlier_kw[3] + 5.0)
        found_kw = baseline_kw(record, BaselineRule(method, adjustment="additive"))
        assert found_kw.mean() == pytest.approx(record.actual_pre_kw.mean())

    @given(record=records)
    def test_multiplicative_adjustment_meets_it_too_where_no_limit_binds(self, method, record):
        record = replace(record, earlier_pre_kw=record.earlier_kw, actual_pre_kw=record.earlier_kw[3])
        rule = BaselineRule(method, adjustment="multiplicative", ratio_low=0.0, ratio_high=100.0)
        assert baseline_kw(record, rule).mean() == pytest.approx(record.actual_pre_kw.mean())

    @pytest.mark.parametrize("days", [0, -1, 13])
    def test_more_days_than_are_eligible_are_refused(self, method, days):
        with pytest.raises(GridcommonsError, match="found 12 eligible days"):
            baseline_kw(drawn(1), BaselineRule(method, days=days))


@pytest.mark.parametrize(("actual_kw", "ratio"), [(80.0, 1.2), (44.0, 1.1), (36.0, 0.9), (10.0, 0.8)])
def test_multiplicative_adjustment_has_limits(actual_kw, ratio):
    record = replace(TEN_DAYS, actual_pre_kw=np.array([actual_kw]))
    found_kw = baseline_kw(record, BaselineRule("last_x", adjustment="multiplicative"))
    assert found_kw == pytest.approx(43.0 * ratio)


def test_highest_and_dropped_days_are_whole_days_by_their_mean():
    """One slot of the lowest day is the highest of all: the day still counts as low."""
    days_kw = np.array([[9.0, 0.0], [6.0, 6.0], [7.0, 7.0]])
    record = LoadRecord(days_kw, np.zeros((3, 0)), np.zeros(0))
    high = baseline_kw(record, BaselineRule("high_x_of_y", days=3, highest=2))
    np.testing.assert_allclose(high, [6.5, 6.5])
    middle = baseline_kw(record, BaselineRule("mid_8_of_10", days=3))
    np.testing.assert_allclose(middle, [6.0, 6.0])
    one_low = baseline_kw(record, BaselineRule("mid_8_of_10", days=3, dropped_high=0, dropped_low=1))
    np.testing.assert_allclose(one_low, [6.5, 6.5])


@given(record=records)
def test_all_days_kept_and_none_dropped_are_the_mean_of_the_latest(record):
    last = baseline_kw(record, BaselineRule("last_x"))
    np.testing.assert_allclose(baseline_kw(record, BaselineRule("high_x_of_y", highest=10)), last)
    undropped = BaselineRule("mid_8_of_10", dropped_high=0, dropped_low=0)
    np.testing.assert_allclose(baseline_kw(record, undropped), last)


@given(record=records, day=st.integers(2, 11))
def test_matching_day_is_the_one_that_was_alike_before(record, day):
    near = replace(record, actual_pre_kw=record.earlier_pre_kw[day] + 1e-6)
    np.testing.assert_array_equal(baseline_kw(near, BaselineRule("matching_day")), record.earlier_kw[day])


def test_of_two_matching_days_the_later_counts():
    record = replace(drawn(3), earlier_pre_kw=np.tile([1.0, 2.0, 3.0], (12, 1)))
    np.testing.assert_array_equal(baseline_kw(record, BaselineRule("matching_day")), record.earlier_kw[-1])


def test_a_nominated_profile_is_frozen():
    assert baseline_kw(TEN_DAYS, BaselineRule("nominated")).tolist() == [37.0]
    for adjustment in ("additive", "multiplicative"):
        with pytest.raises(GridcommonsError, match="nothing before the event"):
            baseline_kw(TEN_DAYS, BaselineRule("nominated", adjustment=adjustment))


class TestRefused:
    def test_nomination_without_a_profile(self):
        with pytest.raises(GridcommonsError, match="nominated_kw"):
            baseline_kw(replace(TEN_DAYS, nominated_kw=None), BaselineRule("nominated"))

    @pytest.mark.parametrize("adjustment", ["additive", "multiplicative"])
    def test_adjustment_to_nothing(self, adjustment):
        record = replace(TEN_DAYS, earlier_pre_kw=np.zeros((10, 0)), actual_pre_kw=np.zeros(0))
        with pytest.raises(GridcommonsError, match="nothing before the event"):
            baseline_kw(record, BaselineRule(adjustment=adjustment))
        with pytest.raises(GridcommonsError, match="at least one slot"):
            baseline_kw(record, BaselineRule("matching_day"))

    @pytest.mark.parametrize("before_kw", [0.0, -3.0])
    def test_a_ratio_to_a_baseline_that_draws_nothing(self, before_kw):
        record = replace(TEN_DAYS, earlier_pre_kw=np.full((10, 1), before_kw))
        with pytest.raises(GridcommonsError, match="expected more than 0"):
            baseline_kw(record, BaselineRule(adjustment="multiplicative"))

    @pytest.mark.parametrize(
        "rule",
        [
            BaselineRule("high_x_of_y", highest=11),
            BaselineRule("high_x_of_y", highest=0),
            BaselineRule("mid_8_of_10", dropped_high=5, dropped_low=5),
            BaselineRule("mid_8_of_10", dropped_high=-1),
        ],
    )
    def test_days_that_are_not_there(self, rule):
        with pytest.raises(GridcommonsError, match=f"{rule.method}: found"):
            baseline_kw(TEN_DAYS, rule)

    def test_unknown_names(self):
        with pytest.raises(GridcommonsError, match="did you mean 'last_x'"):
            baseline_kw(TEN_DAYS, BaselineRule("last_xx"))
        with pytest.raises(GridcommonsError, match="did you mean 'additive'"):
            baseline_kw(TEN_DAYS, BaselineRule(adjustment="aditive"))

    @pytest.mark.parametrize(
        "change",
        [
            {"earlier_pre_kw": np.zeros((9, 1))},
            {"actual_pre_kw": np.zeros(2)},
            {"nominated_kw": np.zeros(2)},
        ],
    )
    def test_shapes_that_do_not_fit(self, change):
        with pytest.raises(GridcommonsError, match="found shapes"):
            replace(TEN_DAYS, **change)
