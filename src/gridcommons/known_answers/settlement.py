"""Known answers of settlement: a community of three over four quarter-hours, and rules in closed form.

A makes 6, 2, 0 and 4 kWh, and draws 1 kWh in the third interval; B and C draw. The figures of the example are
exact fractions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gridcommons.known_answers.answer import KnownAnswer
from gridcommons.model.grid import FloatArray
from gridcommons.settlement.baselines import AdjustmentName, BaselineRule, LoadRecord, baseline_kw
from gridcommons.settlement.delivery import MeteredOrder, settle_delivery
from gridcommons.settlement.deviations import DeviationPrices, settle_deviations
from gridcommons.settlement.national_rules import italian_premium_per_kwh
from gridcommons.settlement.sharing_bill import SharingTariff, bill_alone, bill_together
from gridcommons.settlement.sharing_keys import Registers, Terms, allocate, net_over

TOLERANCE = 1e-9
CLOSED_FORM = "closed form"
SHAPESHIFTER = "Shapeshifter specification, settle phase, 2025"

EXAMPLE = Registers(
    withdrawal_kwh=np.array([[0.0, 1.0, 4.0], [0.0, 3.0, 1.0], [1.0, 2.0, 2.0], [0.0, 1.0, 1.0]]),
    injection_kwh=np.array([[6.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]),
)
"""Members A, B and C over four quarter-hours."""

EXAMPLE_TERMS = Terms(
    static_share=np.array([0.0, 0.6, 0.4]),
    rank=np.array([3, 1, 2]),
    pair_share=np.array([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [0.4, 0.0, 0.0]]),
)

EXAMPLE_TARIFF = SharingTariff(
    import_price_per_kwh=0.30,
    network_fee_per_kwh=0.10,
    export_price_per_kwh=0.08,
    shared_fee_per_kwh=0.10 * (1.0 - 0.57),
    internal_price_per_kwh=0.12,
)


@dataclass(frozen=True)
class KeyAnswer:
    """What a key makes of the example.

    Parameters
    ----------
    b_kwh, c_kwh : tuple of float
        Allocated to B and C in each interval; A is allocated nothing.
    paid_amount : tuple of float
        Paid by A, B and C.
    dso_amount, supplier_amount : float
        What the DSO and the supplier get.
    """

    b_kwh: tuple[float, ...]
    c_kwh: tuple[float, ...]
    paid_amount: tuple[float, ...]
    dso_amount: float
    supplier_amount: float

    @property
    def allocated_kwh(self) -> FloatArray:
        """Of A, B and C, shape (steps, members) [kWh]."""
        return np.array([np.zeros(len(self.b_kwh)), self.b_kwh, self.c_kwh]).T


KEY_ANSWERS = {
    "static_capped": KeyAnswer(
        (1.0, 1.2, 0.0, 1.0), (2.4, 0.8, 0.0, 1.0), (-0.956, 1.6616, 1.8246), 1.1782, 1.352
    ),
    # As before, but B keeps 4.0 and C 0.6 kWh of surplus, which are A's there.
    "static_owned": KeyAnswer(
        (1.0, 1.2, 0.0, 1.0), (2.4, 0.8, 0.0, 1.0), (-0.588, 1.3416, 1.7766), 1.1782, 1.352
    ),
    "static_redistributed": KeyAnswer(
        (1.0, 1.2, 0.0, 1.0), (4.0, 0.8, 0.0, 1.0), (-1.02, 1.6616, 1.6054), 1.087, 1.16
    ),
    "dynamic_prorata": KeyAnswer(
        (1.0, 1.5, 0.0, 1.0), (4.0, 0.5, 0.0, 1.0), (-1.02, 1.6205, 1.6465), 1.087, 1.16
    ),
    "equal_maxmin": KeyAnswer((1.0, 1.0, 0.0, 1.0), (4.0, 1.0, 0.0, 1.0), (-1.02, 1.689, 1.578), 1.087, 1.16),
    "priority": KeyAnswer((1.0, 2.0, 0.0, 1.0), (4.0, 0.0, 0.0, 1.0), (-1.02, 1.552, 1.715), 1.087, 1.16),
    # One producer alone: its pairs are fixed shares.
    "pairwise": KeyAnswer(
        (1.0, 1.2, 0.0, 1.0), (2.4, 0.8, 0.0, 1.0), (-0.956, 1.6616, 1.8246), 1.1782, 1.352
    ),
    # Nothing is allocated, so that each pays as if alone.
    "virtual": KeyAnswer((0.0,) * 4, (0.0,) * 4, (-0.66, 2.10, 2.40), 1.6, 2.24),
}

DAYS_KW = (40.0, 42.0, 38.0, 44.0, 41.0, 39.0, 43.0, 60.0, 40.0, 43.0)
BASELINE_ANSWERS_KW: dict[tuple[str, AdjustmentName], float] = {
    ("last_x", "none"): 43.0,
    ("high_x_of_y", "none"): 46.4,
    ("mid_8_of_10", "none"): 41.5,
    ("mid_8_of_10", "additive"): 45.5,
    ("mid_8_of_10", "multiplicative"): 45.65,
}
"""By method and adjustment, at 40 kW of baseline and 44 kW of load before the event."""


def settlement_answers() -> Iterator[KnownAnswer]:
    """All of them, computed now."""
    yield from _keys()
    yield from _netting()
    yield from _deviations()
    yield from _delivery()
    yield from _baselines()


def _answer(name: str, computed: float, expected: float, unit: str, source: str = CLOSED_FORM) -> KnownAnswer:
    return KnownAnswer(name, float(computed), expected, TOLERANCE, unit, source)


def _keys() -> Iterator[KnownAnswer]:
    """Energy and money of the example under every key."""
    for key, expected in KEY_ANSWERS.items():
        found = allocate(key, EXAMPLE, EXAMPLE_TERMS)
        paid = bill_together(found, EXAMPLE_TARIFF)
        about = f"sharing by {key}"
        worst_kwh = np.abs(found.allocated_kwh - expected.allocated_kwh).max()
        yield _answer(f"{about}, worst allocation of a member", worst_kwh, 0.0, "kWh")
        allocated_kwh = float(expected.allocated_kwh.sum())
        shared_kwh = 9.0 if key == "virtual" else allocated_kwh
        yield _answer(f"{about}, shared", found.shared_kwh.sum(), shared_kwh, "kWh")
        yield _answer(f"{about}, surplus", found.surplus_kwh.sum(), 12.0 - allocated_kwh, "kWh")
        for member, amount, right in zip("ABC", paid.amount, expected.paid_amount, strict=True):
            yield _answer(f"{about}, {member} pays", amount, right, "EUR")
        yield _answer(f"{about}, the DSO gets", paid.dso_amount, expected.dso_amount, "EUR")
        yield _answer(f"{about}, the supplier gets", paid.supplier_amount, expected.supplier_amount, "EUR")
    alone = bill_alone(EXAMPLE, EXAMPLE_TARIFF)
    yield _answer("without sharing, all pay", alone.amount.sum(), 3.84, "EUR")


def _netting() -> Iterator[KnownAnswer]:
    """An hour shares more than its quarter-hours, and the premium on it at three zonal prices."""
    quarters = allocate("virtual", EXAMPLE).shared_kwh.sum()
    yield _answer("shared in quarter-hours", quarters, 9.0, "kWh")
    hour = allocate("virtual", net_over(EXAMPLE, 4)).shared_kwh.sum()
    yield _answer("shared in their hour", hour, 12.0, "kWh")
    for zonal_price, expected in ((0.060, 1.44), (0.150, 1.32), (0.200, 0.96)):
        premium = float(hour * italian_premium_per_kwh(200.0, zonal_price))
        name = f"Italian premium on 12 kWh, 200 kW, zonal price {1e3 * zonal_price:g} EUR/MWh"
        yield _answer(name, premium, expected, "EUR", "DM 414/2023, by Regione Emilia-Romagna")


def _deviations() -> Iterator[KnownAnswer]:
    """A is short by 1 kWh, B by 0.5, C long by 0.5; missing energy costs 0.35, what is left brings 0.05."""
    kwh, prices = np.array([[-1.0, -0.5, 0.5]]), DeviationPrices(0.35, 0.05)
    expected = {"single": (0.35, 0.175, -0.175, 0.0), "dual": (0.35, 0.175, -0.025, 0.15)}
    for pricing, amounts in expected.items():
        found = settle_deviations(kwh, prices, pricing, "reserve of the community")
        computed = (*found.charge_amount[0], found.excess_amount[0])
        payers = ("A pays", "B pays", "C pays", "excess")
        for payer, amount, right in zip(payers, computed, amounts, strict=True):
            yield _answer(f"deviations at {pricing} price, {payer}", amount, right, "EUR")


def _delivery() -> Iterator[KnownAnswer]:
    """Baseline 10, ordered 2, fee 7, penalty 11."""
    metered_kw = np.array([7.0, 8.0, 9.0, 10.0, 11.0])
    order = MeteredOrder(np.full(5, 10.0), metered_kw, np.full(5, 2.0), 1.0)
    net = settle_delivery(order, 7.0, 11.0).net_amount
    for load_kw, amount, right in zip(metered_kw, net, (14.0, 14.0, -4.0, -22.0, -33.0), strict=True):
        yield _answer(
            f"delivery metered at {load_kw:g} of 10 less 2, net", amount, right, "EUR", SHAPESHIFTER
        )


def _baselines() -> Iterator[KnownAnswer]:
    """Ten earlier days of one slot, drawn alike before the event."""
    record = LoadRecord(np.array(DAYS_KW)[:, None], np.full((10, 1), 40.0), np.array([44.0]))
    for (method, adjustment), expected in BASELINE_ANSWERS_KW.items():
        rule = BaselineRule(method, adjustment=adjustment)
        found_kw = baseline_kw(record, rule)[0]
        yield _answer(f"baseline by {method}, adjustment {adjustment}", found_kw, expected, "kW")
