"""MATPOWER cases (version 2) as our own grid; needs neither MATPOWER nor pandapower.

Column meanings: MATPOWER User's Manual, appendix B (Zimmerman, Murillo-Sanchez and Thomas, 2011).
Buses that hold their voltage (PV) and DC lines are refused by name; costs, areas and fuel names say
nothing about the load flow and are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.grids.matpower_code import read_code
from gridcommons.adapters.grids.matpower_expressions import BRANCH_COLUMNS, BUS_COLUMNS, GEN_COLUMNS
from gridcommons.adapters.grids.reading import (
    BranchPart,
    FixedRows,
    GridReading,
    ShuntRows,
    clashing_sources,
    islanded_injections,
    join_branches,
    unrated_notes,
    with_source_voltage,
)
from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.grid import S_BASE_KVA, BoolArray, Buses, FloatArray, Grid, IntArray, Sources

KW_PER_MW = 1000.0
PQ, PV, REFERENCE, ISOLATED = 1, 2, 3, 4
MATRICES = {"bus": BUS_COLUMNS, "gen": GEN_COLUMNS, "branch": BRANCH_COLUMNS[:11]}
"""Matrices that a case must have, with the columns that each needs."""
WITHOUT_EFFECT = {"version", "baseMVA", "bus_name", "gencost", "areas", "gentype", "genfuel", *MATRICES}
"""Fields that are read, or that say nothing about the load flow."""


@dataclass(frozen=True, eq=False)
class MatpowerCase:
    """A checked case: matrices by column name, buses as positions.

    Parameters
    ----------
    file : str
        Name of the file.
    base_mva : float
        Base of its per-unit quantities [MVA].
    bus, gen, branch : dict of str to array
        Columns by MATPOWER's names, isolated buses and what is at them left out.
    bus_names : tuple of str
        Unique names.
    gen_bus, from_bus, to_bus : arrays
        Positions of buses.
    notes : tuple of str
        What was left out.
    """

    file: str
    base_mva: float
    bus: dict[str, FloatArray]
    gen: dict[str, FloatArray]
    branch: dict[str, FloatArray]
    bus_names: tuple[str, ...]
    gen_bus: IntArray
    from_bus: IntArray
    to_bus: IntArray
    notes: tuple[str, ...]

    @property
    def is_transformer(self) -> BoolArray:
        """Which branches have a ratio, a shift, or two nominal voltages, shape (branches,)."""
        vn_kv = self.bus["BASE_KV"]
        differs = vn_kv[self.from_bus] != vn_kv[self.to_bus]
        return np.asarray((self.branch["TAP"] != 0) | (self.branch["SHIFT"] != 0) | differs)

    @property
    def ratio(self) -> FloatArray:
        """Off-nominal turns ratio at the ``from`` end; MATPOWER's 0 means 1."""
        return np.where(self.branch["TAP"] == 0, 1.0, self.branch["TAP"])

    @property
    def is_held(self) -> BoolArray:
        """Which generators hold the voltage of a reference bus, shape (generators,)."""
        return np.asarray(self.bus["BUS_TYPE"][self.gen_bus] == REFERENCE)


def read_matpower(
    path: str | Path, *, slack_vm_pu: float | None = None, tap_pos: int | None = None
) -> GridReading:
    """Return a MATPOWER case as a grid; its loads are the grid's fixed injections.

    Parameters
    ----------
    path : str or Path
        A ``.m`` file in case format version 2.
    slack_vm_pu : float, optional
        Voltage that every reference bus holds instead of its own [pu].
    tap_pos : int, optional
        Not meaningful here: a case has ratios, not positions.

    Returns
    -------
    GridReading
        Grid and notes.

    Raises
    ------
    StudyError
        All that is wrong with the file or not modelled, statements by their line.
    """
    case = read_case(path)
    problems = ProblemList()
    if tap_pos is not None:
        problems.add(
            Place(case.file, "grid", column="tap_pos"),
            f"tap_pos = {tap_pos}",
            "none: a MATPOWER case has turns ratios, not tap positions",
            "write the ratio into mpc.branch",
        )
    notes = list(case.notes)
    sources = _sources(case)
    if slack_vm_pu is not None:
        sources = with_source_voltage(sources, slack_vm_pu)
        notes.append(f"reference buses hold {slack_vm_pu:g} pu by the study")
    shunts, fixed = _shunts(case), _injections(case)
    unknown = np.full(len(case.bus_names), np.nan)
    buses = Buses(case.bus_names, case.bus["BASE_KV"], unknown, unknown.copy())
    grid = Grid(buses, join_branches([_branches(case)]), sources, shunts=shunts.table(), fixed=fixed.table())
    _check_whole(case.file, grid, problems)
    notes.extend(unrated_notes(grid.branches))
    if fixed.bus:
        notes.append(
            f"{len(fixed.bus)} loads and generators of {case.file} stay as fixed injections: "
            f"{grid.fixed.p_kw.sum():.6g} kW, {grid.fixed.q_kvar.sum():.6g} kvar ({listed(grid.fixed.name)})"
        )
    return GridReading(grid, tuple(notes))


