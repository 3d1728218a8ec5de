"""What each customer can be told without any aggregator: how they compare, and what moving load would save.

The first layer of SMART-MLA (final report of project 64018-0302, 2022, §5.3.1): for regions without markets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names

ADVISED_HOURS = 3.0
"""Length of the dearest and cheapest spans that a customer is told [h]."""


@dataclass(frozen=True, eq=False)
class Advice:
    """One row a customer.

    Parameters
    ----------
    member, group : tuple of str
        Who, and with whom they are compared.
    consumption_kwh, group_mean_kwh : (members,)
        Over the window.
    rank, group_size : (members,)
        1 for the least consumption in the group.
    mean_price_per_kwh : (members,)
        What a kWh costs them on average.
    dear_step, cheap_step : (members,)
        First interval of their dearest span, and of the cheapest span of the window.
    movable_kwh : (members,)
        What they draw in the dearest span above their own mean; 0 where moving it saves nothing.
    saving : (members,)
        What moving that to the cheapest span, spread evenly over it, saves [currency].
    """

    member: Names
    group: Names
    consumption_kwh: FloatArray
    group_mean_kwh: FloatArray
    rank: IntArray
    group_size: IntArray
    mean_price_per_kwh: FloatArray
    dear_step: IntArray
    cheap_step: IntArray
    movable_kwh: FloatArray
    saving: FloatArray


def advise(
    member: Names, group: Names, load_kw: FloatArray, price_per_kwh: FloatArray, step_hours: float
) -> Advice:
    """Comparison and advice for every customer.

    Parameters
    ----------
    member, group : tuple of str
        Customers and their groups.
    load_kw : (members, steps)
        What they draw; generation does not count [kW].
    price_per_kwh : (steps,)
        What a kWh costs.
    step_hours : float
        Length of an interval [h].
    """
    drawn_kw = np.maximum(load_kw, 0.0)
    energy = drawn_kw.sum(axis=1) * step_hours
    names = np.array(group, dtype=object)
    group_mean, rank, size = np.zeros(len(energy)), *np.zeros((2, len(energy)), dtype=np.int64)
    for name in dict.fromkeys(group):
        mine: BoolArray = names == name
        group_mean[mine], size[mine] = energy[mine].mean(), mine.sum()
        rank[mine] = 1 + np.argsort(np.argsort(energy[mine], kind="stable"), kind="stable")
    with np.errstate(invalid="ignore"):
        paid = (drawn_kw * price_per_kwh).sum(axis=1) * step_hours / np.where(energy > 0.0, energy, np.nan)
    width = min(max(1, round(ADVISED_HOURS / step_hours)), len(price_per_kwh))
    span_price = _spans(price_per_kwh, width)
    extra_kw = np.maximum(drawn_kw - drawn_kw.mean(axis=1, keepdims=True), 0.0)
    span_kwh = np.apply_along_axis(_spans, 1, extra_kw, width) * width * step_hours
    span_cost = np.apply_along_axis(_spans, 1, extra_kw * price_per_kwh, width) * width * step_hours
    cheap = int(np.argmin(span_price))
    gain = span_cost - span_kwh * span_price[cheap]
    dear = gain.argmax(axis=1)
    rows = np.arange(len(energy))
    pays = gain[rows, dear] > 0.0
    return Advice(
        member, group, energy, group_mean, rank, size, paid,
        dear.astype(np.int64), np.full(len(energy), cheap, dtype=np.int64),
        np.where(pays, span_kwh[rows, dear], 0.0), np.where(pays, gain[rows, dear], 0.0),
    )  # fmt: skip


def _spans(values: FloatArray, width: int) -> FloatArray:
    """Mean over every span of so many intervals."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((total[width:] - total[:-width]) / width)
