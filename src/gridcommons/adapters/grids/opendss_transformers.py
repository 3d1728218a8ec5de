"""Transformers of an OpenDSS circuit: two windings a phase, in wye or delta, as a primitive admittance.

Source: Electric Power Research Institute, "OpenDSS Reference Guide", Transformer. The short-circuit
admittance y of one phase on a base of 1 V joins its two windings: y/(V1 V1), -y/(V1 V2), y/(V2 V2), V being
the rated voltage of a winding times its tap. Each winding lies between two nodes: phase and earth in wye, two
phases in delta. OpenDSS's aid against floating deltas (``ppm_antifloat``, 1 by default) is part of the
element, as it is there: without it, a delta that nothing earths has no voltage to earth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.grids.opendss_branches import EARTH, ComplexArray, Primitive, Terminal, terminal_of
from gridcommons.adapters.grids.opendss_elements import Circuit, Element
from gridcommons.adapters.grids.opendss_text import Parameter
from gridcommons.adapters.problems import Place
from gridcommons.model.errors import did_you_mean

_OF_WINDING = ("bus", "conn", "kv", "kva", "tap", "%r")
_OF_ALL = {"buses": "bus", "conns": "conn", "kvs": "kv", "kvas": "kva", "taps": "tap", "%rs": "%r"}
_WITHOUT_PART = (
    "rneut xneut xht xlt thermal n m flrise hsrise normhkva emerghkva sub subname maxtap mintap numtaps bank "
    "x13 x23 core rdcohms seasons ratings normamps emergamps faultrate pctperm repair basefreq xrconst"
)
_KNOWN = (
    f"phases windings wdg {' '.join(_OF_WINDING)} {' '.join(_OF_ALL)} xhl x12 %loadloss %noloadloss %imag "
    f"ppm_antifloat leadlag enabled {_WITHOUT_PART}"
)
_DELTA = ("delta", "d", "ll")
_WYE = ("wye", "y", "ln")


_KVA_DEFAULT = 1000.0
Pair = tuple[str, str]
"""The two phases that a winding lies between; the second is empty where it is earth."""


@dataclass
class _Winding:
    bus: Parameter | None = None
    conn: str = "wye"
    kv: float = 12.47
    kva: float = _KVA_DEFAULT
    tap: float = 1.0
    r_percent: float = 0.2

    @property
    def is_delta(self) -> bool:
        return self.conn in _DELTA


@dataclass(frozen=True)
class _Side:
    """One winding of all phases: its values, and the nodes that each phase's winding lies between."""

    winding: _Winding
    bus: str
    pairs: tuple[Pair, ...]

    @property
    def phases(self) -> tuple[str, ...]:
        """Phases that it touches, in the order in which its windings begin there."""
        begins, ends = zip(*self.pairs, strict=True)
        return tuple(phase for phase in dict.fromkeys(begins + ends) if phase != EARTH)

    @property
    def winding_kv(self) -> float:
        """Rated voltage across one winding [kV]."""
        is_star = len(self.pairs) > 1 and not self.winding.is_delta
        return self.winding.kv / math.sqrt(3.0) if is_star else self.winding.kv

    @property
    def line_kv(self) -> float:
        """Rated voltage, line to line [kV]."""
        is_to_earth = len(self.pairs) == 1 and self.pairs[0][1] == EARTH
        return self.winding.kv * math.sqrt(3.0) if is_to_earth else self.winding.kv

    @property
    def rated_ka(self) -> float:
        """Rated current of a conductor [kA]."""
        factor = math.sqrt(3.0) if len(self.pairs) > 1 else 1.0
        return self.winding.kva / (factor * self.winding.kv) / 1e3


def read_transformers(circuit: Circuit, taps: Mapping[str, float]) -> list[Primitive]:
    """Every transformer of the circuit, the disabled ones too; whatever is wrong goes to its problems.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    taps : mapping of str to float
        Tap of winding 2 of transformers by name [pu], instead of the script's.
    """
    for name in taps:
        if not circuit.find("transformer", name):
            meant = did_you_mean(name, [element.name for element in circuit.of("transformer")])
            circuit.problems.add(Place("taps"), repr(name), "the name of a transformer", meant)
    by_name = {name.lower(): tap for name, tap in taps.items()}
    made = [_transformer(element, by_name) for element in circuit.of("transformer")]
    return [transformer for transformer in made if transformer is not None]


