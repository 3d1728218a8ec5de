"""Consumption that can be put off, as a store (Mohiti et al., eqs 29 to 31, with units made good).

P_DR is consumption that is put off (positive) or made up for. The source bounds its energy by ξ P_L, a power:
here ξ of an hour's consumption. No more is put off than is consumed, which a large κ would allow. What is put
off is returned before the local day ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import DemandResponse
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    before,
    names_of,
    nothing,
    of_each,
    reactive_without_say,
)
from gridcommons.optimisation.linear_model import Linear, LinearModel


def operate_demand_response(
    model: LinearModel, loads: Sequence[DemandResponse], horizon: Horizon
) -> Operation:
    """E[t] = E[t−1] + P_DR dt, 0 ≤ E ≤ ξ P_L · 1 h, |P_DR| ≤ κ ξ P_L, drawn within the rating."""
    load_kw = horizon.series(loads)
    owed_max_kwh = of_each(loads, "flexible_share") * load_kw
    most_kw = of_each(loads, "power_to_energy_per_h") * owed_max_kwh
    room_kw = np.maximum(of_each(loads, "consumption_max_kw") - load_kw, 0.0)
    put_off_kw = model.variable(
        load_kw.shape, lower=-np.minimum(most_kw, room_kw), upper=np.minimum(most_kw, load_kw)
    )
    owed_kwh = model.variable(load_kw.shape, upper=owed_max_kwh)
    start_kwh = horizon.starts(loads, [0.0] * len(loads))
    change_kwh = owed_kwh - before(owed_kwh, start_kwh)
    model.require_equal("demand response: energy put off", change_kwh - put_off_kw * horizon.hours)
    return_within_the_day(model, owed_kwh, horizon)
    p_kw = load_kw - put_off_kw
    return Operation(
        names_of(loads),
        p_kw,
        reactive_without_say(loads, p_kw, horizon),
        nothing(loads, horizon),
        state=owed_kwh,
    )


def return_within_the_day(model: LinearModel, owed_kwh: Linear, horizon: Horizon) -> None:
    """E = 0 at the end of each local day."""
    last = np.flatnonzero(horizon.last_of_days())
    model.require_equal("demand response: returned within the day", owed_kwh[:, last])
