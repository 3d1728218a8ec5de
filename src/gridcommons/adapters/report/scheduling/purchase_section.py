"""What the grid operator buys: hour by hour at each connection, and what it pays to whom."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.model.grid import FloatArray

_LEAST_KVARH, _LEAST_AMOUNT = 5e-3, 1e-6

OPERATOR = "DSO"
"""The grid operator, as the settlement names it."""


def purchase_section(found: Material) -> Section | None:
    """Purchases and the settlement; None where nothing was asked for."""
    if not len(found.called):
        return None
    said = "Above 0 reactive power is injected beyond the schedule, below 0 it is absorbed; "
    if (found.purchases["amount"] < -_LEAST_AMOUNT).any():
        said += "what is paid is the price times that, and where it is below 0 the community pays."
    else:
        said += "its price has the same sign, so that what is paid always goes to the community."
    payments = read_payments(found)
    body = html.text(said) + html.text(_settled(found, payments)) + payment_table(found, payments)
    name = "Hour by hour" if found.clock.step_minutes == 60.0 else "Interval by interval"
    body += f"<h3>{name}, at each connection</h3>" + purchase_table(found)
    return Section("purchases", "What is bought", body)


def purchase_table(found: Material) -> str:
    """Each purchase: hour, connection, price, offer, amount and payment, in the order of time."""
    rows, step = found.purchases, found.steps_of(found.purchases)
    heads = {
        "when": "hour" if found.clock.step_minutes == 60.0 else "interval",
        "community": "community",
        "bus": "bus",
        "price#": f"price [{found.price_unit}]",
        "offered#": "offered [kvar]",
        "bought#": "bought [kvar]",
        "paid#": f"paid{found.money_unit}",
    }
    lines = [
        {
            "when": found.clock.brief(int(step[row])),
            "community": str(rows["community"][row]),
            "bus": str(rows["bus"][row]),
            "price#": number(float(rows["price_per_kvarh"][row]), 4),
            "offered#": number(float(rows["offered_kvar"][row]), 2),
            "bought#": number(float(rows["bought_kvar"][row]), 2),
            "paid#": number(float(rows["amount"][row]), 2),
        }
        for row in np.argsort(step, kind="stable")
    ]
    return long_table(heads, lines, "reactive_purchases")


def read_payments(found: Material) -> dict[str, Decimal]:
    """What each community gets for reactive power, in whole cents."""
    rows = found.tables.whole("settlement", ("party", "counterparty", "item", "amount"))
    paid: dict[str, Decimal] = {}
    for party, amount in zip(map(str, rows["party"]), rows["amount"], strict=True):
        if party != OPERATOR:
            # Postings are whole cents; as decimals they add up without rounding.
            paid[party] = paid.get(party, Decimal(0)) + Decimal(f"{amount:.2f}")
    return paid


def _settled(found: Material, payments: dict[str, Decimal]) -> str:
    rows = found.tables.whole("settlement", ("amount",))
    total = sum((Decimal(f"{amount:.2f}") for amount in rows["amount"]), Decimal(0))
    sums = "All postings add up to exactly 0." if total == 0 else f"The postings add up to {total}, not to 0."
    paid = found.amount(float(sum(payments.values(), Decimal(0))))
    return f"The grid operator pays {paid}: what each community gets is rounded to whole cents. {sums}"


def payment_table(found: Material, payments: dict[str, Decimal]) -> str:
    """What each community gives, at which prices, and gets for it."""
    rows = found.purchases
    energy_kvarh = rows["bought_kvar"] * found.clock.step_hours
    ways = [("injected", 1.0), ("absorbed", -1.0)]
    ways = [(word, sign) for word, sign in ways if (sign * energy_kvarh > _LEAST_KVARH).any()]
    heads = {"community": "community", **{f"{word}#": f"{word} [kvarh]" for word, _ in ways}}
    heads |= {"price#": f"prices [{found.price_unit}]", "gets#": f"gets{found.money_unit}"}
    lines = []
    for community in found.communities:
        mine = rows["community"] == community
        line = {
            f"{word}#": number(float(np.maximum(sign * energy_kvarh[mine], 0.0).sum()), 2)
            for word, sign in ways
        }
        line["price#"] = _span(rows["price_per_kvarh"][mine & (np.abs(energy_kvarh) > _LEAST_KVARH)])
        line["gets#"] = number(float(payments.get(community, Decimal(0))), 2)
        lines.append({"community": community, **line})
    return long_table(heads, lines, "settlement")


def _span(price: FloatArray) -> str:
    """From the least to the largest."""
    if not len(price):
        return "–"
    ends = dict.fromkeys(number(float(end), 4) for end in (price.min(), price.max()))
    return " to ".join(ends)