def read_case(path: str | Path) -> MatpowerCase:
    """Return a checked case from a file; raises StudyError with all that is wrong with it."""
    path = Path(path)
    problems = ProblemList()
    if not path.is_file():
        problems.add(Place(str(path)), "no such file", "a MATPOWER case (.m)")
        problems.raise_if_any()
    code = read_code(path.read_text(encoding="utf-8", errors="replace"))
    for line, said in code.not_understood:
        problems.add(
            Place(path.name, row=f"line {line}"),
            said,
            "an assignment of numbers to mpc",
            "do this step by hand and write its result into the file",
        )
    _check_fields(path.name, code.fields, problems)
    problems.raise_if_any()
    tables = {name: _columns(code.fields[name], columns) for name, columns in MATRICES.items()}
    case = _placed(path.name, code.fields, tables, problems)
    problems.raise_if_any()
    _check_values(case, problems)
    problems.raise_if_any()
    return case


def _check_fields(file: str, fields: dict[str, Any], problems: ProblemList) -> None:
    if str(fields.get("version", "")) not in ("2", "2.0"):
        problems.add(Place(file, "mpc.version"), f"{fields.get('version', 'none')}", "version '2'")
    base = fields.get("baseMVA")
    if not isinstance(base, float) or not 0 < base < np.inf:
        problems.add(Place(file, "mpc.baseMVA"), f"{base}", "a number above zero")
    for name, columns in MATRICES.items():
        matrix = fields.get(name)
        if not isinstance(matrix, np.ndarray) or matrix.shape[1] < len(columns):
            width = matrix.shape[1] if isinstance(matrix, np.ndarray) else "no"
            problems.add(Place(file, f"mpc.{name}"), f"{width} columns", f"at least {len(columns)}")
    for name in sorted(set(fields) - WITHOUT_EFFECT):
        problems.add(
            Place(file, f"mpc.{name}"), "a field that is not modelled", "buses, generators and branches only"
        )


def _columns(matrix: FloatArray, names: list[str]) -> dict[str, FloatArray]:
    return {name: matrix[:, place].copy() for place, name in enumerate(names)}


def _placed(
    file: str, fields: dict[str, Any], tables: dict[str, dict[str, FloatArray]], problems: ProblemList
) -> MatpowerCase:
    """Drop isolated buses with what is at them, and turn bus numbers into positions."""
    bus, gen, branch = tables["bus"], tables["gen"], tables["branch"]
    numbers = [f"{number:g}" if number < 1e6 else str(int(number)) for number in bus["BUS_I"].tolist()]
    if len(set(numbers)) < len(numbers):
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        problems.add(Place(file, "mpc.bus", column="bus_i"), f"{listed(twice)} twice", "each number once")
    kept = bus["BUS_TYPE"] != ISOLATED
    names = _bus_names(fields.get("bus_name"), numbers)
    position = dict.fromkeys(bus["BUS_I"].tolist(), -1)
    position.update({value: at for at, value in enumerate(bus["BUS_I"][kept].tolist())})
    gen_bus = _positions(file, "gen", gen["GEN_BUS"], position, problems)
    from_bus = _positions(file, "branch", branch["F_BUS"], position, problems)
    to_bus = _positions(file, "branch", branch["T_BUS"], position, problems)
    gen_on = (gen["GEN_STATUS"] > 0) & (gen_bus >= 0)
    live = (from_bus >= 0) & (to_bus >= 0)
    notes = _left_out({"bus": kept, "gen": gen_on, "branch": live})
    off = int((branch["BR_STATUS"][live] == 0).sum())
    if off:
        notes.append(f"{off} branches are out of service: open at both ends")
    return MatpowerCase(
        file=file,
        base_mva=float(fields["baseMVA"]),
        bus={name: values[kept] for name, values in bus.items()},
        gen={name: values[gen_on] for name, values in gen.items()},
        branch={name: values[live] for name, values in branch.items()},
        bus_names=tuple(name for name, keep in zip(names, kept.tolist(), strict=True) if keep),
        gen_bus=gen_bus[gen_on],
        from_bus=from_bus[live],
        to_bus=to_bus[live],
        notes=tuple(notes),
    )


