"""Makes examples/three_communities from SimBench 1-MV-rural--1-sw; run by hand, needs the simbench extra.

    python examples/make_three_communities.py

Grid, loads, generation and batteries are SimBench's. Ours are who belongs together (two communities on the
feeder of buses 40 to 47, one at the end of that of buses 78 to 96), their heat, the plants that make it, and
that solar inverters give reactive power. The day is one on which solar and wind generation lift the ends of
both feeders above 1.05 pu.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
import textwrap
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.writer import new_study

FloatArray = npt.NDArray[np.float64]
Row = dict[str, object]

CODE = "1-MV-rural--1-sw"
DAY = date(2016, 4, 14)
FOLDER = Path(__file__).parent / "three_communities"
CLUSTERS = {"upper valley": range(40, 44), "lower valley": range(44, 48), "lake": range(86, 97)}
"""Buses of each community."""
Q_SHARE = 0.48
"""Reactive power of a solar inverter, of its rating: a power factor of 0.9 at full generation, and more."""
HOUR = np.arange(96) / 4.0

IMPORT_PRICE, EXPORT_PRICE, NETWORK_FEE = 0.09, 0.06, 0.05
"""EUR per kWh at night; from 6 to 22 h both prices are DAY_FACTOR times as high. Ours."""
DAY_FACTOR = 1.4

PLANTS: tuple[Row, ...] = (
    {
        "asset": "upper_boiler",
        "at": 42,
        "kind": "boiler",
        "heat_max_kw": 1200,
        "ramp_kw_per_h": 600,
        "heat_cost_per_kwh": 0.045,
    },
    {
        "asset": "upper_chp",
        "at": 42,
        "kind": "chp",
        "flexible": "true",
        "generation_max_kw": 180,
        "electric_share": 0.22,
        "q_inject_share": 0.48,
        "q_absorb_share": 0.33,
    },
    {"asset": "upper_tank", "at": 42, "kind": "heat_store", "energy_kwh": 1500, "soc_initial_share": 0.5},
    {
        "asset": "lower_heat_pump",
        "at": 45,
        "kind": "heat_pump",
        "flexible": "true",
        "power_factor": 0.97,
        "consumption_max_kw": 260,
        "cop": 3.1,
    },
    {"asset": "lower_tank", "at": 45, "kind": "heat_store", "energy_kwh": 2000, "soc_initial_share": 0.5},
    {
        "asset": "lower_dairy",
        "at": 46,
        "kind": "demand_response",
        "flexible": "true",
        "power_factor": 0.95,
        "consumption_max_kw": 220,
        "flexible_share": 0.35,
        "power_to_energy_per_h": 1,
    },
    {
        "asset": "lake_hotel_boiler",
        "at": 92,
        "kind": "smart_boiler",
        "flexible": "true",
        "consumption_max_kw": 90,
        "inverter_kva": 95,
        "q_share": 0.1,
        "heater_efficiency_share": 0.98,
        "tank_m3": 6,
        "loss_kw_per_k": 0.015,
        "temp_min_c": 55,
        "temp_max_c": 92,
        "temp_initial_c": 70,
        "cold_temp_c": 9,
        "ambient_temp_c": 18,
    },
    {
        "asset": "lake_heat_store",
        "at": 93,
        "kind": "stirling_store",
        "flexible": "true",
        "consumption_max_kw": 120,
        "heater_efficiency_share": 0.95,
        "heat_discharge_max_kw": 180,
        "stirling_efficiency_share": 0.3,
        "generator_efficiency_share": 0.92,
        "exchanger_share": 0.6,
        "idle_loss_share_per_h": 0.002,
        "energy_kwh": 900,
        "soc_initial_share": 0.5,
        "soc_min_share": 0.05,
        "soc_max_share": 1,
    },
    {
        "asset": "lake_heat_pump",
        "at": 93,
        "kind": "heat_pump",
        "flexible": "true",
        "power_factor": 0.97,
        "consumption_max_kw": 120,
        "cop": 2.9,
    },
)
"""What the communities have beside SimBench's solar plants and batteries; ``at`` is a bus."""

