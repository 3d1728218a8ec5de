"""Whole feeders against the solutions of OpenDSS itself."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridcommons.adapters.grids.opendss_grids import read_feeder, read_opendss
from gridcommons.adapters.grids.plain_json import read_plain_grid
from gridcommons.model.grid import Grid
from gridcommons.model.phases import bus_of_row, phase_of_row
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections
from opendss_feeders import REFERENCE, SHIPPED, block_s, losses_kw, read_voltages, solve_voltages

SMALL = REFERENCE / "opendss_small_feeder"
IEEE123 = SHIPPED / "ieee123"
EUROPEAN = SHIPPED / "european_lv"


def _plain(path: Path) -> Grid:
    raw = path.read_bytes()
    return read_plain_grid(json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw), path.name)


def _solve(grid: Grid) -> FlowSolution:
    nothing = Injections(np.zeros(0, np.int64), np.zeros((1, 0)), np.zeros((1, 0)))
    return solve_power_flow(build_network(grid), nothing)


def _errors(grid: Grid, v: np.ndarray, expected: dict[str, complex]) -> tuple[float, float, set[str]]:
    """Worst error of magnitude [pu] and angle [degree], and the rows that the reference has not."""
    found = {name.lower(): v[row] for row, name in enumerate(grid.buses.name)}
    assert expected.keys() <= found.keys()
    magnitude = max(abs(abs(found[name]) - abs(value)) for name, value in expected.items())
    angle = max(abs(np.rad2deg(np.angle(found[name] / value))) for name, value in expected.items())
    return magnitude, angle, found.keys() - expected.keys()


def _complex(solution: FlowSolution) -> np.ndarray:
    return solution.vm_pu()[0] * np.exp(1j * np.deg2rad(solution.va_degree()[0]))


def test_every_admittance_of_the_small_feeder_is_that_of_opendss() -> None:
    grid = read_opendss(SMALL / "feeder.dss").grid
    names = {bus_of_row(name).lower(): bus_of_row(name) for name in (*grid.branches.name, *grid.buses.name)}
    rows = {f"{bus}.{phase}": f"{name}.{phase}" for bus, name in names.items() for phase in "abc"}
    expected: dict[str, dict[tuple[str, str], complex]] = defaultdict(dict)
    with (SMALL / "admittances.csv").open() as file:
        for row in csv.DictReader(file):
            y = complex(float(row["g_s"]), float(row["b_s"]))
            expected[row["element"]][rows[row["row"].lower()], rows[row["column"].lower()]] = y
    elements = {bus_of_row(name).lower() for name in grid.branches.name}
    assert elements - expected.keys() == {"off", "tie"}
    for element, entries in expected.items():
        ends = sorted({name for pair in entries for name in pair})
        whole = np.zeros((len(ends), len(ends)), complex)
        for (row, column), y in entries.items():
            whole[ends.index(row), ends.index(column)] = whole[ends.index(column), ends.index(row)] = y
        found = block_s(grid, names[element], ends, ends)
        assert np.abs(found - whole).max() < 1e-8 * np.abs(whole).max(), element


def test_voltages_of_the_small_feeder_are_those_of_opendss() -> None:
    grid = read_opendss(SMALL / "feeder.dss").grid
    expected = read_voltages(SMALL / "voltages.csv")
    magnitude, angle, others = _errors(grid, solve_voltages(grid), expected)
    assert magnitude < 1e-8 and angle < 1e-6
    assert others == {f"{bus}.{phase}" for bus in ("head source", "m7") for phase in "abc"}
    solution = _solve(grid)
    earthed = {name: v for name, v in expected.items() if not name.startswith("s3.")}
    magnitude, angle, _ = _errors(grid, _complex(solution), earthed)
    assert magnitude < 1e-7 and angle < 1e-5
    v, row = _complex(solution), grid.bus_index
    for first, second in ("ab", "bc", "ca"):
        difference = v[row[f"s3.{first}"]] - v[row[f"s3.{second}"]]
        assert abs(difference - expected[f"s3.{first}"] + expected[f"s3.{second}"]) < 1e-6


def test_the_small_feeder_says_what_it_is() -> None:
    feeder = read_feeder(SMALL / "feeder.dss")
    assert feeder.switches == ("Sw", "off", "tie")
    assert feeder.notes[0].startswith("10 loads, together 649.4 kW and 226.2 kvar")
    assert feeder.notes[2:] == (
        "1 of class regcontrol do not act: taps stay as they are set",
        "lines without a rating, whose loading nothing limits: 4",
        "open branches: off, tie",
        "not enabled, and left out: load out",
    )
    vn_kv = {
        bus_of_row(name): vn for name, vn in zip(feeder.grid.buses.name, feeder.grid.buses.vn_kv, strict=True)
    }
    assert vn_kv["Head"] == vn_kv["Head source"] == 20.0
    assert vn_kv["r3"] == vn_kv["m7"] == 10.0
    assert vn_kv["s4"] == vn_kv["s5"] == 0.4


def test_ieee_123_by_our_load_flow_is_the_solution_of_opendss() -> None:
    grid = _plain(IEEE123 / "grid.json")
    solution = _solve(grid)
    magnitude, angle, others = _errors(grid, _complex(solution), read_voltages(IEEE123 / "voltages.csv"))
    assert magnitude < 1e-7 and angle < 1e-5
    assert others == {f"150 source.{phase}" for phase in "abc"}
    vm_pu = solution.vm_pu()[0]
    assert (grid.buses.name[int(vm_pu.argmin())], round(float(vm_pu.min()), 5)) == ("65.a", 0.97921)
    assert (grid.buses.name[int(vm_pu.argmax())], round(float(vm_pu.max()), 5)) == ("83.b", 1.04996)
    assert solution.losses_kw()[0] == pytest.approx(95.9775794, rel=1e-6)
    assert losses_kw(grid, _complex(solution)) == pytest.approx(95.9775794, rel=1e-6)
    assert solution.source_kw()[0].sum() == pytest.approx(3615.2650, abs=1e-3)


def test_ieee_123_of_constant_power_loses_less() -> None:
    grid = _plain(IEEE123 / "grid.json")
    loads = grid.phase_loads
    nominal = {"power": 0, "current": 1, "impedance": 2}
    exponent = np.array([nominal[model] for model in loads.model])
    # All loads are rated at 2.4 kV to earth or at 4.16 kV.
    to_earth = (loads.to_bus < 0) & np.array([name not in ("S47", "S48") for name in loads.name])
    rated = np.where(to_earth, 2.4 * np.sqrt(3.0) / 4.16, 1.0) ** exponent
    steady = replace(
        loads, model=("power",) * len(loads.name), p_kw=loads.p_kw * rated, q_kvar=loads.q_kvar * rated
    )
    assert steady.p_kw.sum() == pytest.approx(3490.0) and steady.q_kvar.sum() == pytest.approx(1920.0)
    assert _solve(replace(grid, phase_loads=steady)).losses_kw()[0] == pytest.approx(94.3418176, rel=1e-6)


def test_ieee_123_has_the_phases_and_lines_of_the_feeder() -> None:
    grid = _plain(IEEE123 / "grid.json")
    assert len(grid.buses) == 278 + 3
    assert [phase_of_row(name) for name in grid.buses.name if bus_of_row(name) == "26"] == ["a", "c"]
    assert {bus_of_row(name) for name in grid.branches.name} >= {
        "L1",
        "Sw1",
        "Sw8",
        "reg4c",
        "XFM1",
        "source",
    }
    assert len(grid.phase_loads.name) == 95 and len(set(grid.phase_loads.name)) == 91


@pytest.mark.parametrize("minute", ["", "566", "1367"])
def test_the_european_feeder_by_our_load_flow_is_the_solution_of_opendss(minute: str) -> None:
    grid = _plain(EUROPEAN / "grid.json.gz")
    expected, lost_kw = read_voltages(EUROPEAN / "voltages.csv"), 0.7928234769
    if minute:
        with (EUROPEAN / "minute_voltages.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["minute"] == minute]
        expected = {
            f"{row['bus']}.{row['phase']}": float(row["vm_pu"])
            * np.exp(1j * np.deg2rad(float(row["va_degree"])))
            for row in rows
        }
        with (EUROPEAN / "minute_loads.csv").open() as file:
            drawn = {row["load"]: row for row in csv.DictReader(file) if row["minute"] == minute}
        named = [drawn[name.lower()] for name in grid.phase_loads.name]
        p_kw, q_kvar = (np.array([float(row[column]) for row in named]) for column in ("p_kw", "q_kvar"))
        grid = replace(grid, phase_loads=replace(grid.phase_loads, p_kw=p_kw, q_kvar=q_kvar))
        lost_kw = {"566": 2.050198466, "1367": 0.903496616}[minute]
    solution = _solve(grid)
    tolerance = 1e-7 if not minute else 1e-6  # the minute's loads are written to a milliwatt
    magnitude, angle, _ = _errors(grid, _complex(solution), expected)
    assert magnitude < tolerance and angle < 100 * tolerance
    # The project counts what the source's impedance loses, OpenDSS does not.
    lost_in_source_kw = _source_losses_kw(grid, solution.currents_pu()[0][0, :3])
    assert solution.losses_kw()[0] - lost_in_source_kw == pytest.approx(lost_kw, rel=1e-5)


def _source_losses_kw(grid: Grid, current_pu: np.ndarray) -> float:
    """Losses in the impedance of the source [kW], from its admittances alone."""
    y = block_s(grid, "source", [f"sourcebus source.{k}" for k in "abc"], [f"sourcebus.{k}" for k in "abc"])
    base_s = 1e6 / (11e3 / np.sqrt(3.0)) ** 2
    z_pu = np.linalg.inv(-y / base_s)
    return float((current_pu.conj() @ z_pu @ current_pu).real * 1e3)
