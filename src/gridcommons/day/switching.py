"""Switches between clusters through the day: positions that follow the balances of each round.

A change is made where it pays, in a safe order of operations, and only where what has been promised holds on
the new topology: with all upper ends of the envelopes, and with all lower ones. Else the present one stays.
"""

from __future__ import annotations

import numpy as np

from gridcommons.day.expectation import expected_power
from gridcommons.day.field import Field
from gridcommons.day.local_market import expected_day, rounds_of, trading_settings
from gridcommons.day.outcomes import Realised, Switched
from gridcommons.model.clusters import ClusterMap
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.model.switches import positions
from gridcommons.ports import SwitchController, SwitchWish
from gridcommons.powerflow.switched_flows import Connected
from gridcommons.trading.scenarios import Switchyard

WORSE = np.array([1e-6, 1e-6, 1e-4])
"""By how much a limit may be broken further: low and high voltages [pu], loadings [%]."""


def clusters_of(field: Field) -> tuple[SwitchController, ClusterMap]:
    """Who moves switches, and what they cut the grid into."""
    settings = trading_settings(field)
    controller = field.engines.switch_controller(settings.switching)
    study = field.study
    return controller, controller.find_clusters(study.grid, study.community.members, study.switches)


def follow_balances(field: Field, done: Realised) -> Switched:
    """Positions of each interval."""
    settings = trading_settings(field)
    controller, clusters = clusters_of(field)
    day = expected_day(field, done, settings)
    rounds = rounds_of(field, day)
    wish = SwitchWish(settings.parallel_allowed, worth_hours=settings.worth_minutes / 60.0)
    power = expected_power(field, done)
    yard = Switchyard(field.study, clusters, controller, wish, _connected(field, power))
    start = positions(field.study.switches)
    nothing = np.zeros((len(rounds), len(clusters.graph.clusters)))
    placed = yard.follow(day, rounds, nothing, start)
    wanted = placed.closed[:: field.study.time.step_minutes]
    return _kept_promises(field, done, power, (wanted, start))


def _connected(field: Field, power: tuple[FloatArray, FloatArray]) -> Connected:
    """Power of every asset at the rows of the grid that it uses, by the minute."""
    at = field.study.community.terminals(field.study.grid)
    of_row = np.repeat(np.arange(len(power[0])), field.study.time.step_minutes)
    p_kw, q_kvar = (part[:, at.asset] * at.share for part in power)
    return Connected(at.bus, at.to_bus, p_kw, q_kvar, of_row, at.asset, at.share)


def _kept_promises(
    field: Field, done: Realised, power: tuple[FloatArray, FloatArray], placed: tuple[BoolArray, BoolArray]
) -> Switched:
    """Positions that are wanted where they hold what was promised; else those of the interval before."""
    wanted, start = placed
    distinct, which = np.unique(np.vstack([start, wanted]), axis=0, return_inverse=True)
    beyond = [_beyond(field, done, power, positions) for positions in distinct]
    closed, refused, now = wanted.copy(), np.zeros(len(wanted), dtype=np.bool_), int(which[0])
    for step, goal in enumerate(which[1:].tolist()):
        worse = beyond[goal][step] > np.maximum(beyond[now][step], 0.0) + WORSE
        refused[step] = goal != now and bool(worse.any())
        now = now if refused[step] else goal
        closed[step] = distinct[now]
    return Switched(closed, refused)


def _promised_kw(done: Realised, expected_kw: FloatArray) -> list[FloatArray]:
    """Both ends of the envelopes, where there are any."""
    if not np.isfinite(done.p_max_kw).any():
        return []
    return [np.where(np.isfinite(end), end, expected_kw) for end in (done.p_max_kw, done.p_min_kw)]


def _beyond(
    field: Field, done: Realised, power: tuple[FloatArray, FloatArray], closed: BoolArray
) -> FloatArray:
    """By how much a topology breaks each kind of limit at most, at all ends, shape (steps, kinds)."""
    worst = np.full((len(power[0]), len(WORSE)), -np.inf)
    limits = field.limits
    for p_kw in (power[0], *_promised_kw(done, power[0])):
        q_kvar = np.where(p_kw == power[0], power[1], p_kw * field.tan)
        flow = field.flow(p_kw, q_kvar, np.tile(closed, (len(p_kw), 1)))
        over = (
            limits.vm_min_pu - flow.vm_pu,
            flow.vm_pu - limits.vm_max_pu,
            flow.loading_percent - limits.loading_max_percent,
        )
        most = [np.nan_to_num(part, nan=-np.inf).max(axis=1, initial=-np.inf) for part in over]
        worst = np.maximum(worst, np.stack(most, axis=1))
    return worst
