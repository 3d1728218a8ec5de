"""The flexibility market: requirement, offers, clearing, what was rejected and what is missing."""

from __future__ import annotations

from collections import Counter

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.flexibility.market_book import MarketBook, Offered, read_market
from gridcommons.adapters.report.flexibility.market_charts import (
    MOST_PANELS,
    draw_merit,
    draw_requirement,
    draw_rounds,
    payback_allowed,
)
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import bus_group, hours_word, natural
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.strips import limit_words
from gridcommons.model.grid import BoolArray

_MOST_OFFERS, _MOST_HOURS, _MOST_SPANS = 120, 5, 6


def market_section(found: Material) -> Section | None:
    """What was asked for, offered and taken; None where the instrument was not used."""
    if "market" not in found.stages:
        return None
    book = read_market(found)
    if not book.asked:
        return Section(
            "market", "Flexibility market", html.nothing("Nothing is asked for: every limit holds.")
        )
    body = html.text(_rules(found)) + html.figure(draw_requirement(found, book)) + _payback(found)
    body += _requirement_table(found, book)
    body += "<h3>Offers in the order of their price</h3>" + _merit(found, book)
    body += _rejections(found)
    body += "<h3>Clearing</h3>" + _clearing(found)
    return Section("market", "Flexibility market", body)


def _rules(found: Material) -> str:
    """What the requirement says beside the table."""
    said = (
        "The DSO publishes which buses can help when, and the least and most that they shall give together; "
        "flexibility is load that is not drawn, payback is load drawn later or earlier instead."
    )
    cap, back = found.setting("price_max_per_kwh"), found.setting("payback_max_share")
    if cap is not None:
        said += f" No offer may ask more than {number(float(cap), 2)} {found.per_kwh}"
        said += (
            f" or take back more than {percent(float(back))} of what it gives." if back is not None else "."
        )
    margin = found.setting("voltage_margin_pu")
    if margin:
        said += f" Voltages are asked for from {float(margin):g} pu inside their band."
    return said


def _payback(found: Material) -> str:
    """The hours at which load may come back, or those at which it may not where these are fewer."""
    allowed = payback_allowed(found)
    if allowed is None:
        return ""
    if allowed.all():
        return html.text("Payback is allowed at every hour.")
    if not allowed.any():
        return html.text("Payback is allowed at no hour.")
    hours = hours_word(found.clock, int(allowed.sum()))
    spans = _spans(found.clock, allowed)
    said = f": {', '.join(spans)}" if len(spans) <= _MOST_SPANS else ""
    return html.text(f"Payback is allowed in {hours}{said}.")


