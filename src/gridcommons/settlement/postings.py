"""A bill as postings: both sides of every payment in whole cents, which sum to exactly zero.

What members pay each other goes through a pool, so that a member has one line for all that it shares, and is
rounded together, so that the pool is left with nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from gridcommons.model.grid import FloatArray, Names
from gridcommons.model.members import Community
from gridcommons.model.money import CENT, Posting, pay, post, round_together
from gridcommons.settlement.sharing_bill import SharingBill

DSO, COMMUNITY = "DSO", "community pool"
"""Accounts beside those of members and suppliers: the grid operator, and the pool in which members' payments
meet."""

SUPPLIER = "supplier"
"""Of members that name none."""

ENERGY, FEED_IN, NETWORK_FEE, SHARED_ENERGY = "energy", "feed-in", "network fee", "shared energy"
"""Items of a bill."""

VAT = "VAT"
TAXED = (ENERGY, NETWORK_FEE)
"""Items with value-added tax: what members buy from businesses. What they sell as households has none."""


@dataclass(frozen=True)
class Parties:
    """Who pays and is paid beside the grid operator.

    Parameters
    ----------
    members, suppliers : tuple of str
        Members, and the supplier of each.
    """

    members: Names
    suppliers: Names

    @classmethod
    def of(cls, community: Community) -> Parties:
        """The members of a community with their suppliers."""
        members = community.members
        return cls(
            tuple(member.member for member in members),
            tuple(member.supplier or SUPPLIER for member in members),
        )


def sharing_postings(parties: Parties, bill: SharingBill) -> list[Posting]:
    """Postings of a bill: shared energy through the pool, the rest with suppliers and the DSO.

    Parameters
    ----------
    parties : Parties
        In the order of the bill.
    bill : SharingBill
        What each pays.
    """
    pooled = through_pool(parties.members, bill.bought_amount + bill.sold_amount, SHARED_ENERGY)
    return pooled + supply_postings(parties, bill)


def through_pool(
    names: Iterable[str], amounts: FloatArray, item: str, total: Decimal = Decimal(0)
) -> list[Posting]:
    """Payments of members into the pool, rounded together so that they sum to exactly the total.

    Parameters
    ----------
    names : iterable of str
        Who pays.
    amounts : (members,)
        Paid by each, negative where it receives [currency].
    item : str
        For what.
    total : Decimal
        What the pool keeps, in cents; nothing unless others pay into it, too.
    """
    rounded = round_together(dict(zip(names, amounts.tolist(), strict=True)), total=total)
    return [posting for name, amount in rounded.items() for posting in post(name, COMMUNITY, item, amount)]


def supply_postings(parties: Parties, bill: SharingBill) -> list[Posting]:
    """What each member pays its supplier and the DSO, and gets for its surplus, each line rounded.

    Parameters
    ----------
    parties : Parties
        In the order of the bill.
    bill : SharingBill
        What each pays.
    """
    postings: list[Posting] = []
    for k, (name, supplier) in enumerate(zip(parties.members, parties.suppliers, strict=True)):
        postings += pay(name, supplier, ENERGY, float(bill.supply_amount[k]))
        postings += pay(supplier, name, FEED_IN, -float(bill.surplus_amount[k]))
        fee = float(bill.network_amount[k] + bill.shared_fee_amount[k])
        postings += pay(name, DSO, NETWORK_FEE, fee)
    return postings


def vat_postings(postings: Sequence[Posting], members: Iterable[str], vat_share: float) -> list[Posting]:
    """Value-added tax on what each member buys from each seller: a share of the sum of its rounded lines.

    Lines are rounded before they are summed (EN 16931, BR-CO-10), and tax is rounded once: three lines of
    0.33 at 20 % bear 0.20, not three times 0.07.

    Parameters
    ----------
    postings : sequence of Posting
        Lines, rounded.
    members : iterable of str
        Who pays the tax.
    vat_share : float
        Tax as a share of the price without it; all taxed items are of one category.
    """
    taxed = dict.fromkeys(members, True)
    total: dict[tuple[str, str], Decimal] = {}
    for line in postings:
        if line.item in TAXED and line.party in taxed:
            invoice = (line.party, line.counterparty)
            total[invoice] = total.get(invoice, Decimal(0)) - line.amount
    rate = Decimal(repr(float(vat_share)))
    return [
        posting
        for (name, seller), amount in total.items()
        for posting in post(name, seller, VAT, (amount * rate).quantize(CENT, ROUND_HALF_EVEN))
    ]
