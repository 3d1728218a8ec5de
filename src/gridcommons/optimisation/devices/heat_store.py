"""A tank in the heating of a community: E[t] = E[t−1] + H dt, without loss, H > 0 filling it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import HeatStore
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    before,
    names_of,
    nothing,
    of_each,
)
from gridcommons.optimisation.devices.two_way_store import end_no_lower
from gridcommons.optimisation.linear_model import LinearModel


def operate_heat_stores(model: LinearModel, stores: Sequence[HeatStore], horizon: Horizon) -> Operation:
    """Tanks that take and give heat within their size and end no emptier than they began."""
    shape = (len(stores), horizon.steps)
    energy_kwh = of_each(stores, "energy_kwh")
    stored_kwh = model.variable(shape, upper=energy_kwh)
    usual_kwh = (of_each(stores, "soc_initial_share") * energy_kwh)[:, 0]
    start_kwh = horizon.starts(stores, usual_kwh.tolist())
    filled_kw = model.variable(shape, lower=-np.inf)
    change_kwh = stored_kwh - before(stored_kwh, start_kwh)
    model.require_equal("heat store: stored heat", change_kwh - filled_kw * horizon.hours)
    end_no_lower(model, "heat store", stored_kwh, horizon.lowest_ends(stores, usual_kwh.tolist()))
    nil = nothing(stores, horizon)
    return Operation(
        names_of(stores),
        nil,
        nil,
        -filled_kw,
        state=stored_kwh,
        empty=np.zeros(len(stores)),
        full=energy_kwh[:, 0],
    )
