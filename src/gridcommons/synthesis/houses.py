"""The house that a heat pump heats, as a planner sees it: indoor air and structure, and comfort as a band.

    C_a (T_a − T_a′) = q dt − k1 (T_a − T_o) dt − k2 (T_a − T_s) dt
    C_s (T_s − T_s′) = k2 (T_a − T_s) dt

Source: SMART-MLA, final report of project 64018-0302 (2022), for the law and for k2/k1, which is 13 in all
of its five types of house. It prints no heat capacities: those here are CHOSEN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.synthesis.heat import HeatPumpYear

K2_PER_K1 = 13.0
"""0.280/3.638, 0.315/4.093, 0.350/4.548, 0.385/5.002 and 0.420/5.457 kW/K."""
AIR_HOURS, STRUCTURE_HOURS = 1.2 / 0.35, 9.0 / 0.35
"""Heat capacities per k1: 1.2 and 9 kWh/K for the middle type of house. CHOSEN."""
COMFORT_C = (20.0, 24.0)
HEATING_LIMIT_C = 15.0
"""Nobody heats when it is warmer outside: the sun and those who live there keep the house warm."""


@dataclass(frozen=True)
class House:
    """One house; its fields are columns of ``assets.csv``.

    Parameters
    ----------
    k1_kw_per_k, k2_kw_per_k : float
        From the air to the outside, and between air and structure [kW/K].
    air_kwh_per_k, structure_kwh_per_k : float
        Heat capacities [kWh/K].
    temp_min_c, temp_max_c : float
        Comfort of the air [°C].
    """

    k1_kw_per_k: float
    k2_kw_per_k: float
    air_kwh_per_k: float
    structure_kwh_per_k: float
    temp_min_c: float = COMFORT_C[0]
    temp_max_c: float = COMFORT_C[1]


def fit_house(pump: HeatPumpYear, outdoor_c: FloatArray) -> House:
    """The house that needs the heat which a heat pump makes for its rooms.

    k1 is that heat by the degree hours against 20 °C of all intervals below the heating limit.

    Parameters
    ----------
    pump : HeatPumpYear
        Of whole years.
    outdoor_c : (steps,)
        Temperature outside [°C].
    """
    missing_k = np.where(outdoor_c < HEATING_LIMIT_C, COMFORT_C[0] - outdoor_c, 0.0)
    k1 = float(pump.space_kw.sum() / missing_k.sum())
    return House(k1, K2_PER_K1 * k1, AIR_HOURS * k1, STRUCTURE_HOURS * k1)


def holding_kw(house: House, pump: HeatPumpYear, outdoor_c: FloatArray) -> FloatArray:
    """Electricity that holds the middle of the comfort band, and makes hot water, shape (steps,) [kW].

    A heat pump that can draw this at every interval can keep the house there: no air or structure that
    begins no colder ever becomes colder.
    """
    middle_c = 0.5 * (house.temp_min_c + house.temp_max_c)
    lost_kw = house.k1_kw_per_k * np.maximum(middle_c - outdoor_c, 0.0)
    total_kw: FloatArray = lost_kw / pump.room_cop + pump.water_kw
    return total_kw
