"""Lines, impedances and switches of a pandapower network as two-ports.

Definitions: pandapower 3.5 documentation, "Electric Model" of line, impedance and switch. Written
from those definitions; `tests/unit/adapters/test_pandapower_grids.py` compares every result with
pandapower's own load flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gridcommons.adapters.grids.pandapower_tables import OUT_OF_SERVICE, Rows, Tables
from gridcommons.adapters.grids.reading import BranchPart, ShuntRows, unique_names
from gridcommons.model.grid import S_BASE_KVA, BoolArray, BusSwitches, FloatArray, IntArray

S_BASE_MVA = S_BASE_KVA / 1000.0
SWITCH_R_TO_X = 2.0
"""Resistance over reactance of a closed switch with ``z_ohm``: the default of pandapower's load flow."""

BRANCH_ENDS = {
    "l": ("line", ("from_bus", "to_bus")),
    "t": ("trafo", ("hv_bus", "lv_bus")),
    "t3": ("trafo3w", ("hv_bus", "mv_bus", "lv_bus")),
}
"""Table and end columns of each kind of branch that a switch may sit on."""


@dataclass(frozen=True)
class OpenEnds:
    """Ends of branches that an open switch cuts: (table, element, bus), indices as in the file."""

    cut: set[tuple[str, int, int]] = field(default_factory=set)

    def closed(self, rows: Rows, column: str) -> BoolArray:
        """Whether the end in ``column`` of each row is connected, shape (rows,)."""
        buses = rows.frame[column].tolist()
        return np.array(
            [
                (rows.table, index, int(bus)) not in self.cut
                for index, bus in zip(rows.index, buses, strict=True)
            ],
            dtype=np.bool_,
        )


def read_open_ends(tables: Tables) -> OpenEnds:
    """What the open line and transformer switches cut."""
    ends = OpenEnds()
    switches = tables.rows("switch")
    if not len(switches):
        return ends
    kinds = switches.texts("et")
    closed = switches.flags("closed")
    z_ohm = switches.numbers("z_ohm", missing=0.0)
    for at, kind in enumerate(kinds):
        if kind == "b":
            continue
        if kind not in BRANCH_ENDS:
            switches.refuse(at, f"a switch of type {kind!r}", "b, l, t or t3", column="et")
            continue
        if z_ohm[at] > 0:
            switches.refuse(
                at,
                f"{z_ohm[at]:g} ohm in a switch at a branch",
                "an impedance in bus-bus switches only",
                "add it to the branch",
                column="z_ohm",
            )
        element, bus = int(switches.frame["element"].iloc[at]), int(switches.frame["bus"].iloc[at])
        if _sits_at_end(switches, at, kind, element, bus) and not closed[at]:
            ends.cut.add((BRANCH_ENDS[kind][0], element, bus))
    return ends


def _sits_at_end(switches: Rows, at: int, kind: str, element: int, bus: int) -> bool:
    table, columns = BRANCH_ENDS[kind]
    frame = switches.tables.rows(table).frame
    if element not in frame.index:
        switches.refuse(at, f"{table} {element}", f"the index of a {table} in the file", column="element")
        return False
    ends = [int(frame.at[element, column]) for column in columns]
    if bus not in ends:
        switches.refuse(
            at,
            f"bus {bus}",
            f"an end of {table} {element}: {' or '.join(map(str, ends))}",
            column="bus",
        )
    return bus in ends


def read_bus_switches(tables: Tables) -> tuple[BusSwitches, BranchPart | None]:
    """Bus-bus switches without impedance, and those with ``z_ohm`` as impedances."""
    every = tables.rows("switch")
    rows = every.where(np.array([kind == "b" for kind in every.texts("et")], dtype=np.bool_))
    a, b = rows.positions("bus"), rows.positions("element")
    live = (a != OUT_OF_SERVICE) & (b != OUT_OF_SERVICE)
    if not rows.sound:
        return BusSwitches((), a[:0], a[:0], live[:0]), None
    if (~live).any():
        tables.notes.append(f"left out: {int((~live).sum())} switches to buses that are out of service")
    z_ohm = rows.numbers("z_ohm", missing=0.0)
    plain = rows.where(live & (z_ohm <= 0))
    mask = live & (z_ohm <= 0)
    names = unique_names(plain.names(), plain.fallbacks("switch"))
    table = BusSwitches(names, a[mask], b[mask], plain.flags("closed"))
    impedant = live & (z_ohm > 0)
    return table, _switch_impedances(rows.where(impedant), a[impedant], b[impedant])


