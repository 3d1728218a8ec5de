"""Makes the examples of trading and switching on the IEEE 123-node feeder; run by hand.

    python examples/make_ieee123.py DATA

DATA holds the feeder in OpenDSS format (``ieee123/IEEE123Switches.dss``), the cluster of each node
(``ieee123/cluster_map.csv``), and one-minute household profiles (``european_lv/Daily_1min_100profiles``);
feeder and profiles are IEEE PES test feeders in the collection electricdss-tst (BSD 3-clause).

The case is that of a community microgrid of 114 members in five clusters (source 4). Its profiles are not
public: those made here are ours, after what its §3.1 and §4.3 say of them. So are the connections of clusters
3, 4 and 5, which it draws but does not name, and prices. Regulators stand at their neutral position, since
connections run in parallel.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.grids.opendss_grids import read_opendss
from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.studies.writer import write_profiles
from gridcommons.model.grid import Branches, Buses, Coupling, Grid, Sources, no_phase_loads
from gridcommons.model.phases import PHASES, phase_of_row, rows_of_bus
from gridcommons.model.time import TimeAxis

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FOLDER = Path(__file__).parent
TIMEZONE = "Europe/Madrid"
DAYS = {"weekday": datetime(2022, 6, 15), "weekend": datetime(2022, 6, 18)}
MINUTE = np.arange(1440)
HOUR = MINUTE / 60.0
SEED = 123

CLUSTERS = ("industry", "commerce", "university", "homes", "flats")
"""Names of clusters 1 to 5."""
CLUSTER_KW = (760.0, 755.0, 550.0, 1105.0, 320.0)
"""Rated load of each cluster's spot loads [kW]."""
LOAD_SHARE = (0.62, 0.30, 0.72, 0.55, 0.80)
"""Peak of each cluster's consumption on a weekday over its rated load: ours."""
PV_SHARE = (0.40, 0.00, 0.30, 0.60, 2 / 14)
"""Part of each cluster's members that have solar modules; two of the flats."""
PV_PEAK_SHARE = (0.84, 0.0, 0.76, 0.79, 0.44)
"""Installed generation over the rated load of the cluster: ours, oversized at noon as in the source."""
HOME_PEAK_KW = 0.55
"""Mean of many households at their common peak [kW]."""
MEAN_MINUTES = 10
"""Meters of streets are read as moving means over so long: ours."""
SMALL_KW = 5.0
"""Rating of a member at a node without spot load: ours."""

LINKS = ("Sw2", "Sw3", "Sw4", "Sw5", "Sw7")
CONNECTIONS = {"PCC3": "57", "PCC4": "67", "PCC5": "108"}
"""Connections of clusters 3 to 5 to the main grid, and where: ours. That of cluster 1 is Sw1."""
SWITCH_OHM = 1e-6
LINK_CAPACITY_KW = {"Sw7": 2000.0}
"""Capacity of a link [kW], 1,500 kW where none stands here: ours; the widest joins cluster 2 with 5."""
SOURCE_PU = 1.02
OPERATION_COST = 0.02
"""Wear of a switch, EUR an operation: ours."""

BUSINESS = (HOUR >= 9.0) & (HOUR < 20.0)


@dataclass(frozen=True)
class Node:
    """A member: its node, cluster (from 0), phase and rated load [kW]."""

    node: int
    cluster: int
    phase: str
    rated_kw: float


def main(data: Path) -> None:
    """Write both studies."""
    feeder = read_opendss(data / "ieee123" / "IEEE123Switches.dss").grid
    nodes = _nodes(feeder, data)
    grid = _with_connections(feeder)
    homes = _homes(data)
    for name, day in DAYS.items():
        folder = FOLDER / f"ieee123_{name}"
        folder.mkdir(exist_ok=True)
        start = day.replace(tzinfo=ZoneInfo(TIMEZONE))
        time = TimeAxis(start.astimezone(ZoneInfo("UTC")), 1, len(MINUTE), TIMEZONE)
        write_grid(grid, folder / "grid.json")
        _write_members(folder, nodes)
        columns = _loads(nodes, homes, name == "weekend") | _solar(nodes)
        write_profiles(folder / "profiles.parquet", time, columns)
        _write_assets(folder, nodes, columns)
        _write_switches(folder)
        _write_prices(folder, time)


