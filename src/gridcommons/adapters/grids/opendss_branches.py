"""What every branch of an OpenDSS circuit comes to: admittances between the ends of its conductors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.grids.opendss_elements import Element
from gridcommons.adapters.grids.opendss_text import Parameter
from gridcommons.model.grid import Names
from gridcommons.model.phases import PHASES

ComplexArray = npt.NDArray[np.complex128]
EARTH = ""
"""Phase of a conductor that lies at earth."""


@dataclass(frozen=True)
class Terminal:
    """Where one end of an element is: a bus and the phase of each of its conductors (empty for earth)."""

    bus: str
    phases: Names


@dataclass(frozen=True, eq=False)
class Primitive:
    """A branch as its admittances between conductor ends.

    Parameters
    ----------
    element : Element
        Where it comes from.
    kind : str
        ``line``, ``transformer`` or ``impedance``.
    ends : (Terminal, Terminal)
        The two ends, with one phase a conductor.
    admittance_s : (2 conductors, 2 conductors)
        Currents into the ends by their voltages to earth [S]: first the ends at ``ends[0]``.
    z_ohm : complex
        Series impedance of the positive sequence, seen from ``ends[0]`` [ohm].
    turns : float
        Nominal voltage, line to line, at ``ends[1]`` over the one at ``ends[0]``.
    i_max_ka : (float, float)
        Rated current at each end [kA]; infinite where unrated.
    length_km : float
        Length [km]; 0 where it has none.
    """

    element: Element
    kind: str
    ends: tuple[Terminal, Terminal]
    admittance_s: ComplexArray
    z_ohm: complex
    turns: float = 1.0
    i_max_ka: tuple[float, float] = (np.inf, np.inf)
    length_km: float = 0.0

    @property
    def conductors(self) -> int:
        """Number of conductors."""
        return len(self.ends[0].phases)


def terminal_of(
    setting: Parameter | None, phases: int, element: Element, conductors: int | None = None
) -> Terminal | None:
    """The terminal that ``bus.1.2.3`` names; None, and a problem, where it names none.

    Parameters
    ----------
    setting : Parameter or None
        The value of ``bus1``, ``bus2`` or ``bus``.
    phases : int
        Number of phases; nodes that are not named are 1, 2, 3 in order.
    element : Element
        Whose terminal it is.
    conductors : int, optional
        Number of conductors, where it is more than that of the phases; the others are at earth if not named.
    """
    if setting is None:
        element.refuse("without a bus", "a bus for each end")
        return None
    bus, *nodes = setting.text.strip().split(".")
    if not bus:
        setting.refuse(element.problems, "bus.node.node")
        return None
    if not all(node in ("0", "1", "2", "3") for node in nodes):
        setting.refuse(element.problems, "nodes 1, 2, 3 and 0: other conductors are not modelled")
        return None
    at = [int(node) for node in nodes[: conductors or phases]]
    at += [k + 1 if k < phases else 0 for k in range(len(at), conductors or phases)]
    named = [node for node in at if node]
    if len(set(named)) != len(named):
        setting.refuse(element.problems, "each node once")
        return None
    return Terminal(bus, tuple(PHASES[node - 1] if node else EARTH for node in at))


def series_admittance(z: ComplexArray) -> ComplexArray:
    """Admittances between the ends of conductors, shape (2 n, 2 n) [S], of impedances (n, n) [ohm]."""
    inverse = np.linalg.inv(z)
    y: ComplexArray = np.asarray((inverse + inverse.T) / 2.0, dtype=np.complex128)
    return np.block([[y, -y], [-y, y]])


def sequence_matrix(positive: complex, zero: complex, conductors: int) -> ComplexArray:
    """Self and mutual values of conductors that are alike, shape (n, n).

    Self (2 positive + zero) / 3, mutual (zero - positive) / 3; a single conductor has the positive sequence
    alone (OpenDSS, properties of Line).
    """
    if conductors == 1:
        return np.array([[positive]], dtype=np.complex128)
    mutual = (zero - positive) / 3.0
    matrix: ComplexArray = np.full((conductors, conductors), mutual, dtype=np.complex128)
    np.fill_diagonal(matrix, mutual + positive)
    return matrix


def positive_sequence(matrix: ComplexArray) -> complex:
    """Mean self less mean mutual value: exact where the conductors are alike."""
    count = len(matrix)
    own = complex(np.trace(matrix)) / count
    return own if count == 1 else own - (complex(matrix.sum()) - own * count) / (count * (count - 1))