def _switch_impedances(rows: Rows, a: IntArray, b: IntArray) -> BranchPart | None:
    if not len(rows):
        return None
    z_pu = rows.numbers("z_ohm") / _base_ohm(rows.tables, a)
    x_pu = z_pu / math.hypot(1.0, SWITCH_R_TO_X)
    rating_ka = rows.numbers("in_ka", missing=np.inf)
    closed = rows.flags("closed")
    rows.tables.notes.append(
        f"{len(rows)} switches have an impedance: taken as branches with R/X = {SWITCH_R_TO_X:g}"
    )
    columns = series_columns(a, b, SWITCH_R_TO_X * x_pu, x_pu) | {
        "i_max_from_ka": rating_ka,
        "i_max_to_ka": rating_ka,
        "from_closed": closed,
        "to_closed": closed,
    }
    return BranchPart(tuple(rows.names()), tuple(rows.fallbacks("switch")), "impedance", columns)


def series_columns(
    from_bus: IntArray, to_bus: IntArray, r_pu: FloatArray, x_pu: FloatArray
) -> dict[str, FloatArray | IntArray | BoolArray]:
    """Columns of branches without shunts, taps, ratings or length, closed at both ends."""
    zero, one = np.zeros(len(r_pu)), np.ones(len(r_pu))
    endless, yes = np.full(len(r_pu), np.inf), np.ones(len(r_pu), dtype=np.bool_)
    return {
        "from_bus": from_bus,
        "to_bus": to_bus,
        "r_pu": r_pu,
        "x_pu": x_pu,
        "g_from_pu": zero,
        "b_from_pu": zero,
        "g_to_pu": zero,
        "b_to_pu": zero,
        "ratio": one,
        "shift_degree": zero,
        "i_max_from_ka": endless,
        "i_max_to_ka": endless,
        "length_km": zero,
        "from_closed": yes,
        "to_closed": yes,
    }


def _base_ohm(tables: Tables, bus: IntArray) -> FloatArray:
    vn_kv = np.array([tables.vn_kv[at] for at in bus.tolist()])
    return np.asarray(vn_kv**2 / S_BASE_MVA, dtype=float)


@dataclass(frozen=True)
class _LineValues:
    """Impedance and admittance of lines in ohm and siemens, parallel systems taken together."""

    r_ohm: FloatArray
    x_ohm: FloatArray
    g_s: FloatArray
    b_s: FloatArray
    i_max_ka: FloatArray
    length_km: FloatArray


def read_lines(tables: Tables, open_ends: OpenEnds, shunts: ShuntRows) -> BranchPart | None:
    """Lines; one that ends at a bus out of service stays as the shunt that it is at its other end."""
    rows = tables.rows("line")
    if not len(rows):
        return None
    a, b = rows.positions("from_bus"), rows.positions("to_bus")
    on = rows.flags("in_service")
    values = _line_values(tables.net.f_hz, rows)
    _refuse_zero_impedance(rows, values.r_ohm, values.x_ohm)
    _refuse_loops(rows, a, b)
    if not rows.sound:
        return None
    closed = {"from_closed": on & open_ends.closed(rows, "from_bus")}
    closed["to_closed"] = on & open_ends.closed(rows, "to_bus")
    live = (a != OUT_OF_SERVICE) & (b != OUT_OF_SERVICE)
    _keep_charging(rows, (a, b), closed, values, shunts)
    return _line_part(rows, live, (a, b), values, closed)


def _line_values(f_hz: float, rows: Rows) -> _LineValues:
    length_km, parallel = rows.positive("length_km"), rows.positive("parallel")
    per_system = length_km / np.where(parallel > 0, parallel, np.nan)
    nf = rows.numbers("c_nf_per_km") * length_km * parallel
    return _LineValues(
        r_ohm=rows.numbers("r_ohm_per_km") * per_system,
        x_ohm=rows.numbers("x_ohm_per_km") * per_system,
        g_s=rows.numbers("g_us_per_km") * 1e-6 * length_km * parallel,
        b_s=2 * math.pi * float(f_hz) * nf * 1e-9,
        i_max_ka=rows.positive("max_i_ka", missing=np.inf) * rows.positive("df") * parallel,
        length_km=length_km,
    )


def _refuse_zero_impedance(rows: Rows, r: FloatArray, x: FloatArray) -> None:
    for at in np.flatnonzero((r == 0) & (x == 0)):
        rows.refuse(
            int(at),
            "zero impedance",
            "an impedance other than zero",
            "make it a closed bus-bus switch, or give it its resistance",
        )


def _refuse_loops(rows: Rows, a: IntArray, b: IntArray) -> None:
    for at in np.flatnonzero((a == b) & (a != OUT_OF_SERVICE)):
        rows.refuse(int(at), "both ends at one bus", "two different buses", "delete it or correct an end")