def _nodes(feeder: Grid, data: Path) -> list[Node]:
    with (data / "ieee123" / "cluster_map.csv").open() as file:
        cluster = {int(row["node"]): int(row["cluster"]) - 1 for row in csv.DictReader(file)}
    return [_node(feeder, node, number) for node, number in cluster.items()]


def _node(feeder: Grid, node: int, cluster: int) -> Node:
    """What is connected at a node; a delta load on all pairs is one between all phases."""
    loads, rows = feeder.phase_loads, rows_of_bus(feeder, str(node))
    mine = np.flatnonzero(np.isin(loads.bus, rows))
    ends = {(_phase(feeder, loads.bus[k]), _phase(feeder, loads.to_bus[k])) for k in mine}
    kw = float(loads.p_kw[mine].sum())
    between = {"".join(end) for end in ends if end[1]}
    if between:
        pair = "delta" if len(between) > 1 else between.pop()
        return Node(node, cluster, {"ba": "ab", "cb": "bc", "ac": "ca"}.get(pair, pair), kw)
    phases = sorted(end[0] for end in ends) or [phase_of_row(feeder.buses.name[row]) for row in rows]
    return Node(node, cluster, "" if len(phases) == 3 else phases[0], kw or SMALL_KW)


def _phase(feeder: Grid, row: int) -> str:
    return "" if row < 0 else phase_of_row(feeder.buses.name[row])


def _with_connections(feeder: Grid) -> Grid:
    """The feeder with a connection to the main grid in clusters 1, 3, 4 and 5, and its taps at neutral."""
    grid = replace(feeder, phase_loads=no_phase_loads())
    source = grid.sources
    grid = replace(grid, sources=replace(source, vm_pu=np.full(len(source.name), SOURCE_PU)))
    for name, bus in CONNECTIONS.items():
        grid = _with_connection(grid, name, rows_of_bus(grid, bus))
    return grid


def _with_connection(grid: Grid, name: str, rows: IntArray) -> Grid:
    """One more source, behind a switch to the phases of a bus."""
    first, branch = len(grid.buses), len(grid.branches)
    new = np.arange(first, first + 3)
    buses = Buses(
        (*grid.buses.name, *(f"main {name}.{phase}" for phase in PHASES)),
        np.append(grid.buses.vn_kv, grid.buses.vn_kv[rows]),
        np.append(grid.buses.x_map, grid.buses.x_map[rows] + 120.0),
        np.append(grid.buses.y_map, grid.buses.y_map[rows] + 120.0),
    )
    sources = grid.sources
    turned = Sources(
        (*sources.name, *(f"{name}.{phase}" for phase in PHASES)),
        np.append(sources.bus, new),
        np.append(sources.vm_pu, np.full(3, SOURCE_PU)),
        np.append(sources.va_degree, sources.va_degree[:3]),
    )
    base_ohm = grid.buses.vn_kv[rows[0]] ** 2 / 3.0
    g_pu = base_ohm / SWITCH_OHM
    r_pu = np.full(3, SWITCH_OHM / base_ohm)
    added = {
        "from_bus": new,
        "to_bus": rows,
        "r_pu": r_pu,
        "ratio": np.ones(3),
        "i_max_from_ka": np.full(3, np.inf),
        "i_max_to_ka": np.full(3, np.inf),
        "from_closed": np.ones(3, dtype=bool),
        "to_closed": np.ones(3, dtype=bool),
    }
    columns = {
        column: np.append(getattr(grid.branches, column), added.get(column, np.zeros(3)))
        for column in Branches.__dataclass_fields__
        if column not in ("name", "kind")
    }
    columns["from_bus"], columns["to_bus"] = (columns[c].astype(np.int64) for c in ("from_bus", "to_bus"))
    columns["from_closed"], columns["to_closed"] = (
        columns[c].astype(bool) for c in ("from_closed", "to_closed")
    )
    branches = Branches(
        name=(*grid.branches.name, *(f"{name}.{phase}" for phase in PHASES)),
        kind=(*grid.branches.kind, "line", "line", "line"),
        **columns,
    )
    return replace(
        grid, buses=buses, sources=turned, branches=branches, coupling=_joined(grid.coupling, branch, g_pu)
    )


