"""Switches between clusters through the day: positions that follow the balances of each round.

A change is made where it pays, in a safe order of operations, and only where what has been promised holds on
the new topology: with all upper ends of the envelopes, and with all lower ones. Else the present one stays.
"""

from __future__ import annotations

import numpy as np

from gridcommons.day.expectation import expected_power
from gridcommons.day.field import DayFlow, Field
from gridcommons.day.local_market import expected_day, rounds_of, trading_settings
from gridcommons.day.outcomes import Realised, Switched
from gridcommons.model.clusters import ClusterMap
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.model.switches import positions
from gridcommons.ports import SwitchController, SwitchWish
from gridcommons.powerflow.switched_flows import Connected
from gridcommons.trading.scenarios import Switchyard

WORSE_PU, WORSE_PERCENT = 1e-6, 1e-4
"""By how much a limit may be broken further."""


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
    """Of the positions that are wanted those that hold what was promised; the others stay as they were."""
    wanted, start = placed
    stays = np.tile(start, (len(wanted), 1))
    is_worse = np.zeros(len(wanted), dtype=np.bool_)
    for p_kw in (power[0], *_promised_kw(done, power[0])):
        q_kvar = np.where(p_kw == power[0], power[1], p_kw * field.tan)
        now, then = (field.flow(p_kw, q_kvar, closed) for closed in (stays, wanted))
        is_worse |= _breaks_more(field, now, then)
    closed = np.where(is_worse[:, None], stays, wanted)
    return Switched(closed, is_worse & (wanted != stays).any(axis=1))


def _promised_kw(done: Realised, expected_kw: FloatArray) -> list[FloatArray]:
    """Both ends of the envelopes, where there are any."""
    if not np.isfinite(done.p_max_kw).any():
        return []
    return [np.where(np.isfinite(end), end, expected_kw) for end in (done.p_max_kw, done.p_min_kw)]


def _breaks_more(field: Field, now: DayFlow, then: DayFlow) -> BoolArray:
    """Whether a topology breaks a limit further than the present one does, shape (steps,)."""
    limits = field.limits
    worse = np.zeros(len(now.vm_pu), dtype=np.bool_)
    for before, after, least in (
        (limits.vm_min_pu - now.vm_pu, limits.vm_min_pu - then.vm_pu, WORSE_PU),
        (now.vm_pu - limits.vm_max_pu, then.vm_pu - limits.vm_max_pu, WORSE_PU),
        (
            now.loading_percent - limits.loading_max_percent,
            then.loading_percent - limits.loading_max_percent,
            WORSE_PERCENT,
        ),
    ):
        over, was = (np.nan_to_num(part, nan=0.0).max(axis=1, initial=0.0) for part in (after, before))
        worse |= over > np.maximum(was, 0.0) + least
    return worse
