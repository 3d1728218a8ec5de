"""Trades over the day: how much is traded inside and between clusters, and at which prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import dates_of
from gridcommons.adapters.report.clusters.lines import fill_between, thin_bins
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.style import (
    INK,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    time_axis,
)
from gridcommons.adapters.report.tables import Part
from gridcommons.adapters.report.trading.material import MINUTES_PER_HOUR, Material
from gridcommons.adapters.report.trading.scenario_words import scenario_name
from gridcommons.model.grid import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = ("scenario", "time", "minutes", "tier", "energy_kwh", "price_per_kwh")
_TIERS = {"cluster": ("within a cluster", "#7d93aa"), "community": ("between clusters", "#12756b")}
_BAND = "#e6eaee"
_MOST_BINS = 150


@dataclass(frozen=True, eq=False)
class Traded:
    """Trades in bins of the window.

    Parameters
    ----------
    first : (bins + 1,)
        First minute of each bin.
    tier : tuple of str
        Tiers that have trades.
    power_kw : (tiers, bins)
        Mean power traded [kW].
    price_per_kwh : (3, tiers, bins)
        Lowest, mean by energy and highest price; NaN without trades [currency/kWh].
    """

    first: IntArray
    tier: tuple[str, ...]
    power_kw: FloatArray
    price_per_kwh: FloatArray


@dataclass(frozen=True, eq=False)
class Band:
    """Between which prices trades lie, shape (2, minutes) [currency/kWh], in a sentence and in a legend."""

    ends_per_kwh: FloatArray
    words: str
    name: str


def price_section(found: Material) -> Section | None:
    """Prices and power of the trades of the last scenario; None where nobody trades."""
    rows = found.tables.whole("trades", _COLUMNS)
    if not len(rows["time"]):
        return None
    rows = {name: values[rows["scenario"] == found.last] for name, values in rows.items()}
    heading = "Trades and their prices"
    if not len(rows["time"]):
        return Section("trades", heading, html.nothing("In the last scenario nobody trades."))
    traded, band = bin_trades(found, rows), price_band(found)
    body = html.text(_said(found, rows, band)) + html.figure(draw_trades(found, traded, band))
    return Section("trades", heading, body + tier_table(found, rows))


def _said(found: Material, rows: Part, band: Band | None) -> str:
    low, high = float(rows["price_per_kwh"].min()), float(rows["price_per_kwh"].max())
    unit = f"{found.currency or '1'}/kWh"
    said = (
        f"{times(len(rows['time']), 'trade')} ({scenario_name(found.last)}) at {number(low, 4)} to "
        f"{number(high, 4)} {unit}. A trade holds from one round to the next."
    )
    return said if band is None else f"{said} Grey: {band.words}."


def bin_trades(found: Material, rows: Part) -> Traded:
    """Energy and prices by bins of equal length; a trade counts evenly over its minutes."""
    steps = found.clock.steps
    width = max(1, -(-steps // _MOST_BINS))
    first = np.append(np.arange(0, steps, width), steps)
    tiers = tuple(name for name in _TIERS if (rows["tier"] == name).any())
    tiers += tuple(name for name in dict.fromkeys(rows["tier"].tolist()) if name not in tiers)
    begin = found.clock.step_of(rows["time"])
    minute_kwh = rows["energy_kwh"] / rows["minutes"]
    power_kw = np.zeros((len(tiers), len(first) - 1))
    price = np.full((3, len(tiers), len(first) - 1), np.nan)
    for place, tier in enumerate(tiers):
        trade, minute = _minutes_of(rows, np.flatnonzero(rows["tier"] == tier), begin)
        energy_kwh, paid, part = minute_kwh[trade], rows["price_per_kwh"][trade], minute // width
        sums = np.bincount(part, energy_kwh, len(first) - 1)
        power_kw[place] = sums / np.diff(first) * MINUTES_PER_HOUR
        some = sums > 0.0
        price[1, place, some] = np.bincount(part, energy_kwh * paid, len(first) - 1)[some] / sums[some]
        np.fmin.at(price[0, place], part, paid)
        np.fmax.at(price[2, place], part, paid)
    return Traded(first, tiers, power_kw, price)


def _minutes_of(rows: Part, mine: IntArray, begin: IntArray) -> tuple[IntArray, IntArray]:
    """Each minute of each trade: which trade it is, and which minute of the window."""
    long = rows["minutes"][mine]
    trade = np.repeat(mine, long)
    after = np.arange(len(trade)) - np.repeat(np.cumsum(long) - long, long)
    return trade, begin[trade] + after


def price_band(found: Material) -> Band | None:
    """The main grid's prices; where the result has none, the limit prices of the orders; None without both.

    Limit prices lie between what the main grid pays and what it asks, as long as it is available.
    """
    columns = ("feed_in_price_per_kwh", "retail_price_per_kwh")
    prices = found.tables.whole("grid_prices", ("time", *columns))
    if len(prices["time"]):
        step, ends = found.clock.step_of(prices["time"]), np.full((2, found.clock.steps), np.nan)
        for row, column in enumerate(columns):
            ends[row, step] = prices[column]
        return Band(
            _held(ends), "from the main grid's feed-in price to its retail price", "main grid's prices"
        )
    orders = found.tables.whole("orders", ("time", "side", "price_per_kwh"))
    if not len(orders["time"]):
        return None
    ends, step = np.full((2, found.clock.steps), np.nan), found.clock.step_of(orders["time"])
    for row, side, pick in ((0, "sell", np.fmin), (1, "buy", np.fmax)):
        mine = orders["side"] == side
        pick.at(ends[row], step[mine], orders["price_per_kwh"][mine])
    words = "from the lowest limit price asked to the highest bid in each round"
    return Band(_held(ends), words, "limit prices of orders")


def _held(ends: FloatArray) -> FloatArray:
    """Values that hold until the next one, shape (2, minutes); NaN before the first."""
    at = np.where(np.isfinite(ends), np.arange(ends.shape[1]), -1)
    last = np.maximum.accumulate(at, axis=1)
    return np.where(last >= 0, np.take_along_axis(ends, np.maximum(last, 0), axis=1), np.nan)


def draw_trades(found: Material, traded: Traded, band: Band | None) -> Chart:
    """Prices above, power traded below, on one axis of time."""
    figure = make_figure(4.1)
    prices = figure.add_axes((0.055, 0.475, 0.93, 0.425))
    powers = figure.add_axes((0.055, 0.115, 0.93, 0.25))
    dates = dates_of(found.clock, traded.first)
    if band is not None:
        fill_between(
            prices, thin_bins(found.clock), (band.ends_per_kwh[0], band.ends_per_kwh[1]), (_BAND, 1.0)
        )
    base = np.zeros(traded.power_kw.shape[1])
    for place, tier in enumerate(traded.tier):
        colour = _TIERS.get(tier, (tier, INK))[1]
        low, mean, high = (_closed(traded.price_per_kwh[k, place]) for k in range(3))
        prices.fill_between(dates, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
        prices.step(dates, mean, where="post", color=colour, linewidth=1.5)
        top = base + traded.power_kw[place]
        powers.fill_between(
            dates, _closed(base), _closed(top), step="post", color=colour, alpha=0.8, linewidth=0
        )
        base = top
    _finish(found, figure, (prices, powers), traded, band)
    totals = traded.power_kw @ np.diff(traded.first) / MINUTES_PER_HOUR
    told = [f"{_TIERS.get(t, (t,))[0]} {energy(float(x))}" for t, x in zip(traded.tier, totals, strict=True)]
    return finish(figure, "Trades over the day: " + ", ".join(told), "trades")


def _finish(
    found: Material, figure: Figure, both: tuple[Axes, Axes], traded: Traded, band: Band | None
) -> None:
    dates = dates_of(found.clock, traded.first)
    for axes, is_last in zip(both, (False, True), strict=True):
        quiet_grid(axes)
        time_axis(axes, dates, found.clock.timezone, label=is_last)
        axes.tick_params(labelbottom=is_last)
    both[1].set_ylim(bottom=0.0)
    both[1].set_title("Power traded [kW]", pad=6)
    entries = [("■", colour, words) for t, (words, colour) in _TIERS.items() if t in traded.tier]
    entries += [] if band is None else [("■", "#d3dae1", band.name)]
    legend(figure, entries, f"price, mean and range [{found.currency or '1'}/kWh]")


def _closed(values: FloatArray) -> FloatArray:
    return np.append(values, values[-1:])


def tier_table(found: Material, rows: Part) -> str:
    """Energy, money and prices of each tier."""
    unit = f" [{found.currency}]" if found.currency else ""
    per_kwh = f" [{found.currency or '1'}/kWh]"
    heads = {"tier": "trades", "count#": "how many", "energy#": "energy [kWh]", "money#": f"money{unit}"}
    heads |= {"low#": f"lowest price{per_kwh}", "mean#": "mean", "high#": "highest"}
    lines = []
    for tier in dict.fromkeys((*_TIERS, *rows["tier"].tolist())):
        mine = rows["tier"] == tier
        if not mine.any():
            continue
        kwh, price = rows["energy_kwh"][mine], rows["price_per_kwh"][mine]
        total, money = float(kwh.sum()), float(kwh @ price)
        lines.append(
            {
                "tier": _TIERS.get(str(tier), (str(tier),))[0],
                "count#": number(int(mine.sum())),
                "energy#": number(total, 1),
                "money#": number(money, 2),
                "low#": number(float(price.min()), 4),
                "mean#": number(money / total if total else float("nan"), 4),
                "high#": number(float(price.max()), 4),
            }
        )
    return html.table(heads, lines)