def _joined(coupling: Coupling | None, first: int, g_pu: float) -> Coupling:
    """The couplings and three conductors of a switch, which do not influence each other."""
    assert coupling is not None
    branch = np.repeat(np.arange(first, first + 3), 4)
    row_end, column_end = np.tile([0, 0, 1, 1], 3), np.tile([0, 1, 0, 1], 3)
    g = np.where(row_end == column_end, g_pu, -g_pu)
    return Coupling(
        np.append(coupling.row_branch, branch),
        np.append(coupling.row_end, row_end),
        np.append(coupling.column_branch, branch),
        np.append(coupling.column_end, column_end),
        np.append(coupling.g_pu, g),
        np.append(coupling.b_pu, np.zeros(12)),
    )


def _homes(data: Path) -> FloatArray:
    """One-minute profiles of 100 households, shape (minutes, households) [kW]."""
    folder = data / "european_lv" / "Daily_1min_100profiles"
    return np.stack([np.loadtxt(folder / f"load_profile_{k}.txt") for k in range(1, 101)], axis=1)


def _loads(nodes: Sequence[Node], homes: FloatArray, weekend: bool) -> dict[str, FloatArray]:
    """Consumption of every member [kW]."""
    rng = np.random.default_rng(SEED)
    shapes = [_shape(node.cluster, homes, weekend, rng) for node in nodes]
    columns = {}
    for number, kw in enumerate(CLUSTER_KW):
        mine = [k for k, node in enumerate(nodes) if node.cluster == number]
        rated = np.array([nodes[k].rated_kw for k in mine])
        factor = LOAD_SHARE[number] * kw / rated.sum()
        for k in mine:
            columns[f"load_{nodes[k].node}"] = np.round(factor * nodes[k].rated_kw * shapes[k], 3)
    return columns


def _shape(cluster: int, homes: FloatArray, weekend: bool, rng: np.random.Generator) -> FloatArray:
    """Consumption of a member by the minute, about 1 at the peak of a weekday."""
    if cluster in (3, 4):
        # A node of the feeder serves a street: households drawn from the hundred, each at its own hours.
        count = 30 if cluster == 3 else 60
        chosen, late = rng.integers(homes.shape[1], size=count), rng.integers(-45, 46, size=count)
        mean = np.mean([np.roll(homes[:, k], shift) for k, shift in zip(chosen, late, strict=True)], axis=0)
        mean = np.mean([np.roll(mean, k) for k in range(MEAN_MINUTES)], axis=0)
        return np.asarray(mean / HOME_PEAK_KW * (1.5 if weekend else 1.0))
    base = (_industry, _commerce, _university)[cluster](rng, weekend)
    # Machines switch: a first-order noise with a memory of ten minutes.
    noise = np.zeros(len(MINUTE))
    for k, step in enumerate(rng.normal(0.0, 0.012, len(MINUTE))):
        noise[k] = (0.9 * noise[k - 1] if k else 0.0) + step
    return np.maximum(base * (1.0 + noise), 0.0)


def _between(first: float, last: float, ramp_h: float) -> FloatArray:
    """1 between two hours, with ramps of a length around them."""
    rise, fall = (HOUR - first) / ramp_h + 0.5, (last - HOUR) / ramp_h + 0.5
    return np.clip(np.minimum(rise, fall), 0.0, 1.0)


def _industry(rng: np.random.Generator, weekend: bool) -> FloatArray:
    shift = _between(6.0 + rng.uniform(-0.5, 0.5), 18.0 + rng.uniform(-0.5, 1.5), 1.0)
    return (0.35 + 0.65 * shift) * (0.9 if weekend else 1.0)


