"""Reads ``orders.csv``: what members order of the local market themselves.

A cell that cannot be read is a problem of the file. What an order says is not judged here: the book takes it
in or refuses it, with a reason.
"""

from __future__ import annotations

import math
from pathlib import Path

from gridcommons.adapters.problems import ProblemList
from gridcommons.adapters.studies.tables import Columns, Row, read_table
from gridcommons.model.errors import did_you_mean
from gridcommons.model.orders import StandingOrder
from gridcommons.model.time import TimeAxis

ORDERS_FILE = "orders.csv"
ORDER_COLUMNS = Columns(
    ("order", "member", "cluster", "side", "power_kw", "price_per_kwh", "time"), ("expires",)
)
SIDES = ("buy", "sell")


def read_orders(folder: Path, time: TimeAxis, problems: ProblemList) -> tuple[StandingOrder, ...]:
    """The orders of ``orders.csv``, one a row; none where there is no such file."""
    path = folder / ORDERS_FILE
    rows = read_table(path, ORDER_COLUMNS, problems) if path.exists() else []
    orders = (_order(row, time) for row in rows)
    return tuple(order for order in orders if order is not None)


def _order(row: Row, time: TimeAxis) -> StandingOrder | None:
    before = len(row.problems.found)
    side = row.needed_text("side")
    if side and side not in SIDES:
        row.add("side", repr(side), "buy or sell", did_you_mean(side, SIDES))
    row.needed_text("time")
    placed = row.interval("time", time)
    expires = row.interval("expires", time) if row.text("expires") else placed
    power_kw, price = (row.number(column, low=-math.inf) for column in ("power_kw", "price_per_kwh"))
    for column in ("power_kw", "price_per_kwh"):
        row.needed_text(column)
    name, member, cluster = (row.needed_text(column) for column in ("order", "member", "cluster"))
    if "@" in name:
        row.add(
            "order", repr(name), "an id without @, which is in the ids of orders that the task makes itself"
        )
    if len(row.problems.found) > before or placed is None or expires is None:
        return None
    return StandingOrder(name, member, cluster, side == "buy", power_kw, price, placed, expires)
