"""Laws that divide an amount of energy among rooms, in every interval at once."""

from __future__ import annotations

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import FloatArray, IntArray


def pro_rata(amount_kwh: FloatArray, by_kwh: FloatArray) -> FloatArray:
    """An amount, divided in proportion to what each has; nothing where nobody has anything.

    Parameters
    ----------
    amount_kwh : (steps,)
        To divide [kWh].
    by_kwh : (steps, members)
        In proportion to this [kWh].

    Returns
    -------
    (steps, members)
        Energy [kWh].
    """
    total_kwh = by_kwh.sum(axis=1)
    share = np.divide(amount_kwh, total_kwh, out=np.zeros_like(total_kwh), where=total_kwh > 0.0)
    return np.asarray(share[:, None] * by_kwh)


def in_turn(amount_kwh: FloatArray, room_kwh: FloatArray, rank: IntArray) -> FloatArray:
    """An amount that fills one room after the other, min(left, room) in the order of rank.

    Parameters
    ----------
    amount_kwh : (steps,)
        To divide [kWh].
    room_kwh : (steps, members)
        What each takes at most [kWh].
    rank : (members,)
        The lowest is first.

    Returns
    -------
    (steps, members)
        Energy [kWh].

    Raises
    ------
    GridcommonsError
        There is not one rank a member, or two are equal.
    """
    members = room_kwh.shape[1]
    if np.shape(rank) != (members,) or len(np.unique(rank)) != members:
        found = np.asarray(rank).tolist()
        raise GridcommonsError(f"ranks: found {found}, expected {members} different numbers")
    order = np.argsort(rank)
    ordered_kwh = room_kwh[:, order]
    filled_kwh = np.empty_like(ordered_kwh)
    filled_kwh[:, order] = np.clip(amount_kwh[:, None] - _before(ordered_kwh), 0.0, ordered_kwh)
    return filled_kwh


def raised_together(amount_kwh: FloatArray, room_kwh: FloatArray, weight_share: FloatArray) -> FloatArray:
    """An amount that rises like water in all rooms, min(λ w, room) with one λ an interval.

    Rooms fill in the order of room / w. When the k-th is full, what is in all of them is the rooms before it
    and λ_k times the weight of the others, so that sorting finds λ.

    Parameters
    ----------
    amount_kwh : (steps,)
        To divide [kWh]; what exceeds all rooms stays outside.
    room_kwh : (steps, members)
        What each takes at most [kWh].
    weight_share : (steps, members)
        w ≥ 0; a room without weight stays empty.

    Returns
    -------
    (steps, members)
        Energy [kWh].
    """
    room_kwh = np.where(weight_share > 0.0, room_kwh, 0.0)
    brim_kwh = np.divide(room_kwh, weight_share, out=np.zeros_like(room_kwh), where=weight_share > 0.0)
    order = np.argsort(brim_kwh, axis=1)
    brim_kwh = np.take_along_axis(brim_kwh, order, axis=1)
    weight = np.take_along_axis(weight_share, order, axis=1)
    before_kwh = _before(np.take_along_axis(room_kwh, order, axis=1))
    open_weight = np.cumsum(weight[:, ::-1], axis=1)[:, ::-1]
    full = before_kwh + brim_kwh * open_weight <= amount_kwh[:, None]
    # Where all are full, the last one's level is above its brim, and the minimum below keeps it there.
    first_open = np.minimum(full.sum(axis=1), full.shape[1] - 1)[:, None]
    left_kwh = amount_kwh - np.take_along_axis(before_kwh, first_open, axis=1)[:, 0]
    weight_left = np.take_along_axis(open_weight, first_open, axis=1)[:, 0]
    level_kwh = np.divide(left_kwh, weight_left, out=np.zeros_like(left_kwh), where=weight_left > 0.0)
    return np.minimum(level_kwh[:, None] * weight_share, room_kwh)


def _before(ordered_kwh: FloatArray) -> FloatArray:
    """Sum of what stands before each in its row."""
    before_kwh = np.zeros_like(ordered_kwh)
    np.cumsum(ordered_kwh[:, :-1], axis=1, out=before_kwh[:, 1:])
    return before_kwh
