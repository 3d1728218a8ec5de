"""What solar modules on a roof generate in the weather of the study.

Hourly sums of a test reference year become intervals by the height of the sun, so that every hour keeps
its energy; clouds within an hour are not invented. Computed with pvlib: position of the sun, Hay and
Davies' sky on the tilted roof, Faiman's module temperature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.model.time import TimeAxis
from gridcommons.synthesis.weather import Weather

AZIMUTH_DEGREE = (90.0, 135.0, 180.0, 225.0, 270.0)
AZIMUTH_SHARE = (0.15, 0.20, 0.30, 0.20, 0.15)
"""Where roofs look (180 is south), and how many of them."""
TILT_DEGREE = (15.0, 25.0, 35.0, 45.0)
TILT_SHARE = (0.15, 0.30, 0.35, 0.20)
ROOF_SHARE = (0.94, 1.0)
"""Yield of a roof against one without dirt and shade: uniform between these."""
PER_K_SHARE = -0.0035
"""Change of a module's power by a kelvin above 25 °C."""
SYSTEM_SHARE = 0.87
"""What is left after mismatch, wires, soiling on the mean, reflection and the inverter."""
CLEAREST_SHARE = 0.75
"""What reaches the ground of the sun's light at most; what an hour's direct irradiance holds beyond that,
at a low sun or by the tolerance of the measurement, counts as diffuse."""
LOWEST_COSINE = 0.09
"""Below about 5° of height, all light counts as diffuse, from everywhere: the ratio of a roof's to the
horizontal's share of the sun becomes arbitrary there."""
_ALBEDO = 0.2


@dataclass(frozen=True)
class Roof:
    """Where a roof looks and how steep it is [°], and its yield against a clean one without shade."""

    azimuth_degree: float
    tilt_degree: float
    yield_share: float = 1.0


@dataclass(frozen=True, eq=False)
class Sky:
    """The sun and its light at the middle of each interval, shape (steps,) each.

    Angles in degrees; irradiances in W/m²: direct across the ray, diffuse and global on the horizontal.
    """

    zenith_degree: FloatArray
    azimuth_degree: FloatArray
    normal_w_per_m2: FloatArray
    diffuse_w_per_m2: FloatArray
    global_w_per_m2: FloatArray
    extra_w_per_m2: FloatArray
    temp_c: FloatArray


def draw_roof(rng: np.random.Generator) -> Roof:
    """A roof from the stated distributions."""
    return Roof(
        float(rng.choice(AZIMUTH_DEGREE, p=AZIMUTH_SHARE)),
        float(rng.choice(TILT_DEGREE, p=TILT_SHARE)),
        float(rng.uniform(*ROOF_SHARE)),
    )


def make_sky(weather: Weather, time: TimeAxis) -> Sky:
    """The sky over the intervals of an axis."""
    import pandas as pd
    from pvlib.irradiance import get_extra_radiation
    from pvlib.solarposition import get_solarposition

    middle = time.stamps() + np.timedelta64(time.step_minutes * 30, "s")
    index = pd.DatetimeIndex(middle, tz="UTC")
    sun = get_solarposition(index, weather.latitude_degree, weather.longitude_degree, method="nrel_numpy")
    zenith, azimuth = sun["apparent_zenith"].to_numpy(), sun["azimuth"].to_numpy()
    height = np.maximum(np.cos(np.deg2rad(zenith)), 0.0)
    beam = spread_within_hours(weather.beam_w_per_m2, height, weather)
    diffuse = spread_within_hours(weather.diffuse_w_per_m2, height, weather)
    extra = np.asarray(get_extra_radiation(index), dtype=float)
    direct = np.where(height > LOWEST_COSINE, np.minimum(beam, CLEAREST_SHARE * extra * height), 0.0)
    return Sky(
        zenith_degree=zenith,
        azimuth_degree=azimuth,
        normal_w_per_m2=np.divide(direct, height, out=np.zeros_like(beam), where=height > 0.0),
        diffuse_w_per_m2=diffuse + beam - direct,
        global_w_per_m2=beam + diffuse,
        extra_w_per_m2=extra,
        temp_c=weather.temp_c,
    )


def spread_within_hours(hourly_w_per_m2: FloatArray, height: FloatArray, weather: Weather) -> FloatArray:
    """Hourly means as values of the intervals in the hour, in proportion to ``height``, shape (steps,).

    The sum over the intervals of each hour stays; where the sun is down for the whole hour, the values
    do.
    """
    hour = weather.hour - weather.hour[0]
    total, heights = (np.bincount(hour, weights=each)[hour] for each in (hourly_w_per_m2, height))
    spread = height * total
    result: FloatArray = np.divide(spread, heights, out=hourly_w_per_m2.copy(), where=heights > 0.0)
    return result


def generation_per_kwp(sky: Sky, roof: Roof) -> FloatArray:
    """Generation of 1 kWp on a roof, shape (steps,) [kW].

    P = G/1000 (1 + γ (T_module − 25)) · losses, with the irradiance G on the roof by Hay and Davies
    (1980) and the module's temperature by Faiman (2008) at 1 m/s of wind.
    """
    from pvlib.irradiance import get_total_irradiance
    from pvlib.temperature import faiman

    on_roof = get_total_irradiance(
        roof.tilt_degree,
        roof.azimuth_degree,
        sky.zenith_degree,
        sky.azimuth_degree,
        sky.normal_w_per_m2,
        sky.global_w_per_m2,
        sky.diffuse_w_per_m2,
        dni_extra=sky.extra_w_per_m2,
        albedo=_ALBEDO,
        model="haydavies",
    )["poa_global"]
    light: FloatArray = np.maximum(np.nan_to_num(np.asarray(on_roof, dtype=float)), 0.0)
    module_c = faiman(light, sky.temp_c)
    power: FloatArray = light / 1000.0 * (1.0 + PER_K_SHARE * (module_c - 25.0)) * SYSTEM_SHARE
    return roof.yield_share * power
