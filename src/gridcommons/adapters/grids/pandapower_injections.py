"""Loads, generators, storages, shunts and external grids of a pandapower network."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gridcommons.adapters.grids.pandapower_tables import Rows, Tables
from gridcommons.adapters.grids.reading import FixedRows, ShuntRows, unique_names
from gridcommons.adapters.problems import Place, listed
from gridcommons.model.grid import FloatArray, Sources

KW_PER_MW = 1000.0
NOUNS = {
    "load": "loads",
    "motor": "motors",
    "sgen": "static generators",
    "storage": "storages",
    "ward": "wards",
}


def read_sources(tables: Tables) -> Sources:
    """External grids in service: the buses whose voltage is held."""
    rows = tables.rows_in_service("ext_grid")
    if not len(rows):
        tables.problems.add(
            Place(tables.file, "ext_grid"),
            "no external grid in service",
            "at least one",
            "add one where the grid is fed (pandapower.create_ext_grid)",
        )
    return Sources(
        unique_names(rows.names(), rows.fallbacks("ext_grid")),
        rows.positions("bus") if len(rows) else np.zeros(0, np.int64),
        rows.positive("vm_pu"),
        rows.numbers("va_degree"),
    )


def read_injections(tables: Tables, fixed: FixedRows, shunts: ShuntRows) -> None:
    """Add what the file's own elements draw and inject."""
    _add_loads(tables, fixed, shunts)
    _add_powers(tables.rows_in_service("motor"), fixed, _motor_power)
    _add_powers(tables.rows_in_service("sgen"), fixed, _generated)
    _add_powers(tables.rows_in_service("storage"), fixed, _drawn)
    _add_wards(tables, fixed, shunts)
    _add_shunts(tables, shunts)


def _drawn(rows: Rows) -> tuple[FloatArray, FloatArray]:
    scale = rows.numbers("scaling") * KW_PER_MW
    return rows.numbers("p_mw") * scale, rows.numbers("q_mvar") * scale


def _generated(rows: Rows) -> tuple[FloatArray, FloatArray]:
    p_kw, q_kvar = _drawn(rows)
    return -p_kw, -q_kvar


def _motor_power(rows: Rows) -> tuple[FloatArray, FloatArray]:
    share = rows.numbers("loading_percent") / 100 * rows.numbers("scaling")
    efficiency, cos_phi = rows.positive("efficiency_percent"), rows.positive("cos_phi")
    for at in np.flatnonzero(cos_phi > 1):
        rows.refuse(int(at), f"{cos_phi[at]:g}", "at most 1", column="cos_phi")
    if not rows.sound:
        return np.zeros(len(rows)), np.zeros(len(rows))
    p_kw = rows.numbers("pn_mech_mw") / efficiency * 100 * share * KW_PER_MW
    return p_kw, np.abs(p_kw) * np.sqrt(1 / cos_phi**2 - 1)


def _add_powers(rows: Rows, fixed: FixedRows, power: Callable[[Rows], tuple[FloatArray, FloatArray]]) -> None:
    if not len(rows):
        return
    p_kw, q_kvar = power(rows)
    _add_rows(rows, fixed, p_kw, q_kvar)


def _add_rows(rows: Rows, fixed: FixedRows, p_kw: FloatArray, q_kvar: FloatArray) -> None:
    if not rows.sound:
        return
    names = zip(rows.names(), rows.fallbacks(rows.table), strict=True)
    values = zip(rows.positions("bus").tolist(), p_kw.tolist(), q_kvar.tolist(), strict=True)
    for name, (bus, p, q) in zip(names, values, strict=True):
        fixed.add(name, bus, p, q)
    rows.tables.notes.append(
        f"{NOUNS[rows.table]} of {rows.tables.file} that stay fixed: {len(rows)}, together "
        f"{math.fsum(p_kw):.6g} kW, {math.fsum(q_kvar):.6g} kvar ({listed(rows.labels())})"
    )


