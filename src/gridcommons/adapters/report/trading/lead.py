"""The answer of a day of trading in a few sentences: what was fed in, what the switches did, what it was worth."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.figures import number, power
from gridcommons.adapters.report.flexibility.stage_words import listed
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.scenario_words import energy, times
from gridcommons.adapters.report.trading.switch_day import SwitchDay

_FED_IN = {
    "members": "with each member alone",
    "clusters": "as clusters",
    "joined": "all joined with every switch closed",
    "switched": "when switches follow the market",
}
_LEAST_KW = 0.05
_LEAST_AMOUNT = 0.005


def lead(found: Material) -> str:
    """The lead (HTML)."""
    if not found.scenarios:
        return "The result holds no scenario."
    said = [_fed_in(found), _busiest(found), _worth(found), _unserved(found)]
    return _unbroken(" ".join(sentence for sentence in said if sentence))


def worth_of_switches(found: Material) -> float:
    """What a day costs less when switches follow the market than with all closed; NaN without the two."""
    return found.figure("joined", "bill_amount") - found.figure("switched", "bill_amount")


def busiest_step(day: SwitchDay) -> int:
    """The minute in which most power flows between clusters, as a quarter of an hour around it has it."""
    wide = min(15, len(day.exchange_kw))
    smooth = np.convolve(day.exchange_kw, np.ones(wide) / wide, mode="same")
    return int(np.argmax(smooth))


def _unbroken(words: str) -> str:
    """Figures stay on one line with their units."""
    return words.replace(" kWh", "\u00a0kWh").replace(" kW ", "\u00a0kW ").replace(" EUR", "\u00a0EUR")


def _fed_in(found: Material) -> str:
    window = found.clock.window_words()
    when = f"From {window}" if "–" in window else f"On {window}"
    who = f"{times(int(found.summary.get('members') or 0), 'member')} in "
    who += times(int(found.summary.get("clusters") or 0), "cluster")
    parts = [
        f"<b>{energy(found.figure(name, 'fed_in_kwh'))}</b> {_FED_IN.get(name, escaped(name))}"
        for name in found.scenarios
    ]
    return f"{when}, {who} feed into the main grid {listed(parts)}."


def _busiest(found: Material) -> str:
    """What the switches did when most power flowed between the clusters."""
    day = found.switched
    if day is None or found.last != "switched" or not day.exchange_kw.max(initial=0.0) > _LEAST_KW:
        return ""
    step = busiest_step(day)
    flows = listed([words for _, words in flows_at(day, step)][:4])
    return f"At {found.clock.brief(step)}, when most power flows between clusters, {flows}. {_compared(found, step)}"


def flows_at(day: SwitchDay, step: int) -> list[tuple[float, str]]:
    """What flows over each link in an interval (HTML), the most first."""
    flows = []
    for row in np.flatnonzero(day.is_link):
        p_kw = float(day.p_kw[step, row])
        ends = (day.from_cluster[row], day.to_cluster[row])
        giver, taker = ends if p_kw > 0 else ends[::-1]
        if abs(p_kw) > _LEAST_KW:
            flows.append((abs(p_kw), f"{escaped(giver)} sends <b>{power(abs(p_kw))}</b> to {escaped(taker)}"))
    return sorted(flows, key=lambda flow: -flow[0])


def _compared(found: Material, step: int) -> str:
    """Fed in at that minute, with the switches and without."""
    last, joined = found.exchange.get(found.last), found.exchange.get("joined")
    if last is None or joined is None:
        return ""
    ends = [float(each.fed_in_kw[step]) for each in (last, joined)]
    if ends[1] - ends[0] <= _LEAST_KW:
        return ""
    first = "nothing" if ends[0] <= _LEAST_KW else f"<b>{power(ends[0])}</b>"
    return f"The main grid then gets {first} where it would get <b>{power(ends[1])}</b> with every switch closed."


def _worth(found: Material) -> str:
    """What the day costs, and what of it is due to the switches."""
    costs = {name: found.figure(name, "bill_amount") for name in found.scenarios}
    known = {name: cost for name, cost in costs.items() if np.isfinite(cost)}
    if not known:
        return ""
    first, last = next(iter(known)), list(known)[-1]
    said = f"The community pays <b>{found.amount(known[last])}</b> for it"
    if first != last:
        said += f", {found.amount(known[first])} {_FED_IN.get(first, escaped(first))}"
    worth = worth_of_switches(found)
    if not np.isfinite(worth) or abs(worth) < _LEAST_AMOUNT:
        return f"{said}; the switches alone are worth nothing." if np.isfinite(worth) else f"{said}."
    cost = float(found.summary.get("operation_cost_amount") or 0.0)
    moved = times(int(found.summary.get("operations") or 0), "operation")
    word = "save" if worth > 0 else "cost"
    less = f", and cost {found.amount(cost)} for {moved}" if cost else f" in {moved}"
    return f"{said}: the switches alone {word} <b>{found.amount(abs(worth))}</b>{less}."


def _unserved(found: Material) -> str:
    lost = found.figure(found.last, "unserved_kwh")
    if not lost > _LEAST_KW:
        return ""
    return f"<b>{energy(lost)}</b> of consumption {'go' if number(lost) != '1' else 'goes'} unserved."