def _bus_names(given: Any, numbers: list[str]) -> list[str]:
    """The file's own names where all are unique and none is empty, else the bus numbers."""
    names = [name.strip() for name in given] if isinstance(given, list) else []
    usable = len(names) == len(numbers) == len(set(names)) and all(names)
    return names if usable else numbers


def _positions(
    file: str, table: str, numbers: FloatArray, position: dict[float, int], problems: ProblemList
) -> IntArray:
    found = [position.get(number) for number in numbers.tolist()]
    for row, (at, number) in enumerate(zip(found, numbers.tolist(), strict=True), start=1):
        if at is None:
            problems.add(Place(file, f"mpc.{table}", row), f"bus {number:g}", "a bus of mpc.bus")
    return np.array([-1 if at is None else at for at in found], dtype=np.int64)


def _left_out(kept: dict[str, BoolArray]) -> list[str]:
    return [
        f"left out, since isolated or out of service: mpc.{table} rows "
        f"{listed(str(row + 1) for row in np.flatnonzero(~mask))}"
        for table, mask in kept.items()
        if not mask.all()
    ]


def _check_values(case: MatpowerCase, problems: ProblemList) -> None:
    _check_numbers(case, problems)
    for at in np.flatnonzero(case.bus["BASE_KV"] <= 0):
        place = Place(case.file, "mpc.bus", case.bus_names[at], "baseKV")
        problems.add(place, f"{case.bus['BASE_KV'][at]:g}", "a nominal voltage above zero")
    for at in np.flatnonzero((case.branch["BR_R"] == 0) & (case.branch["BR_X"] == 0)):
        problems.add(
            Place(case.file, "mpc.branch", _ends(case, int(at))),
            "zero impedance",
            "an impedance other than zero",
            "make its two buses one",
        )
    for at in np.flatnonzero(case.from_bus == case.to_bus):
        place = Place(case.file, "mpc.branch", _ends(case, int(at)))
        problems.add(place, "both ends at one bus", "two different buses")
    _check_generators(case, problems)


def _check_numbers(case: MatpowerCase, problems: ProblemList) -> None:
    used = {
        "bus": ("BUS_I", "BUS_TYPE", "PD", "QD", "GS", "BS", "VA", "BASE_KV"),
        "gen": ("PG", "QG", "VG"),
        "branch": ("BR_R", "BR_X", "BR_B", "RATE_A", "TAP", "SHIFT", "BR_STATUS"),
    }
    for table, names in used.items():
        for name in names:
            for at in np.flatnonzero(~np.isfinite(getattr(case, table)[name])):
                problems.add(Place(case.file, f"mpc.{table}", int(at) + 1, name), "no number", "a number")


def _check_generators(case: MatpowerCase, problems: ProblemList) -> None:
    kind = case.bus["BUS_TYPE"]
    for at in np.flatnonzero(kind[case.gen_bus] == PV):
        problems.add(
            Place(case.file, "mpc.gen", f"at bus {case.bus_names[case.gen_bus[at]]}"),
            "a generator that holds its voltage (PV)",
            "a bus of type 1, with the generator's reactive power",
            "give its bus type 1 and its QG, or take it out of service",
        )
    for at in np.flatnonzero((kind < PQ) | (kind > ISOLATED) | (kind % 1 != 0)):
        problems.add(Place(case.file, "mpc.bus", case.bus_names[at], "type"), f"{kind[at]:g}", "1, 2, 3 or 4")
    held = set(case.gen_bus[case.is_held].tolist())
    for at in np.flatnonzero(kind == REFERENCE):
        if at not in held:
            place = Place(case.file, "mpc.bus", case.bus_names[at])
            problems.add(
                place, "a reference bus without a generator in service", "one that holds its voltage"
            )
    if not (kind == REFERENCE).any():
        problems.add(Place(case.file, "mpc.bus"), "no reference bus", "at least one of type 3")