def _transformer(element: Element, taps: Mapping[str, float]) -> Primitive | None:
    element.refuse_others(_KNOWN)
    before = len(element.problems.found)
    phases, windings = element.count("phases", 3), _windings(element)
    if phases not in (1, 3) or len(windings) != 2:
        found = f"of {phases} phases with {len(windings)} windings"
        element.refuse(found, "1 or 3 phases and two windings: others are not modelled")
        return None
    windings[1].tap = taps.get(element.name.lower(), windings[1].tap)
    _check_values(element, windings)
    sides = [_side(element, windings, index, phases) for index in (0, 1)]
    if sides[0] is None or sides[1] is None or len(element.problems.found) > before:
        return None
    return _primitive(element, (sides[0], sides[1]))


def _windings(element: Element) -> list[_Winding]:
    """The windings as the properties set them one after the other."""
    windings = [_Winding() for _ in range(element.count("windings", 2))]
    active = 0
    for setting in element.settings:
        if setting.name == "wdg":
            active = setting.count(element.problems) - 1
            if active >= len(windings):
                setting.refuse(element.problems, f"a winding from 1 to {len(windings)}")
                active = 0
        elif setting.name in _OF_WINDING:
            _set(element, windings, active, setting)
        elif setting.name in _OF_ALL:
            _set_all(element, windings, setting)
            # A list of all windings leaves the last one active.
            active = len(windings) - 1
        elif setting.name == "%loadloss":
            for winding in windings[:2]:
                winding.r_percent = setting.number(element.problems) / 2.0
    return windings


def _set(element: Element, windings: list[_Winding], active: int, setting: Parameter) -> None:
    winding = windings[active]
    if setting.name == "bus":
        winding.bus = setting
    elif setting.name == "conn":
        winding.conn = setting.text.strip().lower()
    elif setting.name == "kva":
        # A rating without an index is that of both windings.
        for each in windings if len(windings) == 2 else [winding]:
            each.kva = setting.number(element.problems)
    else:
        attribute = "r_percent" if setting.name == "%r" else setting.name
        setattr(winding, attribute, setting.number(element.problems))


def _set_all(element: Element, windings: list[_Winding], setting: Parameter) -> None:
    words = setting.words()
    if len(words) != len(windings):
        setting.refuse(element.problems, f"{len(windings)} values, one a winding")
        return
    for winding, word in zip(windings, words, strict=True):
        own = Parameter(_OF_ALL[setting.name], word, False, setting.place)
        if own.name == "kva":
            winding.kva = own.number(element.problems)
        else:
            _set(element, [winding], 0, own)


def _check_values(element: Element, windings: list[_Winding]) -> None:
    for number, winding in enumerate(windings, 1):
        if winding.conn not in (*_DELTA, *_WYE):
            element.refuse(f"with winding {number} in {winding.conn!r}", "wye or delta")
        for value, what in ((winding.kv, "kv"), (winding.kva, "kva"), (winding.tap, "tap")):
            if not value > 0.0:
                element.refuse(f"with {what} {value:g} of winding {number}", "a value above 0")
    if element.text("xrconst", "no")[:1] in ("y", "t"):
        element.refuse("with xrconst", "an element without: it is for harmonics")
    if _leakage_pu(element, windings) == 0.0:
        element.refuse("without a leakage impedance", "xhl or %r above 0")


def _side(element: Element, windings: list[_Winding], index: int, phases: int) -> _Side | None:
    winding = windings[index]
    terminal = terminal_of(
        winding.bus, phases, element, conductors=phases + (not winding.is_delta or phases == 1)
    )
    if terminal is None:
        return None
    if phases == 1:
        if winding.is_delta and terminal.phases[1] == EARTH:
            element.refuse(
                f"with one node of a delta winding at {terminal.bus!r}", "two nodes, as in bus.1.2"
            )
        pairs: tuple[Pair, ...] = ((terminal.phases[0], terminal.phases[1]),)
        pairs = pairs if pairs[0][0] != EARTH else ()
    elif winding.is_delta:
        turn = _delta_direction(element, windings)
        pairs = tuple((terminal.phases[k], terminal.phases[(k + turn) % 3]) for k in range(3))
    else:
        pairs = tuple((terminal.phases[k], terminal.phases[3]) for k in range(3))
    if not pairs or EARTH in [first for first, _ in pairs]:
        element.refuse(f"with a phase of {terminal.bus!r} at earth", "phases on nodes 1, 2 and 3")
        return None
    return _Side(winding, terminal.bus, pairs)


