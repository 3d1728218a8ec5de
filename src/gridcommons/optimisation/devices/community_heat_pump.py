"""Heat pumps that feed the heating of a community, H = COP · P (Mohiti et al., eq. 13)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcommons.model.assets import HeatPump
from gridcommons.model.profiles import room_cop
from gridcommons.optimisation.devices.operation import (
    Horizon,
    Operation,
    names_of,
    of_each,
    reactive_without_say,
)
from gridcommons.optimisation.linear_model import LinearModel


def operate_heat_pumps(model: LinearModel, pumps: Sequence[HeatPump], horizon: Horizon) -> Operation:
    """Heat pumps from off to their rating, of which hot water takes its part first and gives no heat."""
    cop = [room_cop(pump, horizon.profiles) for pump in pumps]
    water_kw = horizon.series(pumps, ".water_kw")
    heating_kw = model.variable(water_kw.shape, upper=of_each(pumps, "consumption_max_kw") - water_kw)
    heat_kw = heating_kw * np.array(cop).reshape(water_kw.shape)
    p_kw = heating_kw + water_kw
    return Operation(names_of(pumps), p_kw, reactive_without_say(pumps, p_kw, horizon), heat_kw)
