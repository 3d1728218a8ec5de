"""Makes the examples ``campus_low_voltage`` and ``campus_high_voltage``; run by hand.

    python examples/make_campus.py

A synthetic campus of 41 buses at 10.5 kV after the case of M. Mohiti, M. Mazidi, D. Steen, L. A. Tuan, "A
decentralized transactive-based model for reactive power ancillary service provision by local energy
communities" (Chalmers), whose line data is not public. Everything of the grid is ours, and so are loads and
profiles. From elsewhere are:

- which plants each community has, their heat price (0.359 SEK/kWh), the power factor 0.9 and the band 0.95 to
  1.05: the source, section IV. It gives "76.33 and 2.35 SEK/day" for the tariffs of district heating without
  saying which is which: here 2.35 SEK a day and kW of the day's peak, 76.33 SEK a day for the connection;
- 41 buses, boiler 6,000 kW with a ramp of 1,000 kW/h, turbine 800 kW, heat pumps of 216 kW, solar plants of
  265 and 550 kW, battery 200 kWh: the open study of this campus (zacknorwood/FEDmodel);
- prices: day-ahead price of SE3 on 14 April 2021 [EUR/MWh] (ENTSO-E Transparency Platform), at 10.11 SEK/EUR.

As in the source, lines 1–4, 4–6 and 6–7 are long, and loads are added at buses 3 and 7 so that a voltage
leaves its band by little: at bus 2 at 14:00 and at bus 7 at 17:00. How much is found here, by the load flow.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

import gridcommons as gc
from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.model.grid import Buses, Grid, Sources, plain_lines
from gridcommons.model.time import TimeAxis

FloatArray = npt.NDArray[np.float64]

FOLDER = Path(__file__).parent
TIMEZONE = "Europe/Stockholm"
DAY = datetime(2021, 4, 14)
TIME = TimeAxis(DAY.replace(tzinfo=ZoneInfo(TIMEZONE)).astimezone(ZoneInfo("UTC")), 60, 24, TIMEZONE)
HOUR = np.arange(24)
SEED = 41

SEK_PER_EUR = 10.11
EUR_PER_MWH = (
    *(24.46, 23.62, 23.01, 27.80, 44.03, 49.22, 76.32, 118.52, 125.00, 75.54, 62.62, 62.08),
    *(58.29, 54.52, 46.82, 47.15, 50.78, 60.02, 67.95, 71.34, 50.91, 49.94, 49.93, 38.34),
)
"""Day-ahead price of SE3, hour by hour."""
HEAT_SEK_PER_KWH = 0.359

VN_KV = 10.5
Z_OHM_PER_KM = (0.125, 0.11)
"""Cable of 240 mm² aluminium at 10 kV: resistance and reactance."""
SUPPLY_PU = (0.0002, 0.0031)
"""Transformer and grid above it, on 1 MVA: a transformer of 40 MVA and 10.5 %, and 2,000 MVA behind it."""
LINES_KM = {
    ("1", "3"): 1.1,
    ("3", "2"): 0.9,
    ("1", "4"): 3.2,
    ("4", "5"): 0.3,
    ("4", "6"): 2.6,
    ("6", "7"): 2.4,
}
"""Lines of the buses that the source names; 1–4, 4–6 and 6–7 are lengthened, as there."""
BUILDINGS = tuple(str(bus) for bus in range(8, 42))
FEEDERS = (BUILDINGS[:12], BUILDINGS[12:23], BUILDINGS[23:])
"""The other buses, on three feeders from bus 1."""

TAN = float(np.tan(np.arccos(0.9)))
"""Reactive per active power of loads at a power factor of 0.9."""


def main() -> None:
    """Both studies."""
    low = {"3": Added(2.0, "2", 14, 0.95 - 1.0e-4), "7": Added(2.0, "7", 17, 0.95 - 4.0e-4)}
    write_campus("campus_low_voltage", "Campus, voltage too low", low, 0.98)
    high = {"3": Added(-20.0, "3", 14, 1.05 + 4.0e-4)}
    write_campus("campus_high_voltage", "Campus, voltage too high", high, 1.048)


@dataclass(frozen=True)
class Added:
    """A load that brings a bus to a voltage at an hour: kvar per kW of it, where to look, what to find."""

    kvar_per_kw: float
    seen: str
    hour: int
    vm_pu: float


def campus_grid(source_pu: float) -> Grid:
    """The 41 buses below a substation, on a map that is ours."""
    names = ("substation", *(str(bus) for bus in range(1, 42)))
    at = {"substation": (0.0, 60.0), "1": (0.0, 0.0), "3": (-180.0, -40.0), "2": (-330.0, -60.0)}
    at |= {"4": (240.0, -40.0), "5": (270.0, 30.0), "6": (430.0, -80.0), "7": (610.0, -110.0)}
    ends, length_km = [("substation", "1"), *LINES_KM], [0.0, *LINES_KM.values()]
    for feeder, angle in zip(FEEDERS, (-2.35, -1.57, -0.8), strict=True):
        before = "1"
        for k, bus in enumerate(feeder):
            along = 70.0 + 34.0 * k
            side = 14.0 * (-1) ** k
            at[bus] = (
                along * np.cos(angle) - side * np.sin(angle),
                along * np.sin(angle) + side * np.cos(angle),
            )
            ends.append((before, bus))
            length_km.append(0.12)
            before = bus
    index = {name: k for k, name in enumerate(names)}
    per_km = np.array(Z_OHM_PER_KM) / VN_KV**2
    r_pu, x_pu = np.outer(length_km, per_km).T
    r_pu[0], x_pu[0] = SUPPLY_PU
    place = np.array([at[name] for name in names])
    lines = plain_lines(
        tuple(f"{a}-{b}" for a, b in ends),
        np.array([[index[a], index[b]] for a, b in ends], dtype=np.int64),
        r_pu,
        x_pu,
        np.array(length_km),
    )
    buses = Buses(names, np.full(len(names), VN_KV), place[:, 0], place[:, 1])
    return Grid(buses, lines, Sources(("grid",), np.zeros(1, np.int64), np.array([source_pu]), np.zeros(1)))


def sun_share() -> FloatArray:
    """Generation of a plant of 1 kW that faces south at 30 degrees on a clear day, by the hour."""
    import pandas as pd
    import pvlib

    place = pvlib.location.Location(57.69, 11.97, TIMEZONE)
    fine = pd.date_range(DAY, periods=24 * 12, freq="5min", tz=TIMEZONE) + pd.Timedelta("2.5min")
    position, clear = place.get_solarposition(fine), place.get_clearsky(fine, linke_turbidity=3.0)
    on_plane = pvlib.irradiance.get_total_irradiance(
        30.0, 180.0, position.apparent_zenith, position.azimuth, clear.dni, clear.ghi, clear.dhi
    )
    return np.asarray(on_plane.poa_global.to_numpy().reshape(24, 12).mean(axis=1) * 0.86e-3)


def office_share() -> FloatArray:
    """Electricity of a faculty building over its peak, by the hour."""
    day = np.exp(-(((HOUR - 12.5) / 4.6) ** 4))
    return np.asarray(0.45 + 0.55 * day)


def heat_share() -> FloatArray:
    """Heat of buildings on a cool day of April over its peak, by the hour."""
    return np.asarray(
        0.62 + 0.3 * np.exp(-(((HOUR - 7.0) / 2.2) ** 2)) + 0.14 * np.cos((HOUR - 2) / 24 * 2 * np.pi)
    )


def narrow(hour: int) -> FloatArray:
    """A load that runs for three hours, most in the middle one."""
    return np.where(hour == HOUR, 1.0, np.where(np.abs(HOUR - hour) == 1, 0.55, 0.0))


Row = dict[str, object]


def assets() -> tuple[list[Row], list[Row], dict[str, FloatArray]]:
    """Members, assets and profiles, without what is added."""
    rng = np.random.default_rng(SEED)
    members: list[Row] = [
        {"member": "LEC1", "bus": "2", "cluster": "LEC1"},
        {"member": "LEC2", "bus": "7", "cluster": "LEC2"},
    ]
    load = {"kind": "load", "power_factor": 0.9}
    battery = {
        "kind": "battery",
        "flexible": "true",
        "charge_max_kw": 100,
        "discharge_max_kw": 100,
        "energy_kwh": 200,
        "charge_efficiency_share": 0.95,
        "discharge_efficiency_share": 0.95,
        "soc_initial_share": 0.5,
        "soc_min_share": 0.1,
        "soc_max_share": 0.9,
        "wear_cost_per_kwh": 0.05,
    }
    pv = {"kind": "pv", "flexible": "true", "q_share": 0.5}
    rows: list[Row] = [
        {"asset": "lec1_buildings", "member": "LEC1", **load},
        {"asset": "lec1_pv", "member": "LEC1", **pv, "generation_max_kw": 265, "inverter_kva": 265},
        {"asset": "lec1_battery", "member": "LEC1", **battery},
        {
            "asset": "lec1_heat_pump",
            "member": "LEC1",
            "kind": "heat_pump",
            "flexible": "true",
            "power_factor": 0.95,
            "consumption_max_kw": 216,
            "cop": 3.15,
        },
        {
            "asset": "lec1_boiler",
            "member": "LEC1",
            "kind": "boiler",
            "heat_min_kw": 500,
            "heat_max_kw": 6000,
            "ramp_kw_per_h": 1000,
            "heat_cost_per_kwh": 0.42,
        },
        {
            "asset": "lec1_chp",
            "member": "LEC1",
            "kind": "chp",
            "flexible": "true",
            "generation_max_kw": 800,
            "generation_min_kw": 40,
            "electric_share": 0.25,
            "q_inject_share": 0.48,
            "q_absorb_share": 0.33,
        },
        {"asset": "lec2_buildings", "member": "LEC2", **load},
        {"asset": "lec2_pv", "member": "LEC2", **pv, "generation_max_kw": 550, "inverter_kva": 550},
        {"asset": "lec2_battery", "member": "LEC2", **battery},
        {
            "asset": "lec2_flexible_load",
            "member": "LEC2",
            "kind": "demand_response",
            "flexible": "true",
            "power_factor": 1,
            "consumption_max_kw": 160,
            "flexible_share": 0.3,
            "power_to_energy_per_h": 1,
        },
        {
            "asset": "lec2_smart_boiler",
            "member": "LEC2",
            "kind": "smart_boiler",
            "flexible": "true",
            "consumption_max_kw": 30,
            "inverter_kva": 30,
            "q_share": 0.1,
            "heater_efficiency_share": 0.98,
            "tank_m3": 2,
            "loss_kw_per_k": 0.008,
            "temp_min_c": 55,
            "temp_max_c": 90,
            "temp_initial_c": 70,
            "cold_temp_c": 8,
            "ambient_temp_c": 20,
        },
        {
            "asset": "lec2_heat_store",
            "member": "LEC2",
            "kind": "stirling_store",
            "flexible": "true",
            "consumption_max_kw": 60,
            "heater_efficiency_share": 0.95,
            "heat_discharge_max_kw": 100,
            "stirling_efficiency_share": 0.3,
            "generator_efficiency_share": 0.92,
            "exchanger_share": 0.6,
            "idle_loss_share_per_h": 0.002,
            "energy_kwh": 400,
            "soc_initial_share": 0.5,
            "soc_min_share": 0.05,
            "soc_max_share": 1.0,
        },
    ]
    sun, office, heat = sun_share(), office_share(), heat_share()
    profiles = {
        "lec1_buildings": 900.0 * office,
        "lec1_buildings.heat_kw": 1900.0 * heat,
        "lec1_pv": 265.0 * sun,
        "lec2_buildings": 650.0 * office,
        "lec2_buildings.heat_kw": 900.0 * heat,
        "lec2_pv": 550.0 * sun,
        "lec2_flexible_load": 120.0 * office,
        "lec2_smart_boiler.draw_m3": 0.35 * np.exp(-(((HOUR - 12.0) / 3.5) ** 2)),
    }
    for bus in BUILDINGS:
        name = f"building_{bus}"
        members.append({"member": name, "bus": bus, "cluster": ""})
        rows.append({"asset": f"{name}_load", "member": name, **load})
        peak_kw = float(rng.uniform(50.0, 170.0))
        profiles[f"{name}_load"] = peak_kw * np.roll(office, int(rng.integers(-1, 2)))
    return members, rows, {name: np.round(values, 3) for name, values in profiles.items()}


def write_campus(name: str, title: str, added: Mapping[str, Added], source_pu: float) -> None:
    """A study folder with loads added at some buses."""
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    grid = campus_grid(source_pu)
    members, rows, profiles = assets()
    for bus in added:
        members.append({"member": f"added_{bus}", "bus": bus, "cluster": ""})
        rows.append({"asset": f"added_{bus}_load", "member": f"added_{bus}", "kind": "load"})
        profiles[f"added_{bus}_load"] = profiles[f"added_{bus}_load.q_kvar"] = np.zeros(24)
    write_study(folder, title, grid, (members, rows, profiles))
    # One after the other: what one adds at its hour is little at that of the other.
    for bus, what in list(added.items()) * 3:

        def missing(kvar: float, asset: str = f"added_{bus}_load", what: Added = what) -> float:
            profiles[f"{asset}.q_kvar"] = np.round(kvar * narrow(what.hour), 3)
            profiles[asset] = np.round(kvar / what.kvar_per_kw * narrow(what.hour), 3)
            write_study(folder, title, grid, (members, rows, profiles))
            return voltage(folder, what.seen, what.hour) - what.vm_pu

        missing(round(brentq(missing, 0.0, 5000.0 * np.sign(what.kvar_per_kw), xtol=0.02), 1))


def voltage(folder: Path, bus: str, hour: int) -> float:
    """Voltage of a bus at an hour when communities follow their own schedules."""
    study = gc.load_study(folder)
    engines = gc.default_engines()
    study = replace(study, tasks={"scheduling": {**study.tasks["scheduling"], "reactive_round": False}})
    table = gc.run(study, "scheduling", engines).tables["bus_voltages"]
    row = (table.bus == bus) & (table.scenario == "alone")
    return float(table[row].vm_pu.to_numpy()[hour])


def write_study(
    folder: Path, title: str, grid: Grid, parts: tuple[list[Row], list[Row], dict[str, FloatArray]]
) -> None:
    """All files of a study."""
    members, rows, profiles = parts
    write_grid(grid, folder / "grid.json")
    write_rows(folder / "members.csv", members)
    write_rows(folder / "assets.csv", rows)
    stamps = [stamp.isoformat() + "Z" for stamp in TIME.stamps().astype("datetime64[s]").astype(object)]
    write_rows(
        folder / "profiles.csv",
        [
            {"time": stamp, **{name: f"{values[k]:g}" for name, values in profiles.items()}}
            for k, stamp in enumerate(stamps)
        ],
    )
    price = np.round(np.array(EUR_PER_MWH) * SEK_PER_EUR / 1000.0, 5)
    columns = {"import_price_per_kwh": price, "export_price_per_kwh": price}
    columns["heat_price_per_kwh"] = np.full(24, HEAT_SEK_PER_KWH)
    write_rows(
        folder / "prices.csv",
        [
            {"time": stamp, **{name: f"{values[k]:g}" for name, values in columns.items()}}
            for k, stamp in enumerate(stamps)
        ],
    )
    (folder / "study.toml").write_text(STUDY.format(title=title))


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Rows as a CSV file; a column that a row lacks is blank."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


STUDY = """name = "{title} (synthetic)"
currency = "SEK"
seed = 1

[time]
start = "2021-04-14T00:00:00+02:00"
timezone = "Europe/Stockholm"
step_minutes = 60
steps = 24

[grid]
file = "grid.json"

[limits]
vm_min_pu = 0.95
vm_max_pu = 1.05

[tasks.scheduling]
heat_peak_price_per_kw_day = 2.35
heat_fee_per_day = 76.33
"""

if __name__ == "__main__":
    main()
