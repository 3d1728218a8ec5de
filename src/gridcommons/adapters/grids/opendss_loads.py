"""Loads and capacitors of an OpenDSS circuit.

Source: Electric Power Research Institute, "OpenDSS Reference Guide", Load and Capacitor. Of kW, kvar and kVA
the one that is set last says how the load is given: kW with pf, kW with kvar or kVA with pf. At the end of a
command the others follow, so that a later kW keeps the power factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

from gridcommons.adapters.grids.opendss_branches import EARTH, terminal_of
from gridcommons.adapters.grids.opendss_elements import Circuit, Element
from gridcommons.model.grid import Names

MODELS = {"1": "power", "5": "current", "2": "impedance"}
"""OpenDSS's number of each model that there is here."""
_WITHOUT_PART = (
    "yearly daily duty growth rneut xneut status class vminpu vmaxpu vminnorm vminemerg %mean %stddev "
    "cvrwatts cvrvars cvrcurve numcust zipv %seriesrl relweight vlowpu puxharm xrharm spectrum basefreq"
)
_LOAD = f"phases bus1 kv kw pf model conn kvar kva enabled {_WITHOUT_PART}"
_CAPACITOR = (
    "bus1 phases kvar kv conn r xl harm numsteps states normamps emergamps faultrate pctperm repair basefreq "
    "enabled"
)
_DELTA = ("delta", "d", "ll")
_WYE = ("wye", "y", "ln")


@dataclass(frozen=True)
class FeederLoad:
    """A load as its script gives it.

    Parameters
    ----------
    element : Element
        Where it comes from.
    bus : str
        Its bus.
    pairs : tuple of (str, str)
        The two phases between which each part lies; the second is empty where it is earth.
    rated_kv : float
        Rated voltage across a part [kV].
    model : str
        ``power``, ``current`` or ``impedance``.
    p_kw, q_kvar : float
        Drawn at the rated voltage, all parts together [kW], [kvar].
    has_power_factor : bool
        Whether it is given by a power factor, which then holds in each step of a load shape.
    """

    element: Element
    bus: str
    pairs: tuple[tuple[str, str], ...]
    rated_kv: float
    model: str
    p_kw: float
    q_kvar: float
    has_power_factor: bool

    @property
    def name(self) -> str:
        """Its name in the script."""
        return self.element.name

    @property
    def shape(self) -> str:
        """Name of its load shape, the yearly before the daily one; empty where it has none."""
        return self.element.text("yearly") or self.element.text("daily")


@dataclass(frozen=True)
class FeederCapacitor:
    """A capacitor between phases and earth.

    Parameters
    ----------
    element : Element
        Where it comes from.
    bus : str
        Its bus.
    phases : tuple of str
        Its phases.
    rated_kv : float
        Rated voltage to earth [kV].
    injected_kvar : float
        Reactive power that each phase injects at the rated voltage [kvar].
    """

    element: Element
    bus: str
    phases: Names
    rated_kv: float
    injected_kvar: float


def read_loads(circuit: Circuit) -> list[FeederLoad]:
    """Every enabled load of the circuit; whatever is wrong goes to its problems."""
    made = [_load(element) for element in circuit.of("load") if element.is_enabled]
    return [load for load in made if load is not None]


def read_capacitors(circuit: Circuit) -> list[FeederCapacitor]:
    """Every enabled capacitor of the circuit; whatever is wrong goes to its problems."""
    made = [_capacitor(element) for element in circuit.of("capacitor") if element.is_enabled]
    return [capacitor for capacitor in made if capacitor is not None]


def _load(element: Element) -> FeederLoad | None:
    element.refuse_others(_LOAD)
    model = MODELS.get(element.text("model", "1"), "")
    if not model:
        found, expected = f"of model {element.text('model')}", "model 1, 2 or 5: power, impedance or current"
        element.refuse(found, expected)
    if element.text("status", "variable")[:1] != "v":
        element.refuse(f"with status {element.text('status')}", "a load that follows its shape")
    kv = element.number("kv", 12.47)
    if not kv > 0.0:
        element.refuse(f"with kv {kv:g}", "a voltage above 0")
    found_pairs = _pairs(element)
    p_kw, q_kvar, has_power_factor = _power(element)
    if not model or found_pairs is None:
        return None
    bus, pairs, is_star = found_pairs
    rated_kv = kv / math.sqrt(3.0) if is_star else kv
    return FeederLoad(element, bus, pairs, rated_kv, model, p_kw, q_kvar, has_power_factor)


