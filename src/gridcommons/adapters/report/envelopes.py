"""What a report shows of envelopes: totals by kind, the assets most cut, shares, and what binds when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.tables import Names, ResultTables
from gridcommons.model.grid import FloatArray, IntArray

SIDES = ("p_max", "p_min")
BINDING_MARGIN = 1e-5
"""Nearer to a limit than this the grid, not the devices, sets the envelope."""

UNRESOLVED, DEVICES, GRID = 0, 1, 2
"""What sets the envelope of an interval and side."""


@dataclass(frozen=True, eq=False)
class AssetBook:
    """The assets with envelopes, in the order of the tables, and what each got over the whole result.

    Parameters
    ----------
    name, kind, bus : tuple of str
        Id, kind and bus; kind and bus are empty where the result does not say.
    offered_kwh : (assets,)
        Width of the envelopes, summed over time [kWh].
    device_kwh : (assets,)
        Width that the devices alone would allow [kWh]; NaN where the result does not say.
    """

    name: tuple[str, ...]
    kind: tuple[str, ...]
    bus: tuple[str, ...]
    offered_kwh: FloatArray
    device_kwh: FloatArray

    @property
    def got_share(self) -> FloatArray:
        """What each asset got of what its device allows; NaN where that is nothing."""
        known = self.device_kwh > 1e-9
        return np.where(known, self.offered_kwh / np.where(known, self.device_kwh, 1.0), np.nan)


@dataclass(frozen=True, eq=False)
class Bands:
    """Ends over time of one asset, a kind or all of them, each of shape (steps,) [kW].

    ``p_low_kw``, ``p_high_kw`` (what devices alone allow) and ``p_planned_kw`` are NaN where the
    result does not say.
    """

    p_min_kw: FloatArray
    p_max_kw: FloatArray
    p_low_kw: FloatArray
    p_high_kw: FloatArray
    p_planned_kw: FloatArray


@dataclass(frozen=True, eq=False)
class CheckBook:
    """What the check says of every interval and side, each of shape (steps, 2): p_max, p_min.

    Parameters
    ----------
    status : (steps, 2)
        ``certified``, ``tested``, ``unresolved``, or empty.
    margin : (steps, 2)
        Worst margin [pu, or share of the rating].
    element : (steps, 2)
        Where that was.
    draws : (steps, 2)
        Points tried.
    """

    status: npt.NDArray[Any]
    margin: FloatArray
    element: npt.NDArray[Any]
    draws: IntArray

    @property
    def sets(self) -> IntArray:
        """What sets each envelope: ``UNRESOLVED``, ``DEVICES`` or ``GRID``, shape (steps, 2)."""
        by_grid = np.where(self.margin < BINDING_MARGIN, GRID, DEVICES)
        return np.where(self.status == "unresolved", UNRESOLVED, by_grid)


_ENDS = {"envelopes": ("p_min_kw", "p_max_kw"), "asset_ranges": ("p_low_kw", "p_high_kw", "p_planned_kw")}


def read_assets(tables: ResultTables, clock: Clock) -> tuple[AssetBook, dict[str, Bands]]:
    """The assets and the bands of each kind, in one pass over the two long tables."""
    known = tables.whole("assets", ("asset", "kind", "bus"))
    kind_of = dict(zip(known["asset"].tolist(), known["kind"].tolist(), strict=True))
    bus_of = dict(zip(known["asset"].tolist(), known["bus"].tolist(), strict=True))
    names = Names()
    kinds = Names()
    sums: dict[str, dict[int, FloatArray]] = {end: {} for ends in _ENDS.values() for end in ends}
    width_kwh: dict[str, dict[int, float]] = {table: {} for table in _ENDS}
    for table, ends in _ENDS.items():
        for part in tables.parts(table, ("time", "asset", *ends), {"asset": names}):
            kind = kinds.numbers([kind_of.get(name, "") for name in names.names])[part["asset"]]
            step = clock.step_of(part["time"])
            for end in ends:
                _add(sums[end], kind, step, part[end], clock.steps)
            width = np.bincount(part["asset"], part[ends[1]] - part[ends[0]]) * clock.step_hours
            for number in np.flatnonzero(np.bincount(part["asset"])):
                width_kwh[table][int(number)] = width_kwh[table].get(int(number), 0.0) + float(width[number])
    listed = [n for n in range(len(names)) if n in width_kwh["envelopes"]]
    book = AssetBook(
        tuple(names.names[n] for n in listed),
        tuple(kind_of.get(names.names[n], "") for n in listed),
        tuple(bus_of.get(names.names[n], "") for n in listed),
        np.array([width_kwh["envelopes"][n] for n in listed]),
        np.array([width_kwh["asset_ranges"].get(n, np.nan) for n in listed]),
    )
    return book, {name: _bands(sums, number, clock.steps) for number, name in enumerate(kinds.names)}


def _add(sums: dict[int, FloatArray], kind: IntArray, step: IntArray, values: FloatArray, steps: int) -> None:
    for number in np.unique(kind):
        mine = kind == number
        total = sums.setdefault(int(number), np.zeros(steps))
        total += np.bincount(step[mine], values[mine], minlength=steps)


def _bands(sums: dict[str, dict[int, FloatArray]], number: int, steps: int) -> Bands:
    unknown = np.full(steps, np.nan)
    ends = (end for table in ("envelopes", "asset_ranges") for end in _ENDS[table])
    return Bands(*(sums[end].get(number, unknown) for end in ends))


def total_bands(by_kind: dict[str, Bands], steps: int) -> Bands:
    """The sum over all kinds."""
    ends = [end for table in _ENDS.values() for end in table]
    sums = []
    for end in ends:
        each = [np.asarray(getattr(bands, end)) for bands in by_kind.values()]
        sums.append(np.sum(each, axis=0) if each else np.zeros(steps))
    return Bands(*sums)


def read_bands(tables: ResultTables, clock: Clock, assets: list[str]) -> dict[str, Bands]:
    """The bands of some assets."""
    ends = [end for table in _ENDS.values() for end in table]
    found = {asset: {end: np.full(clock.steps, np.nan) for end in ends} for asset in assets}
    names = Names()
    for table, columns in _ENDS.items():
        for part in tables.parts(table, ("time", "asset", *columns), {"asset": names}):
            step = clock.step_of(part["time"])
            for asset in assets:
                mine = part["asset"] == names.of(asset)
                for end in columns:
                    found[asset][end][step[mine]] = part[end][mine]
    return {asset: Bands(**each) for asset, each in found.items()}


def read_checks(tables: ResultTables, clock: Clock) -> CheckBook | None:
    """What the check found; None where the result does not say."""
    if "envelope_checks" not in tables:
        return None
    columns = ("time", "side", "status", "draws", "worst_margin", "element")
    rows = tables.whole("envelope_checks", columns)
    shape = (clock.steps, 2)
    place = (clock.step_of(rows["time"]), (rows["side"] == SIDES[1]).astype(np.int64))
    status, element = np.full(shape, "", dtype=object), np.full(shape, "", dtype=object)
    margin, draws = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    status[place], element[place] = rows["status"], rows["element"]
    margin[place], draws[place] = rows["worst_margin"], rows["draws"]
    return CheckBook(status, margin, element, draws)


def choose_assets(book: AssetBook, most: int) -> list[int]:
    """Assets worth a picture of their own: of each kind in turn the one most cut, then the next.

    Those that got all that their device allows come only where room is left.
    """
    cut_kwh = np.nan_to_num(book.device_kwh) - book.offered_kwh
    share = np.nan_to_num(book.got_share, nan=1.0)
    order = sorted(range(len(book.name)), key=lambda a: (share[a], -cut_kwh[a], book.name[a]))
    turn: dict[str, int] = {}
    rank: dict[int, tuple[int, int]] = {}
    for place, asset in enumerate(order):
        rank[asset] = (turn.get(book.kind[asset], 0), place)
        turn[book.kind[asset]] = rank[asset][0] + 1
    chosen = sorted(order, key=lambda a: (share[a] > 0.999 and rank[a][0] > 0, rank[a]))[:most]
    return sorted(chosen, key=lambda a: (book.kind[a], rank[a]))