def _line_part(
    rows: Rows,
    live: BoolArray,
    ends: tuple[IntArray, IntArray],
    values: _LineValues,
    closed: dict[str, BoolArray],
) -> BranchPart:
    a, b = ends[0][live], ends[1][live]
    base = _base_ohm(rows.tables, a)
    columns = series_columns(a, b, values.r_ohm[live] / base, values.x_ohm[live] / base)
    half_g, half_b = values.g_s[live] * base / 2, values.b_s[live] * base / 2
    columns |= {"g_from_pu": half_g, "g_to_pu": half_g, "b_from_pu": half_b, "b_to_pu": half_b}
    columns |= {"i_max_from_ka": values.i_max_ka[live], "i_max_to_ka": values.i_max_ka[live]}
    columns |= {"length_km": values.length_km[live]}
    columns |= {name: flags[live] for name, flags in closed.items()}
    _note_two_voltages(rows.where(live), a, b)
    kept = rows.where(live)
    return BranchPart(tuple(kept.names()), tuple(kept.fallbacks("line")), "line", columns)


def _note_two_voltages(rows: Rows, a: IntArray, b: IntArray) -> None:
    vn_kv = rows.tables.vn_kv
    odd = np.array(
        [vn_kv[i] != vn_kv[j] for i, j in zip(a.tolist(), b.tolist(), strict=True)], dtype=np.bool_
    )
    for label in rows.where(odd).labels():
        rows.tables.notes.append(
            f"line {label} joins buses of different nominal voltage: taken per unit of its from_bus, "
            "as pandapower does"
        )


def _keep_charging(
    rows: Rows,
    ends: tuple[IntArray, IntArray],
    closed: dict[str, BoolArray],
    values: _LineValues,
    shunts: ShuntRows,
) -> None:
    """Add the charging of lines whose other end is at a bus out of service (as pandapower has it)."""
    a, b = ends
    labels = rows.labels()
    for at in np.flatnonzero((a == OUT_OF_SERVICE) | (b == OUT_OF_SERVICE)):
        near, end = (b[at], "to_closed") if a[at] == OUT_OF_SERVICE else (a[at], "from_closed")
        if near == OUT_OF_SERVICE or not closed[end][at]:
            rows.tables.notes.append(f"left out: line {labels[at]}, dead at a bus that is out of service")
            continue
        half = complex(values.g_s[at], values.b_s[at]) / 2
        series = complex(values.r_ohm[at], values.x_ohm[at])
        y_s = half + half / (1 + series * half)
        kva_per_s = rows.tables.vn_kv[int(near)] ** 2 * 1e3
        shunts.add(int(near), y_s.real * kva_per_s, -y_s.imag * kva_per_s)
        rows.tables.notes.append(
            f"line {labels[at]} ends at a bus that is out of service: its charging stays as a shunt"
        )


def read_impedances(tables: Tables) -> BranchPart | None:
    """Impedance elements, per unit on their own rated power."""
    every = tables.rows("impedance")
    if not len(every):
        return None
    live = (every.positions("from_bus") != OUT_OF_SERVICE) & (every.positions("to_bus") != OUT_OF_SERVICE)
    rows = every.where(live)
    for label in every.where(~live).labels():
        tables.notes.append(f"left out: impedance {label}, at a bus that is out of service")
    base = S_BASE_MVA / rows.positive("sn_mva")
    r_pu, x_pu = rows.numbers("rft_pu") * base, rows.numbers("xft_pu") * base
    shunt = {name: rows.numbers(column, missing=0.0) / base for name, column in _IMPEDANCE_SHUNTS.items()}
    on = rows.flags("in_service")
    _refuse_zero_impedance(rows, r_pu, x_pu)
    _refuse_one_way(rows)
    a, b = rows.positions("from_bus"), rows.positions("to_bus")
    _refuse_loops(rows, a, b)
    if not rows.sound:
        return None
    columns = series_columns(a, b, r_pu, x_pu) | shunt | {"from_closed": on, "to_closed": on}
    return BranchPart(tuple(rows.names()), tuple(rows.fallbacks("impedance")), "impedance", columns)


_IMPEDANCE_SHUNTS = {"g_from_pu": "gf_pu", "b_from_pu": "bf_pu", "g_to_pu": "gt_pu", "b_to_pu": "bt_pu"}


def _refuse_one_way(rows: Rows) -> None:
    for forth, back in (("rft_pu", "rtf_pu"), ("xft_pu", "xtf_pu")):
        differs = rows.numbers(forth) != rows.numbers(back)
        for at in np.flatnonzero(differs):
            rows.refuse(
                int(at),
                f"{forth} other than {back}",
                "the same impedance in both directions",
                "model what makes it differ as a transformer",
                column=back,
            )
