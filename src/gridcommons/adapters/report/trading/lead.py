"""The answer of trading in a few sentences: what was fed in, what switches did, what it was worth."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.clusters.busiest import LEAST_KW, busiest_step, flows_at
from gridcommons.adapters.report.figures import energy, number, power
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.trading.material import Material

_FED_IN = {
    "members": "with each member alone",
    "clusters": "as clusters",
    "joined": "all joined with every switch closed",
    "switched": "when switches follow the market",
}
_LEAST_AMOUNT = 0.005
_MOST_FLOWS = 4


def lead(found: Material) -> str:
    """The lead (HTML)."""
    if not found.scenarios:
        return "The result holds no scenario."
    said = [_fed_in(found), _busiest(found), _worth(found), _unserved(found)]
    return _unbroken(" ".join(sentence for sentence in said if sentence))


def worth_of_switches(found: Material) -> float:
    """What a day costs less when switches follow the market than with all closed; NaN without the two."""
    return found.figure_in("joined", "bill_amount") - found.figure_in("switched", "bill_amount")


def _unbroken(words: str) -> str:
    """Figures stay on one line with their units."""
    return words.replace(" kW", "\u00a0kW")


def _fed_in(found: Material) -> str:
    window = found.clock.window_words()
    when = f"From {window}" if "–" in window else f"On {window}"
    who = f"{times(int(found.summary.get('members') or 0), 'member')} in "
    who += times(int(found.summary.get("clusters") or 0), "cluster")
    parts = [
        f"<b>{energy(found.figure_in(name, 'fed_in_kwh'))}</b> {_FED_IN.get(name, escaped(name))}"
        for name in found.scenarios
    ]
    return f"{when}, {who} feed into the main grid {listed(parts)}."


def _busiest(found: Material) -> str:
    """What the switches did when most power flowed between the clusters."""
    day = found.switched
    if day is None or found.last != "switched" or not day.exchange_kw.max(initial=0.0) > LEAST_KW:
        return ""
    step = busiest_step(day)
    flows = listed([words for _, words in flows_at(day, step)][:_MOST_FLOWS])
    given_kw = float(day.given_kw[step])
    most = (
        f"clusters give each other most, {power(given_kw)}"
        if given_kw > LEAST_KW
        else "most flows between clusters"
    )
    return f"At {found.clock.brief(step)}, when {most}: links carry {flows}. {_compared(found, step)}"


def _compared(found: Material, step: int) -> str:
    """Fed in at that minute, with the switches and without."""
    last, joined = found.exchange.get(found.last), found.exchange.get("joined")
    if last is None or joined is None:
        return ""
    ends = [float(each.fed_in_kw[step]) for each in (last, joined)]
    if ends[1] - ends[0] <= LEAST_KW:
        return ""
    first = "nothing" if ends[0] <= LEAST_KW else f"<b>{power(ends[0])}</b>"
    without = f"where it would get <b>{power(ends[1])}</b> with every switch closed"
    return f"The main grid then gets {first} {without}."


def _worth(found: Material) -> str:
    """What the day costs, and what of it is due to the switches."""
    costs = {name: found.figure_in(name, "bill_amount") for name in found.scenarios}
    known = {name: cost for name, cost in costs.items() if np.isfinite(cost)}
    if not known:
        return ""
    first, last = next(iter(known)), list(known)[-1]
    said = f"In all, the community pays <b>{found.amount(known[last])}</b>"
    if first != last:
        said += f", against {found.amount(known[first])} {_FED_IN.get(first, escaped(first))}"
    return f"{said}. {_worth_of_switches(found)}".strip()


def _worth_of_switches(found: Material) -> str:
    worth = worth_of_switches(found)
    if not np.isfinite(worth):
        return ""
    moved = times(int(found.summary.get("operations") or 0), "operation")
    cost = float(found.summary.get("operation_cost_amount") or 0.0)
    moved += f" at {found.amount(cost)}" if cost else ""
    if abs(worth) < _LEAST_AMOUNT:
        return f"Switches that move, with {moved}, are worth nothing against every switch closed."
    word = "save" if worth > 0.0 else "cost"
    size = f"<b>{found.amount(abs(worth))}</b>"
    return f"The switches alone {word} {size} against every switch closed, with {moved}."


def _unserved(found: Material) -> str:
    lost = found.figure_in(found.last, "unserved_kwh")
    if not lost > LEAST_KW:
        return ""
    return f"<b>{energy(lost)}</b> of consumption {'go' if number(lost) != '1' else 'goes'} unserved."
