"""Who gets how much of what the members of a community made in the same interval.

With the registers of the meters, c_i withdrawn and g_p injected, G = Σ g_p, C = Σ c_i and S = min(G, C), each
key allocates energy a_i such that 0 ≤ a_i ≤ c_i and Σ a_i ≤ S. What a member still buys is c_i − a_i, and
G − Σ a_i is surplus that goes to the grid. A member may withdraw and inject within one interval, a key has no
memory, and no interval sees another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.settlement.division import in_turn, pro_rata, raised_together

Term = TypeVar("Term")

SHARE_TOLERANCE = 1e-9
"""By how much shares may miss 1 together."""


@dataclass(frozen=True, eq=False)
class Registers:
    """What the meters counted, after use behind them.

    Parameters
    ----------
    withdrawal_kwh, injection_kwh : (steps, members)
        Magnitudes [kWh]; both may be above zero in one interval.

    Raises
    ------
    GridcommonsError
        The shapes differ, or a value is negative or not finite.
    """

    withdrawal_kwh: FloatArray
    injection_kwh: FloatArray

    def __post_init__(self) -> None:
        shape = self.withdrawal_kwh.shape
        if len(shape) != 2 or shape != self.injection_kwh.shape or shape[1] == 0:
            raise GridcommonsError(
                f"registers: found withdrawals of shape {shape} and injections of shape "
                f"{self.injection_kwh.shape}, expected (steps, members) for both, with at least one member"
            )
        for name, kwh in (("withdrawal_kwh", self.withdrawal_kwh), ("injection_kwh", self.injection_kwh)):
            wrong = ~(np.isfinite(kwh) & (kwh >= 0.0))
            if wrong.any():
                step, member = (int(k) for k in np.argwhere(wrong)[0])
                raise GridcommonsError(
                    f"registers, {name}: found {kwh[step, member]} in interval {step} of member {member}, "
                    "expected a finite number of at least 0"
                )

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return len(self.withdrawal_kwh)

    @property
    def members(self) -> int:
        """Number of members."""
        return int(self.withdrawal_kwh.shape[1])

    @property
    def generated_kwh(self) -> FloatArray:
        """All that was injected, G, shape (steps,) [kWh]."""
        return np.asarray(self.injection_kwh.sum(axis=1))

    @property
    def sharable_kwh(self) -> FloatArray:
        """What can be shared at most, S = min(G, C), shape (steps,) [kWh]."""
        return np.asarray(np.minimum(self.generated_kwh, self.withdrawal_kwh.sum(axis=1)))


@dataclass(frozen=True, eq=False)
class Terms:
    """What the members agreed on; each key says what it needs of it.

    Parameters
    ----------
    static_share : (members,) or (steps, members)
        β, each member's share of what is made, 1 together; a row an interval where it was set in advance.
    rank : (members,)
        Who is served first: the lowest rank; no two are equal.
    pair_share : (members, members) or (steps, members, members)
        κ, the share that the member of a row gets of what the member of a column makes; columns sum to 1 at
        most.
    """

    static_share: FloatArray | None = None
    rank: IntArray | None = None
    pair_share: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Allocation:
    """What a key decides, shape (steps, members) each but the last [kWh].

    Parameters
    ----------
    allocated_kwh : FloatArray
        Energy of the community that covers a member's withdrawal, a.
    residual_kwh : FloatArray
        Withdrawal that it does not cover, c − a.
    given_kwh : FloatArray
        Part of a member's injection that others were allocated; as much as is allocated in each interval.
    surplus_kwh : FloatArray
        What goes to the grid, with the member whose it is; G − Σ a together.
    shared_kwh : (steps,)
        What counts as shared: Σ a, or S where the key allocates nothing.
    """

    allocated_kwh: FloatArray
    residual_kwh: FloatArray
    given_kwh: FloatArray
    surplus_kwh: FloatArray
    shared_kwh: FloatArray


def static_capped(registers: Registers, terms: Terms) -> Allocation:
    """A fixed share each, capped by the withdrawal: a_i = min(β_i G, c_i); what is unused is surplus.

    The static key of Austria's communities (Koordinationsstelle Energiegemeinschaften, "Energiezuteilung"),
    and the constant key of § 42b EnWG, whose net draw is max(0, c_i − f_i g).
    """
    entitled_kwh = _static_share(registers, terms, "static_capped") * registers.generated_kwh[:, None]
    return _shared_by_all(registers, np.minimum(entitled_kwh, registers.withdrawal_kwh))


def static_owned(registers: Registers, terms: Terms) -> Allocation:
    """The capped fixed share, where what a member does not use of its share is its own surplus.

    RD 244/2019, annex I: EN_i = β_i EN, of which min(EN_i, c_i) is used and max(0, EN_i − c_i) is surplus of
    the consumer, not of the plant.
    """
    entitled_kwh = _static_share(registers, terms, "static_owned") * registers.generated_kwh[:, None]
    allocated_kwh = np.minimum(entitled_kwh, registers.withdrawal_kwh)
    given_kwh = pro_rata(allocated_kwh.sum(axis=1), registers.injection_kwh)
    return _allocation(registers, allocated_kwh, given_kwh, entitled_kwh - allocated_kwh)


def static_redistributed(registers: Registers, terms: Terms) -> Allocation:
    """Fixed shares, and what is unused goes to those who can use more, by their shares, until nothing moves.

    Rounds of a_i += min(β_i / Σ_active β · left, c_i − a_i) raise all who are not full in proportion to β. So
    they end at a_i = min(λ β_i, c_i), which is computed at once. A member without a share gets nothing.
    """
    share = _static_share(registers, terms, "static_redistributed")
    return _shared_by_all(
        registers, raised_together(registers.generated_kwh, registers.withdrawal_kwh, share)
    )


def dynamic_prorata(registers: Registers, terms: Terms) -> Allocation:
    """By withdrawal in the same interval: a_i = c_i S / C."""
    allocated_kwh = pro_rata(registers.sharable_kwh, registers.withdrawal_kwh)
    return _shared_by_all(registers, allocated_kwh)


def equal_maxmin(registers: Registers, terms: Terms) -> Allocation:
    """The same for all who can use it: a_i = min(λ, c_i) with Σ a_i = S, so that the least is largest."""
    each = np.ones(registers.withdrawal_kwh.shape)
    return _shared_by_all(registers, raised_together(registers.generated_kwh, registers.withdrawal_kwh, each))


def priority(registers: Registers, terms: Terms) -> Allocation:
    """One after the other, in the order of rank: a_i = min(left, c_i)."""
    rank = _needed(terms.rank, "priority", "rank, one number a member")
    allocated_kwh = in_turn(registers.generated_kwh, registers.withdrawal_kwh, rank)
    return _shared_by_all(registers, allocated_kwh)


def pairwise(registers: Registers, terms: Terms) -> Allocation:
    """A share of each producer for each consumer: a_ip = κ_ip g_p, and no more than c_i over all producers.

    Where that is more than c_i, each producer gives the same part of its share: no rule was found that says
    whose energy comes first. What a producer could not give is its own surplus.
    """
    share, kept_share, allocated_kwh = _pairs(registers, terms)
    places = "ip" if share.ndim == 2 else "tip"
    given_share = np.einsum(f"{places},ti->tp", share, kept_share, optimize=True)
    given_kwh = registers.injection_kwh * given_share
    surplus_kwh = np.maximum(registers.injection_kwh - given_kwh, 0.0)
    return _allocation(registers, allocated_kwh, given_kwh, surplus_kwh)


def virtual(registers: Registers, terms: Terms) -> Allocation:
    """Nothing is allocated: all is sold and bought as before, and S counts as shared.

    Italy's model: E = min(injected, withdrawn), for which a premium is paid and divided by agreement (GSE).
    """
    nothing_kwh = np.zeros(registers.withdrawal_kwh.shape)
    return Allocation(
        allocated_kwh=nothing_kwh,
        residual_kwh=registers.withdrawal_kwh,
        given_kwh=nothing_kwh,
        surplus_kwh=registers.injection_kwh,
        shared_kwh=registers.sharable_kwh,
    )


Key = Callable[[Registers, Terms], Allocation]

KEYS: dict[str, Key] = {
    "static_capped": static_capped,
    "static_owned": static_owned,
    "static_redistributed": static_redistributed,
    "dynamic_prorata": dynamic_prorata,
    "equal_maxmin": equal_maxmin,
    "priority": priority,
    "pairwise": pairwise,
    "virtual": virtual,
}
"""Sharing keys by name."""


def allocate(key: str, registers: Registers, terms: Terms | None = None) -> Allocation:
    """What a key, by its name, makes of the registers.

    Parameters
    ----------
    key : str
        A name in ``KEYS``.
    registers : Registers
        Of the community.
    terms : Terms, optional
        What the key needs to know.

    Raises
    ------
    GridcommonsError
        There is no such key, or it lacks its terms, or they do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcommons.settlement.sharing_keys import Registers, allocate
    >>> registers = Registers(np.array([[0.0, 3.0, 1.0]]), np.array([[2.0, 0.0, 0.0]]))
    >>> allocate("dynamic_prorata", registers).allocated_kwh.tolist()
    [[0.0, 1.5, 0.5]]
    """
    if key not in KEYS:
        hint = did_you_mean(key, KEYS)
        raise GridcommonsError(
            f"sharing key: found {key!r}, expected one of {', '.join(KEYS)}" + (f"; {hint}" if hint else "")
        )
    return KEYS[key](registers, terms or Terms())


def net_over(registers: Registers, steps_each: int) -> Registers:
    """Registers of longer intervals, each the sum of some shorter ones.

    An hour never shares less than its quarter-hours, because min(ΣG, ΣC) ≥ Σ min(G, C).

    Parameters
    ----------
    registers : Registers
        Of short intervals, the first of which starts a long one.
    steps_each : int
        Short intervals in a long one.

    Raises
    ------
    GridcommonsError
        They do not fill the last one.
    """
    if steps_each < 1 or registers.steps % steps_each:
        raise GridcommonsError(
            f"netting: found {registers.steps} intervals, expected a multiple of {steps_each}"
        )
    shape = (registers.steps // steps_each, steps_each, registers.members)
    return Registers(
        np.asarray(registers.withdrawal_kwh.reshape(shape).sum(axis=1)),
        np.asarray(registers.injection_kwh.reshape(shape).sum(axis=1)),
    )


def assign_to_plants(registers: Registers, commissioned_rank: IntArray) -> FloatArray:
    """Of whose injection the shared energy is, the oldest plant first, shape (steps, members) [kWh].

    Each counts up to its injection (GSE, questions and answers on shared energy); the premium of a plant is
    paid for this.

    Parameters
    ----------
    registers : Registers
        Of the community, in hours.
    commissioned_rank : (members,)
        Order of commissioning, the lowest first; no two are equal.
    """
    return in_turn(registers.sharable_kwh, registers.injection_kwh, commissioned_rank)


def _shared_by_all(registers: Registers, allocated_kwh: FloatArray) -> Allocation:
    """Every producer gave the same part of its injection, and keeps the rest as surplus."""
    given_kwh = pro_rata(allocated_kwh.sum(axis=1), registers.injection_kwh)
    # Rounding alone can make more of it than was injected.
    surplus_kwh = np.maximum(registers.injection_kwh - given_kwh, 0.0)
    return _allocation(registers, allocated_kwh, given_kwh, surplus_kwh)


def _allocation(
    registers: Registers, allocated_kwh: FloatArray, given_kwh: FloatArray, surplus_kwh: FloatArray
) -> Allocation:
    return Allocation(
        allocated_kwh=allocated_kwh,
        residual_kwh=registers.withdrawal_kwh - allocated_kwh,
        given_kwh=given_kwh,
        surplus_kwh=surplus_kwh,
        shared_kwh=np.asarray(allocated_kwh.sum(axis=1)),
    )


def _pairs(registers: Registers, terms: Terms) -> tuple[FloatArray, FloatArray, FloatArray]:
    """κ, the part of it that each consumer can use (steps, members), and what each is allocated."""
    share = _needed(terms.pair_share, "pairwise", "pair_share, a share of each producer for each member")
    square = (registers.members, registers.members)
    if share.shape not in (square, (registers.steps, *square)):
        raise GridcommonsError(f"pairwise: found pair_share of shape {share.shape}, expected {square}")
    given_share = share.sum(axis=-2)
    if not ((share >= 0.0).all() and (given_share <= 1.0 + SHARE_TOLERANCE).all()):
        raise GridcommonsError(
            f"pairwise: found shares of {share.min():g} and more, up to {given_share.max():g} of a "
            "producer, expected at least 0 each and at most 1 of a producer"
        )
    places = "ip" if share.ndim == 2 else "tip"
    offered_kwh = np.einsum(f"{places},tp->ti", share, registers.injection_kwh, optimize=True)
    allocated_kwh = np.minimum(offered_kwh, registers.withdrawal_kwh)
    kept = np.divide(allocated_kwh, offered_kwh, out=np.zeros_like(offered_kwh), where=offered_kwh > 0.0)
    return share, kept, allocated_kwh


def _static_share(registers: Registers, terms: Terms, key: str) -> FloatArray:
    """β of every interval, shape (steps, members)."""
    share = _needed(terms.static_share, key, "static_share, one share a member")
    shape = (registers.steps, registers.members)
    if share.shape not in (shape, shape[1:]):
        raise GridcommonsError(
            f"{key}: found static_share of shape {share.shape}, expected {shape[1:]} or {shape}"
        )
    total_share = np.atleast_1d(share.sum(axis=-1))
    wrong = ~(np.abs(total_share - 1.0) <= SHARE_TOLERANCE)
    if wrong.any() or (share < 0.0).any():
        raise GridcommonsError(
            f"{key}: found shares of {share.min():g} and more, {total_share[np.argmax(wrong)]:g} together, "
            "expected at least 0 each and 1 together"
        )
    return np.broadcast_to(share, shape)


def _needed(term: Term | None, key: str, what: str) -> Term:
    if term is None:
        raise GridcommonsError(f"{key}: found no such terms, expected Terms.{what}")
    return term