STUDY_TOML = """\
# Three communities on a rural medium-voltage grid; README.md says where the data come from.
name = "Three communities, 14 April"
currency = "EUR"
seed = 1

[time]
start = "2016-04-14T00:00:00+02:00"
timezone = "Europe/Berlin"
step_minutes = 15
steps = 96

[grid]
file = "grid.json"        # source voltage 1.025 pu and transformer tap 0 are in the file

[limits]
vm_min_pu = 0.95
vm_max_pu = 1.05
line_loading_max_percent = 100
transformer_loading_max_percent = 100

[tasks.scheduling]
"""
README = """\
# three_communities

One day, 14 April 2016 (local time, Europe/Berlin), in 96 steps of 15 minutes on a rural medium-voltage grid
of 99 buses. Solar and wind generation lift the ends of two feeders above 1.05 pu around noon. Two communities
share one of these feeders, `upper valley` (buses 40 to 43) and `lower valley` (44 to 47); `lake` (86 to 96)
is at the end of the other. They absorb reactive power for a price, until every voltage is in its band.

```console
$ gridcommons run examples/three_communities --task scheduling --out out/three
```

## Source and licence

Grid and profiles are converted from SimBench, grid code `{code}` (dataset of S. Meinecke, D. Sarajlić,
S. R. Drauz, A. Klettke, L.-P. Lauven, C. Rehtanz, A. Moser and M. Braun, "SimBench — A Benchmark Dataset
of Electric Power Systems to Compare Innovative Solutions Based on Power Flow Analysis", Energies 13 (12),
2020, 3290, https://simbench.de). SimBench data are made available under the Open Database License 1.0
(https://opendatacommons.org/licenses/odbl/1-0/); individual contents of the database are under the
Database Contents License 1.0. The files `grid.json`, `members.csv`, `assets.csv` and `profiles.parquet`
of this folder are a derivative database and are under the same Open Database License 1.0, unlike the
program around them.

## What is ours

Who belongs to which community; heat and hot water, and the plants for them (boiler, turbine, heat pumps,
tanks, smart boiler, heat store with a Stirling engine, a dairy that can put consumption off); that inverters
give reactive power up to 0.48 of their rating; prices. No district heating: each community heats itself.

## What was converted, and how

`examples/make_three_communities.py` made this folder:

{said}
- assets of other members are as SimBench has them, and nobody controls them;
- the grid is in the plain format of `gridcommons.adapters.grids.plain_json`.
"""


def main() -> None:
    """Make the folder anew."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "three_communities"
        said = new_study(fresh, "simbench", CODE, day=DAY)
        grid = load_study(fresh).grid
        FOLDER.mkdir(exist_ok=True)
        members, assets = rows_of(fresh / "members.csv"), rows_of(fresh / "assets.csv")
        shutil.copyfile(fresh / "profiles.parquet", FOLDER / "profiles.parquet")
    cluster = {f"MV1.101 Bus {bus}": name for name, buses in CLUSTERS.items() for bus in buses}
    for member in members:
        member["cluster"] = cluster.get(str(member["bus"]), "")
    at_bus = {str(member["bus"]): member["member"] for member in members}
    own = {member["member"] for member in members if member["cluster"]}
    for asset in assets:
        if asset["member"] not in own:
            asset["flexible"] = "false"
        elif asset["kind"] == "pv":
            asset["q_share"] = Q_SHARE
    for plant in PLANTS:
        member = at_bus[f"MV1.101 Bus {plant['at']}"]
        assets.append({**{key: value for key, value in plant.items() if key != "at"}, "member": member})
    profiles = pd.read_parquet(FOLDER / "profiles.parquet")
    for name, bus, series in heat_and_more():
        if bus:
            assets.append({"asset": name, "member": at_bus[f"MV1.101 Bus {bus}"], "kind": "load"})
            profiles[name] = 0.0
            profiles[f"{name}.heat_kw"] = series
        else:
            profiles[name] = series
    profiles.to_parquet(FOLDER / "profiles.parquet", index=False)
    write_rows(FOLDER / "members.csv", members)
    write_rows(FOLDER / "assets.csv", assets)
    write_prices(profiles["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").tolist())
    write_grid(grid, FOLDER / "grid.json")
    (FOLDER / "study.toml").write_text(STUDY_TOML, encoding="utf-8")
    lines = "\n".join(textwrap.fill(f"- {line};", 110, subsequent_indent="  ") for line in said[1:])
    (FOLDER / "README.md").write_text(README.format(code=CODE, said=lines), encoding="utf-8")


def heat_and_more() -> list[tuple[str, int, FloatArray]]:
    """Heat of communities (name, bus, kW), hot water and consumption of their plants (name, 0, series)."""
    morning, evening = np.exp(-(((HOUR - 7.0) / 2.0) ** 2)), np.exp(-(((HOUR - 19.5) / 2.5) ** 2))
    cool = 0.55 + 0.25 * np.cos((HOUR - 3.0) / 12.0 * np.pi)
    heat = cool + 0.3 * morning + 0.2 * evening
    work = 0.5 + 0.5 * np.exp(-(((HOUR - 12.0) / 5.0) ** 4))
    return [
        ("upper_heat", 42, np.round(900.0 * heat, 2)),
        ("lower_heat", 45, np.round(620.0 * heat, 2)),
        ("lake_heat", 93, np.round(260.0 * heat, 2)),
        ("lower_dairy", 0, np.round(180.0 * work, 2)),
        ("lake_hotel_boiler.draw_m3", 0, np.round(0.02 + 0.22 * morning + 0.18 * evening, 4)),
    ]


def write_prices(stamps: list[str]) -> None:
    """Two prices a day, for both ways, and the network fee."""
    factor = np.where((HOUR >= 6.0) & (HOUR < 22.0), DAY_FACTOR, 1.0)
    write_rows(
        FOLDER / "prices.csv",
        [
            {
                "time": stamp,
                "import_price_per_kwh": f"{IMPORT_PRICE * factor[k]:g}",
                "export_price_per_kwh": f"{EXPORT_PRICE * factor[k]:g}",
                "network_fee_per_kwh": f"{NETWORK_FEE:g}",
            }
            for k, stamp in enumerate(stamps)
        ],
    )


def rows_of(path: Path) -> list[Row]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return [dict(row) for row in csv.DictReader(file)]


def write_rows(path: Path, rows: list[Row]) -> None:
    """Rows as a CSV file; a column that a row lacks is blank."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
