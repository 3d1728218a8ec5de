"""The key figures of an operating day."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.money_book import BALANCING, DSO, MEMBERS, balances, read_savings
from gridcommons.adapters.report.day.scenario_words import (
    ALONE,
    BASELINE,
    ENVELOPES,
    MARKET,
    REALISED,
    TARIFF,
    TRADING,
    measure,
)
from gridcommons.adapters.report.day.stress import find_stressed
from gridcommons.adapters.report.figures import energy, number, power
from gridcommons.adapters.report.html import Tile

_ARROW = " → "
_LEAST_KWH = 0.05


def make_tiles(found: Material) -> list[Tile]:
    """Limits broken, the worst element, what instruments did, what it costs, and what is missing."""
    if not {ALONE, REALISED} <= set(found.power_kw):
        return []
    made = [_broken(found), _stressed(found), _tariff(found), _bought(found), _held(found), _traded(found)]
    made += [_pay(found), _operator(found), _missing(found)]
    return [tile for tile in made if tile is not None]


def _broken(found: Material) -> Tile:
    counts = [len(found.counted(name)["element"]) for name in (ALONE, BASELINE, REALISED)]
    tone = "broken" if counts[-1] else "proof"
    remark = "nobody plans → by price alone → what happened"
    return Tile("Limits broken", _ARROW.join(number(count) for count in counts), remark, tone)


def _stressed(found: Material) -> Tile | None:
    stressed = find_stressed(found)
    if stressed is None:
        return None
    before = max(
        (name for name in (ALONE, BASELINE) if name in stressed.scenarios),
        key=lambda name: float(np.nanmax(stressed.excess(name))),
        default=REALISED,
    )
    shown = []
    for name in dict.fromkeys((before, REALISED)):
        step = stressed.worst_step(name)
        shown.append(measure(float(stressed.of(name)[step]), stressed.kind, float(stressed.limit[step])))
    # The unit stands once, or the line breaks.
    shown = [*(words.split(" ")[0] for words in shown[:-1]), shown[-1]]
    limit = measure(float(stressed.limit[stressed.worst_step(before)]), stressed.kind)
    tone = "broken" if stressed.is_broken(REALISED) else "proof"
    return Tile(f"Worst of {stressed.name}", _ARROW.join(shown), f"limit {limit}", tone)


def _tariff(found: Material) -> Tile | None:
    if TARIFF not in found.instruments or not found.done:
        return None
    tariff = found.did("tariff_max_per_kwh")
    count = int((tariff > 1e-5).sum())
    remark = f"in {number(count)} of {number(found.clock.steps)} intervals"
    return Tile("Highest tariff", f"{number(float(tariff.max()), 3)} {found.per_kwh}", remark, "import")


def _bought(found: Material) -> Tile | None:
    if MARKET not in found.instruments or not found.done:
        return None
    bought, missed = found.did_kwh("flexibility_bought_kw"), found.did_kwh("flexibility_missed_kw")
    remark = (
        f"{energy(missed)} not delivered" if missed > _LEAST_KWH else "all of it delivered" * (bought > 0)
    )
    return Tile("Flexibility bought", energy(bought), remark, "broken" if missed > _LEAST_KWH else "proof")


def _held(found: Material) -> Tile | None:
    if ENVELOPES not in found.instruments or not found.done:
        return None
    held = found.did("held_back_kw")
    step = int(np.argmax(held))
    said = [f"at most {power(float(held[step]))}, at {found.clock.brief(step)}"] * bool(held[step] > 0.05)
    missing = found.missing_kwh
    remark = "; ".join(said + [f"cars lack {energy(missing)} at the end"] * (missing > _LEAST_KWH))
    return Tile("Held back by envelopes", energy(found.did_kwh("held_back_kw")), remark, "export")


def _traded(found: Material) -> Tile | None:
    if TRADING not in found.instruments or not found.done:
        return None
    return Tile("Traded between neighbours", energy(found.did_kwh("traded_kw")))


def _pay(found: Material) -> Tile | None:
    if not found.is_settled:
        return None
    savings = read_savings(found)
    alone, together = float(savings.alone.sum()), float(savings.together.sum())
    value = _ARROW.join(number(each) for each in (alone, together))
    dearer = len(savings.dearer)
    remark = f"alone → together; {number(dearer) if dearer else 'nobody'} pays more"
    remark = remark.replace("pays", "pay") if dearer > 1 else remark
    tone = "proof" if together <= alone else "broken"
    return Tile(f"Members pay{found.money_unit}", value, remark, tone)


def _operator(found: Material) -> Tile | None:
    if not found.is_settled:
        return None
    net = {party: received - paid for party, received, paid in balances(found)}
    others = {p: v for p, v in net.items() if p not in (MEMBERS, DSO, BALANCING) and abs(v) >= 0.005}
    if DSO not in net:
        return None
    named = sorted(others, key=lambda party: -abs(others[party]))[:2]
    remark = ", ".join(f"{party}: {number(others[party], 2)}" for party in named)
    return Tile("The grid operator is left with", found.amount(net[DSO]), remark)


def _missing(found: Material) -> Tile | None:
    """By itself where no envelopes hold anything back."""
    if ENVELOPES in found.instruments and found.done or not found.missing_kwh > _LEAST_KWH:
        return None
    return Tile("Cars lack at the end of the day", energy(found.missing_kwh), "", "broken")
