"""Weather over the intervals of a study, as every synthesis needs it."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.grid import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Weather:
    """Weather at one place, arrays of shape (steps,).

    Parameters
    ----------
    temp_c : (steps,)
        Air temperature [°C].
    beam_w_per_m2, diffuse_w_per_m2 : (steps,)
        Direct and diffuse irradiance on the horizontal, the mean of the hour that an interval lies in.
    hour : (steps,)
        Number of that hour, rising by one from hour to hour.
    latitude_degree, longitude_degree : float
        The place, north and east.
    """

    temp_c: FloatArray
    beam_w_per_m2: FloatArray
    diffuse_w_per_m2: FloatArray
    hour: IntArray
    latitude_degree: float
    longitude_degree: float
