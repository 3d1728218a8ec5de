"""Makes the examples schutterwald, schutterwald_market and schutterwald_day: grid and households; by hand.

    python examples/make_schutterwald.py

The grid is pandapower's; it carries no building footprints, so living areas are drawn here, from one seed.
Assets and profiles are not in the folders: study.toml says what they are made of. It and README.md are
kept by hand.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.grids.pandapower_grids import read_grid
from gridcommons.adapters.grids.pandapower_networks import open_net
from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.studies.draft import bus_names, empty_injections

FOLDER = Path(__file__).parent / "schutterwald"
SOURCE = "pandapower:lv_schutterwald"
SECTIONS = (4, 6, 12)
SEED = 1
SLACK_VM_PU, TAP_POS = 1.025, 0
AREA_MEAN_M2, AREA_SPREAD = 130.0, 0.30
"""Mean living area of a household, and the spread of its logarithm (log-normal): chosen, see README.md."""
AREA_LEAST_M2, AREA_MOST_M2 = 50.0, 350.0
IMPORT_PRICE, EXPORT_PRICE = "0.35", "0.08"
"""EUR/kWh, the same all year: chosen, see README.md."""
FIRST_DAY, DAYS = datetime(2029, 12, 31, tzinfo=UTC), 366
MARKET_FOLDER = Path(__file__).parent / "schutterwald_market"
AGGREGATORS = ("north", "south", "citizens")
"""Each in turn, in the order of the members; one supplier for all: chosen, see README.md."""
MARKET_DAY = datetime(2030, 1, 21, 23, tzinfo=UTC)
SPOT_PRICES = (
    0.29, 0.27, 0.22, 0.18, 0.22, 0.27, 0.32, 0.36, 0.36, 0.34, 0.32, 0.30,
    0.29, 0.29, 0.30, 0.32, 0.36, 0.40, 0.41, 0.40, 0.37, 0.34, 0.32, 0.30,
)  # fmt: skip
"""EUR/kWh by hour of the local day, a windy night and a dear evening: chosen, see README.md."""

DAY_FOLDER = Path(__file__).parent / "schutterwald_day"
WORKING_DAY = datetime(2030, 2, 13, 23, tzinfo=UTC)
NETWORK_FEE = 0.08
"""EUR/kWh, a part of the prices above: chosen, see README.md."""


def living_areas_m2(count: int) -> list[int]:
    """Living areas of the households in the order of the grid, whole square metres."""
    rng = np.random.default_rng(SEED)
    drawn = AREA_MEAN_M2 * rng.lognormal(-(AREA_SPREAD**2) / 2.0, AREA_SPREAD, count)
    return [int(area) for area in np.clip(np.rint(drawn), AREA_LEAST_M2, AREA_MOST_M2)]


def section_of_bus() -> dict[int, str]:
    """Section of each bus by its index, which joining does not change."""
    return {
        int(bus): f"section_{number}"
        for number in SECTIONS
        for bus in open_net(SOURCE, {"sections": [number]}).bus.index
    }


def write_members(net: Any) -> None:
    """One household for each load of the grid; for the market, each with an aggregator and a supplier."""
    names, sections = bus_names(net), section_of_bus()
    areas = living_areas_m2(len(net.load))
    rows = [
        (name, names[int(bus)], sections[int(bus)], area)
        for name, bus, area in zip(net.load.name, net.load.bus, areas, strict=True)
    ]
    rows.sort(key=lambda row: int(row[2].removeprefix("section_")))
    header = ("member", "bus", "cluster", "living_area_m2")
    with (FOLDER / "members.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    parties = [(AGGREGATORS[number % len(AGGREGATORS)], "supplier") for number in range(len(rows))]
    for folder in (MARKET_FOLDER, DAY_FOLDER):
        with (folder / "members.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*header, "aggregator", "supplier"))
            writer.writerows((*row, *party) for row, party in zip(rows, parties, strict=True))


def write_prices() -> None:
    """One row a day, in UTC, the first day before the local year; for the market one a quarter of an hour."""
    rows = [
        ((FIRST_DAY + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ"), IMPORT_PRICE, EXPORT_PRICE)
        for day in range(DAYS)
    ]
    header = ("time", "import_price_per_kwh", "export_price_per_kwh")
    with (FOLDER / "prices.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    stamps = [MARKET_DAY + timedelta(minutes=15 * step) for step in range(4 * len(SPOT_PRICES))]
    rows = [
        (stamp.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{SPOT_PRICES[step // 4]:.2f}", EXPORT_PRICE)
        for step, stamp in enumerate(stamps)
    ]
    with (MARKET_FOLDER / "prices.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    stamps = [WORKING_DAY + timedelta(minutes=15 * step) for step in range(4 * len(SPOT_PRICES))]
    with (DAY_FOLDER / "prices.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*header, "network_fee_per_kwh"))
        for step, stamp in enumerate(stamps):
            energy = f"{SPOT_PRICES[step // 4] - NETWORK_FEE:.2f}"
            time = stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
            writer.writerow((time, energy, EXPORT_PRICE, f"{NETWORK_FEE:.2f}"))


def main() -> None:
    """Make the folders anew."""
    FOLDER.mkdir(exist_ok=True)
    MARKET_FOLDER.mkdir(exist_ok=True)
    DAY_FOLDER.mkdir(exist_ok=True)
    net = open_net(SOURCE, {"sections": list(SECTIONS), "join": True})
    write_members(net)
    write_prices()
    empty_injections(net)
    grid = read_grid(net, slack_vm_pu=SLACK_VM_PU, tap_pos=TAP_POS).grid
    for folder in (FOLDER, MARKET_FOLDER, DAY_FOLDER):
        write_grid(grid, folder / "grid.json")


if __name__ == "__main__":
    main()
