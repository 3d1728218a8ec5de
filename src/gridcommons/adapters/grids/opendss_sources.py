"""Sources of an OpenDSS circuit: a held voltage behind a Thevenin impedance.

Source: Electric Power Research Institute, "OpenDSS Reference Guide", Vsource. From short-circuit powers S3
and S1 (three and one phase) at the voltage V: the positive sequence has |Z1| = V^2/S3 at the given X1/R1; the
zero sequence, at the given X0/R0, is the larger root of |2 Z1 + Z0| = 3 V^2/S1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.grids.opendss_branches import (
    Primitive,
    Terminal,
    sequence_matrix,
    series_admittance,
    terminal_of,
)
from gridcommons.adapters.grids.opendss_elements import Circuit, Element

_EXPLICIT = ("r1", "x1", "r0", "x0")
_ARRAYS = ("z1", "z0")
_POWERS = ("mvasc3", "mvasc1")
_CURRENTS = ("isc3", "isc1")
_WAYS = (_EXPLICIT, _ARRAYS, _POWERS, _CURRENTS)
_KNOWN = (
    f"bus1 basekv pu angle frequency phases {' '.join(name for way in _WAYS for name in way)} x1r1 x0r0 "
    "scantype sequence basemva yearly daily duty model spectrum basefreq enabled"
)
MVASC3, MVASC1 = 2000.0, 2100.0
"""Short-circuit powers where nothing is said [MVA]."""


@dataclass(frozen=True, eq=False)
class SourceBranch:
    """A source: what it holds, at an internal bus, and the branch from there to its bus.

    Parameters
    ----------
    primitive : Primitive
        The impedance, from the internal bus.
    vn_kv : float
        Its base voltage, line to line [kV].
    vm_pu, va_degree : float
        Voltage held inside [pu] of ``vn_kv``, angle of phase a [degree].
    """

    primitive: Primitive
    vn_kv: float
    vm_pu: float
    va_degree: float


def inner_bus(bus: str) -> str:
    """Name of the bus inside a source, behind its impedance."""
    return f"{bus} source"


def read_sources(circuit: Circuit) -> list[SourceBranch]:
    """Every enabled source of the circuit; whatever is wrong goes to its problems."""
    made = [_source(element, circuit) for element in circuit.of("vsource") if element.is_enabled]
    return [source for source in made if source is not None]


def _source(element: Element, circuit: Circuit) -> SourceBranch | None:
    element.refuse_others(_KNOWN)
    if element.count("phases", 3) != 3:
        element.refuse("of other than 3 phases", "three phases")
        return None
    bus = _bus(element)
    vn_kv = element.number("basekv", 115.0)
    hertz = element.number("frequency", circuit.frequency_hz)
    if (
        hertz != circuit.frequency_hz
        or element.number("basefreq", element.frequency_hz) != circuit.frequency_hz
    ):
        element.refuse("of another frequency", f"the {circuit.frequency_hz:g} Hz of the circuit")
    for name, usual in (("model", "thevenin"), ("sequence", "pos")):
        if not element.text(name, usual).startswith(usual[:3]):
            element.refuse(f"with {name} {element.text(name)!r}", usual)
    z1, z0 = _impedances(element, vn_kv)
    if bus is None or not (abs(z1) > 0.0 and abs(z0) > 0.0 and vn_kv > 0.0):
        element.refuse("without an impedance or voltage", "an impedance above 0, a voltage above 0")
        return None
    z_ohm = sequence_matrix(z1, z0, 3)
    ends = (Terminal(inner_bus(bus.bus), bus.phases), bus)
    primitive = Primitive(element, "impedance", ends, series_admittance(z_ohm), z1)
    return SourceBranch(primitive, vn_kv, element.number("pu", 1.0), element.number("angle", 0.0))


def _bus(element: Element) -> Terminal | None:
    if element.last("bus1") is None:
        return Terminal("sourcebus", ("a", "b", "c"))
    terminal = terminal_of(element.last("bus1"), 3, element)
    if terminal and terminal.phases != ("a", "b", "c"):
        element.refuse("with its phases in another order", "nodes 1, 2, 3")
        return None
    return terminal


def _impedances(element: Element, vn_kv: float) -> tuple[complex, complex]:
    """Impedances of positive and zero sequence [ohm]."""
    used = [way for way in _WAYS if any(element.last(name) for name in way)]
    way = used[0] if used else _POWERS
    if len(used) > 1 or (used and not all(element.last(name) for name in way)):
        found = f"with {', '.join(name for each in used for name in each if element.last(name))}"
        element.refuse(found, f"one of {'; '.join(' '.join(each) for each in _WAYS)}, and whole")
        return 1j, 1j
    if way == _EXPLICIT:
        r1, x1, r0, x0 = (element.number(name, 0.0) for name in _EXPLICIT)
        return complex(r1, x1), complex(r0, x0)
    if way == _ARRAYS:
        z1, z0 = (_pair(element, name) for name in _ARRAYS)
        return z1, z0
    short_circuit_mva = _short_circuit_mva(element, way, vn_kv)
    return _from_short_circuit(element, short_circuit_mva, vn_kv)


def _pair(element: Element, name: str) -> complex:
    setting = element.last(name)
    values = setting.numbers(element.problems) if setting else np.zeros(0)
    if setting and len(values) != 2:
        setting.refuse(element.problems, "resistance and reactance")
    return complex(values[0], values[1]) if len(values) == 2 else 1j


def _short_circuit_mva(element: Element, way: tuple[str, ...], vn_kv: float) -> tuple[float, float]:
    if way == _POWERS:
        return element.number("mvasc3", MVASC3), element.number("mvasc1", MVASC1)
    three, one = (math.sqrt(3.0) * vn_kv * element.number(name, 0.0) / 1e3 for name in _CURRENTS)
    return three, one


def _from_short_circuit(element: Element, mva: tuple[float, float], vn_kv: float) -> tuple[complex, complex]:
    if not (mva[0] > 0.0 and mva[1] > 0.0):
        element.refuse("without short-circuit power", "powers or currents above 0")
        return 1j, 1j
    x1_by_r1, x0_by_r0 = element.number("x1r1", 4.0), element.number("x0r0", 3.0)
    z1 = vn_kv**2 / mva[0] * complex(1.0, x1_by_r1) / math.hypot(1.0, x1_by_r1)
    # |2 Z1 + R0 (1 + j X0/R0)|^2 = (3 V^2 / S1)^2, a square equation in R0.
    a = 1.0 + x0_by_r0**2
    b = 4.0 * (z1.real + z1.imag * x0_by_r0)
    c = 4.0 * abs(z1) ** 2 - (3.0 * vn_kv**2 / mva[1]) ** 2
    square = b * b - 4.0 * a * c
    r0 = (-b + math.sqrt(max(square, 0.0))) / (2.0 * a)
    if square < 0.0 or not r0 > 0.0:
        element.refuse("with short-circuit powers that no zero sequence fits", "powers that fit together")
        return 1j, 1j
    return z1, complex(r0, r0 * x0_by_r0)
