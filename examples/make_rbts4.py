"""Makes the examples on the distribution network of bus 4 of the Roy Billinton Test System; run by hand.

    python examples/make_rbts4.py

Facts are those of R. N. Allan, R. Billinton, I. Sjarief, L. Goel, K. S. So, "A reliability test system for
educational purposes - basic distribution system data and results", IEEE Trans. Power Syst. 6(2), 1991,
813-820 (sections and their lengths), and of SMART-MLA, final report of project 64018-0302, 2022 (line data,
load points, customers, limits, devices). That report shows prices, the shape of conventional load and plug-in
hours as pictures only: those here are made up, and chosen so that the congestion that it prints appears.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.writer import write_profiles
from gridcommons.flexibility.check import check_plan, view_grid, voltage_gradients
from gridcommons.flexibility.fleet import make_fleet
from gridcommons.flexibility.settings import Settings
from gridcommons.model.grid import Buses, Grid, Sources, plain_lines
from gridcommons.model.study import Study
from gridcommons.model.time import TimeAxis

FloatArray = npt.NDArray[np.float64]

FOLDER = Path(__file__).parent
TIMEZONE = "Europe/Copenhagen"
START = datetime(2021, 1, 20, tzinfo=ZoneInfo(TIMEZONE))
STEPS = 24
HOUR = np.arange(STEPS)
VN_KV, OHM_PER_KM = 11.0, complex(0.26, 0.027)

# Section, from, to, km; sections of one feeder after the other.
SECTIONS = """
1 SUB N39 .75|2 N39 LP1 .6|3 N39 N40 .8|4 N40 LP2 .75|5 N40 N41 .8|6 N41 LP3 .6|7 N41 N42 .75|8 N42 LP4 .8
9 N42 LP5 .75|10 N42 N43 .6|11 N43 LP6 .8|12 N43 LP7 .75|13 SUB N44 .8|14 N44 LP8 .6|15 N44 N45 .8
16 N45 LP9 .75|17 N45 N46 .6|18 N46 LP10 .8|19 SUB N47 .75|20 N47 LP11 .8|21 N47 N48 .6|22 N48 LP12 .75
23 N48 N49 .8|24 N49 LP13 .75|25 N49 LP14 .6|26 N49 N50 .8|27 N50 LP15 .75|28 N50 N51 .6|29 N51 LP17 .75
30 N51 LP16 .6|31 SUB N52 .8|32 N52 LP18 .75|33 N52 N53 .8|34 N53 LP19 .6|35 N53 LP20 .75|36 N53 N54 .8
37 N54 LP21 .75|38 N54 LP22 .6|39 N54 N55 .8|40 N55 LP23 .75|41 N55 N56 .6|42 N56 LP24 .75|43 N56 LP25 .6
44 SUB N57 .8|45 N57 LP26 .75|46 N57 N58 .6|47 N58 LP27 .8|48 N58 N59 .75|49 N59 LP28 .6|50 SUB N60 .75
51 N60 LP29 .6|52 N60 N61 .8|53 N61 LP30 .75|54 N61 N62 .8|55 N62 LP31 .6|56 SUB N63 .75|57 N63 LP32 .8
58 N63 N64 .6|59 N64 LP33 .8|60 N64 N65 .75|61 N65 LP34 .6|62 N65 LP35 .8|63 N65 N66 .75|64 N66 LP36 .6
65 N66 N67 .75|66 N67 LP37 .8|67 N67 LP38 .6
"""
# Peak of conventional load [kW]; the report's tables, which differ from those of 1991.
PEAKS_KW = {
    886.9: (1, 2, 3, 4, 11, 12, 13, 18, 19, 20, 21, 32, 33, 34, 35),
    813.7: (5, 14, 15, 22, 36),
    415.0: (6, 7, 16, 17),
    1630.0: (8, 10, 26, 27, 28, 29, 30),
    2445.0: (9, 31),
}
MARKET_PEAKS_KW = {986.9: (23, 37, 24, 25, 38)}
TARIFF_PEAKS_KW = {813.7: (23, 37), 671.4: (24, 25, 38)}
COMMERCIAL = (6, 7, 16, 17, 24, 25, 38)
SMALL_USERS = (8, 9, 10, 26, 27, 28, 29, 30, 31)
RESIDENTIAL = tuple(n for n in range(1, 39) if n not in (*COMMERCIAL, *SMALL_USERS))
HOUSE_TYPES = ((0.280, 3.638), (0.315, 4.093), (0.350, 4.548), (0.385, 5.002), (0.420, 5.457))
AIR_KWH_PER_K, STRUCTURE_KWH_PER_K = 1.2, 9.0
"""Not in the report: ours."""

# Ours, all of them: share of the peak by hour, DKK/kWh by hour, degree Celsius by hour.
HOMES_SHAPE = (
    0.48, 0.45, 0.43, 0.42, 0.43, 0.48, 0.60, 0.68, 0.64, 0.60, 0.58, 0.60,
    0.60, 0.57, 0.57, 0.64, 0.93, 1.00, 0.97, 0.86, 0.74, 0.62, 0.56, 0.50,
)  # fmt: skip
TRADE_SHAPE = (
    0.35, 0.35, 0.35, 0.35, 0.37, 0.42, 0.60, 0.85, 0.97, 1.00, 1.00, 0.98,
    0.96, 0.98, 0.97, 0.94, 0.90, 0.79, 0.62, 0.55, 0.50, 0.45, 0.40, 0.36,
)  # fmt: skip
TARIFF_SPOT = (
    0.27, 0.26, 0.25, 0.25, 0.26, 0.29, 0.35, 0.42, 0.43, 0.40, 0.37, 0.35,
    0.34, 0.33, 0.33, 0.34, 0.33, 0.34, 0.45, 0.47, 0.42, 0.39, 0.33, 0.24,
)  # fmt: skip
MARKET_SPOT = (
    0.30, 0.29, 0.28, 0.28, 0.27, 0.24, 0.33, 0.37, 0.38, 0.36, 0.36, 0.36,
    0.36, 0.35, 0.34, 0.28, 0.35, 0.38, 0.40, 0.41, 0.39, 0.38, 0.36, 0.34,
)  # fmt: skip
CURVATURE_PER_KW2H = 0.03


@dataclass(frozen=True)
class Variant:
    """One of the two studies of the report.

    Parameters
    ----------
    folder : str
        Name of the example.
    peaks_kw : mapping
        Peaks of conventional load that differ between the studies, by load point.
    homes_at : tuple of int
        Load points with flexible homes.
    homes : tuple of int
        Customers of each of the four aggregators at each of them.
    limits_kw : mapping
        Limits by line.
    """

    folder: str
    peaks_kw: dict[float, tuple[int, ...]]
    homes_at: tuple[int, ...]
    homes: tuple[int, int, int, int]
    limits_kw: dict[str, float]
    spot: Sequence[float]
    outdoor_c: FloatArray
    car: dict[str, float]
    cop: float
    vm_pu: float = 1.0
    half_reprofiling: bool = False
    discomfort: tuple[float, float] | None = None


CASE_1 = Variant(
    folder="rbts4_tariff_case1",
    peaks_kw=TARIFF_PEAKS_KW,
    homes_at=(1, 4, 5),
    homes=(20, 30, 30, 20),
    limits_kw={"L2": 1110.0, "L7": 3000.0},
    spot=TARIFF_SPOT,
    outdoor_c=-6.0 - 2.5 * np.cos(2.0 * np.pi * (HOUR - 4.0) / 24.0),
    car={"energy_kwh": 25.0, "soc_min_share": 0.2, "soc_max_share": 0.85, "departure_soc_share": 0.5},
    cop=2.3,
    half_reprofiling=True,
)
CASE_2 = replace(CASE_1, folder="rbts4_tariff_case2", limits_kw={"L2": 1200.0, "L7": 3000.0})
MARKET = Variant(
    folder="rbts4_market",
    peaks_kw=MARKET_PEAKS_KW,
    homes_at=RESIDENTIAL,
    homes=(40, 60, 60, 40),
    limits_kw={"L2": 1900.0, "L7": 4100.0},
    spot=MARKET_SPOT,
    outdoor_c=1.0 - 2.5 * np.cos(2.0 * np.pi * (HOUR - 4.0) / 24.0),
    car={"energy_kwh": 30.0, "soc_min_share": 0.2, "soc_max_share": 0.9, "departure_soc_share": 0.5},
    cop=3.0,
    discomfort=(0.24, 0.03),
)


@dataclass
class Draft:
    """Rows and columns of a study as they are made; shares of the peak by load point and hour."""

    variant: Variant
    share: dict[int, FloatArray]
    members: list[dict[str, Any]] = field(default_factory=list)
    assets: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, FloatArray] = field(default_factory=dict)


def make_grid(variant: Variant) -> Grid:
    """The network: 67 sections at 11 kV, limits as currents at nominal voltage."""
    rows = [part.split() for line in SECTIONS.strip().splitlines() for part in line.split("|")]
    names = list(dict.fromkeys(end for row in rows for end in row[1:3]))
    place = _places([(row[1], row[2]) for row in rows])
    index = {name: number for number, name in enumerate(names)}
    length_km = np.array([float(row[3]) for row in rows])
    z_pu = OHM_PER_KM * length_km / VN_KV**2
    i_max_ka = np.array(
        [variant.limits_kw.get(f"L{row[0]}", np.inf) / (np.sqrt(3.0) * VN_KV) / 1e3 for row in rows]
    )
    ends = np.array([[index[row[1]], index[row[2]]] for row in rows])
    branches = replace(
        plain_lines(tuple(f"L{row[0]}" for row in rows), ends, z_pu.real.copy(), z_pu.imag.copy(), length_km),
        i_max_from_ka=i_max_ka,
        i_max_to_ka=i_max_ka.copy(),
    )
    xy = np.array([place[name] for name in names])
    buses = Buses(tuple(names), np.full(len(names), VN_KV), xy[:, 0].copy(), xy[:, 1].copy())
    source = Sources(("grid",), np.array([index["SUB"]]), np.array([variant.vm_pu]), np.zeros(1))
    return Grid(buses, branches, source)


def _places(ends: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """A drawing: feeders as rows to the right of the substation, load points above and below their node."""
    place = {"SUB": (0.0, 3.0)}
    feeder, hanging = 0, dict[str, int]()
    for start, end in ends:
        x, y = place[start]
        if start == "SUB":
            place[end] = (1.0, float(feeder))
            feeder += 1
        elif end.startswith("N"):
            place[end] = (x + 1.0, y)
        else:
            side = hanging.get(start, 0)
            place[end] = (x + 0.3 * side, y + (0.32 if side % 2 == 0 else -0.32))
            hanging[start] = side + 1
    return place


def fill(draft: Draft) -> None:
    """All members, assets and profiles."""
    variant, rng = draft.variant, np.random.default_rng(1991)
    peaks = {
        n: peak for table in (PEAKS_KW, variant.peaks_kw) for peak, points in table.items() for n in points
    }
    draft.columns["outdoor.temp_c"] = np.round(variant.outdoor_c, 2)
    for number in range(1, 39):
        draft.members.append({"member": f"LP{number}_load", "bus": f"LP{number}", "cluster": "conventional"})
        draft.assets.append({"asset": f"load_{number}", "member": f"LP{number}_load", "kind": "load"})
        draft.columns[f"load_{number}"] = np.round(peaks[number] * draft.share[number], 3)
    for number in variant.homes_at:
        for aggregator, count in enumerate(variant.homes, 1):
            for home in range(count):
                _add_home(draft, rng, (number, aggregator, home))


def _add_home(draft: Draft, rng: np.random.Generator, which: tuple[int, int, int]) -> None:
    variant, (number, aggregator, home) = draft.variant, which
    name = f"LP{number}_ag{aggregator}_{home + 1:02d}"
    row = {"member": name, "bus": f"LP{number}", "cluster": "homes", "aggregator": f"ag{aggregator}"}
    row["supplier"] = "supplier"
    if variant.half_reprofiling and home % 2:
        row["contract"] = "reprofiling"
    draft.members.append(row)
    k1, k2 = HOUSE_TYPES[rng.integers(len(HOUSE_TYPES))]
    leaves, returns = int(rng.integers(6, 9)), int(rng.integers(15, 18))
    away = (leaves <= HOUR) & (returns > HOUR)
    car, pump = f"ev_{name}", f"hp_{name}"
    draft.columns[f"{car}.plugged_in"] = np.where(away, 0.0, 1.0)
    # 40 km at 0.15 kWh/km, half on the way out, half on the way home.
    drive_kwh = np.zeros(STEPS)
    drive_kwh[[leaves, returns - 1]] = 3.0
    draft.columns[f"{car}.drive_kwh"] = drive_kwh
    shared = {"member": name, "flexible": "true"}
    draft.assets.append({"asset": car, **shared, "kind": "ev_charger", "charge_max_kw": 11.0, **variant.car})
    house = {"k1_kw_per_k": k1, "k2_kw_per_k": k2, "temp_min_c": 20.0, "temp_max_c": 24.0}
    house |= {"air_kwh_per_k": AIR_KWH_PER_K, "structure_kwh_per_k": STRUCTURE_KWH_PER_K}
    heat = {"kind": "heat_pump", "consumption_max_kw": 6.0, "cop": variant.cop, **house}
    draft.assets.append({"asset": pump, **shared, **heat})
    if variant.discomfort is not None:
        for asset in draft.assets[-2:]:
            asset["discomfort_per_kw2h"] = round(max(0.1, rng.normal(*variant.discomfort)), 3)


def write(draft: Draft) -> Study:
    """Write the folder, but for study.toml and README.md, which are kept by hand; the study that it makes."""
    folder = FOLDER / draft.variant.folder
    folder.mkdir(exist_ok=True)
    _write_csv(folder / "members.csv", draft.members)
    _write_csv(folder / "assets.csv", draft.assets)
    time = TimeAxis(START.astimezone(ZoneInfo("UTC")), 60, STEPS, TIMEZONE)
    write_profiles(folder / "profiles.parquet", time, draft.columns)
    stamps = [f"{stamp}Z" for stamp in np.datetime_as_string(time.stamps(), unit="s")]
    prices = [
        {"time": stamp, "import_price_per_kwh": price}
        for stamp, price in zip(stamps, draft.variant.spot, strict=True)
    ]
    _write_csv(folder / "prices.csv", prices)
    write_grid(make_grid(draft.variant), folder / "grid.json")
    return load_study(folder)


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def shapes() -> dict[int, FloatArray]:
    """Share of its peak that each load point draws, by hour."""
    flat = np.full(STEPS, 0.61)
    by_kind = {**dict.fromkeys(RESIDENTIAL, HOMES_SHAPE), **dict.fromkeys(COMMERCIAL, TRADE_SHAPE)}
    return {n: np.array(by_kind[n]) if n in by_kind else flat.copy() for n in range(1, 39)}


def made(variant: Variant, share: dict[int, FloatArray]) -> Study:
    """The study with some shapes, written."""
    draft = Draft(variant, share)
    fill(draft)
    return write(draft)


@dataclass
class Bench:
    """A study in memory; its shapes and source voltage are turned until its congestion is the printed one."""

    variant: Variant
    share: dict[int, FloatArray] = field(default_factory=shapes)

    def __post_init__(self) -> None:
        self.settings = Settings(plan_curvature_per_kw2h=CURVATURE_PER_KW2H, voltage_margin_pu=0.01)
        self.study = made(self.variant, self.share)
        self.fleet = make_fleet(self.study, self.settings)
        self.plan_kw = self.fleet.plan(np.tile(self.fleet.spot_per_kwh, (len(self.fleet), 1)))
        self.fixed = self.fleet.fixed_kw.copy()
        self.written = {n: values.copy() for n, values in self.share.items()}
        self.vm_pu = self.variant.vm_pu

    def now(self) -> tuple[Any, Any]:
        """The grid and the fleet with the shapes as they stand."""
        fixed_kw = self.fixed.copy()
        for number, values in self.share.items():
            fixed_kw[self.study.grid.bus_index[f"LP{number}"]] *= values / self.written[number]
        sources = replace(self.study.grid.sources, vm_pu=np.array([self.vm_pu]))
        study = replace(self.study, grid=replace(self.study.grid, sources=sources))
        return view_grid(study, "helm"), replace(self.fleet, fixed_kw=fixed_kw)

    def carried_kw(self, line: str, hour: int) -> float:
        """What a line carries at t_hour in the baseline."""
        view, fleet = self.now()
        state = check_plan(view, fleet, self.plan_kw)
        return float(state.carried_kw[hour - 1, self.study.grid.branch_index[line]])

    def need_kw(self, point: str, hour: int) -> float:
        """Least flexibility that the voltage of a load point asks for at t_hour, negative where none."""
        view, fleet = self.now()
        state = check_plan(view, fleet, self.plan_kw)
        bus = np.array([self.study.grid.bus_index[point]])
        slope = voltage_gradients(state, np.array([hour - 1]), bus, bus)[0, 0]
        return float((0.95 - state.vm_pu[hour - 1, bus[0]]) / -slope)

    def turn(
        self, points: Sequence[int], hour: int, off: Callable[[], float], ends: tuple[float, float]
    ) -> None:
        """Turn the share of some load points at t_hour until ``off`` is 0."""

        def at(value: float) -> float:
            for number in points:
                self.share[number][hour - 1] = value
            return off()

        at(round(float(brentq(at, *ends, xtol=1e-7)), 6))


def calibrate_market() -> tuple[dict[int, FloatArray], float]:
    """Shares at t6 and t16 and the source voltage with which overloads and voltages are the printed ones."""
    bench = Bench(MARKET)
    for number in (24, 25, 38):
        bench.share[number][15] = 0.7
    for _ in range(4):
        bench.turn(RESIDENTIAL, 6, lambda: bench.carried_kw("L2", 6) - 1900.0 - 132.8, (0.2, 1.0))
        bench.turn((6, 7), 6, lambda: bench.carried_kw("L7", 6) - 4100.0 - 378.2, (0.02, 1.2))
        bench.turn(RESIDENTIAL, 16, lambda: bench.carried_kw("L7", 16) - 4100.0 - 86.1, (0.3, 1.2))

        def at(vm_pu: float) -> float:
            bench.vm_pu = vm_pu
            return bench.need_kw("LP37", 6) - 433.4

        at(round(float(brentq(at, 0.95, 1.1, xtol=1e-9)), 6))
        bench.turn((24, 25), 6, lambda: bench.need_kw("LP23", 6) - 317.6, (0.01, 1.5))
    return bench.share, bench.vm_pu


def main() -> None:
    """Make the three folders anew."""
    made(CASE_1, shapes())
    made(CASE_2, shapes())
    share, vm_pu = calibrate_market()
    made(replace(MARKET, vm_pu=vm_pu), share)


if __name__ == "__main__":
    main()
