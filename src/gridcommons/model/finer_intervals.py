"""A study in finer intervals: what holds for an hour holds for each of its quarters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from gridcommons.model.envelopes import Envelopes
from gridcommons.model.flexibility import Offer
from gridcommons.model.grid import FloatArray
from gridcommons.model.limits import Limits
from gridcommons.model.orders import StandingOrder
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices

Table = TypeVar("Table", Limits, Prices)

AMOUNTS = ("drive_kwh", "draw_m3")
"""Columns that are an amount of each interval, which its parts share; all others are a mean or a state."""


def in_finer_intervals(study: Study, minutes: int) -> Study:
    """The study with intervals no longer than asked for; as it is where they are short enough.

    Powers, prices, limits, envelopes and orders are the same in every part; what a car drives and what hot
    water is drawn in an interval is divided among its parts.

    Parameters
    ----------
    minutes : int
        The longest interval [min].
    """
    time = study.time
    parts = next(n for n in range(1, time.step_minutes + 1) if _fits(time.step_minutes, n, minutes))
    if parts == 1:
        return study
    finer = replace(time, step_minutes=time.step_minutes // parts, steps=time.steps * parts)
    profiles = replace(study.profiles, time=finer, columns=_columns(study.profiles.columns, parts))
    return replace(
        study,
        profiles=profiles,
        limits=_repeated(study.limits, parts, time.steps),
        prices=None if study.prices is None else _repeated(study.prices, parts, time.steps),
        offers=tuple(_offer(each, parts) for each in study.offers),
        orders=tuple(_order(each, parts) for each in study.orders),
        envelopes=None if study.envelopes is None else _envelopes(study.envelopes, parts),
    )


def _fits(step_minutes: int, parts: int, minutes: int) -> bool:
    """Whether so many equal parts are of whole minutes and short enough."""
    return step_minutes % parts == 0 and step_minutes // parts <= minutes


def _columns(columns: Mapping[str, FloatArray], parts: int) -> dict[str, FloatArray]:
    share = {name: parts if name.rpartition(".")[2] in AMOUNTS else 1 for name in columns}
    return {name: np.repeat(column, parts) / share[name] for name, column in columns.items()}


def _repeated(table: Table, parts: int, steps: int) -> Table:
    """Every array that has a row an interval with a row a part; constants stay as they are."""
    columns = {column.name: getattr(table, column.name) for column in fields(table)}
    return replace(
        table,
        **{
            name: np.repeat(values, parts, axis=0) if len(values) == steps else values
            for name, values in columns.items()
        },
    )


def _offer(offer: Offer, parts: int) -> Offer:
    flexibility_kw, payback_kw = (np.repeat(kw, parts) for kw in (offer.flexibility_kw, offer.payback_kw))
    return replace(offer, flexibility_kw=flexibility_kw, payback_kw=payback_kw)


def _order(order: StandingOrder, parts: int) -> StandingOrder:
    """From the first part of its first interval to the last part of its last."""
    last = (order.expires_step + 1) * parts - 1
    return replace(order, placed_step=order.placed_step * parts, expires_step=last)


def _envelopes(envelopes: Envelopes, parts: int) -> Envelopes:
    low_kw, high_kw = (np.repeat(end, parts, axis=0) for end in (envelopes.p_min_kw, envelopes.p_max_kw))
    return replace(envelopes, p_min_kw=low_kw, p_max_kw=high_kw)
