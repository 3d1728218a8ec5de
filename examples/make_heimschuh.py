"""Makes examples/heimschuh: a synthetic pilot grid and one day at one-minute steps; run by hand.

    python examples/make_heimschuh.py

The line data of the pilot site are not published. Lengths, connections and profiles are made up here, from
one seed; cable and transformer types are the standard ones that pandapower carries.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.grids.pandapower_grids import read_grid
from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.studies.writer import write_profiles
from gridcommons.model.time import TimeAxis

FloatArray = npt.NDArray[np.float64]

FOLDER = Path(__file__).parent / "heimschuh"
SEED = 20210515
STEPS = 1440
TIMEZONE = "Europe/Vienna"
START = datetime(2021, 5, 15, tzinfo=ZoneInfo(TIMEZONE))
MINUTE = np.arange(STEPS, dtype=float)
TRUNK, BRANCH, SERVICE = "NAYY 4x150 SE", "NAYY 4x120 SE", "NAYY 4x50 SE"
SOURCE_VM_PU = 1.0


@dataclass(frozen=True)
class Feeder:
    """A cable with cabinets at equal distances, and who hangs on each cabinet in turn."""

    name: str
    cable: str
    spacing_km: float
    direction_degree: float
    cabinets: tuple[tuple[str, ...], ...]


def _numbered(word: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{word}_{number:02d}" for number in range(first, last + 1))


P, C = "participant", "customer"
FEEDERS = (
    Feeder(
        "north",
        TRUNK,
        0.075,
        90.0,
        (
            (*_numbered(P, 1, 3), "community_battery"),
            (*_numbered(P, 4, 6), *_numbered(C, 1, 1)),
            (*_numbered(P, 7, 9), *_numbered(C, 2, 2), "station_1"),
            (*_numbered(P, 10, 12), *_numbered(C, 3, 3)),
            (*_numbered(P, 13, 14), *_numbered(C, 4, 5)),
            (*_numbered(P, 15, 16), *_numbered(C, 6, 7), "station_2"),
            (*_numbered(P, 17, 18), *_numbered(C, 8, 8)),
        ),
    ),
    Feeder(
        "east",
        BRANCH,
        0.06,
        -20.0,
        (
            _numbered(C, 9, 12),
            (*_numbered(P, 19, 20), *_numbered(C, 13, 15)),
            _numbered(C, 16, 18),
            _numbered(C, 19, 21),
        ),
    ),
    Feeder(
        "south",
        BRANCH,
        0.08,
        -110.0,
        (
            _numbered(C, 22, 24),
            (*_numbered(P, 21, 21), *_numbered(C, 25, 27)),
            _numbered(C, 28, 30),
        ),
    ),
)
PV_KWP = {
    "participant_01": 50.0,
    "participant_02": 40.0,
    "participant_04": 30.0,
    "participant_06": 25.0,
    "participant_08": 20.0,
    "participant_11": 15.0,
    "participant_14": 10.0,
    "participant_19": 10.0,
    "community_pv": 50.0,
}
"""200 kWp of the participants, and 50 kWp that came later."""
COMMUNITY_PV_HOST = "participant_03"
CHP_HOST, CHP_KW = "participant_05", 5.0
INN = "customer_08"
"""An inn at the end of the north feeder: its kitchen overloads the evening."""
BATTERY_SHARES_PERCENT = (8, 7, 5, 6, 5, 6, 4, 5, 4, 5, 6, 4, 4, 5, 3, 4, 3, 4, 5, 4, 3)


@dataclass
class Study:
    """Rows and columns as they are made."""

    rng: np.random.Generator
    members: list[tuple[str, ...]] = field(default_factory=list)
    assets: list[dict[str, str]] = field(default_factory=list)
    columns: dict[str, FloatArray] = field(default_factory=dict)

    def add(self, asset: str, member: str, kind: str, profile_kw: FloatArray, **values: Any) -> None:
        """Add an asset with its profile, rounded to watts."""
        self.columns[asset] = np.round(profile_kw, 3)
        row = {"asset": asset, "member": member, "kind": kind, "flexible": "false"}
        self.assets.append({**row, **{name: str(value) for name, value in values.items()}})


def make_net() -> tuple[Any, dict[str, str]]:
    """The network, and the feeder of each member; every member has a bus of its own name."""
    import pandapower as pp

    net = pp.create_empty_network()
    station = pp.create_bus(net, 20.0, name="medium voltage", geodata=(0.0, 12.0))
    busbar = pp.create_bus(net, 0.4, name="busbar", geodata=(0.0, 0.0))
    pp.create_ext_grid(net, station, vm_pu=SOURCE_VM_PU, name="medium voltage")
    pp.create_transformer(net, station, busbar, "0.4 MVA 20/0.4 kV", name="transformer")
    feeder_of: dict[str, str] = {}
    for feeder in FEEDERS:
        turn = np.deg2rad(feeder.direction_degree)
        along = np.array([np.cos(turn), np.sin(turn)])
        before, place = busbar, np.zeros(2)
        for number, members in enumerate(feeder.cabinets, 1):
            place = place + along * feeder.spacing_km * 1e3
            cabinet = pp.create_bus(net, 0.4, name=f"{feeder.name} {number}", geodata=tuple(place))
            _line(net, (before, cabinet), feeder.spacing_km, feeder.cable, f"{feeder.name} {number}")
            _connect(net, cabinet, place, along, members)
            feeder_of.update(dict.fromkeys(members, feeder.name))
            before = cabinet
    return net, feeder_of


def _connect(net: Any, cabinet: int, place: FloatArray, along: FloatArray, members: tuple[str, ...]) -> None:
    import pandapower as pp

    across = np.array([-along[1], along[0]])
    for number, member in enumerate(members):
        side, rank = (-1) ** number, number // 2
        length_km = 0.018 + 0.007 * number
        at = place + side * across * length_km * 1e3 + along * (12.0 * rank)
        bus = pp.create_bus(net, 0.4, name=member, geodata=tuple(at))
        strong = member in ("community_battery", INN, *PV_KWP, COMMUNITY_PV_HOST)
        _line(net, (cabinet, bus), length_km, TRUNK if strong else SERVICE, f"service {member}")


def _line(net: Any, ends: tuple[int, int], length_km: float, cable: str, name: str) -> None:
    import pandapower as pp

    pp.create_line(net, ends[0], ends[1], round(length_km, 4), cable, name=name)


def household_kw(rng: np.random.Generator, size: float) -> FloatArray:
    """One household's consumption: stand-by, a fridge, lights, and appliances at their times of day."""
    kw = np.full(STEPS, rng.uniform(0.06, 0.16) * size)
    period, phase = rng.integers(38, 62), rng.integers(0, 60)
    kw += 0.09 * (((MINUTE + phase) % period) < 0.35 * period)
    evening = np.clip((MINUTE - rng.normal(1150, 20)) / 40, 0, 1) * (rng.normal(1375, 25) > MINUTE)
    kw += rng.uniform(0.12, 0.35) * size * evening
    # Mean number a day, hours around which they start and their spread, power [kW], minutes.
    appliances = (
        (2.5, (6.7, 12.1, 18.9), 0.8, (1.8, 2.2), (2, 5)),
        (1.6, (12.0, 18.8), 0.6, (1.2, 2.8), (15, 50)),
        (0.7, (9.0, 14.0, 19.8), 1.2, (1.9, 2.1), (18, 35)),
        (0.6, (10.0, 17.0), 2.0, (1.9, 2.3), (12, 25)),
        (1.2, (7.0, 20.5), 0.8, (0.9, 1.6), (4, 12)),
        (1.0, (8.5, 15.5, 19.5), 2.0, (0.5, 1.2), (10, 40)),
    )
    for count, hours, spread, power_kw, minutes in appliances:
        for _ in range(rng.poisson(count * size)):
            start = int(60 * rng.normal(rng.choice(hours), spread)) % STEPS
            stop = start + int(rng.integers(*minutes))
            kw[start:stop] += rng.uniform(*power_kw)
    if rng.random() < 0.25:
        start = int(rng.uniform(0, 150))
        kw[start : start + int(rng.integers(90, 200))] += 2.0
    return kw * rng.normal(1.0, 0.015, STEPS).clip(0.95, 1.05)


