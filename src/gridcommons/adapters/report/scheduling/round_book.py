"""The rounds of prices, hour by hour: what was asked and offered, and from when all voltages are in band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.voltage_book import HIGH, LOW, TOLERANCE_PU
from gridcommons.adapters.report.tables import Part
from gridcommons.model.grid import FloatArray, IntArray

_COLUMNS = ("round", "community", "bus", "time", "price", "delta_q_kvar", "worst_bus", "worst_vm_pu")


@dataclass(frozen=True, eq=False)
class HourRounds:
    """The rounds of one interval.

    Parameters
    ----------
    step : int
        Which interval.
    number : (rounds + 1,)
        Numbers of the rounds; 0, before the first, is without a price of its own.
    price_per_kvarh, offered_kvar : (connections, rounds + 1)
        Asked at each connection, positive for injecting; offered, positive where injected [kvar].
    worst_vm_pu : (rounds + 1,)
        The worst voltage with all that is offered [pu]; NaN before the first round.
    cleared : int or None
        The first round from which every voltage is in its band up to the last round; None where it is not, or
        no band is known.
    paid_per_kvarh, bought_kvar : (connections,)
        What it ends with.
    paid : float
        For all connections together.
    """

    step: int
    number: IntArray
    price_per_kvarh: FloatArray
    offered_kvar: FloatArray
    worst_vm_pu: FloatArray
    cleared: int | None
    paid_per_kvarh: FloatArray
    bought_kvar: FloatArray
    paid: float


def read_rounds(found: Material) -> list[HourRounds]:
    """Rounds of each interval in which reactive power was asked for, in the order of time."""
    rows = found.tables.whole("reactive_rounds", _COLUMNS)
    if not len(rows["time"]) or not found.connections:
        return []
    step = found.steps_of(rows)
    return [_read_hour(found, rows, np.flatnonzero(step == each), int(each)) for each in np.unique(step)]


def _read_hour(found: Material, rows: Part, mine: IntArray, step: int) -> HourRounds:
    place_of = {connection: place for place, connection in enumerate(found.connections)}
    number = np.unique(np.append(rows["round"][mine], 0)).astype(np.int64)
    at = np.searchsorted(number, rows["round"][mine])
    pairs = zip(map(str, rows["community"][mine]), map(str, rows["bus"][mine]), strict=True)
    who = np.array([place_of[pair] for pair in pairs], dtype=np.int64)
    price = np.full((len(place_of), len(number)), np.nan)
    offered, worst = price.copy(), np.full(len(number), np.nan)
    price[who, at], offered[who, at] = rows["price"][mine], rows["delta_q_kvar"][mine]
    price[:, 0], offered[:, 0] = found.fee_per_kvarh, 0.0
    worst[at] = rows["worst_vm_pu"][mine]
    is_in = {int(rows["round"][row]): _is_inside(found, rows, int(row), step) for row in mine}
    cleared = _cleared(is_in)
    return HourRounds(step, number, price, offered, worst, cleared, *_bought(found, step))


def _cleared(is_in: dict[int, bool]) -> int | None:
    """The first of the rounds that are in the band without a break up to the last one."""
    cleared = None
    for number in sorted(is_in, reverse=True):
        if not is_in[number]:
            break
        cleared = number
    return cleared


def _is_inside(found: Material, rows: Part, row: int, step: int) -> bool:
    """Whether the worst voltage of a round is in its band."""
    bus, grid, limits = str(rows["worst_bus"][row]), found.grid, found.limits
    if grid is None or limits is None or bus not in grid.buses.number:
        return False
    at = (np.array([step]), np.array([grid.buses.number[bus]]))
    low, high = (float(limits.at(kind, *at)[0]) for kind in (LOW, HIGH))
    return bool(low - TOLERANCE_PU <= rows["worst_vm_pu"][row] <= high + TOLERANCE_PU)


def _bought(found: Material, step: int) -> tuple[FloatArray, FloatArray, float]:
    """Price and amount at each connection, and what is paid for all of them."""
    rows = found.purchases
    place_of = {connection: place for place, connection in enumerate(found.connections)}
    price, bought, paid = np.full(len(place_of), np.nan), np.zeros(len(place_of)), 0.0
    for row in np.flatnonzero(found.steps_of(rows) == step):
        place = place_of[str(rows["community"][row]), str(rows["bus"][row])]
        price[place], bought[place] = rows["price_per_kvarh"][row], rows["bought_kvar"][row]
        paid += float(rows["amount"][row])
    return price, bought, paid
