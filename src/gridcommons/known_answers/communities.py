"""Known answers of community microgrids: the worked examples of switching, and three-phase load flows.

The feeders and the solutions of OpenDSS: README.md of ``reference/ieee123`` and ``reference/european_lv``.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gridcommons.adapters.grids.plain_json import read_plain_grid
from gridcommons.known_answers.answer import KnownAnswer
from gridcommons.model.clusters import ClusterGraph, Link, Pcc, Topology
from gridcommons.model.grid import Grid
from gridcommons.model.phases import bus_row, row_name
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections
from gridcommons.switching.heuristic import join_clusters

REFERENCE = Path(__file__).parents[1] / "reference"
EXAMPLES = "source 4, Fig. 7"
OPENDSS = "OpenDSS, same feeder"


def community_answers() -> Iterator[KnownAnswer]:
    """The worked examples, then the IEEE 123-node and the IEEE European low-voltage feeder."""
    yield from _merged()
    yield from _saturated()
    yield from _ieee123()
    yield from _european_lv()


def two_clusters(balance_kw: tuple[float, float], capacity_kw: float, *, parallel_allowed: bool) -> Topology:
    """The heuristic's answer for two clusters that have a connection each, and a link between them."""
    graph = ClusterGraph(
        ("1", "2"), (Link("link", "1", "2", capacity_kw),), (Pcc("PCC 1", "1"), Pcc("PCC 2", "2"))
    )
    return join_clusters(graph, np.array(balance_kw), parallel_allowed=parallel_allowed)


def _merged() -> Iterator[KnownAnswer]:
    plan = two_clusters((10.0, -50.0), np.inf, parallel_allowed=False)
    name = "two clusters, +10 and -50 kW"
    yield KnownAnswer(f"{name}, link closed", float(plan.link_closed[0]), 1.0, 0.0, "", EXAMPLES)
    yield KnownAnswer(f"{name}, exchange of PCC 1", float(plan.pcc_exchange_kw[0]), 0.0, 0.0, "kW", EXAMPLES)
    yield KnownAnswer(
        f"{name}, exchange of PCC 2", float(plan.pcc_exchange_kw[1]), -40.0, 0.0, "kW", EXAMPLES
    )
    yield KnownAnswer(f"{name}, connections closed", float(plan.pcc_closed.sum()), 1.0, 0.0, "", EXAMPLES)


def _saturated() -> Iterator[KnownAnswer]:
    plan = two_clusters((50.0, -60.0), 30.0, parallel_allowed=True)
    name = "two clusters, +50 and -60 kW, link of 30 kW"
    yield KnownAnswer(f"{name}, over the link", float(plan.transfers_kw[0]), 30.0, 0.0, "kW", EXAMPLES)
    yield KnownAnswer(f"{name}, residue of 1", float(plan.pcc_exchange_kw[0]), 20.0, 0.0, "kW", EXAMPLES)
    yield KnownAnswer(f"{name}, residue of 2", float(plan.pcc_exchange_kw[1]), -30.0, 0.0, "kW", EXAMPLES)
    yield KnownAnswer(f"{name}, connections closed", float(plan.pcc_closed.sum()), 2.0, 0.0, "", EXAMPLES)


def _ieee123() -> Iterator[KnownAnswer]:
    grid = read_shipped_grid("ieee123")
    flow = _load_flow(grid)
    vm_pu, source_kw = flow.vm_pu()[0], float(flow.source_kw().sum())
    name = "IEEE 123 nodes"
    yield KnownAnswer(f"{name}, from the source", source_kw, 3615.24, 0.05, "kW", OPENDSS)
    yield KnownAnswer(f"{name}, losses", float(flow.losses_kw()[0]), 95.98, 0.002 * 95.98, "kW", OPENDSS)
    yield KnownAnswer(
        f"{name}, least voltage, at 65.a", vm_pu[bus_row(grid, "65", "a")], 0.97921, 1e-5, "pu", OPENDSS
    )
    yield KnownAnswer(
        f"{name}, greatest voltage, at 83.b", vm_pu[bus_row(grid, "83", "b")], 1.04996, 1e-5, "pu", OPENDSS
    )
    yield KnownAnswer(f"{name}, span of all voltages", _span(vm_pu), 1.04996 - 0.97921, 2e-5, "pu", OPENDSS)
    yield KnownAnswer(f"{name}, worst voltage", _worst_pu(grid, flow, "ieee123"), 0.0, 5e-4, "pu", OPENDSS)


def _european_lv() -> Iterator[KnownAnswer]:
    grid = read_shipped_grid("european_lv")
    flow = _load_flow(grid)
    name = "European low-voltage feeder"
    yield KnownAnswer(
        f"{name}, worst voltage", _worst_pu(grid, flow, "european_lv"), 0.0, 1e-4, "pu", OPENDSS
    )


def read_shipped_grid(name: str) -> Grid:
    """A three-phase feeder of ``reference``, its loads in it."""
    plain, packed = REFERENCE / name / "grid.json", REFERENCE / name / "grid.json.gz"
    text = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    return read_plain_grid(json.loads(text), f"{name}/grid.json")


def _load_flow(grid: Grid) -> FlowSolution:
    nothing = Injections(np.zeros(0, dtype=np.int64), np.zeros((1, 0)), np.zeros((1, 0)))
    return solve_power_flow(build_network(grid), nothing)


def _span(vm_pu: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(np.nanmax(vm_pu) - np.nanmin(vm_pu))


def _worst_pu(grid: Grid, flow: FlowSolution, name: str) -> float:
    """Largest distance of a voltage phasor from that of OpenDSS [pu]."""
    found = flow.vm_pu()[0] * np.exp(1j * np.deg2rad(flow.va_degree()[0]))
    with (REFERENCE / name / "voltages.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # OpenDSS knows no capital letters.
    row_of = {name.lower(): index for index, name in enumerate(grid.buses.name)}
    at = [row_of[row_name(row["bus"], row["phase"])] for row in rows]
    expected = [float(row["vm_pu"]) * np.exp(1j * np.deg2rad(float(row["va_degree"]))) for row in rows]
    return float(np.abs(found[at] - np.array(expected)).max())
