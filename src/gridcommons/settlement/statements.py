"""Statements of a window: postings that sum to exactly zero, and what each member pays beside alone.

What a member would pay alone is rounded line by line as its bill is, so that the two can be compared to the
cent. Whether it is worse off is asked before rounding, which can move a cent between members.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.model.money import Posting, balance, pay, post, round_together
from gridcommons.settlement.agreement import Agreement
from gridcommons.settlement.benefit import Benefit
from gridcommons.settlement.postings import (
    COMMUNITY,
    SHARED_ENERGY,
    Parties,
    supply_postings,
    through_pool,
    vat_postings,
)
from gridcommons.settlement.sharing_bill import SharingBill
from gridcommons.settlement.window import SharedWindow

SUPPORT = "support scheme"
"""Who pays a premium on shared energy."""

PREMIUM, SHARED_BENEFIT = "premium", "shared benefit"
"""Items beside those of a bill."""


@dataclass(frozen=True, eq=False)
class Statements:
    """What members pay in a window.

    Parameters
    ----------
    parties : Parties
        Whom it concerns.
    postings : list of Posting
        All payments.
    postings_alone : list of Posting
        Those that there would be without the community.
    more : (members,)
        What each pays more than alone, before rounding [currency].
    """

    parties: Parties
    postings: list[Posting]
    postings_alone: list[Posting]
    more: FloatArray

    @property
    def cost(self) -> list[Decimal]:
        """What each member pays, negative where it receives [currency]."""
        return _paid(self.parties, self.postings)

    @property
    def cost_alone(self) -> list[Decimal]:
        """What each would pay alone [currency]."""
        return _paid(self.parties, self.postings_alone)


def make_statements(
    window: SharedWindow, agreement: Agreement, vat_share: float, benefit: Benefit | None = None
) -> Statements:
    """Statements of a window under a key.

    Parameters
    ----------
    window : SharedWindow
        Energy and bills.
    agreement : Agreement
        Members and suppliers.
    vat_share : float
        Tax on what is bought from suppliers and the DSO.
    benefit : Benefit, optional
        How the benefit is handed out; shared energy has its internal price if absent.
    """
    parties = agreement.parties
    outside, alone = (_gross(bill, vat_share) for bill in (window.bill, window.bill_alone))
    if benefit is None:
        pooled = window.bill.bought_amount + window.bill.sold_amount
        inside = through_pool(parties.members, pooled, SHARED_ENERGY) + _premium_to_members(parties, window)
        pooled = pooled - window.premium
    else:
        pooled = alone - benefit.amount - outside
        premium = pay(SUPPORT, COMMUNITY, PREMIUM, float(window.premium.sum()))
        left = -balance(premium).get(COMMUNITY, Decimal(0))
        inside = premium + through_pool(parties.members, pooled, SHARED_BENEFIT, total=left)
    return Statements(
        parties=parties,
        postings=inside + _outside_postings(parties, window.bill, vat_share),
        postings_alone=_outside_postings(parties, window.bill_alone, vat_share),
        more=outside + pooled - alone,
    )


def _outside_postings(parties: Parties, bill: SharingBill, vat_share: float) -> list[Posting]:
    lines = supply_postings(parties, bill)
    return lines + vat_postings(lines, parties.members, vat_share)


def _gross(bill: SharingBill, vat_share: float) -> FloatArray:
    """What each member pays to suppliers and the DSO, tax included, before rounding [currency]."""
    bought = bill.supply_amount + bill.network_amount + bill.shared_fee_amount
    return np.asarray((1.0 + vat_share) * bought + bill.surplus_amount)


def _premium_to_members(parties: Parties, window: SharedWindow) -> list[Posting]:
    parts = round_together(dict(zip(parties.members, window.premium.tolist(), strict=True)))
    return [posting for name, amount in parts.items() for posting in post(SUPPORT, name, PREMIUM, amount)]


def _paid(parties: Parties, postings: list[Posting]) -> list[Decimal]:
    left = balance(postings)
    return [-left.get(name, Decimal(0)) for name in parties.members]
