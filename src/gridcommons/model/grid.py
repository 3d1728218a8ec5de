"""The grid: buses, branches, switches, shunts and sources, as typed columns.

Impedances are per unit on ``S_BASE_KVA`` and the nominal voltage of the bus at their end, so that a
line, a transformer and an impedance are one kind of two-port. Tables are columns (one array each),
because everything that is computed is computed for all elements at once.

In a balanced grid a row stands for three phases that are alike. In a three-phase grid, one that has a
``Coupling``, a row of ``Buses`` is one phase of a bus (``34.a``) and a row of ``Branches`` one conductor of
a branch (``L35.a``); voltages are then per unit of the nominal voltage to earth, and powers stay on
``S_BASE_KVA``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Names = tuple[str, ...]

S_BASE_KVA = 1000.0
"""Base of every per-unit quantity [kVA]."""


@dataclass(frozen=True, eq=False)
class Buses:
    """The buses.

    Parameters
    ----------
    name : tuple of str
        Unique names.
    vn_kv : (buses,)
        Nominal voltage, line to line [kV].
    x_map, y_map : (buses,)
        Position on the map in the file's own coordinates, NaN where unknown.
    """

    name: Names
    vn_kv: FloatArray
    x_map: FloatArray
    y_map: FloatArray

    def __len__(self) -> int:
        """Number of buses."""
        return len(self.name)


@dataclass(frozen=True, eq=False)
class Branches:
    """Two-ports between buses: lines, transformers, impedances.

    The π-circuit lies on the ``to`` side of an ideal transformer of ``ratio`` and ``shift_degree``
    at the ``from`` end. A branch whose end is open stays charged from the other end.

    Parameters
    ----------
    name : tuple of str
        Unique names.
    kind : tuple of str
        ``line``, ``transformer`` or ``impedance``.
    from_bus, to_bus : (branches,)
        Bus indices; a transformer's ``from`` is its high-voltage side.
    r_pu, x_pu : (branches,)
        Series impedance [pu].
    g_from_pu, b_from_pu, g_to_pu, b_to_pu : (branches,)
        Shunt admittance at each end of the π [pu].
    ratio : (branches,)
        Off-nominal turns ratio (magnitude) at the ``from`` end.
    shift_degree : (branches,)
        Phase shift of the ``from`` end against the ``to`` end [degree].
    i_max_from_ka, i_max_to_ka : (branches,)
        Rated current at each end [kA]; infinite where unrated.
    length_km : (branches,)
        Length [km]; 0 where it has none.
    from_closed, to_closed : (branches,)
        Whether each end is connected to its bus. A branch out of service is open at both ends.
    """

    name: Names
    kind: Names
    from_bus: IntArray
    to_bus: IntArray
    r_pu: FloatArray
    x_pu: FloatArray
    g_from_pu: FloatArray
    b_from_pu: FloatArray
    g_to_pu: FloatArray
    b_to_pu: FloatArray
    ratio: FloatArray
    shift_degree: FloatArray
    i_max_from_ka: FloatArray
    i_max_to_ka: FloatArray
    length_km: FloatArray
    from_closed: BoolArray
    to_closed: BoolArray

    def __len__(self) -> int:
        """Number of branches."""
        return len(self.name)

    @cached_property
    def in_service(self) -> BoolArray:
        """Whether power can flow through: both ends closed, shape (branches,)."""
        return self.from_closed & self.to_closed


@dataclass(frozen=True, eq=False)
class BusSwitches:
    """Switches between two buses; a closed one makes them one electrical node.

    Parameters
    ----------
    name : tuple of str
        Unique names.
    bus_a, bus_b : (switches,)
        Bus indices.
    closed : (switches,)
        Position.
    """

    name: Names
    bus_a: IntArray
    bus_b: IntArray
    closed: BoolArray

    def __len__(self) -> int:
        """Number of switches."""
        return len(self.name)


@dataclass(frozen=True, eq=False)
class Shunts:
    """Constant admittances to earth, given as the power they draw at nominal voltage.

    Parameters
    ----------
    bus : (shunts,)
        Bus indices.
    p_kw, q_kvar : (shunts,)
        Power drawn at 1 pu [kW], [kvar]; a capacitor's q is negative.
    """

    bus: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray


@dataclass(frozen=True, eq=False)
class Sources:
    """Buses whose voltage is held from outside.

    Parameters
    ----------
    name : tuple of str
        Unique names.
    bus : (sources,)
        Bus indices.
    vm_pu, va_degree : (sources,)
        Held voltage [pu], [degree].
    """

    name: Names
    bus: IntArray
    vm_pu: FloatArray
    va_degree: FloatArray


@dataclass(frozen=True, eq=False)
class FixedInjections:
    """Loads, generators and storages that the grid file itself carries; constant over the study.

    Parameters
    ----------
    name : tuple of str
        Names as in the file.
    bus : (injections,)
        Bus indices.
    p_kw, q_kvar : (injections,)
        Net power, positive when the grid delivers [kW], [kvar].
    """

    name: Names
    bus: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray


@dataclass(frozen=True, eq=False)
class Coupling:
    """Admittances between the ends of conductors: what the branches of a three-phase grid are made of.

    The current into end ``row_end`` of branch ``row_branch`` is the sum over its entries of the admittance
    times the voltage to earth at end ``column_end`` of branch ``column_branch``. A branch with entries is
    described by them alone; its ``r_pu`` and ``x_pu`` are then its positive sequence, for whoever asks how
    far something is. Symmetric, as every passive element without a phase shifter is.

    Parameters
    ----------
    row_branch, column_branch : (entries,)
        Rows of ``Branches``.
    row_end, column_end : (entries,)
        0 for the ``from`` end, 1 for the ``to`` end.
    g_pu, b_pu : (entries,)
        Conductance and susceptance [pu].
    """

    row_branch: IntArray
    row_end: IntArray
    column_branch: IntArray
    column_end: IntArray
    g_pu: FloatArray
    b_pu: FloatArray


@dataclass(frozen=True, eq=False)
class PhaseLoads:
    """Loads of a three-phase grid's file: between a phase and earth, or between two phases.

    Parameters
    ----------
    name : tuple of str
        Names as in the file; a load on three phases is three rows of one name.
    bus, to_bus : (loads,)
        Rows of ``Buses`` between which the load lies; ``to_bus`` is -1 for earth.
    model : tuple of str
        What stays the same when the voltage changes: ``power``, ``current`` (its magnitude) or ``impedance``.
    p_kw, q_kvar : (loads,)
        Power drawn at nominal voltage: 1 pu to earth, √3 pu between two phases [kW], [kvar].
    """

    name: Names
    bus: IntArray
    to_bus: IntArray
    model: Names
    p_kw: FloatArray
    q_kvar: FloatArray


LOAD_MODELS = ("power", "current", "impedance")
"""What may stay the same in a load when the voltage changes."""


def plain_lines(
    name: Names, ends: IntArray, r_pu: FloatArray, x_pu: FloatArray, length_km: FloatArray | None = None
) -> Branches:
    """Closed, unrated lines without charging; ``dataclasses.replace`` gives them ratings or opens some.

    Parameters
    ----------
    name : tuple of str
        Their names.
    ends : (lines, 2)
        Rows of the buses at either end.
    r_pu, x_pu : (lines,)
        Series impedance [pu].
    length_km : (lines,), optional
        Lengths [km]; zero where they are not known.
    """
    nothing, unrated = np.zeros(len(name)), np.full(len(name), np.inf)
    closed = np.ones(len(name), dtype=np.bool_)
    return Branches(
        name=name,
        kind=("line",) * len(name),
        from_bus=ends[:, 0],
        to_bus=ends[:, 1],
        r_pu=r_pu,
        x_pu=x_pu,
        g_from_pu=nothing,
        b_from_pu=nothing,
        g_to_pu=nothing,
        b_to_pu=nothing,
        ratio=np.ones(len(name)),
        shift_degree=nothing,
        i_max_from_ka=unrated,
        i_max_to_ka=unrated,
        length_km=nothing if length_km is None else length_km,
        from_closed=closed,
        to_closed=closed,
    )


def no_phase_loads() -> PhaseLoads:
    """A table of phase loads with no row."""
    none = np.zeros(0, np.int64)
    return PhaseLoads((), none, none, (), np.zeros(0), np.zeros(0))


def no_shunts() -> Shunts:
    """A table of shunts with no row."""
    return Shunts(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def no_fixed_injections() -> FixedInjections:
    """A table of fixed injections with no row."""
    return FixedInjections((), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def no_switches() -> BusSwitches:
    """A table of bus switches with no row."""
    none = np.zeros(0, np.int64)
    return BusSwitches((), none, none, np.zeros(0, np.bool_))


@dataclass(frozen=True, eq=False)
class Grid:
    """A distribution grid with everything that a load flow needs.

    Parameters
    ----------
    buses, branches, sources : tables
        See the classes of these names.
    switches : BusSwitches
        Bus-bus switches; line and transformer switches are the ends of their branch.
    shunts : Shunts
        Constant admittances to earth.
    fixed : FixedInjections
        What the grid file itself draws and injects.
    coupling : Coupling or None
        The admittances of a three-phase grid; None in a balanced one.
    phase_loads : PhaseLoads
        Loads of a three-phase grid's file.
    """

    buses: Buses
    branches: Branches
    sources: Sources
    switches: BusSwitches = field(default_factory=no_switches)
    shunts: Shunts = field(default_factory=no_shunts)
    fixed: FixedInjections = field(default_factory=no_fixed_injections)
    coupling: Coupling | None = None
    phase_loads: PhaseLoads = field(default_factory=no_phase_loads)

    @property
    def is_three_phase(self) -> bool:
        """Whether a row of buses is one phase and a row of branches one conductor."""
        return self.coupling is not None

    @cached_property
    def bus_index(self) -> dict[str, int]:
        """Index of each bus by its name."""
        return {name: index for index, name in enumerate(self.buses.name)}

    @cached_property
    def branch_index(self) -> dict[str, int]:
        """Index of each branch by its name."""
        return {name: index for index, name in enumerate(self.branches.name)}
