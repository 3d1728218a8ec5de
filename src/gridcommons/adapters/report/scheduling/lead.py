"""The answer of scheduling in a few sentences: what was out, what was bought in how many rounds, its cost."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import (
    ALONE,
    BOUGHT,
    bus_name,
    reactive,
    reactive_energy,
)
from gridcommons.adapters.report.scheduling.voltage_book import (
    Out,
    read_outs,
    worst_of_buses,
    worst_of_hours,
)

_MOST_NAMED = 3
_LEAST_KWH = 0.05


def lead(found: Material) -> str:
    """The lead (HTML)."""
    if not found.communities:
        return "The result holds no community."
    said = [_plans(found), _out(found), _bought(found), _left(found), _paid(found), _others(found)]
    return _unbroken(" ".join(sentence for sentence in said if sentence), found.currency)


def _unbroken(words: str, currency: str) -> str:
    """Figures stay on one line with their units."""
    for unit in ("kvarh", "kvar", "kWh", "pu", *([currency] if currency else [])):
        words = words.replace(f" {unit}", f"\u00a0{unit}")
    return words


def _plans(found: Material) -> str:
    window = found.clock.window_words()
    when = f"From {window.replace(' – ', ' to ')}" if "–" in window else f"On {window}"
    count = len(found.communities)
    if count == 1:
        return f"{when}, one community plans its electricity and heat."
    return f"{when}, {number(count)} communities plan electricity and heat, each for itself."


def _out(found: Material) -> str:
    """What the voltages would be with these plans."""
    worst = worst_of_hours(read_outs(found, ALONE))
    if not worst:
        return "With these plans every voltage is within its band, so that nothing has to be bought."
    outs = list(worst.values())
    sides = []
    for words, mine in (
        ("too low", [out for out in outs if out.is_low]),
        ("too high", [out for out in outs if not out.is_low]),
    ):
        if mine:
            sides.append(f"<b>{words} in {found.intervals(len(mine))}</b>")
    named = worst_of_buses(outs)[:_MOST_NAMED]
    bounds = list(dict.fromkeys(_bound(out) for out in named))
    places = [_place(found, out, _bound(out) if len(bounds) > 1 else "") for out in named]
    last = f", where {bounds[0]}" if len(bounds) == 1 else ""
    at_worst = "at worst " if len(named) < len(outs) else ""
    return f"With these plans the voltage is {listed(sides)}: {at_worst}{listed(places)}{last}."


def _bound(out: Out) -> str:
    return f"{number(out.limit_pu, 3)} pu is the {'least' if out.is_low else 'most'} allowed"


def _place(found: Material, out: Out, bound: str) -> str:
    """Voltage, bus and hour, and the limit where it is not the same for all."""
    when = found.clock.brief(out.step)
    where = f"{escaped(bus_name(out.bus))} ({when}{f'; {bound}' if bound else ''})"
    return f"{number(out.vm_pu, 4)} pu at {where}"


def _bought(found: Material) -> str:
    if not len(found.called):
        is_out = bool(read_outs(found, ALONE))
        if is_out and not found.may_buy:
            return "The study buys no reactive power (<b>reactive_round</b> is off), so that this stays."
        return ""
    rounds = times(int(found.summary.get("rounds") or 0), "round")
    if int(found.summary.get("horizons") or 1) > 1:
        rounds = f"at most {rounds}"
    bought = reactive_energy(found.figure("bought_kvarh"))
    said = f"In <b>{rounds}</b> of prices the grid operator buys <b>{bought}</b> of reactive energy"
    return said + (", and every voltage is in its band." if not read_outs(found, BOUGHT) else ".")


def _left(found: Material) -> str:
    """What stays out although reactive power was bought."""
    worst = worst_of_hours(read_outs(found, BOUGHT))
    if not worst or not len(found.called):
        return ""
    missing = found.shortages["missing_kvar"]
    most = f": up to {reactive(float(np.abs(missing).max()))} are missing" if len(missing) else ""
    verb = "stays" if len(worst) == 1 else "stay"
    return f"<b>{found.intervals(len(worst)).capitalize()} {verb} out</b>{most}."


def _paid(found: Material) -> str:
    if not len(found.called):
        return ""
    paid, cost = found.figure("paid"), found.figure("resource_cost")
    return f"It pays <b>{found.amount(paid)}</b>; giving it costs the communities {found.amount(cost)}."


def _others(found: Material) -> str:
    """Communities that were left aside, and load that is not served."""
    said = []
    refused = [escaped(str(name)) for name in found.summary.get("refused") or ()]
    if refused:
        verb = "was" if len(refused) == 1 else "were"
        own = "its own schedule" if len(refused) == 1 else "their own schedules"
        said.append(f"<b>{listed(refused)}</b> {verb} left with {own}.")
    shed = sum(np.nan_to_num(found.figure_in(name, "shed_kwh")) for name in found.communities)
    if shed > _LEAST_KWH:
        said.append(f"<b>{energy(float(shed))}</b> of load are not served.")
    return " ".join(said)