def _commerce(rng: np.random.Generator, weekend: bool) -> FloatArray:
    opening = _between(9.0 + rng.uniform(-0.7, 0.7), 20.5 + rng.uniform(-0.7, 0.7), 0.8)
    return (0.18 + 0.82 * opening) * np.where(BUSINESS & weekend, 2.0, 1.0)


def _university(rng: np.random.Generator, weekend: bool) -> FloatArray:
    low = np.full(len(HOUR), 0.28)
    lectures = _between(8.0 + rng.uniform(-0.4, 0.4), 19.0 + rng.uniform(-1.0, 1.0), 1.2)
    return low if weekend else low + 0.72 * lectures


def _solar(nodes: Sequence[Node]) -> dict[str, FloatArray]:
    """Generation on a cloudless day, of one shape for all as in the source [kW]."""
    rng, shape, columns = np.random.default_rng(SEED + 1), _sun(), {}
    for number, share in enumerate(PV_SHARE):
        mine = [node for node in nodes if node.cluster == number]
        count = round(share * len(mine))
        with_modules = sorted(rng.choice(len(mine), count, replace=False).tolist())
        weight = rng.uniform(0.8, 1.2, count)
        for k, part in zip(with_modules, weight / weight.sum(), strict=True):
            columns[f"pv_{mine[k].node}"] = np.round(
                PV_PEAK_SHARE[number] * CLUSTER_KW[number] * part * shape, 3
            )
    return columns


def _sun() -> FloatArray:
    """Generation over its installed power: height of the sun at 38° north in mid June, through clear air."""
    declination, latitude = np.deg2rad(23.3), np.deg2rad(38.0)
    solar_hour = HOUR - 2.25
    angle = np.deg2rad(15.0 * (solar_hour - 12.0))
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    height = np.maximum(height, 0.0)
    through_air = np.where(height > 0.0, 0.7 ** (1.0 / np.maximum(height, 0.02)) ** 0.678, 0.0)
    clear = height * through_air
    return 0.88 * clear / clear.max()


def _write_members(folder: Path, nodes: Sequence[Node]) -> None:
    rows = [("member", "bus", "cluster", "phase")]
    rows += [(f"node {node.node}", str(node.node), CLUSTERS[node.cluster], node.phase) for node in nodes]
    _write_rows(folder / "members.csv", rows)


def _write_assets(folder: Path, nodes: Sequence[Node], columns: dict[str, FloatArray]) -> None:
    rows: list[tuple[str, ...]] = [("asset", "member", "kind", "power_factor", "generation_max_kw")]
    for node in nodes:
        rows.append((f"load_{node.node}", f"node {node.node}", "load", "0.98", ""))
        if f"pv_{node.node}" in columns:
            peak_kw = columns[f"pv_{node.node}"].max() / 0.88
            rows.append((f"pv_{node.node}", f"node {node.node}", "pv", "1", f"{peak_kw:.3f}"))
    _write_rows(folder / "assets.csv", rows)


def _write_switches(folder: Path) -> None:
    rows = [("branch", "capacity_kw", "operation_cost")]
    rows += [(name, f"{LINK_CAPACITY_KW.get(name, 1500.0):g}", f"{OPERATION_COST:g}") for name in LINKS]
    rows += [(name, "", f"{OPERATION_COST:g}") for name in ("Sw1", *CONNECTIONS)]
    _write_rows(folder / "switches.csv", rows)


def _write_prices(folder: Path, time: TimeAxis) -> None:
    """Three periods of a day for what is drawn, one price for what is fed in: EUR/kWh, ours."""
    hour = np.arange(24)
    dear = ((hour >= 10) & (hour < 14)) | ((hour >= 18) & (hour < 22))
    price = np.where(dear, 0.26, np.where(hour < 8, 0.14, 0.18))
    rows = [("time", "import_price_per_kwh", "export_price_per_kwh")]
    rows += [
        (f"{stamp.astype('datetime64[s]')}Z", f"{value:g}", "0.06")
        for stamp, value in zip(time.stamps()[::60], price, strict=True)
    ]
    _write_rows(folder / "prices.csv", rows)


def _write_rows(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