def _delta_direction(element: Element, windings: list[_Winding]) -> int:
    """1 where the first winding of a delta lies between a and b, -1 where between a and c.

    Of a wye and a delta, the low-voltage side lags by 30° (``leadlag``: it leads).
    """
    if windings[0].is_delta == windings[1].is_delta:
        return 1
    high = windings[0] if windings[0].kv >= windings[1].kv else windings[1]
    leads = element.text("leadlag", "lag") in ("lead", "euro")
    return 1 if high.is_delta == leads else -1


def _leakage_pu(element: Element, windings: list[_Winding]) -> complex:
    """Leakage impedance on the rating of winding 1 [pu]; the resistances of both windings are on it, too."""
    xhl = element.last("x12") or element.last("xhl")
    x_percent = 7.0 if xhl is None else xhl.number(element.problems)
    return complex(sum(winding.r_percent for winding in windings[:2]), x_percent) / 100.0


def _primitive(element: Element, sides: tuple[_Side, _Side]) -> Primitive:
    first, second = sides
    phases, base_va = len(first.pairs), first.winding.kva * 1e3
    z_pu = _leakage_pu(element, [first.winding, second.winding])
    conductors = max(len(first.phases), len(second.phases))
    # Voltage across a winding = incidence^T · voltages to earth; currents go back the same way.
    incidence = np.hstack([_incidence(side, conductors, end) for end, side in enumerate(sides)])
    y_1v = _winding_admittance(element, z_pu) * (base_va / phases)
    turns = [1.0 / (side.winding_kv * 1e3 * side.winding.tap) for side in sides]
    y_windings = np.kron(y_1v * np.outer(turns, turns), np.eye(phases))
    admittance = incidence @ y_windings @ incidence.T + _antifloat(element, sides, incidence)
    z_ohm = z_pu * first.winding.kv**2 * 1e6 / base_va
    ends = [_padded(side, conductors) for side in sides]
    is_between_phases = phases == 1 and first.pairs[0][1] != EARTH
    return Primitive(
        element,
        "transformer",
        (ends[0], ends[1]),
        admittance,
        z_ohm / 2.0 if is_between_phases else z_ohm,
        turns=second.line_kv / first.line_kv,
        i_max_ka=(first.rated_ka, second.rated_ka),
    )


def _winding_admittance(element: Element, z_pu: complex) -> ComplexArray:
    """Admittance between the two windings of a phase, shape (2, 2) [pu]; magnetised at winding 2."""
    no_load = complex(element.number("%noloadloss", 0.0), -element.number("%imag", 0.0)) / 100.0
    return np.array([[1.0, -1.0], [-1.0, 1.0]]) / z_pu + np.diag([0.0, no_load])


def _antifloat(element: Element, sides: tuple[_Side, _Side], incidence: ComplexArray) -> ComplexArray:
    """A reactor of ``ppm_antifloat`` millionths of a winding's rating, half of it at each of its nodes.

    A neutral that is not earthed, of a single-phase unit in wye between two phases, has both halves.
    """
    share = element.number("ppm_antifloat", 1.0) * 1e-6
    phases, base_va = len(sides[0].pairs), sides[0].winding.kva * 1e3
    per_winding = [base_va / phases / (side.winding_kv * 1e3) ** 2 for side in sides]
    is_star = np.repeat([not side.winding.is_delta for side in sides], phases)
    halves = np.abs(incidence) + (incidence.real < 0.0) * is_star
    at_nodes = halves @ np.repeat(per_winding, phases)
    return np.diag(-0.5j * share * at_nodes)


def _incidence(side: _Side, conductors: int, end: int) -> ComplexArray:
    """1 where a winding begins and -1 where it ends, shape (2 conductors, phases)."""
    matrix = np.zeros((2 * conductors, len(side.pairs)), dtype=np.complex128)
    for column, pair in enumerate(side.pairs):
        for phase, sign in zip(pair, (1.0, -1.0), strict=True):
            if phase != EARTH:
                matrix[end * conductors + side.phases.index(phase), column] = sign
    return matrix


def _padded(side: _Side, conductors: int) -> Terminal:
    """The terminal with as many conductors as the other end; those that repeat a phase carry nothing."""
    spare = (side.phases[-1],) * (conductors - len(side.phases))
    return Terminal(side.bus, side.phases + spare)
