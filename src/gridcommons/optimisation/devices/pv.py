"""Solar plants behind an inverter that can give reactive power (Mohiti et al., eqs 21 to 23)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import Pv
from gridcommons.optimisation.apparent_power import limit_apparent_power
from gridcommons.optimisation.devices.operation import (
    Converters,
    Horizon,
    Operation,
    names_of,
    nothing,
    of_each,
    reactive_without_say,
    who_have_say,
)
from gridcommons.optimisation.linear_model import Linear, LinearModel


def operate_pv(model: LinearModel, plants: Sequence[Pv], horizon: Horizon) -> Operation:
    """Solar plants that feed in up to what the sun gives, |Q| ≤ ξ S, |Q| ≤ P, P² + Q² ≤ S².

    A plant without ``q_share`` has no say in its reactive power.
    """
    available_kw = np.minimum(horizon.series(plants), of_each(plants, "generation_max_kw"))
    s_kva = np.where(np.isnan(inverter := of_each(plants, "inverter_kva")), np.inf, inverter)
    p_kw = model.variable(available_kw.shape, upper=np.minimum(available_kw, s_kva))
    q_max_kvar = np.nan_to_num(of_each(plants, "q_share") * of_each(plants, "inverter_kva"))
    q_kvar = model.variable(available_kw.shape, lower=-q_max_kvar, upper=q_max_kvar)
    has_say = who_have_say(plants)
    gives = np.flatnonzero(has_say).tolist()
    limit_reactive_by_active_power(model, p_kw[gives], q_kvar[gives])
    limit_apparent_power(model, "pv: P² + Q² ≤ S²", (p_kw[gives], q_kvar[gives]), s_kva[gives])
    converters = Converters(names_of([plants[row] for row in gives]), p_kw[gives], q_kvar[gives])
    net_kvar = reactive_without_say(plants, -p_kw, horizon, has_say) - q_kvar
    return Operation(names_of(plants), -p_kw, net_kvar, nothing(plants, horizon), converters=converters)


def limit_reactive_by_active_power(model: LinearModel, p_kw: Linear, q_kvar: Linear) -> None:
    """|Q| ≤ P: the inverters of the source give nothing at night (eq. 22)."""
    model.require("pv: |Q| ≤ P", q_kvar - p_kw, upper=0.0)
    model.require("pv: |Q| ≤ P", -q_kvar - p_kw, upper=0.0)
