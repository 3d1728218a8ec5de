"""Who pays whom for flexibility: postings that sum to exactly zero, in every pair of parties.

The DSO pays for what was taken, as bid or at the market price; the aggregator pays its customers what leaving
their plan costs them, the extra energy, and a part of what is left; what is left then is its margin.

    DSO cost = Σ margin of the aggregators + customers' payment + energy compensation

exactly, because the amounts are rounded once, to the cent, and the margin is what remains of it. A kWh that
was sold and not delivered is not paid for and costs a penalty.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gridcommons.model.money import Posting, post, round_to_cent

DSO, FIXED_LOAD = "DSO", "fixed load"
"""Accounts beside those of aggregators and their customers."""

CUSTOMERS_OF = "customers of "
"""What the account of an aggregator's customers begins with."""


@dataclass(frozen=True)
class Account:
    """What is known of one aggregator's part before money is rounded, in the study's currency.

    Parameters
    ----------
    aggregator : str
        Whose.
    revenue : float
        For what was delivered, from the DSO.
    penalty : float
        For what was sold and not delivered, to the DSO.
    discomfort_cost : float
        What leaving the plan costs its customers.
    energy_cost : float
        What the moved energy costs more than before; nothing is taken back where it costs less.
    """

    aggregator: str
    revenue: float
    penalty: float
    discomfort_cost: float
    energy_cost: float


def settle(accounts: list[Account], customer_share: float) -> list[Posting]:
    """All postings of a market.

    Parameters
    ----------
    accounts : list of Account
        One for each aggregator.
    customer_share : float
        Part of what is left after all costs that goes to customers, too.
    """
    postings: list[Posting] = []
    for account in accounts:
        revenue, penalty = round_to_cent(account.revenue), round_to_cent(account.penalty)
        energy = round_to_cent(max(account.energy_cost, 0.0))
        gain = account.revenue - account.discomfort_cost - max(account.energy_cost, 0.0)
        customers = round_to_cent(account.discomfort_cost + customer_share * max(gain, 0.0))
        if gain >= 0.0:
            # Rounding shall not take from an aggregator what it does not have.
            energy = min(energy, revenue)
            customers = min(customers, max(revenue - energy, Decimal(0)))
        name, of_customers = account.aggregator, f"{CUSTOMERS_OF}{account.aggregator}"
        postings += post(DSO, name, "flexibility", revenue)
        postings += post(name, DSO, "penalty", penalty)
        postings += post(name, of_customers, "discomfort and share", customers)
        postings += post(name, of_customers, "energy compensation", energy)
    return postings