def _ends(case: MatpowerCase, at: int) -> str:
    return f"{case.bus_names[case.from_bus[at]]}-{case.bus_names[case.to_bus[at]]}"


def _sources(case: MatpowerCase) -> Sources:
    held = case.is_held
    bus = case.gen_bus[held]
    rows = np.flatnonzero(held)
    alone = len(set(bus.tolist())) == len(bus)
    names = [
        f"source {case.bus_names[at]}" if alone else f"source {case.bus_names[at]} ({row + 1})"
        for at, row in zip(bus, rows, strict=True)
    ]
    return Sources(tuple(names), bus, case.gen["VG"][held], case.bus["VA"][bus])


def _shunts(case: MatpowerCase) -> ShuntRows:
    shunts = ShuntRows()
    for at in np.flatnonzero((case.bus["GS"] != 0) | (case.bus["BS"] != 0)):
        p_kw, q_kvar = case.bus["GS"][at] * KW_PER_MW, -case.bus["BS"][at] * KW_PER_MW
        shunts.add(int(at), float(p_kw), float(q_kvar))
    return shunts


def _injections(case: MatpowerCase) -> FixedRows:
    fixed = FixedRows()
    p_mw, q_mvar = case.bus["PD"], case.bus["QD"]
    for at in np.flatnonzero((p_mw != 0) | (q_mvar != 0)):
        name = f"load {case.bus_names[at]}"
        fixed.add((name, name), int(at), float(p_mw[at]) * KW_PER_MW, float(q_mvar[at]) * KW_PER_MW)
    for at in np.flatnonzero(~case.is_held):
        names = f"generator {case.bus_names[case.gen_bus[at]]}", f"generator row {at + 1}"
        p_kw, q_kvar = -case.gen["PG"][at] * KW_PER_MW, -case.gen["QG"][at] * KW_PER_MW
        fixed.add(names, int(case.gen_bus[at]), float(p_kw), float(q_kvar))
    return fixed


def _branches(case: MatpowerCase) -> BranchPart:
    branch, count = case.branch, len(case.from_bus)
    scale = S_BASE_KVA / KW_PER_MW / case.base_mva
    half_b = branch["BR_B"] / 2 / scale
    on = branch["BR_STATUS"] != 0
    kinds = np.where(case.is_transformer, "transformer", "line")
    columns = {
        "from_bus": case.from_bus,
        "to_bus": case.to_bus,
        "r_pu": branch["BR_R"] * scale,
        "x_pu": branch["BR_X"] * scale,
        "g_from_pu": np.zeros(count),
        "b_from_pu": half_b,
        "g_to_pu": np.zeros(count),
        "b_to_pu": half_b,
        "ratio": case.ratio,
        "shift_degree": branch["SHIFT"],
        "i_max_from_ka": rated_current_ka(case, case.from_bus),
        "i_max_to_ka": rated_current_ka(case, case.to_bus),
        "length_km": np.zeros(count),
        "from_closed": on,
        "to_closed": on,
    }
    own = tuple(_ends(case, at) for at in range(count))
    fallback = tuple(f"branch {at + 1}" for at in range(count))
    return BranchPart(own, fallback, tuple(kinds.tolist()), columns)


def rated_current_ka(case: MatpowerCase, bus: IntArray) -> FloatArray:
    """Current of ``RATE_A`` at the nominal voltage of one end [kA]; MATPOWER's 0 means unlimited."""
    rate_mva = np.where(case.branch["RATE_A"] == 0, np.inf, case.branch["RATE_A"])
    return np.asarray(rate_mva / (np.sqrt(3) * case.bus["BASE_KV"][bus]))


def _check_whole(file: str, grid: Grid, problems: ProblemList) -> None:
    for first, second in clashing_sources(grid):
        problems.add(
            Place(file, "mpc.gen", grid.sources.name[second]),
            f"another voltage than {grid.sources.name[first]!r} holds at the same bus",
            "one voltage a bus",
        )
    for index in islanded_injections(grid):
        problems.add(
            Place(file, "mpc.bus", grid.buses.name[grid.fixed.bus[index]]),
            f"{grid.fixed.p_kw[index]:g} kW that no reference bus reaches",
            "a path of branches in service to a reference bus",
        )
    problems.raise_if_any()
