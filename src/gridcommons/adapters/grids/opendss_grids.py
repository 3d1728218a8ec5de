"""Reads a feeder in OpenDSS's script language as a three-phase grid.

Source: Electric Power Research Institute, "OpenDSS Reference Guide". A row of buses is one phase of a bus, a
row of branches one conductor. What is not modelled is refused by file and line, all of it at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gridcommons.adapters.grids.opendss_branches import EARTH, Primitive
from gridcommons.adapters.grids.opendss_elements import CONTROLS, Circuit, make_circuit
from gridcommons.adapters.grids.opendss_lines import read_lines
from gridcommons.adapters.grids.opendss_loads import FeederCapacitor, FeederLoad, read_capacitors, read_loads
from gridcommons.adapters.grids.opendss_rows import Rows, nominal_voltages
from gridcommons.adapters.grids.opendss_sources import SourceBranch, read_sources
from gridcommons.adapters.grids.opendss_text import read_script
from gridcommons.adapters.grids.opendss_transformers import read_transformers
from gridcommons.adapters.grids.reading import GridReading, ShuntRows
from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.grid import Grid, PhaseLoads, Shunts, Sources
from gridcommons.model.phases import PHASES, row_name

_EXPONENT = {"power": 0, "current": 1, "impedance": 2}
"""Power of the voltage with which each load model goes."""


@dataclass(frozen=True, eq=False)
class Feeder:
    """A feeder as read: its grid, and its loads as the script gives them.

    Parameters
    ----------
    grid : Grid
        The three-phase grid, loads of the script in ``phase_loads``.
    loads : tuple of FeederLoad
        The loads.
    circuit : Circuit
        The elements of the script, load shapes among them.
    switches : tuple of str
        Branches that the script calls switches or opens, without phase.
    notes : tuple of str
        One line each on what the user should know.
    """

    grid: Grid
    loads: tuple[FeederLoad, ...]
    circuit: Circuit
    switches: tuple[str, ...]
    notes: tuple[str, ...]


def read_opendss(path: Path, taps: Mapping[str, float] | None = None) -> GridReading:
    """The three-phase grid that a script describes.

    Parameters
    ----------
    path : Path
        The script; files that it redirects to are read with it.
    taps : mapping of str to float, optional
        Tap of winding 2 of transformers by name [pu], instead of the script's.

    Returns
    -------
    GridReading
        The grid, and a line each on regulators, load models, open branches and whatever is left out.

    Raises
    ------
    StudyError
        With everything that is wrong with the script or not modelled, by file and line.
    """
    feeder = read_feeder(path, taps)
    return GridReading(feeder.grid, feeder.notes)


def read_feeder(path: Path, taps: Mapping[str, float] | None = None) -> Feeder:
    """The grid of a script and its loads, see `read_opendss`.

    Raises
    ------
    StudyError
        With everything that is wrong with the script or not modelled, by file and line.
    """
    problems = ProblemList()
    circuit = make_circuit(read_script(path, problems), problems)
    sources = read_sources(circuit)
    if not circuit.of("vsource"):
        problems.add(Place(path.name), "no circuit", "a script with New Circuit")
    branches = _in_script_order(circuit, [*read_lines(circuit), *read_transformers(circuit, taps or {})])
    loads, capacitors = read_loads(circuit), read_capacitors(circuit)
    _check_openings(circuit)
    _raise_each_once(problems)
    voltages = nominal_voltages(sources, branches, circuit)
    _raise_each_once(problems)
    rows = Rows([*(source.primitive for source in sources), *branches], voltages, circuit)
    grid = Grid(
        buses=rows.buses(),
        branches=rows.branches(),
        sources=_sources(sources, rows),
        shunts=_shunts(capacitors, rows),
        coupling=rows.coupling(),
        phase_loads=_phase_loads(loads, rows),
    )
    _raise_each_once(problems)
    notes = _notes(circuit, branches, loads, rows)
    return Feeder(grid, tuple(loads), circuit, tuple(rows.switches()), tuple(notes))


def _raise_each_once(problems: ProblemList) -> None:
    """Raise what was noted; a value that is read twice is wrong once."""
    problems.found = list(dict.fromkeys(problems.found))
    problems.raise_if_any()


def _check_openings(circuit: Circuit) -> None:
    for opening in circuit.openings:
        if opening.element.kind not in ("line", "transformer", "vsource"):
            opening.element.refuse("opened", "an open line or transformer", "disable it")


def _in_script_order(circuit: Circuit, branches: Sequence[Primitive]) -> list[Primitive]:
    place = {id(element): index for index, element in enumerate(circuit.elements.values())}
    return sorted(branches, key=lambda branch: place[id(branch.element)])


def _sources(sources: Sequence[SourceBranch], rows: Rows) -> Sources:
    names, bus, vm_pu, va_degree = [], [], [], []
    for source in sources:
        inner = source.primitive.ends[0]
        for turn, phase in enumerate(PHASES):
            row = rows.row(inner.bus, phase, source.primitive.element)
            names.append(row_name(source.primitive.element.name, phase))
            bus.append(row)
            vm_pu.append(source.vm_pu * source.vn_kv / rows.vn_kv(inner.bus))
            va_degree.append((source.va_degree - 120.0 * turn + 180.0) % 360.0 - 180.0)
    return Sources(tuple(names), np.array(bus, np.int64), np.array(vm_pu), np.array(va_degree))


def _shunts(capacitors: Sequence[FeederCapacitor], rows: Rows) -> Shunts:
    table = ShuntRows()
    for capacitor in capacitors:
        share = (rows.to_earth_kv(capacitor.bus) / capacitor.rated_kv) ** 2
        for phase in capacitor.phases:
            row = rows.row(capacitor.bus, phase, capacitor.element)
            table.add(row, 0.0, -capacitor.injected_kvar * share)
    return table.table()


def _phase_loads(loads: Sequence[FeederLoad], rows: Rows) -> PhaseLoads:
    names, models, places, powers = [], [], [], []
    for load in loads:
        for first, second in load.pairs:
            at = rows.row(load.bus, first, load.element)
            to = -1 if second == EARTH else rows.row(load.bus, second, load.element)
            nominal_kv = rows.to_earth_kv(load.bus) if to < 0 else rows.vn_kv(load.bus)
            # What the script gives at the rated voltage, at the nominal voltage of the bus.
            share = (nominal_kv / load.rated_kv) ** _EXPONENT[load.model] / len(load.pairs)
            names.append(load.name)
            models.append(load.model)
            places.append((at, to))
            powers.append((load.p_kw * share, load.q_kvar * share))
    at_to = np.array(places, np.int64).reshape(-1, 2)
    p_q = np.array(powers, np.float64).reshape(-1, 2)
    return PhaseLoads(tuple(names), at_to[:, 0], at_to[:, 1], tuple(models), p_q[:, 0], p_q[:, 1])


def _notes(
    circuit: Circuit, branches: Sequence[Primitive], loads: Sequence[FeederLoad], rows: Rows
) -> list[str]:
    notes = [*_load_notes(loads), *_control_notes(circuit)]
    unrated = sum(1 for branch in branches if np.isinf(branch.i_max_ka[0]))
    if unrated:
        notes.append(f"lines without a rating, whose loading nothing limits: {unrated}")
    opened = rows.open_branches()
    if opened:
        notes.append(f"open branches: {listed(opened)}")
    off = [each for each in circuit.elements.values() if not each.is_enabled]
    idle = [f"{each.kind} {each.name}" for each in off if each.kind not in ("line", "transformer")]
    if idle:
        notes.append(f"not enabled, and left out: {listed(idle)}")
    return notes


def _load_notes(loads: Sequence[FeederLoad]) -> list[str]:
    if not loads:
        return []
    counts = {model: sum(load.model == model for load in loads) for model in _EXPONENT}
    total_kw, total_kvar = sum(load.p_kw for load in loads), sum(load.q_kvar for load in loads)
    models = ", ".join(f"{count} of constant {model}" for model, count in counts.items() if count)
    return [
        f"{len(loads)} loads, together {total_kw:.1f} kW and {total_kvar:.1f} kvar: {models}",
        "loads keep their model at every voltage; OpenDSS makes impedances of them outside vminpu to vmaxpu "
        f"({_band(loads)} of the rated voltage)",
    ]


def _band(loads: Sequence[FeederLoad]) -> str:
    bands = {(load.element.number("vminpu", 0.95), load.element.number("vmaxpu", 1.05)) for load in loads}
    return listed(f"{low:g} to {high:g}" for low, high in sorted(bands))


def _control_notes(circuit: Circuit) -> list[str]:
    return [
        f"{circuit.skipped[kind]} of class {kind} do not act: {what} stay as they are set"
        for kind, what in CONTROLS.items()
        if circuit.skipped[kind]
    ]