def inn_kw(rng: np.random.Generator) -> FloatArray:
    """An inn with a big kitchen: a lunch, and a wedding dinner that the feeder was not made for."""
    kw = 2.2 + 0.8 * np.sin((MINUTE - 500) / STEPS * 2 * np.pi) + rng.normal(0, 0.08, STEPS)
    for start, stop, power_kw in (
        (640, 800, 12.0),
        (1020, 1095, 17.0),
        (1095, 1185, 35.0),
        (1185, 1275, 19.0),
    ):
        rise = np.clip((MINUTE - start) / 12, 0, 1) * np.clip((stop - MINUTE) / 12, 0, 1)
        kw += power_kw * rise
    for _ in range(60):
        start = int(rng.normal(1110, 70))
        kw[start : start + int(rng.integers(3, 9))] += rng.uniform(0.5, 1.5)
    return kw.clip(0.5)


def sun_share(rng: np.random.Generator) -> FloatArray:
    """Generation per installed power on a May day with passing clouds, shape (steps,)."""
    rise, sets = 5 * 60 + 15, 20 * 60 + 25
    height = np.sin(np.pi * np.clip((MINUTE - rise) / (sets - rise), 0, 1))
    clear = 0.82 * height**1.35
    veil, cloud = np.ones(STEPS), np.zeros(STEPS)
    minute = 0
    while minute < STEPS:
        minute += int(rng.exponential(22)) + 3
        length, depth = int(rng.exponential(7)) + 2, rng.uniform(0.25, 0.7)
        if 9 * 60 < minute < 17 * 60:
            cloud[minute : minute + length] = depth
    smooth = np.convolve(cloud, np.ones(3) / 3, mode="same")
    veil -= 0.04 * np.abs(np.convolve(rng.normal(0, 1, STEPS), np.ones(25) / 5, mode="same")).clip(0, 2)
    return np.asarray(clear * veil * (1.0 - smooth))


