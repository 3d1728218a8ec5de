"""Transformers of a pandapower network as two-ports, in the "t" model converted exactly to a π.

Definitions: pandapower 3.5 documentation, "Electric Model" of trafo and trafo3w. The magnetising
admittance sits between the two halves of the leakage impedance; a star of three impedances is
turned into the equivalent triangle, so nothing is approximated.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, replace

import numpy as np

from gridcommons.adapters.grids.pandapower_branches import S_BASE_MVA, OpenEnds
from gridcommons.adapters.grids.pandapower_tables import OUT_OF_SERVICE, Rows, Tables
from gridcommons.adapters.grids.pandapower_taps import Tap, apply_tap, read_taps
from gridcommons.adapters.grids.reading import BranchPart
from gridcommons.model.grid import FloatArray


@dataclass(frozen=True)
class TwoWinding:
    """Rated data of one transformer, or of one arm of a three-winding one."""

    hv_kv: float
    lv_kv: float
    sn_mva: float
    r_percent: float
    x_percent: float
    pfe_kw: float
    i0_percent: float
    shift_degree: float
    parallel: float = 1.0
    r_share_hv: float = 0.5
    x_share_hv: float = 0.5


@dataclass(frozen=True)
class TwoPort:
    """A transformer per unit: an ideal one at the high-voltage end and a π behind it."""

    ratio: float
    shift_degree: float
    z_pu: complex
    y_from_pu: complex
    y_to_pu: complex


def two_port(unit: TwoWinding, taps: list[Tap], hv_bus_kv: float, lv_bus_kv: float) -> TwoPort:
    """The transformer with its taps applied, per unit of the nominal voltages of its buses."""
    hv_kv, lv_kv, shift = unit.hv_kv, unit.lv_kv, unit.shift_degree
    for tap in taps:
        hv_kv, lv_kv, shift = apply_tap(tap, hv_kv, lv_kv, shift)
    square = (lv_kv / lv_bus_kv) ** 2
    scale = square * S_BASE_MVA / (100 * unit.sn_mva * unit.parallel)
    r, x = unit.r_percent * scale, unit.x_percent * scale
    iron_mva = unit.pfe_kw / 1000
    magnetising_mva = math.sqrt(max((unit.i0_percent / 100 * unit.sn_mva) ** 2 - iron_mva**2, 0.0))
    y = complex(iron_mva, -magnetising_mva) * unit.parallel / square / S_BASE_MVA
    near = complex(r * unit.r_share_hv, x * unit.x_share_hv)
    far = complex(r, x) - near
    series = near + far + near * far * y
    ratio = (hv_kv / lv_kv) / (hv_bus_kv / lv_bus_kv)
    return TwoPort(ratio, shift, series, far * y / series, near * y / series)


def rated_current_ka(sn_mva: float, vn_kv: float) -> float:
    """Rated current of a winding [kA]."""
    return sn_mva / (math.sqrt(3) * vn_kv)


def read_transformers(tables: Tables, open_ends: OpenEnds, tap_pos: int | None) -> BranchPart | None:
    """Two-winding transformers; one at a bus that is out of service is left out, as pandapower does."""
    every = tables.rows("trafo")
    if not len(every):
        return None
    live = (every.positions("hv_bus") != OUT_OF_SERVICE) & (every.positions("lv_bus") != OUT_OF_SERVICE)
    for label in every.where(~live).labels():
        tables.notes.append(f"left out: trafo {label}, at a bus that is out of service")
    rows = every.where(live)
    refuse_characteristics(rows)
    units = _two_windings(rows)
    taps = read_taps(rows, tap_pos)
    derating = rows.positive("df")
    on = rows.flags("in_service")
    if not rows.sound:
        return None
    hv, lv = rows.positions("hv_bus"), rows.positions("lv_bus")
    ports = [
        two_port(unit, tap, tables.vn_kv[a], tables.vn_kv[b])
        for unit, tap, a, b in zip(units, taps, hv.tolist(), lv.tolist(), strict=True)
    ]
    power = [unit.sn_mva * unit.parallel * df for unit, df in zip(units, derating, strict=True)]
    columns = port_columns(ports) | {
        "from_bus": hv,
        "to_bus": lv,
        "i_max_from_ka": np.array([rated_current_ka(s, u.hv_kv) for s, u in zip(power, units, strict=True)]),
        "i_max_to_ka": np.array([rated_current_ka(s, u.lv_kv) for s, u in zip(power, units, strict=True)]),
        "from_closed": on & open_ends.closed(rows, "hv_bus"),
        "to_closed": on & open_ends.closed(rows, "lv_bus"),
    }
    return BranchPart(tuple(rows.names()), tuple(rows.fallbacks("transformer")), "transformer", columns)


def port_columns(ports: list[TwoPort]) -> dict[str, FloatArray]:
    """The columns of `Branches` that a two-port decides, and a length of 0."""
    y_from = np.array([port.y_from_pu for port in ports], dtype=complex)
    y_to = np.array([port.y_to_pu for port in ports], dtype=complex)
    z = np.array([port.z_pu for port in ports], dtype=complex)
    return {
        "r_pu": z.real,
        "x_pu": z.imag,
        "g_from_pu": y_from.real,
        "b_from_pu": y_from.imag,
        "g_to_pu": y_to.real,
        "b_to_pu": y_to.imag,
        "ratio": np.array([port.ratio for port in ports]),
        "shift_degree": np.array([port.shift_degree for port in ports]),
        "length_km": np.zeros(len(ports)),
    }


def refuse_characteristics(rows: Rows) -> None:
    """Refuse impedances or ratios that a table makes depend on the tap position."""
    column = "tap_dependency_table" if rows.has("tap_dependency_table") else "tap_dependent_impedance"
    for at in np.flatnonzero(rows.flags(column, missing=False)):
        rows.refuse(
            int(at),
            "values that depend on the tap position by a table",
            "constant values",
            f"write those of the tap position in use and set {column} to false",
            column=column,
        )


def reactance_percent(vk: float, vkr: float) -> float:
    """Reactive part of a short-circuit voltage [%], with its sign; NaN where the real part is larger."""
    square = vk**2 - vkr**2
    return math.copysign(math.sqrt(square), vk) if square >= 0 else math.nan


def _two_windings(rows: Rows) -> list[TwoWinding]:
    vk, vkr = rows.numbers("vk_percent"), rows.numbers("vkr_percent")
    columns = [
        rows.positive("vn_hv_kv"),
        rows.positive("vn_lv_kv"),
        rows.positive("sn_mva"),
        vkr,
        _reactances(rows, vk, vkr),
        rows.numbers("pfe_kw"),
        rows.numbers("i0_percent"),
        rows.numbers("shift_degree"),
        rows.positive("parallel"),
        _shares(rows, "leakage_resistance_ratio_hv"),
        _shares(rows, "leakage_reactance_ratio_hv"),
    ]
    units = [TwoWinding(*(float(value) for value in row)) for row in zip(*columns, strict=True)]
    _note_small_no_load_current(rows, units)
    return units


def _reactances(rows: Rows, vk: FloatArray, vkr: FloatArray) -> FloatArray:
    x = np.array([reactance_percent(v, r) for v, r in zip(vk.tolist(), vkr.tolist(), strict=True)])
    for at in np.flatnonzero((vk == 0) & (vkr == 0)):
        rows.refuse(
            int(at), "zero impedance", "vk_percent above zero", "make it a closed switch", column="vk_percent"
        )
    for at in np.flatnonzero(np.isnan(x) & ~np.isnan(vk) & ~np.isnan(vkr)):
        rows.refuse(int(at), f"{vkr[at]:g} % of {vk[at]:g} %", "at most vk_percent", column="vkr_percent")
    return x


def _shares(rows: Rows, column: str) -> FloatArray:
    if not rows.has(column):
        return np.full(len(rows), 0.5)
    shares = rows.numbers(column)
    for at in np.flatnonzero((shares < 0) | (shares > 1)):
        rows.refuse(int(at), f"{shares[at]:g}", "a share between 0 and 1", column=column)
    return shares


def _note_small_no_load_current(rows: Rows, units: list[TwoWinding]) -> None:
    for label, unit in zip(rows.labels(), units, strict=True):
        if unit.pfe_kw / 1000 > abs(unit.i0_percent) / 100 * unit.sn_mva * (1 + 1e-9):
            rows.tables.notes.append(
                f"{rows.table} {label}: the no-load current is smaller than its iron losses imply; "
                "no magnetising reactive power is taken, as pandapower does"
            )


SIDES = ("hv", "mv", "lv")


def read_three_winding(tables: Tables, open_ends: OpenEnds, tap_pos: int | None) -> BranchPart | None:
    """Three-winding transformers as three two-ports that meet in a star point of their own."""
    every = tables.rows("trafo3w")
    if not len(every):
        return None
    on = every.flags("in_service")
    for label in every.where(~on).labels():
        tables.notes.append(f"left out, since out of service: trafo3w {label}")
    rows = every.where(on)
    refuse_characteristics(rows)
    arms = _arms(rows)
    taps = read_taps(rows, tap_pos)
    loss_side = rows.texts("loss_side") if rows.has("loss_side") else ["hv"] * len(rows)
    for at, side in enumerate(loss_side):
        if side not in SIDES:
            rows.refuse(at, f"{side!r}", "hv, mv or lv", column="loss_side")
    if not rows.sound:
        return None
    return _star(rows, arms, taps, loss_side, open_ends)


def _arms(rows: Rows) -> list[dict[str, TwoWinding]]:
    """Each side of each transformer as a two-winding one, losses not yet put on a side."""
    sn = {side: rows.positive(f"sn_{side}_mva") for side in SIDES}
    vn = {side: rows.positive(f"vn_{side}_kv") for side in SIDES}
    vk = {side: rows.numbers(f"vk_{side}_percent") for side in SIDES}
    vkr = {side: rows.numbers(f"vkr_{side}_percent") for side in SIDES}
    x = {side: _reactances(rows, vk[side], vkr[side]) for side in SIDES}
    shift = {side: rows.numbers(f"shift_{side}_degree") for side in ("mv", "lv")}
    shift["hv"] = np.zeros(len(rows))
    pfe_kw, i0_percent = rows.numbers("pfe_kw"), rows.numbers("i0_percent")
    if not rows.sound:
        return []
    arms = []
    for at in range(len(rows)):
        power = {side: float(sn[side][at]) for side in SIDES}
        r_percent = star_percent({side: float(vkr[side][at]) for side in SIDES}, power)
        x_percent = star_percent({side: float(x[side][at]) for side in SIDES}, power)
        for side in SIDES:
            if r_percent[side] == 0 and x_percent[side] == 0:
                rows.refuse(at, f"no impedance left on the {side} side", "an impedance on every side")
        arms.append(
            {
                side: TwoWinding(
                    hv_kv=float(vn["hv"][at]),
                    lv_kv=float(vn[side][at]),
                    sn_mva=power[side],
                    r_percent=r_percent[side],
                    x_percent=x_percent[side],
                    pfe_kw=float(pfe_kw[at]),
                    i0_percent=float(i0_percent[at]),
                    shift_degree=float(shift[side][at]),
                )
                for side in SIDES
            }
        )
    return arms


def star_percent(pair_percent: dict[str, float], sn_mva: dict[str, float]) -> dict[str, float]:
    """Impedances of the arms [% of their own rating] from those measured between pairs of sides.

    ``pair_percent`` is given as in pandapower: hv is hv-mv, mv is mv-lv, lv is hv-lv, each per cent
    of the smaller rating of its pair.
    """
    hm = pair_percent["hv"] / min(sn_mva["hv"], sn_mva["mv"])
    ml = pair_percent["mv"] / min(sn_mva["mv"], sn_mva["lv"])
    hl = pair_percent["lv"] / min(sn_mva["hv"], sn_mva["lv"])
    return {
        "hv": (hm + hl - ml) / 2 * sn_mva["hv"],
        "mv": (ml + hm - hl) / 2 * sn_mva["mv"],
        "lv": (hl + ml - hm) / 2 * sn_mva["lv"],
    }


def _star(
    rows: Rows,
    arms: list[dict[str, TwoWinding]],
    taps: list[list[Tap]],
    loss_side: list[str],
    open_ends: OpenEnds,
) -> BranchPart:
    """Add a star point for each transformer and join its arms to it."""
    tables = rows.tables
    bus = {side: rows.positions(f"{side}_bus").tolist() for side in SIDES}
    closed = {side: open_ends.closed(rows, f"{side}_bus").tolist() for side in SIDES}
    labels, spare = rows.names(), rows.fallbacks("transformer3w")
    found: list[tuple[float, ...]] = []
    ports, own, fallback = [], [], []
    for at in range(len(rows)):
        if bus["hv"][at] == OUT_OF_SERVICE:
            tables.notes.append(f"left out: {spare[at]}, its hv bus is out of service")
            continue
        star, hv_bus_kv = len(tables.vn_kv), tables.vn_kv[bus["hv"][at]]
        tables.vn_kv.append(hv_bus_kv)
        for side in SIDES:
            end = bus[side][at]
            if end == OUT_OF_SERVICE:
                tables.notes.append(f"{spare[at]}: its {side} bus is out of service, that side is left out")
                continue
            arm = arms[at][side] if side == loss_side[at] else _without_losses(arms[at][side])
            lv_bus_kv = hv_bus_kv if side == "hv" else tables.vn_kv[end]
            ports.append(two_port(arm, _arm_taps(taps[at], side), hv_bus_kv, lv_bus_kv))
            found.append(
                _arm_ends(side, end, star, closed[side][at], rated_current_ka(arm.sn_mva, arm.lv_kv))
            )
            own.append(f"{labels[at]} {side}" if labels[at] else "")
            fallback.append(f"{spare[at]} {side}")
    ends = np.array(found, dtype=float).reshape(-1, len(_END_COLUMNS)).T
    columns = port_columns(ports) | dict(zip(_END_COLUMNS, ends, strict=True))
    return BranchPart(tuple(own), tuple(fallback), "transformer", columns)


_END_COLUMNS = ("from_bus", "to_bus", "from_closed", "to_closed", "i_max_from_ka", "i_max_to_ka")


def _arm_ends(side: str, bus: int, star: int, closed: bool, rating_ka: float) -> tuple[float, ...]:
    """Values of ``_END_COLUMNS``: the star point is the low-voltage end of the hv arm only."""
    if side == "hv":
        return bus, star, closed, True, rating_ka, math.inf
    return star, bus, True, closed, math.inf, rating_ka


def _without_losses(arm: TwoWinding) -> TwoWinding:
    return replace(arm, pfe_kw=0.0, i0_percent=0.0)


def _arm_taps(taps: list[Tap], side: str) -> list[Tap]:
    """The taps of one side, said as those of its two-port (whose lv end is the winding, but for hv)."""
    found = []
    for tap in taps:
        if tap.side != side:
            continue
        near = "hv" if side == "hv" else "lv"
        found.append(_seen_from_star(tap, near) if tap.at_star_point else replace(tap, side=near))
    return found


def _seen_from_star(tap: Tap, near: str) -> Tap:
    """A tap changer at the star point as one on the other end of the arm, turned by 180 degrees."""
    step = tap.step_percent * cmath.exp(1j * math.radians(tap.step_degree))
    turned = 100 * step / (100 + step * (tap.position - tap.neutral))
    return replace(
        tap,
        side="lv" if near == "hv" else "hv",
        step_percent=abs(turned),
        step_degree=math.degrees(cmath.phase(turned)) - 180,
    )
