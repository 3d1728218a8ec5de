"""What the ``[synthesis]`` table of a study may say, beside its two mixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gridcommons.synthesis.heat import HeatSink, HeatSource

Source = Literal["standard", "simbench"]


@dataclass(frozen=True)
class SynthesisSettings:
    """How assets and profiles are made.

    Parameters
    ----------
    profiles : {"standard", "simbench"}
        Where the shapes come from: standard profiles, weather and agents, or SimBench's measured ones.
    weather : str
        ``try:N``, the German test reference year of region N, 1 to 15.
    household_kwh, living_area_mean_m2 : float
        Electricity of the mean household [kWh/a], and its living area [m²].
    heat_kwh_per_m2 : float
        Heat and hot water by living area [kWh/m²a].
    hot_water_share : float
        Part of it that is hot water.
    heat_source, heat_sink : str
        What heat pumps draw from, and how the houses are heated.
    houses : bool
        Whether heat pumps get a house that can be planned instead of a profile that is followed.
    pv_full_load_hours : float
        Yield to which SimBench's solar profiles are scaled [h/a].
    remark : str
        What is to be said of these figures, such as which of them are chosen.
    """

    profiles: Source = "standard"
    weather: str = "try:12"
    household_kwh: float = 3500.0
    living_area_mean_m2: float = 92.0
    heat_kwh_per_m2: float = 40.0
    hot_water_share: float = 0.3
    heat_source: HeatSource = "air"
    heat_sink: HeatSink = "floor"
    houses: bool = False
    pv_full_load_hours: float = 950.0
    remark: str = ""

    def __post_init__(self) -> None:
        """Refuse what no house has."""
        for name in ("household_kwh", "living_area_mean_m2", "heat_kwh_per_m2", "pv_full_load_hours"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name} = {getattr(self, name):g}: a number above 0 is needed")
        if not 0.0 < self.hot_water_share < 1.0:
            raise ValueError(f"hot_water_share = {self.hot_water_share:g}: a share between 0 and 1 is needed")
