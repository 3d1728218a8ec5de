"""Heat pumps that feed the heating of a community, H = COP · P (Mohiti et al., eq. 13)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import HeatPump
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    names_of,
    of_each,
    reactive_by_power_factor,
)
from gridcommons.optimisation.linear_model import LinearModel


def operate_heat_pumps(model: LinearModel, pumps: Sequence[HeatPump], horizon: Horizon) -> Operation:
    """Heat pumps from off to their rating."""
    cop = [horizon.profiles.of(f"{pump.asset}.cop", otherwise=pump.cop) for pump in pumps]
    p_kw = model.variable((len(pumps), horizon.steps), upper=of_each(pumps, "consumption_max_kw"))
    heat_kw = p_kw * np.array(cop).reshape(p_kw.shape)
    return Operation(names_of(pumps), p_kw, reactive_by_power_factor(pumps, p_kw), heat_kw)
