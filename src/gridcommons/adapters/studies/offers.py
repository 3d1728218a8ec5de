"""Reads ``offers.csv``: what aggregators offer, as they sent it.

A cell that cannot be read is a problem of the file. What an offer says is not judged here: the market takes
it in or rejects it, with a reason.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gridcommons.adapters.problems import ProblemList
from gridcommons.adapters.studies.tables import Columns, Row, read_table
from gridcommons.model.errors import did_you_mean
from gridcommons.model.flexibility import RELATIONS, Offer
from gridcommons.model.time import TimeAxis

OFFERS_FILE = "offers.csv"
OFFER_COLUMNS = Columns(
    ("offer", "aggregator", "bus", "time", "price_per_kwh"),
    ("flexibility_kw", "payback_kw", "group", "relation", "divisible", "response_kw_per_price"),
)
OF_THE_WHOLE = (
    "aggregator",
    "bus",
    "price_per_kwh",
    "group",
    "relation",
    "divisible",
    "response_kw_per_price",
)
"""What every row of an offer says alike."""


def read_offers(folder: Path, time: TimeAxis, problems: ProblemList) -> tuple[Offer, ...]:
    """The offers of ``offers.csv``, one row an offer and interval; none where there is no such file."""
    path = folder / OFFERS_FILE
    rows = read_table(path, OFFER_COLUMNS, problems) if path.exists() else []
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        name = row.needed_text("offer")
        if name:
            by_id.setdefault(name, []).append(row)
    offers = (_offer(name, its_rows, time) for name, its_rows in by_id.items())
    return tuple(offer for offer in offers if offer is not None)


def _offer(name: str, rows: list[Row], time: TimeAxis) -> Offer | None:
    first, before = rows[0], len(rows[0].problems.found)
    flexibility_kw, payback_kw = np.zeros((2, time.steps))
    seen: dict[int, Row] = {}
    for row in rows:
        _check_alike(row, first)
        row.needed_text("time")
        step = row.interval("time", time)
        if step in seen:
            row.add("time", row.text("time"), f"one row an interval; row {seen[step].place.row} has it")
        elif step is not None:
            seen[step] = row
            flexibility_kw[step] = _number(row, "flexibility_kw")
            payback_kw[step] = _number(row, "payback_kw")
    relation = first.text("relation") or "alone"
    if relation not in RELATIONS:
        first.add(
            "relation", repr(relation), "alone, increment or exclusive", did_you_mean(relation, RELATIONS)
        )
    first.needed_text("price_per_kwh")
    made = Offer(
        offer=name,
        aggregator=first.needed_text("aggregator"),
        bus=first.needed_text("bus"),
        price_per_kwh=_number(first, "price_per_kwh"),
        flexibility_kw=flexibility_kw,
        payback_kw=payback_kw,
        group=first.text("group"),
        relation=RELATIONS.get(relation, "alone"),
        divisible=first.flag("divisible", otherwise=True),
        response_kw_per_price=_number(first, "response_kw_per_price"),
    )
    return made if len(first.problems.found) == before else None


def _number(row: Row, column: str) -> float:
    """A number of either sign, 0 where the cell is empty: the market judges what it means."""
    value = row.number(column, low=-math.inf)
    return 0.0 if math.isnan(value) else value


def _check_alike(row: Row, first: Row) -> None:
    for column in OF_THE_WHOLE:
        if row.text(column) != first.text(column):
            expected = f"{first.text(column)!r}, as row {first.place.row} says of the same offer"
            row.add(column, repr(row.text(column)), expected)
