"""Standard cables and transformers, the design power of households, and which cable a way gets.

The facts are those of pandapower's standard types (pandapower 3.5, "Standard Type Libraries"): line types
``NAYY 4x50 SE`` and ``NAYY 4x150 SE`` (0.4 kV), ``NA2XS2Y 1x150 RM/25 12/20 kV`` and the 20/0.4 kV
transformers of 0.25, 0.4 and 0.63 MVA. ``NAYY 4x240 SE`` is not among them: it is
SimBench's type ``NAYY 4x240SE 0.6/1kV`` (S. Meinecke et al., Energies 13, 2020, 3290).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray

LV_KV, MV_KV = 0.4, 20.0
"""Nominal voltages, line to line [kV]."""


@dataclass(frozen=True)
class CableType:
    """A cable: series impedance and capacitance per kilometre, rated current.

    Parameters
    ----------
    name : str
        Name of the type.
    r_ohm_per_km, x_ohm_per_km : float
        Series impedance [ohm/km].
    c_nf_per_km : float
        Capacitance [nF/km].
    i_max_ka : float
        Rated current [kA].
    """

    name: str
    r_ohm_per_km: float
    x_ohm_per_km: float
    c_nf_per_km: float
    i_max_ka: float


@dataclass(frozen=True)
class TransformerType:
    """A 20/0.4 kV transformer: its rating, short-circuit voltage and losses.

    Parameters
    ----------
    name : str
        Name of the type.
    sn_kva : float
        Rated power [kVA].
    vk_percent, vkr_percent : float
        Short-circuit voltage and its real part [%].
    pfe_kw : float
        Iron losses [kW].
    i0_percent : float
        No-load current [%].
    shift_degree : float
        Phase shift between high- and low-voltage side [degree].
    """

    name: str
    sn_kva: float
    vk_percent: float
    vkr_percent: float
    pfe_kw: float
    i0_percent: float
    shift_degree: float = 150.0


LV_CABLES = (
    CableType("NAYY 4x50 SE", 0.642, 0.083, 210.0, 0.142),
    CableType("NAYY 4x150 SE", 0.208, 0.080, 261.0, 0.270),
    CableType("NAYY 4x240 SE", 0.1267, 0.0797965, 870.001398, 0.357),
)
"""Low-voltage cables, thinnest first."""
MV_CABLE = CableType("NA2XS2Y 1x150 RM/25 12/20 kV", 0.206, 0.116, 250.0, 0.319)
"""What joins a station to the source where a length of medium-voltage cable is given."""
TRANSFORMERS = (
    TransformerType("0.25 MVA 20/0.4 kV", 250.0, 6.0, 1.44, 0.8, 0.32),
    TransformerType("0.4 MVA 20/0.4 kV", 400.0, 6.0, 1.425, 1.35, 0.3375),
    TransformerType("0.63 MVA 20/0.4 kV", 630.0, 6.0, 1.206, 1.65, 0.2619),
)
"""Station transformers, smallest first."""


@dataclass(frozen=True)
class DesignRules:
    """What a grid is built for.

    Parameters
    ----------
    household_kva : float
        Design power of a single household [kVA]; 14.5 is that of a dwelling without electric water
        heating in DIN 18015-1.
    coincidence_share : float
        Share of it that each of very many households adds to the peak (chosen).
    power_factor : float
        Of the design power (chosen).
    voltage_drop_max_share : float
        Cables are made thicker until no house is further below the voltage of its station at design
        power (chosen).
    """

    household_kva: float = 14.5
    coincidence_share: float = 0.1
    power_factor: float = 0.95
    voltage_drop_max_share: float = 0.05

    def design_kva(self, households: FloatArray | float) -> FloatArray:
        """Peak of that many households together [kVA], in the shape of ``households``.

        Rusck's law of coincidence: ``S(n) = n S1 (g + (1 - g) / sqrt(n))`` (S. Rusck, "The simultaneous
        demand in distribution network supplying domestic consumers", ASEA Journal 10, 1956).
        """
        count = np.asarray(households, dtype=float)
        g = self.coincidence_share
        return np.asarray(self.household_kva * (g * count + (1.0 - g) * np.sqrt(count)), dtype=float)

    def most_households(self, kva: float) -> int:
        """The largest number of households whose design power is within ``kva``."""
        g, ratio = self.coincidence_share, kva / self.household_kva
        # g n + (1 - g) sqrt(n) = ratio is a square in sqrt(n), written so that g = 0 is no special case.
        root = 2.0 * ratio / (1.0 - g + math.sqrt((1.0 - g) ** 2 + 4.0 * g * ratio))
        count = math.floor(root**2 + 1e-9)
        return count if float(self.design_kva(count)) <= kva * (1.0 + 1e-12) else count - 1


@dataclass(frozen=True)
class Laid:
    """What lies in a way: index into ``LV_CABLES``, and how many of them side by side."""

    size: int
    parallel: int = 1

    @property
    def cable(self) -> CableType:
        """The type."""
        return LV_CABLES[self.size]

    @property
    def i_max_ka(self) -> float:
        """Rated current of all together [kA]."""
        return self.cable.i_max_ka * self.parallel

    @property
    def ohm_per_km(self) -> complex:
        """Series impedance of all together [ohm/km]."""
        return complex(self.cable.r_ohm_per_km, self.cable.x_ohm_per_km) / self.parallel

    def next_up(self) -> Laid:
        """The next thicker; beyond the thickest, one cable more."""
        thickest = len(LV_CABLES) - 1
        return Laid(self.size + 1) if self.size < thickest else Laid(thickest, self.parallel + 1)


def transformer_type(kva: float) -> TransformerType:
    """The smallest standard transformer that is not below ``kva``, the largest where none is."""
    return next((kind for kind in TRANSFORMERS if kind.sn_kva >= kva), TRANSFORMERS[-1])


def cable_for(design_kva: float) -> Laid:
    """The thinnest cable whose rated current carries a power at nominal voltage [kVA]."""
    current_ka = design_kva / (math.sqrt(3.0) * LV_KV) / 1e3
    laid = Laid(0)
    while laid.i_max_ka < current_ka:
        laid = laid.next_up()
    return laid


MOST_PARALLEL = 4
"""Where so many of the thickest cables lie side by side, no more are laid against a low voltage."""


def size_cables(
    parent: list[int], length_km: FloatArray, households: FloatArray, rules: DesignRules
) -> tuple[list[Laid], FloatArray]:
    """Cable of each way of a tree, and the share of voltage lost up to each node at design power.

    First by current; then, between the node with the largest drop and the root, the way that loses most
    per metre is made thicker until the drop is within the rules or nothing may grow.

    Parameters
    ----------
    parent : list of int
        Parent of each node; -1 for the root, which is node 0. A parent comes before its children.
    length_km : (nodes,)
        Length of the way from the parent [km].
    households : (nodes,)
        Households behind each node, its own included.
    rules : DesignRules
        Design power and largest drop.

    Returns
    -------
    tuple of list of Laid and (nodes,)
        Cable of the way to each node (of no meaning at the root), drop to each node [share].
    """
    design_kva = rules.design_kva(households)
    laid = [cable_for(float(s)) for s in design_kva]
    reactive = math.sqrt(1.0 - rules.power_factor**2)
    weight = design_kva * length_km / (1e3 * LV_KV**2)
    while True:
        steps = [
            w * (rules.power_factor * k.ohm_per_km.real + reactive * k.ohm_per_km.imag)
            for w, k in zip(weight.tolist(), laid, strict=True)
        ]
        drop = _sums_from_root(parent, steps)
        worst = int(np.argmax(drop))
        path = [node for node in _up_from(worst, parent) if laid[node].parallel < MOST_PARALLEL]
        if drop[worst] <= rules.voltage_drop_max_share or not path:
            return laid, drop
        grow = max(path, key=lambda node: steps[node] / length_km[node])
        laid[grow] = laid[grow].next_up()


def _sums_from_root(parent: list[int], steps: list[float]) -> FloatArray:
    total = np.zeros(len(parent))
    for node in range(1, len(parent)):
        total[node] = total[parent[node]] + steps[node]
    return total


def _up_from(node: int, parent: list[int]) -> list[int]:
    """A node and those above it, without the root."""
    path = []
    while node > 0:
        path.append(node)
        node = parent[node]
    return path
