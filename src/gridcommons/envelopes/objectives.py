"""Who gets what: each objective shares the same linearised room in its own way.

All of them see a packing problem (``LinearRoom``): how far the upper ends go up and the lower ends go
down from rest. The ties of ``max_total`` go to the nearest asset first (by path impedance, then id).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.optimisation.solve import LinearProgram, maximise_log_sum, solve

TIE_WEIGHT = 1e-6
"""Preference of the nearest over the farthest asset, as a share of the objective."""


@dataclass(frozen=True, eq=False)
class LinearRoom:
    """What is free at one step: up_cost·up + down_cost·down ≤ room, 0 ≤ up ≤ up_max, same for down.

    Parameters
    ----------
    up_cost, down_cost : (limits, assets)
        What each kW of an upper (lower) end takes of each limit, at least 0.
    room : (limits,)
        What each limit has.
    up_max, down_max : (assets,)
        Farthest that each end may go from rest [kW]; 0 where it is not free.
    rank : (assets,)
        Order of ties.
    reach : (2 assets,), optional
        How far the linearisation is trusted this time [kW]. A common value or share moves little from
        one linearisation to the next and needs no such hold.
    """

    up_cost: FloatArray
    down_cost: FloatArray
    room: FloatArray
    up_max: FloatArray
    down_max: FloatArray
    rank: IntArray
    reach: FloatArray | None = None

    @property
    def cost(self) -> FloatArray:
        """Both sides in one, shape (limits, 2 assets)."""
        return np.concatenate([self.up_cost, self.down_cost], axis=1)

    @property
    def most(self) -> FloatArray:
        """Both sides' bounds in one, shape (2 assets,) [kW]."""
        return np.concatenate([self.up_max, self.down_max])

    @property
    def within(self) -> FloatArray:
        """The bounds, no farther than the reach, shape (2 assets,) [kW]."""
        return self.most if self.reach is None else np.minimum(self.most, self.reach)


Share = Callable[[LinearRoom], FloatArray]
"""From the room to the ends, shape (2 assets,): up, then down [kW]."""


def share_max_total(room: LinearRoom) -> FloatArray:
    """Largest sum of widths (source 1, eqs. 2–3): fills the smallest path impedance first."""
    count = len(room.rank)
    weight = 1.0 + TIE_WEIGHT * (1.0 - room.rank / max(count, 1))
    return _relevant_rows_only(room, -np.concatenate([weight, weight]))


def _relevant_rows_only(room: LinearRoom, cost: FloatArray) -> FloatArray:
    """The LP with rows added as they are broken: few of the many limits bind."""
    most, rows = room.within, room.cost
    need = rows @ most
    broken = need > room.room
    if not broken.any():
        return most
    chosen = np.zeros(len(need), dtype=bool)
    chosen[_worst(need - room.room, broken)] = True
    while True:
        program = LinearProgram(cost, rows[chosen], room.room[chosen], np.zeros_like(most), most)
        x = np.clip(solve(program).x, 0.0, most)
        over = rows @ x - room.room
        broken = (over > 1e-10) & ~chosen
        if not broken.any():
            return x
        chosen[_worst(over, broken)] = True


def _worst(over: FloatArray, broken: BoolArray, count: int = 12) -> IntArray:
    candidates = np.flatnonzero(broken)
    return candidates[np.argsort(-over[candidates], kind="stable")[:count]]


def share_proportional_fairness(room: LinearRoom) -> FloatArray:
    """Largest Σ log(P − rest) of all that may move.

    Ends that some limit leaves nothing stand still; the rest is a smooth convex problem.
    """
    most, rows = room.within, room.cost
    blocked = (rows[room.room <= 1e-9] > 0.0).any(axis=0)
    movable = np.flatnonzero((most > 1e-9) & ~blocked)
    x = np.zeros_like(most)
    if len(movable):
        live = (rows[:, movable] @ most[movable] > room.room) & (room.room > 1e-9)
        x[movable] = maximise_log_sum(rows[live][:, movable], room.room[live], most[movable])
    return x


def share_equal(room: LinearRoom) -> FloatArray:
    """min(common value, own bound): the common value rises until the first limit of its side binds."""
    return _fill(room, np.ones_like(room.most), room.most, stop_all=True)


def share_proportional(room: LinearRoom) -> FloatArray:
    """A common share of each one's range: it rises until the first limit of its side binds."""
    return _fill(room, room.most, room.most, stop_all=True)


def share_max_min(room: LinearRoom) -> FloatArray:
    """Lexicographic max-min: the common value rises; at each limit those who take part in it stop."""
    return _fill(room, np.ones_like(room.most), room.within, stop_all=False)


@dataclass
class _Filling:
    """Ends that rise together: present value and whether each still rises."""

    x: FloatArray
    rising: BoolArray = field(repr=False)


def _fill(room: LinearRoom, pace: FloatArray, most: FloatArray, *, stop_all: bool) -> FloatArray:
    """Raise all ends at their pace; stop at ``most``, and at limits all of a side or who takes part."""
    rows = room.cost
    side = np.repeat([0, 1], len(most) // 2)
    # Both sides reach their own largest value at the same time, so that neither starves the other.
    span = np.array([_largest(room.most, pace, side == s) for s in (0, 1)])
    speed = pace * span[side]
    state = _Filling(np.zeros_like(most), (most > 0.0) & (speed > 0.0))
    left = room.room.copy()
    active = rows @ most > room.room
    rows, left = rows[active], left[active]
    while state.rising.any():
        now = np.where(state.rising, speed, 0.0)
        use = rows @ now
        step, bound = _next_event(state, most, now, left, use)
        state.x += step * now
        left -= step * use
        state.rising &= most - state.x > 1e-12 * np.maximum(most, 1.0)
        if bound >= 0:
            part = rows[bound] * now
            touched = part > 1e-6 * part.max()
            stopped = np.isin(side, np.unique(side[touched])) if stop_all else touched
            state.rising &= ~stopped
    return np.minimum(state.x, most)


def _largest(most: FloatArray, pace: FloatArray, mine: BoolArray) -> float:
    """Largest common value at which anyone of a side is still rising."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(pace[mine] > 0.0, most[mine] / pace[mine], 0.0)
    return float(value.max(initial=0.0))


def _next_event(
    state: _Filling, most: FloatArray, now: FloatArray, left: FloatArray, use: FloatArray
) -> tuple[float, int]:
    """How long until an own bound or a limit is reached, and which limit (−1: an own bound)."""
    to_bound = float(((most - state.x)[state.rising] / now[state.rising]).min())
    with np.errstate(divide="ignore", invalid="ignore"):
        to_limit = np.where(use > 0.0, np.maximum(left, 0.0) / use, np.inf)
    limit = int(np.argmin(to_limit)) if len(to_limit) else -1
    if limit >= 0 and to_limit[limit] <= to_bound:
        return float(to_limit[limit]), limit
    return to_bound, -1


OBJECTIVES: dict[str, Share] = {
    "max_total": share_max_total,
    "equal": share_equal,
    "proportional": share_proportional,
    "max_min": share_max_min,
    "proportional_fairness": share_proportional_fairness,
}
"""Objectives by the name that a study gives."""