def _pairs(element: Element) -> tuple[str, tuple[tuple[str, str], ...], bool] | None:
    """Bus, the phases between which each part lies, and whether ``kv`` is √3 times their voltage."""
    phases, conn = element.count("phases", 3), element.text("conn", "wye")
    is_delta = conn in _DELTA
    if conn not in (*_DELTA, *_WYE) or phases > 3 or (is_delta and phases == 2):
        element.refuse(f"of {phases} phases in {conn}", "1 to 3 phases in wye, 1 or 3 in delta")
        return None
    conductors = 2 if phases == 1 else 3 if is_delta else phases + 1
    terminal = terminal_of(element.last("bus1"), phases, element, conductors=conductors)
    if terminal is None:
        return None
    at = terminal.phases
    if phases == 1:
        pairs = [(at[0], at[1])]
    elif is_delta:
        pairs = [(at[0], at[1]), (at[1], at[2]), (at[2], at[0])]
    else:
        pairs = [(phase, at[phases]) for phase in at[:phases]]
    if any(first == EARTH for first, _ in pairs) or (is_delta and pairs[0][1] == EARTH):
        element.refuse(f"at {terminal.bus!r} with a phase at earth", "a node for each phase, as in bus.1.2")
        return None
    return terminal.bus, tuple(pairs), phases > 1 and not is_delta


@dataclass
class _Power:
    """Power of a load as its properties set it; each command ends with the rest following from it."""

    kw: float = 10.0
    kvar: float = 0.0
    kva: float = 0.0
    pf: float = 0.88
    way: str = "kw"

    def settle(self) -> None:
        """What is not given follows from what is."""
        if self.way == "kva":
            self.kw = self.kva * abs(self.pf)
        if self.way == "kvar":
            apparent = math.hypot(self.kw, self.kvar)
            sign = 1.0 if self.kw * self.kvar >= 0.0 else -1.0
            self.pf = sign * self.kw / apparent if apparent else self.pf
        else:
            self.kvar = math.copysign(self.kw * math.sqrt(1.0 / self.pf**2 - 1.0), self.kw * self.pf)


def _power(element: Element) -> tuple[float, float, bool]:
    """Active and reactive power [kW], [kvar], and whether the power factor gave the latter."""
    power = _Power()
    commands = [list(group) for _, group in groupby(element.settings, key=lambda setting: setting.place)]
    for command in commands:
        for setting in command:
            if setting.name in ("kw", "kvar", "kva"):
                power.way = setting.name
            if setting.name in ("kw", "kvar", "kva", "pf"):
                setattr(power, setting.name, setting.number(element.problems))
        if power.way != "kvar" and not 0.0 < abs(power.pf) <= 1.0:
            element.refuse(f"with pf {power.pf:g}", "a power factor up to 1, negative where it injects kvar")
            return 0.0, 0.0, True
        power.settle()
    return power.kw, power.kvar, power.way != "kvar"


def _capacitor(element: Element) -> FeederCapacitor | None:
    element.refuse_others(_CAPACITOR)
    phases, conn = element.count("phases", 3), element.text("conn", "wye")
    if phases > 3 or conn not in _WYE:
        element.refuse(f"of {phases} phases in {conn}", "1 to 3 phases in wye: others are not modelled")
        return None
    for name in ("r", "xl"):
        setting = element.last(name)
        if setting and setting.numbers(element.problems).any():
            setting.refuse(element.problems, "0: a capacitor without a resistor or reactor before it")
    steps, states = element.count("numsteps", 1), element.last("states")
    if steps > 1:
        element.refuse(f"of {steps} steps", "one step")
    if states and not states.numbers(element.problems).any():
        return None
    terminal = terminal_of(element.last("bus1"), phases, element)
    kvar, kv = element.last("kvar"), element.number("kv", 12.47)
    total = kvar.numbers(element.problems) if kvar else [1200.0]
    if terminal is None or EARTH in terminal.phases or len(total) != 1 or not kv > 0.0:
        element.refuse("without nodes, kvar or voltage", "its phases, one kvar and a kv above 0")
        return None
    rated_kv = kv / math.sqrt(3.0) if phases > 1 else kv
    return FeederCapacitor(element, terminal.bus, terminal.phases, rated_kv, float(total[0]) / phases)