def _spans(clock: Clock, when: BoolArray) -> list[str]:
    """Runs of intervals by their local start and end: ``00:00–05:00``."""
    change = np.diff(np.concatenate([[0], when.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(change > 0), np.flatnonzero(change < 0)
    return [f"{clock.brief(int(a))}–{clock.local(int(b)):%H:%M}" for a, b in zip(starts, ends, strict=True)]


def _requirement_table(found: Material, book: MarketBook) -> str:
    """A row for each group of buses and hour: what it mends, what was needed and taken, and at what price."""
    heads = {
        "bus": "buses", "when": "at", "mends": "to mend", "least#": "least [kW]", "most#": "most [kW]",
        "taken#": "taken [kW]", "offers#": "of offers", "price#": f"mean price [{found.per_kwh}]",
        "margin#": f"market price, highest [{found.per_kwh}]",
    }  # fmt: skip
    lines = []
    for group, step in book.pairs():
        offers = book.offers_at(group, step)
        taken = np.array([o.taken_kw[step] for o in offers])
        worth = [book.price_per_kwh.get((bus, step), 0.0) for bus in group.buses]
        paid = sum(o.price_per_kwh * kw for o, kw in zip(offers, taken, strict=True))
        lines.append(
            {
                "bus": bus_group(group.buses),
                "when": found.clock.brief(step),
                "mends": book.need_words(group, step),
                "least#": number(float(group.least_kw[step]), 1),
                "most#": number(float(group.most_kw[step]), 1),
                "taken#": number(float(taken.sum()), 1),
                "offers#": f"{int((taken > 0.0).sum())} of {len(offers)}",
                "price#": number(paid / float(taken.sum()), 3) if taken.sum() > 0.0 else "–",
                "margin#": number(max(worth), 3) if max(worth) > 0.0 else "–",
            }
        )
    return long_table(heads, lines, "flexibility_requirements")


def _merit(found: Material, book: MarketBook) -> str:
    if not book.offers:
        return html.nothing("Nobody offers anything.")
    said = (
        "A bar is as wide as what is offered and as high as its price. Which are taken follows from price "
        "and effect: on a voltage, load far out on the feeder has more of it, so a dearer offer can be the "
        "cheaper help."
    )
    pairs = [pair for pair in book.pairs() if book.offers_at(*pair)]
    body = html.text(said) + (html.figure(draw_merit(found, book)) if pairs else "")
    if len(pairs) > MOST_PANELS:
        body += html.text(f"{number(len(pairs) - MOST_PANELS)} more, with smaller needs, are not shown.")
    taken = sum(1 for offer in book.offers if offer.share > 0.0)
    summary = f"All {number(len(book.offers))} offers, and what was taken of {number(taken)} of them"
    return body + html.folded(summary, _offer_table(found, book))


def _offer_table(found: Material, book: MarketBook) -> str:
    asked = np.flatnonzero(np.any([group.least_kw > 0.0 for group in book.asked], axis=0))
    hours = [int(step) for step in asked[:_MOST_HOURS]]
    heads = {"aggregator": "aggregator", "bus": "bus", "price#": f"price [{found.per_kwh}]"}
    heads |= {f"{step}#": f"less at {found.clock.brief(step)} [kW]" for step in hours}
    heads |= {"back": "payback", "share#": "taken", "got#": "taken [kW, all hours]"}
    if any(offer.relation != "alone" for offer in book.offers):
        heads |= {"relation": "with others at its bus"}
    order = sorted(book.offers, key=lambda o: (natural(o.bus), o.price_per_kwh, o.offer))
    lines = [_offer_row(found, offer, hours) for offer in order[:_MOST_OFFERS]]
    more = len(order) - _MOST_OFFERS
    left = html.text(f"and {number(more)} more, in the table offers beside this page.") if more > 0 else ""
    return html.table(heads, lines, [offer.share > 0.0 for offer in order[:_MOST_OFFERS]]) + left


def _offer_row(found: Material, offer: Offered, hours: list[int]) -> dict[str, str]:
    back = [
        f"{number(offer.payback_kw[s], 1)} kW at {found.clock.brief(int(s))}"
        for s in np.flatnonzero(offer.payback_kw)
    ]
    figures = {f"{step}#": _kw(float(offer.flexibility_kw[step])) for step in hours}
    return {
        "aggregator": offer.aggregator,
        "bus": offer.bus,
        "price#": number(offer.price_per_kwh, 2),
        **figures,
        "back": ", ".join(back) or "–",
        "share#": percent(round(offer.share, 6), 1) if offer.share > 0.0 else "–",
        "got#": _kw(float(offer.taken_kw.sum())),
        "relation": offer.relation,
    }


def _kw(value: float) -> str:
    return number(value, 1) if value > 0.0 else "–"


def _rejections(found: Material) -> str:
    rows = found.tables.whole("rejections", ("offer", "aggregator", "reason"))
    if not len(rows["offer"]):
        return html.text("No offer was rejected.")
    lines = [
        {"offer": str(o), "aggregator": str(a), "reason": str(r)}
        for o, a, r in zip(rows["offer"], rows["aggregator"], rows["reason"], strict=True)
    ]
    counts = Counter(str(aggregator) for aggregator in rows["aggregator"])
    who = ", ".join(f"{name} {number(count)}" for name, count in counts.most_common(4))
    heads = {"offer": "offer", "aggregator": "aggregator", "reason": "why"}
    return f"<h3>Rejected: {html.escaped(who)}</h3>" + long_table(heads, lines, "rejections")


def _clearing(found: Material) -> str:
    body = _shortages(found)
    columns = ("round", "primal_residual", "dual_residual", "objective", "worst_excess_kw")
    rounds = found.tables.whole("admm_rounds", columns)
    error = found.summary.get("linear_vm_error_pu")
    if error is not None:
        margin = found.setting("voltage_margin_pu")
        against = f", against a security margin of {float(margin):g} pu" if margin else ""
        size = number(error, 6) if error > 5e-7 else "0.000001"
        body += html.text(
            "The linear voltages of the clearing and the load flow of the result differ by at most "
            f"{size} pu{against}."
        )
    if len(rounds["round"]):
        said = (
            f"Market operator and DSO agreed in {number(len(rounds['round']))} rounds: one holds the offers, "
            "the other the grid, and only quantities and prices at buses pass between them."
        )
        return html.text(said) + html.figure(draw_rounds(found, rounds)) + body
    if found.setting("clearing") == "central":
        return html.text("One program that sees offers and grid cleared the market; it has no rounds.") + body
    return html.nothing("Nothing was cleared.") + body


def _shortages(found: Material) -> str:
    rows = found.tables.whole("shortages", ("time", "element", "kind", "missing_kw"))
    if not len(rows["element"]):
        told = [str(words) for words in found.summary.get("clearing_shortages") or []]
        if told:
            return "<h3>What the offers cannot mend</h3>" + html.bullets(told[:_MOST_OFFERS])
        return html.text("Nothing is missing: what was offered is enough.")
    order = np.lexsort((rows["element"].astype(str), -rows["missing_kw"]))
    heads = {"element": "branch or bus", "kind": "what", "when": "at", "kw#": "missing [kW]"}
    lines = [
        {
            "element": str(rows["element"][row]),
            "kind": limit_words(str(rows["kind"][row])),
            "when": found.brief(rows["time"][row]),
            "kw#": number(float(rows["missing_kw"][row]), 1),
        }
        for row in order
    ]
    return "<h3>What the offers cannot mend</h3>" + long_table(heads, lines, "shortages")
