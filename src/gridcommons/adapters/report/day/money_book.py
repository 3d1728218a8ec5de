"""Postings of the day by who pays whom for what, members taken together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.scenario_words import LEAST_AMOUNT, ROUNDING
from gridcommons.model.grid import FloatArray

MEMBERS, NEIGHBOURS = "members", "other members"
COMMUNITY, DSO, BALANCING = "community pool", "DSO", "balancing"

HEAT = "heat and fuel"

BILL_ITEMS = ("energy", "feed-in", "network fee", "losses", HEAT)
"""What would be paid on any day; the other items are what instruments and neighbours move."""

NEIGHBOUR_ITEMS = ("local trades", "shared energy")
"""Paid in place of energy, for less."""

_PARTY_NAMES = {DSO: "the grid operator (DSO)", BALANCING: "who balances the system"}


@dataclass(frozen=True)
class Flow:
    """Money from one side to another, in the study's currency, and between how many pairs."""

    payer: str
    payee: str
    item: str
    amount: float
    count: int


@dataclass(frozen=True, eq=False)
class Savings:
    """What members pay, each of shape (members,), in the order of the statements."""

    member: tuple[str, ...]
    alone: FloatArray
    together: FloatArray

    @property
    def saved(self) -> FloatArray:
        """What each pays less than by itself."""
        return np.asarray(self.alone - self.together)

    @property
    def dearer(self) -> list[int]:
        """Members that pay more, those with the most first."""
        more = -self.saved
        order = np.argsort(-more, kind="stable")
        return [int(place) for place in order if more[place] > ROUNDING]


def read_savings(found: Material) -> Savings:
    """Rows of ``statements`` as far as they are money."""
    rows = found.statements
    return Savings(tuple(map(str, rows["member"])), rows["cost_alone"], rows["cost"])


def party_name(party: str) -> str:
    """A party in plain words."""
    return _PARTY_NAMES.get(party, party)


def read_flows(found: Material) -> list[Flow]:
    """Each payment once, the largest first; what goes through the pool is paid between members."""
    members, rows = set(map(str, found.statements["member"])), found.postings
    total: dict[tuple[str, str, str], list[float]] = {}
    for payee, payer, item, amount in zip(
        *(rows[c] for c in ("party", "counterparty", "item", "amount")), strict=True
    ):
        # The pool pays out what it takes in: a payment into it would be told twice.
        if amount <= 0.0 or payee == COMMUNITY:
            continue
        sides = [MEMBERS if name in members else str(name) for name in (payer, payee)]
        sides = [NEIGHBOURS if name == COMMUNITY else name for name in sides]
        total.setdefault((sides[0], sides[1], str(item)), []).append(float(amount))
    flows = [Flow(*key, sum(amounts), len(amounts)) for key, amounts in total.items()]
    return sorted(flows, key=lambda flow: (-round(flow.amount, 6), flow.payer, flow.payee, flow.item))


def balances(found: Material) -> list[tuple[str, float, float]]:
    """Each party, what it receives and pays, members together first and the others by their size."""
    members, rows = set(map(str, found.statements["member"])), found.postings
    total: dict[str, list[float]] = {MEMBERS: [0.0, 0.0]}
    for party, amount in zip(rows["party"], rows["amount"], strict=True):
        if party == COMMUNITY:
            continue
        name = MEMBERS if party in members else str(party)
        total.setdefault(name, [0.0, 0.0])[0 if amount > 0.0 else 1] += abs(float(amount))
    others = sorted(total.items(), key=lambda each: (each[0] != MEMBERS, -sum(each[1]), each[0]))
    return [(name, each[0], each[1]) for name, each in others]


def paid_by_item(found: Material, member: str | None = None) -> dict[str, float]:
    """What members, or one of them, pay for each item, negative where they receive; the largest first."""
    members, rows = set(map(str, found.statements["member"])), found.postings
    total: dict[str, float] = {}
    for party, item, amount in zip(rows["party"], rows["item"], rows["amount"], strict=True):
        if party in members if member is None else party == member:
            total[str(item)] = total.get(str(item), 0.0) - float(amount)
    kept = {item: amount for item, amount in total.items() if abs(amount) >= LEAST_AMOUNT}
    return dict(sorted(kept.items(), key=lambda each: (-each[1], each[0])))
