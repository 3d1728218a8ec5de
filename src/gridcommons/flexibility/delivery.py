"""Schedules that deliver what was sold or called, and what meters say of it afterwards.

The devices behind an obligation are planned anew at least discomfort and energy cost: at the hours of the
obligation they draw that much less together, and take back no more than they may at the hours allowed. What
they cannot deliver is a shortfall, said and priced, never hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.flexibility.bidding import Bundle
from gridcommons.model.delivery import verify_delivery as verify_delivery
from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.chain_plans import SharedLimits, plan_shared

SHORTFALL_PRICE = 1e3
"""Of a kW that is not delivered: above anything that delivering costs."""

LEAST_SHORTFALL_KW = 1e-3


@dataclass(frozen=True, eq=False)
class Obligation:
    """What a bundle of devices owes.

    Parameters
    ----------
    less_kw : (steps,)
        By how much they draw less [kW]; 0 where they owe nothing.
    more_kw : (steps,)
        By how much they may draw more at most [kW]; only where they owe nothing.
    """

    less_kw: FloatArray
    more_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a bundle will do, and what it cannot.

    Parameters
    ----------
    power_kw : (devices, steps)
        Its new schedule [kW].
    shortfall_kw : (steps,)
        Owed and not scheduled [kW].
    discomfort_cost, energy_cost : float
        Of leaving the plan [currency].
    """

    power_kw: FloatArray
    shortfall_kw: FloatArray
    discomfort_cost: float
    energy_cost: float


def deliver(bundle: Bundle, obligation: Obligation) -> Delivery:
    """The least costly schedule of a bundle that meets an obligation."""
    fleet, hours = bundle.fleet, bundle.fleet.step_hours
    owes, may = obligation.less_kw > 0.0, obligation.more_kw > 0.0
    shape = bundle.plan_kw.shape
    chains = bundle.narrowed(np.broadcast_to(owes, shape), np.broadcast_to(may, shape))
    curvature = 2.0 * fleet.discomfort_per_kw2h[bundle.devices] * hours
    cost = bundle.energy_price * hours - curvature[:, None] * bundle.plan_kw
    planned_kw = bundle.plan_kw.sum(axis=0)
    step = np.flatnonzero(owes | may)
    limits = SharedLimits(
        group=np.zeros(len(bundle.devices), dtype=np.int64),
        matrix=np.ones((len(step), 1)),
        step=step,
        room_kw=(planned_kw - obligation.less_kw + obligation.more_kw)[step],
        # What is owed may be missing, at a price; more is never taken back than may be.
        relief=np.eye(len(step))[:, owes[step]],
        relief_price=SHORTFALL_PRICE * hours,
    )
    power_kw = plan_shared(chains, curvature, cost, limits).power_kw
    return measure(bundle, obligation, power_kw)


def measure(bundle: Bundle, obligation: Obligation, power_kw: FloatArray) -> Delivery:
    """What a schedule of a bundle delivers of an obligation, and what it costs."""
    moved_kw = power_kw - bundle.plan_kw
    hours = bundle.fleet.step_hours
    short_kw = np.maximum(obligation.less_kw + moved_kw.sum(axis=0), 0.0)
    short_kw = np.where((obligation.less_kw > 0.0) & (short_kw > LEAST_SHORTFALL_KW), short_kw, 0.0)
    discomfort = bundle.fleet.discomfort_per_kw2h[bundle.devices, None] * moved_kw**2
    return Delivery(
        power_kw,
        short_kw,
        float(discomfort.sum()) * hours,
        float((bundle.energy_price * moved_kw).sum()) * hours,
    )