def _add_loads(tables: Tables, fixed: FixedRows, shunts: ShuntRows) -> None:
    rows = tables.rows_in_service("load")
    if not len(rows):
        return
    for column in ("const_i_p_percent", "const_i_q_percent", "const_i_percent"):
        _refuse_unless_zero(rows, column, "a constant-current share", "constant power or impedance")
    _refuse_unless_zero(rows, "const_z_percent", "the column of pandapower 2", "const_z_p_percent")
    z_p = rows.numbers("const_z_p_percent", missing=0.0) / 100
    z_q = rows.numbers("const_z_q_percent", missing=0.0) / 100
    for at in np.flatnonzero((z_p < 0) | (z_p > 1) | (z_q < 0) | (z_q > 1)):
        rows.refuse(int(at), "a constant-impedance share", "0 to 100 %", column="const_z_p_percent")
    p_kw, q_kvar = _drawn(rows)
    _add_rows(rows, fixed, p_kw * (1 - z_p), q_kvar * (1 - z_q))
    constant_z = np.flatnonzero((z_p > 0) | (z_q > 0))
    for at in constant_z:
        shunts.add(int(rows.positions("bus")[at]), float((p_kw * z_p)[at]), float((q_kvar * z_q)[at]))
    if len(constant_z):
        tables.notes.append(
            f"{len(constant_z)} loads have a constant-impedance share, taken load by load as a shunt "
            "(pandapower takes the mean share of the loads of a bus for all that is at it)"
        )


def _refuse_unless_zero(rows: Rows, column: str, found: str, expected: str) -> None:
    for at in np.flatnonzero(rows.numbers(column, missing=0.0)):
        rows.refuse(int(at), found, expected, "set it to 0 or restate the load", column=column)


def _add_wards(tables: Tables, fixed: FixedRows, shunts: ShuntRows) -> None:
    rows = tables.rows_in_service("ward")
    if not len(rows):
        return
    p_kw, q_kvar = rows.numbers("ps_mw") * KW_PER_MW, rows.numbers("qs_mvar") * KW_PER_MW
    z_p_kw, z_q_kvar = rows.numbers("pz_mw") * KW_PER_MW, rows.numbers("qz_mvar") * KW_PER_MW
    _add_rows(rows, fixed, p_kw, q_kvar)
    for bus, p, q in zip(rows.positions("bus").tolist(), z_p_kw.tolist(), z_q_kvar.tolist(), strict=True):
        if p != 0 or q != 0:
            shunts.add(bus, p, q)


def _add_shunts(tables: Tables, shunts: ShuntRows) -> None:
    rows = tables.rows_in_service("shunt")
    for at in np.flatnonzero(rows.flags("step_dependency_table", missing=False)):
        rows.refuse(
            int(at),
            "powers by step from a table",
            "p_mw and q_mvar a step",
            "write those of the step in use and set step_dependency_table to false",
            column="step_dependency_table",
        )
    bus = rows.positions("bus")
    bus_kv = np.array([tables.vn_kv[at] for at in bus.tolist()])
    vn_kv = np.where(np.isnan(given := _numbers_or_nan(rows, "vn_kv")), bus_kv, given)
    scale = rows.numbers("step") * KW_PER_MW
    p_mw, q_mvar = rows.numbers("p_mw"), rows.numbers("q_mvar")
    if not rows.sound:
        return
    scale = scale * (bus_kv / vn_kv) ** 2
    for at, p, q in zip(bus.tolist(), (p_mw * scale).tolist(), (q_mvar * scale).tolist(), strict=True):
        shunts.add(at, p, q)


def _numbers_or_nan(rows: Rows, column: str) -> FloatArray:
    values = rows.numbers(column, missing=math.nan)
    for at in np.flatnonzero(values <= 0):
        rows.refuse(int(at), f"{values[at]:g}", "a voltage above zero", column=column)
    return values