def chp_kw() -> FloatArray:
    """A micro-CHP that follows the hot water: a long run in the morning and one in the evening."""
    kw = np.zeros(STEPS)
    for start, stop in (
        (5 * 60 + 40, 8 * 60 + 25),
        (17 * 60 + 30, 18 * 60 + 20),
        (20 * 60 + 50, 22 * 60 + 10),
    ):
        kw += CHP_KW * np.clip((MINUTE - start) / 4, 0, 1) * (stop > MINUTE)
    return kw


def battery_kw() -> FloatArray:
    """The plan of the community battery: noon sun into the night, charging positive."""
    day = np.clip(1 - np.abs(MINUTE - 780) / 190, 0, 1)
    night = np.clip(1 - np.abs(MINUTE - 1300) / 100, 0, 1)
    return 16.0 * day - 22.0 * night


def charging_kw(sessions: tuple[tuple[int, float, float], ...]) -> FloatArray:
    """Uncontrolled charging: each car draws its power until its energy is in, tapering at the end."""
    kw = np.zeros(STEPS)
    for start, power_kw, energy_kwh in sessions:
        full = int(energy_kwh / power_kw * 60)
        kw[start : start + full] = power_kw
        taper = power_kw * np.exp(-np.arange(15) / 6.0)
        kw[start + full : start + full + 15] = taper[: max(0, STEPS - start - full)]
    return kw


def fill(study: Study, feeder_of: dict[str, str]) -> None:
    """Add all members and assets."""
    rng = study.rng
    shares = dict(zip(_numbered(P, 1, 21), BATTERY_SHARES_PERCENT, strict=True))
    for member, feeder in feeder_of.items():
        cluster = "community" if member.startswith((P, "community", "station")) else ""
        share = f"{shares[member] / 100:g}" if member in shares else ""
        study.members.append((member, member, feeder, cluster, share))
    sun = sun_share(rng)
    for member in (*_numbered(P, 1, 21), *_numbered(C, 1, 30)):
        size = 2.2 if feeder_of[member] == "north" else 1.2
        kw = inn_kw(rng) if member == INN else household_kw(rng, size * rng.uniform(0.8, 1.2))
        study.add(f"load_{member}", member, "load", kw, power_factor=round(rng.uniform(0.95, 0.97), 3))
    for name, kwp in PV_KWP.items():
        member = COMMUNITY_PV_HOST if name == "community_pv" else name
        own = sun * rng.normal(1.0, 0.01, STEPS).clip(0.96, 1.04) * rng.uniform(0.94, 1.0)
        asset = "pv_community" if name == "community_pv" else f"pv_{name}"
        study.add(asset, member, "pv", kwp * own, generation_max_kw=kwp)
    study.add("chp", CHP_HOST, "chp", chp_kw(), generation_max_kw=CHP_KW)
    battery = {"charge_max_kw": 40, "discharge_max_kw": 40, "energy_kwh": 100}
    battery |= {f"{way}_efficiency_share": 0.95 for way in ("charge", "discharge")}
    battery |= {"soc_initial_share": 0.3, "soc_min_share": 0.1, "soc_max_share": 0.9}
    study.add("battery", "community_battery", "battery", battery_kw(), **battery)
    cars = {
        "station_1": ((430, 11.0, 14.0), (735, 22.0, 24.0), (1010, 11.0, 16.0), (1120, 22.0, 18.0)),
        "station_2": ((560, 22.0, 15.0), (850, 11.0, 9.0), (1065, 22.0, 26.0)),
    }
    for station, sessions in cars.items():
        study.add(station, station, "ev_charger", charging_kw(sessions), charge_max_kw=22)
    for row in study.assets:
        row["flexible"] = "true" if row["kind"] in ("battery", "ev_charger") else "false"


def write(study: Study, net: Any) -> None:
    """Write the folder, but for study.toml and README.md, which are kept by hand."""
    FOLDER.mkdir(exist_ok=True)
    header = ("member", "bus", "cluster", "aggregator", "battery_share")
    with (FOLDER / "members.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *study.members])
    columns = list(dict.fromkeys(column for row in study.assets for column in row))
    with (FOLDER / "assets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(study.assets)
    time = TimeAxis(START.astimezone(ZoneInfo("UTC")), 1, STEPS, TIMEZONE)
    write_profiles(FOLDER / "profiles.parquet", time, study.columns)
    write_grid(read_grid(net).grid, FOLDER / "grid.json")


def main() -> None:
    """Make the folder anew."""
    net, feeder_of = make_net()
    study = Study(np.random.default_rng(SEED))
    fill(study, feeder_of)
    write(study, net)


if __name__ == "__main__":
    main()
