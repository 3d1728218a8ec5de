"""What a community has promised, active and reactive power, and what it pays where it does another thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.linear_model import Linear, LinearModel
from gridcommons.scheduling.constraints import Program, at_connections, price_of_active_power
from gridcommons.scheduling.energy_hub import EnergyHub
from gridcommons.scheduling.settings import Settings

IMBALANCE = "imbalance"
"""Name of the cost of leaving the schedule's active power."""

BREACH_FACTOR = 100.0
"""What a kvarh costs that is bought and not delivered, of ``shortage_price_per_kvarh``."""


@dataclass(frozen=True, eq=False)
class Promised:
    """What was sold before the rest of a horizon is planned anew.

    Parameters
    ----------
    p_kw : (connections, steps)
        Net power of the schedule that stands [kW].
    sold_kvar : (connections, steps)
        Reactive power sold beyond that schedule, negative where absorbed; 0 where none was [kvar].
    injected_kvar : (connections, steps)
        What devices must inject for it, counted where something was sold; negative where absorbed [kvar].
        What loads draw is no part of it, and may turn out otherwise.
    """

    p_kw: FloatArray
    sold_kvar: FloatArray
    injected_kvar: FloatArray


def imbalance_price(hub: EnergyHub, settings: Settings) -> FloatArray:
    """What a kW over an interval costs by which the schedule's active power is left, shape (steps,)."""
    return settings.imbalance_share * price_of_active_power(hub) * hub.hours


def pay_imbalance(model: LinearModel, p_kw: Linear, scheduled_kw: FloatArray, price: FloatArray) -> None:
    """Active power of the schedule is sold already: what leaves it is paid for, either way."""
    up_kw, down_kw = (model.variable(p_kw.shape) for _ in range(2))
    model.require_equal(IMBALANCE, p_kw - scheduled_kw - up_kw + down_kw)
    model.add_cost((up_kw + down_kw) * price, IMBALANCE)


def breach_price(hub: EnergyHub, settings: Settings) -> float:
    """What a kvar over an interval costs that was sold and is not delivered."""
    return BREACH_FACTOR * settings.shortage_price_per_kvarh * hub.hours


def keep_promises(
    model: LinearModel, program: Program, hub: EnergyHub, promised: Promised, settings: Settings
) -> None:
    """At least what was sold before, on its side; what is short of it costs more than anything else."""
    connection, step = np.nonzero(promised.sold_kvar)
    side = np.sign(promised.sold_kvar[connection, step])
    by_devices = at_connections(hub, [(hub.connections_of(program.priced.asset), program.priced.q_kvar)])
    given = by_devices[connection, step] * side
    short_kvar = model.variable(given.shape)
    least = promised.injected_kvar[connection, step] * side
    model.require("reactive power as promised", given + short_kvar, lower=least)
    model.add_cost(short_kvar * breach_price(hub, settings), "breach")
