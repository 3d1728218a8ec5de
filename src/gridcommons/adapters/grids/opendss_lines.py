"""Lines of an OpenDSS circuit: coupled conductors with an impedance and a capacitance matrix.

Source: Electric Power Research Institute, "OpenDSS Reference Guide", Line and LineCode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gridcommons.adapters.grids.opendss_branches import (
    ComplexArray,
    Primitive,
    Terminal,
    positive_sequence,
    sequence_matrix,
    series_admittance,
    terminal_of,
)
from gridcommons.adapters.grids.opendss_elements import Circuit, Element
from gridcommons.model.grid import FloatArray

UNITS_M = {
    "mi": 1609.344,
    "kft": 304.8,
    "km": 1000.0,
    "m": 1.0,
    "me": 1.0,
    "ft": 0.3048,
    "in": 0.0254,
    "cm": 0.01,
    "mm": 0.001,
}
"""Length of each unit [m]."""
_SEQUENCE = {"r1": 0.058, "x1": 0.1206, "r0": 0.1784, "x0": 0.4047, "c1": 3.4, "c0": 1.6}
"""What a line has where nothing is said [ohm], [nF], per unit of length."""
_SWITCH = {"r1": 1.0, "x1": 1.0, "r0": 1.0, "x0": 1.0, "c1": 1.1, "c0": 1.0}
_SWITCH_LENGTH = 0.001
"""What a line becomes where it is said to be a switch; what is said after it counts."""
_MATRICES = ("rmatrix", "xmatrix", "cmatrix")
_WITHOUT_PART = (
    "normamps emergamps faultrate pctperm repair seasons ratings linetype rg xg rho earthmodel basefreq units"
)
_VALUES = " ".join((*_SEQUENCE, *_MATRICES))
_LINE = f"bus1 bus2 linecode length phases {_VALUES} switch enabled {_WITHOUT_PART}"
_CODE = f"nphases {_VALUES} kron {_WITHOUT_PART}"


@dataclass
class _PerLength:
    """Impedance and capacitance per unit of length, as the properties set them one after the other."""

    conductors: int
    sequence: dict[str, float] = field(default_factory=lambda: dict(_SEQUENCE))
    matrices: dict[str, FloatArray] = field(default_factory=dict)

    def impedance(self, of_element: str) -> ComplexArray:
        """``z`` [ohm] or ``c`` [nF] per unit of length, shape (conductors, conductors)."""
        s, n = self.sequence, self.conductors
        if of_element == "c":
            both = sequence_matrix(complex(s["c1"]), complex(s["c0"]), n)
            return self.matrices.get("cmatrix", both.real).astype(np.complex128)
        both = sequence_matrix(complex(s["r1"], s["x1"]), complex(s["r0"], s["x0"]), n)
        r, x = self.matrices.get("rmatrix", both.real), self.matrices.get("xmatrix", both.imag)
        return r + 1j * x


def read_lines(circuit: Circuit) -> list[Primitive]:
    """Every line of the circuit, the disabled ones too; whatever is wrong goes to its problems."""
    for code in circuit.of("linecode"):
        code.refuse_others(_CODE)
    lines = [_line(element, circuit) for element in circuit.of("line")]
    return [line for line in lines if line is not None]


def _line(element: Element, circuit: Circuit) -> Primitive | None:
    element.refuse_others(_LINE)
    count = element.count("phases", 3)
    ends = [terminal_of(element.last(name), count, element) for name in ("bus1", "bus2")]
    code = _code_of(element, circuit)
    source = code or element
    per_length = _per_length(source, count)
    _check_frequency(source, circuit)
    _check_units(source)
    length, unit_m = _length(element, code)
    if ends[0] is None or ends[1] is None or not _has_whole_phases(element, (ends[0], ends[1])):
        return None
    z_ohm, c_nf = per_length.impedance("z") * length, per_length.impedance("c").real * length
    if not _is_regular(z_ohm):
        element.refuse("without an impedance", "an impedance above 0", "give its switch a small resistance")
        return None
    admittance = series_admittance(z_ohm)
    # Half of the capacitance lies at each end.
    half = 0.5j * 2.0 * math.pi * circuit.frequency_hz * c_nf * 1e-9
    admittance += np.kron(np.eye(2), half)
    rated_ka = _rated_ka(element, code)
    return Primitive(
        element,
        "line",
        (ends[0], ends[1]),
        admittance,
        positive_sequence(z_ohm),
        i_max_ka=(rated_ka, rated_ka),
        length_km=length * unit_m / 1e3,
    )


def _code_of(element: Element, circuit: Circuit) -> Element | None:
    setting = element.last("linecode")
    if setting is None:
        return None
    own = [each for each in element.settings if each.name in (*_SEQUENCE, *_MATRICES, "switch")]
    if own:
        own[0].refuse(element.problems, "an impedance of its own or a linecode, not both")
    code = circuit.find("linecode", setting.text)
    if code is None:
        setting.refuse(element.problems, "a linecode of the script")
        return None
    phases, count = code.count("nphases", 3), element.count("phases", 3)
    if phases != count:
        found = f"of {count} phases with the linecode {code.name!r} of {phases}"
        element.refuse(found, "a linecode of as many phases")
        return None
    return code


def _per_length(element: Element, count: int) -> _PerLength:
    """The values per unit of length that the properties of a line or linecode come to, in their order."""
    values = _PerLength(count)
    named = {setting.name for setting in element.settings}
    if named & {*_SEQUENCE, "switch"} and named & {*_MATRICES}:
        # Which of them counts in OpenDSS depends on how many commands set them.
        element.refuse("with sequence values and matrices", "one of the two")
    for setting in element.settings:
        if setting.name in _SEQUENCE:
            values.sequence[setting.name] = setting.number(element.problems)
        elif setting.name in _MATRICES:
            values.matrices[setting.name] = setting.matrix(count, element.problems)
        elif setting.name == "switch" and setting.flag(element.problems):
            values.sequence.update(_SWITCH)
        elif setting.name == "kron" and setting.flag(element.problems):
            setting.refuse(element.problems, "matrices of the phases alone, reduced already")
    return values


def _check_frequency(element: Element, circuit: Circuit) -> None:
    own_hz = element.number("basefreq", element.frequency_hz)
    if own_hz != circuit.frequency_hz:
        found = f"with values at {own_hz:g} Hz"
        element.refuse(found, f"values at the {circuit.frequency_hz:g} Hz of the circuit")


def _check_units(element: Element) -> None:
    """Refuse a unit behind values that leave something out: OpenDSS would turn the usual ones into it."""
    names = [setting.name for setting in element.settings]
    own = [at for at, name in enumerate(names) if name in _SEQUENCE or name == "switch"]
    late = [at for at, name in enumerate(names) if name == "units" and own and at > own[0]]
    if element.kind == "line" and late and (len(late) > 1 or not {"c1", "c0"} <= set(names)):
        expected = "units before the values, or c1 and c0 given and units once"
        element.settings[late[-1]].refuse(element.problems, expected)


def _length(element: Element, code: Element | None) -> tuple[float, float]:
    """Length in the unit of the values per length, and that unit [m]; 0 where no unit is named."""
    length = 1.0
    for setting in element.settings:
        if setting.name == "length":
            length = setting.number(element.problems)
        elif setting.name == "switch" and setting.flag(element.problems):
            length = _SWITCH_LENGTH
    own, of_code = _unit_m(element), _unit_m(code) if code else 0.0
    if own and of_code:
        return length * own / of_code, of_code
    return length, own or of_code


def _unit_m(element: Element) -> float:
    setting = element.last("units")
    if setting is None or setting.text.lower() in ("none", "no"):
        return 0.0
    if setting.text.lower() not in UNITS_M:
        setting.refuse(element.problems, f"one of none, {', '.join(UNITS_M)}")
    return UNITS_M.get(setting.text.lower(), 0.0)


def _has_whole_phases(element: Element, ends: tuple[Terminal, Terminal]) -> bool:
    if all(phase for end in ends for phase in end.phases):
        return True
    element.refuse("with a conductor at earth", "conductors on nodes 1, 2 and 3")
    return False


def _is_regular(z_ohm: ComplexArray) -> bool:
    return bool(np.isfinite(z_ohm).all() and np.linalg.matrix_rank(z_ohm) == len(z_ohm))


def _rated_ka(element: Element, code: Element | None) -> float:
    given = element.last("normamps") or (code.last("normamps") if code else None)
    return math.inf if given is None else given.number(element.problems) / 1e3
