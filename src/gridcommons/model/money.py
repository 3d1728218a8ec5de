"""Money: rounded once, in Decimal, both sides of every payment, so that all of it sums to exactly zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import floor

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Posting:
    """Money from one party to another: ``amount`` is positive for who receives it."""

    party: str
    counterparty: str
    item: str
    amount: Decimal


def round_to_cent(amount: float) -> Decimal:
    """An amount in whole cents, half to even."""
    return Decimal(repr(float(amount))).quantize(CENT, ROUND_HALF_EVEN)


def round_together(
    amounts: Mapping[str, float], total: Decimal | None = None, quantum: Decimal = CENT
) -> dict[str, Decimal]:
    """Amounts in whole quanta that sum to exactly the rounded total: the largest remainder, ties by id.

    Each is rounded towards −∞, and the quanta that are missing go to the largest fractions.

    Parameters
    ----------
    amounts : mapping of str to float
        By id.
    total : Decimal, optional
        What they must sum to; their own sum in whole quanta, half to even, if absent.
    quantum : Decimal
        The smallest amount, such as a cent or a watt-hour.

    Raises
    ------
    ValueError
        If the total is no whole number of quanta, or further from the sum than rounding can be.

    Examples
    --------
    >>> {name: str(part) for name, part in round_together(dict.fromkeys("abc", 1 / 3)).items()}
    {'a': '0.34', 'b': '0.33', 'c': '0.33'}
    """
    step = Fraction(quantum)
    quanta = {name: Fraction(float(amount)) / step for name, amount in amounts.items()}
    wanted = round(sum(quanta.values())) if total is None else Fraction(total) / step
    whole = {name: floor(each) for name, each in quanta.items()}
    missing = wanted - sum(whole.values())
    if missing != int(missing) or not 0 <= missing <= len(whole):
        found = float(sum(quanta.values()) * step)
        raise ValueError(f"found {found:g} in {len(whole)} amounts, expected within rounding of {total}")
    by_fraction = sorted(quanta, key=lambda name: (whole[name] - quanta[name], name))
    for name in by_fraction[: int(missing)]:
        whole[name] += 1
    return {name: quantum * each for name, each in whole.items()}


def pay(payer: str, payee: str, item: str, amount: float) -> list[Posting]:
    """Both sides of one payment, in whole cents; nothing where it rounds to nothing."""
    return post(payer, payee, item, round_to_cent(amount))


def post(payer: str, payee: str, item: str, rounded: Decimal) -> list[Posting]:
    """Both sides of one payment of a rounded amount; nothing where there is none."""
    if rounded == 0:
        return []
    return [Posting(payer, payee, item, -rounded), Posting(payee, payer, item, rounded)]


def balance(postings: Iterable[Posting]) -> dict[str, Decimal]:
    """What each party is left with; the values sum to exactly zero."""
    total: dict[str, Decimal] = {}
    for posting in postings:
        total[posting.party] = total.get(posting.party, Decimal(0)) + posting.amount
    return total
