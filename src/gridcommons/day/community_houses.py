"""Houses that communities heat, as the weather of the day leaves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.day.field import Field
from gridcommons.day.outcomes import Scheduled
from gridcommons.model.assets import HeatPump
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.optimisation.devices.chain import Chains
from gridcommons.optimisation.devices.heat_pump import heating_chains
from gridcommons.optimisation.devices.planned_chains import STRUCTURE


@dataclass(frozen=True, eq=False)
class Houses:
    """Houses with their heat pumps.

    Parameters
    ----------
    law : Chains
        How they warm up and cool down, by the weather as it is.
    column : (houses,)
        Column of each heat pump in the tables of what communities control.
    state : (houses, states)
        Columns of the temperatures of air and structure.
    water_kw : (houses, steps)
        What hot water takes [kW].
    """

    law: Chains
    column: IntArray
    state: IntArray
    water_kw: FloatArray

    @classmethod
    def of(cls, field: Field, scheduled: Scheduled) -> Houses:
        """Those of a day."""
        real = field.information.meters()
        assets = [(column, field.assets[k]) for column, k in enumerate(field.scheduled.tolist())]
        found = [(column, pump) for column, pump in assets if isinstance(pump, HeatPump) and pump.has_house]
        pumps = [pump for _, pump in found]
        place = {name: k for k, name in enumerate(scheduled.state_name.tolist())}
        states = [(place[pump.asset], place[pump.asset + STRUCTURE]) for pump in pumps]
        water_kw = [real.of(f"{pump.asset}.water_kw") for pump in pumps]
        return cls(
            law=heating_chains(pumps, real),
            column=np.array([column for column, _ in found], dtype=np.int64),
            state=np.array(states, dtype=np.int64).reshape(-1, 2),
            water_kw=np.array(water_kw).reshape(len(pumps), field.study.time.steps),
        )

    def warm(self, scheduled: Scheduled, step: int) -> None:
        """Write the temperatures that an interval ends with."""
        power_kw = scheduled.p_kw[step, self.column] - self.water_kw[:, step]
        before = self.law.start if step == 0 else scheduled.state[step - 1][self.state]
        moved = np.einsum("dij,dj->di", self.law.transition, before) + self.law.drift[:, step]
        scheduled.state[step, self.state] = moved + self.law.effect[:, step] * power_kw[:, None]
