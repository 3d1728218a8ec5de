"""What load would have been without an event, from earlier days or as it was nominated.

Earlier days are eligible ones: of the same type and without events. Days are compared by their mean over the
event's own slots, and chosen whole, so that a baseline is the mean of days that have been.

The adjustment to the hours before the event is off unless it is asked for. It mends a baseline on an odd day,
but who knows of the event can raise load before it: in-day adjustment was gamed in Great Britain's Demand
Flexibility Service (Utility Week, 2023). A long window makes that dearer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.model.grid import FloatArray, IntArray

AdjustmentName = Literal["none", "additive", "multiplicative"]


@dataclass(frozen=True, eq=False)
class LoadRecord:
    """Load that a baseline is made of; net power, positive when drawn.

    Parameters
    ----------
    earlier_kw : (days, slots)
        At the event's slots of eligible earlier days, the latest day last [kW].
    earlier_pre_kw : (days, pre_slots)
        Before the event's slots on these days [kW]; without slots where it is not known.
    actual_pre_kw : (pre_slots,)
        Before the event itself [kW].
    nominated_kw : (slots,), optional
        What was announced for the event's slots [kW].

    Raises
    ------
    GridcommonsError
        The shapes do not fit.
    """

    earlier_kw: FloatArray
    earlier_pre_kw: FloatArray
    actual_pre_kw: FloatArray
    nominated_kw: FloatArray | None = None

    def __post_init__(self) -> None:
        days, slots = self.earlier_kw.shape
        expected = ((days, *self.actual_pre_kw.shape), (slots,))
        nominated = (slots,) if self.nominated_kw is None else self.nominated_kw.shape
        if (self.earlier_pre_kw.shape, nominated) != expected:
            raise GridcommonsError(
                f"baseline: found shapes {self.earlier_pre_kw.shape} before the event on earlier days and "
                f"{nominated} nominated, expected {expected[0]} and {expected[1]}"
            )


@dataclass(frozen=True)
class BaselineRule:
    """How a baseline is made.

    Parameters
    ----------
    method : str
        A name in ``BASELINES``.
    days : int
        Latest eligible days that are looked at.
    highest : int
        Days kept by ``high_x_of_y``.
    dropped_high, dropped_low : int
        Days dropped by ``mid_8_of_10`` at either end.
    adjustment : str
        ``none``, ``additive`` or ``multiplicative``.
    ratio_low, ratio_high : float
        Limits of the multiplicative one.
    """

    method: str = "last_x"
    days: int = 10
    highest: int = 5
    dropped_high: int = 1
    dropped_low: int = 1
    adjustment: AdjustmentName = "none"
    ratio_low: float = 0.8
    ratio_high: float = 1.2


@dataclass(frozen=True, eq=False)
class Baseline:
    """A baseline at the event, and before it by the same days.

    Parameters
    ----------
    load_kw : (slots,)
        At the event [kW].
    pre_kw : (pre_slots,)
        Before it [kW]; None where the baseline says nothing of it.
    """

    load_kw: FloatArray
    pre_kw: FloatArray | None


def last_x(record: LoadRecord, rule: BaselineRule) -> Baseline:
    """The mean of the latest days, b = mean(h)."""
    return _mean_of(record, _looked_at(record, rule.days))


def high_x_of_y(record: LoadRecord, rule: BaselineRule) -> Baseline:
    """The mean of the highest of the latest days."""
    by_load = _by_load(record, rule.days)
    if not 0 < rule.highest <= rule.days:
        raise GridcommonsError(f"high_x_of_y: found {rule.highest} days to keep, expected 1 to {rule.days}")
    return _mean_of(record, by_load[rule.days - rule.highest :])


def mid_8_of_10(record: LoadRecord, rule: BaselineRule) -> Baseline:
    """The mean of the latest days without the highest and the lowest; eight of ten by default."""
    by_load = _by_load(record, rule.days)
    if min(rule.dropped_high, rule.dropped_low) < 0 or rule.dropped_high + rule.dropped_low >= rule.days:
        raise GridcommonsError(
            f"mid_8_of_10: found {rule.dropped_high} high and {rule.dropped_low} low days to drop "
            f"of {rule.days}, expected some to be left"
        )
    return _mean_of(record, by_load[rule.dropped_low : rule.days - rule.dropped_high])


def matching_day(record: LoadRecord, rule: BaselineRule) -> Baseline:
    """The day that is nearest before the event, d* = argmin ‖pre_d − pre‖; of two as near the later one."""
    days = _looked_at(record, rule.days)
    if record.actual_pre_kw.size == 0:
        raise GridcommonsError("matching_day: found no load before the event, expected at least one slot")
    distance = np.linalg.norm(record.earlier_pre_kw[days] - record.actual_pre_kw, axis=1)
    nearest = len(days) - 1 - int(np.argmin(distance[::-1]))
    return _mean_of(record, days[nearest : nearest + 1])


def nominated(record: LoadRecord, rule: BaselineRule) -> Baseline:
    """The profile that was announced, frozen."""
    if record.nominated_kw is None:
        raise GridcommonsError("nominated: found no profile, expected LoadRecord.nominated_kw")
    return Baseline(record.nominated_kw, None)


BASELINES: dict[str, Callable[[LoadRecord, BaselineRule], Baseline]] = {
    "last_x": last_x,
    "high_x_of_y": high_x_of_y,
    "mid_8_of_10": mid_8_of_10,
    "matching_day": matching_day,
    "nominated": nominated,
}
"""Baselines by name."""


def baseline_kw(record: LoadRecord, rule: BaselineRule) -> FloatArray:
    """Load without the event by a rule, adjusted where it says so, shape (slots,) [kW].

    Parameters
    ----------
    record : LoadRecord
        Earlier days, and what came before the event.
    rule : BaselineRule
        Method and adjustment.

    Raises
    ------
    GridcommonsError
        There is no such method, too few days, or nothing that an adjustment could go by.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcommons.settlement.baselines import BaselineRule, LoadRecord, baseline_kw
    >>> days_kw = np.array([[40.0], [42.0], [38.0], [44.0], [41.0], [39.0], [43.0], [60.0], [40.0], [43.0]])
    >>> record = LoadRecord(days_kw, np.full((10, 1), 40.0), np.array([44.0]))
    >>> baseline_kw(record, BaselineRule("mid_8_of_10", adjustment="additive")).tolist()
    [45.5]
    """
    for found_name, known in ((rule.method, BASELINES), (rule.adjustment, ADJUSTMENTS)):
        if found_name not in known:
            hint = did_you_mean(found_name, known)
            raise GridcommonsError(
                f"baseline: found {found_name!r}, expected one of {', '.join(known)}"
                + (f"; {hint}" if hint else "")
            )
    found = BASELINES[rule.method](record, rule)
    return ADJUSTMENTS[rule.adjustment](found, record.actual_pre_kw, rule)


def unadjusted(found: Baseline, actual_pre_kw: FloatArray, rule: BaselineRule) -> FloatArray:
    """The baseline as it is, shape (slots,) [kW]."""
    return found.load_kw


def additive(found: Baseline, actual_pre_kw: FloatArray, rule: BaselineRule) -> FloatArray:
    """The baseline moved by what load was above it before the event, b + mean(actual − b), (slots,) [kW]."""
    pre_kw = _before_event(found, actual_pre_kw)
    return found.load_kw + float(np.mean(actual_pre_kw - pre_kw))


def multiplicative(found: Baseline, actual_pre_kw: FloatArray, rule: BaselineRule) -> FloatArray:
    """The baseline times load over baseline before the event, within limits, shape (slots,) [kW].

    b · clip(mean(actual) / mean(b), low, high). The ratio has no meaning unless the baseline draws power.
    """
    pre_kw = float(np.mean(_before_event(found, actual_pre_kw)))
    if pre_kw <= 0.0:
        raise GridcommonsError(
            f"baseline, multiplicative adjustment: found a baseline of {pre_kw:g} kW before the event, "
            "expected more than 0; the additive one has no such limit"
        )
    ratio = float(np.mean(actual_pre_kw)) / pre_kw
    return found.load_kw * min(max(ratio, rule.ratio_low), rule.ratio_high)


ADJUSTMENTS: dict[str, Callable[[Baseline, FloatArray, BaselineRule], FloatArray]] = {
    "none": unadjusted,
    "additive": additive,
    "multiplicative": multiplicative,
}
"""Adjustments by name."""


def _before_event(found: Baseline, actual_pre_kw: FloatArray) -> FloatArray:
    """The baseline before the event."""
    if found.pre_kw is None or actual_pre_kw.size == 0:
        raise GridcommonsError(
            "baseline, adjustment: found nothing before the event, expected load and a baseline there"
        )
    return found.pre_kw


def _looked_at(record: LoadRecord, days: int) -> IntArray:
    """Rows of the latest days, in their order."""
    known = len(record.earlier_kw)
    if not 0 < days <= known:
        raise GridcommonsError(
            f"baseline: found {known} eligible days, expected {days}, which is one or more"
        )
    return np.arange(known - days, known)


def _by_load(record: LoadRecord, days: int) -> IntArray:
    """Rows of the latest days by rising load at the event; of equal ones the later counts as higher."""
    rows = _looked_at(record, days)
    return rows[np.argsort(record.earlier_kw[rows].mean(axis=1), kind="stable")]


def _mean_of(record: LoadRecord, rows: IntArray) -> Baseline:
    return Baseline(
        np.asarray(record.earlier_kw[rows].mean(axis=0)), np.asarray(record.earlier_pre_kw[rows].mean(axis=0))
    )
