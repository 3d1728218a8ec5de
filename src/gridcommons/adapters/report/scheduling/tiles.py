"""The key figures of scheduling."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.figures import energy, number, percent
from gridcommons.adapters.report.html import Tile
from gridcommons.adapters.report.phrases import listed
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import ALONE, BOUGHT, kind_name, reactive_energy
from gridcommons.adapters.report.scheduling.voltage_book import HIGH, LOW, read_outs

_ARROW = " → "
_LEAST_KWH, _LEAST_KVARH = 0.05, 5e-3


def make_tiles(found: Material) -> list[Tile]:
    """Hours out, voltages, rounds, what was bought and paid, who gave it, and what is missing."""
    if not found.communities:
        return []
    made = [_refused(found), _hours(found), *_voltages(found), _rounds(found)]
    made += [_bought(found), _paid(found), _cost(found), _givers(found), _bills(found)]
    return [tile for tile in [*made, _shed(found)] if tile is not None]


def _pair(found: Material, before: str, after: str, digits: int = 0) -> str:
    """Before and after, or one of them where nothing is bought."""
    names = (before, after) if len(found.called) else (after,)
    return _ARROW.join(number(found.figure(name), digits) for name in names)


def _which(found: Material) -> str:
    return "before → after" if len(found.called) else ""


def _hours(found: Material) -> Tile:
    word = "Hours" if found.clock.step_minutes == 60.0 else "Intervals"
    left = found.figure("intervals_out_of_band")
    before = found.figure("intervals_out_of_band_alone")
    tone = "broken" if left > 0 else "proof" if before > 0 else ""
    remark = "; ".join(words for words in (f"of {number(found.clock.steps)}", _which(found)) if words)
    if len(found.shortages["bus"]):
        remark = f"{_which(found)}; {reactive_energy(found.figure('short_kvarh'))} are missing"
    value = _pair(found, "intervals_out_of_band_alone", "intervals_out_of_band")
    return Tile(f"{word} with a voltage out of its band", value, remark, tone)


def _voltages(found: Material) -> list[Tile]:
    """Lowest or highest voltage, whichever is out of its band; the lowest where none is."""
    kinds = {out.kind for scenario in (ALONE, BOUGHT) for out in read_outs(found, scenario)} or {LOW}
    made = []
    if LOW in kinds:
        value = _pair(found, "vm_min_alone_pu", "vm_min_pu", 4)
        made.append(Tile("Lowest voltage [pu]", value, _which(found), "import"))
    if HIGH in kinds:
        value = _pair(found, "vm_max_alone_pu", "vm_max_pu", 4)
        made.append(Tile("Highest voltage [pu]", value, _which(found), "export"))
    return made


def _rounds(found: Material) -> Tile | None:
    if not len(found.called):
        return None
    several = int(found.summary.get("horizons") or 1) > 1
    remark = f"{found.intervals(len(found.called))} asked for reactive power"
    label = "Rounds of prices, at most" if several else "Rounds of prices"
    return Tile(label, number(found.figure("rounds")), remark)


def _bought(found: Material) -> Tile | None:
    if not len(found.called):
        return None
    energy_kvarh = found.purchases["bought_kvar"] * found.clock.step_hours
    injected, absorbed = (float(np.maximum(sign * energy_kvarh, 0.0).sum()) for sign in (1.0, -1.0))
    parts = [(injected, "injected"), (absorbed, "absorbed")]
    said = listed([f"{reactive_energy(part)} {word}" for part, word in parts if part > _LEAST_KVARH])
    return Tile("Reactive energy bought", reactive_energy(found.figure("bought_kvarh")), said)


def _paid(found: Material) -> Tile | None:
    if not len(found.called):
        return None
    paid, bought = found.figure("paid"), found.figure("bought_kvarh")
    remark = f"{number(paid / bought, 4)} {found.price_unit} on average" if bought > 0.0 else ""
    return Tile("The grid operator pays", found.amount(paid), remark)


def _cost(found: Material) -> Tile | None:
    if not len(found.called):
        return None
    cost, paid = found.figure("resource_cost"), found.figure("paid")
    remark = f"{percent(cost / paid)} of what is paid" if paid > 0.0 and cost >= 0.0 else ""
    return Tile("Giving it costs the communities", found.amount(cost), remark)


def _givers(found: Material) -> Tile | None:
    """The kind of device that moves most reactive power in the hours called."""
    summed = (found.summary.get("provided_kvarh") or {}).items()
    given = {str(kind): float(each) for kind, each in summed if float(each) > _LEAST_KVARH}
    total = sum(given.values())
    if not total > 0.0:
        return None
    ranked = sorted(given, key=lambda kind: (-given[kind], kind))
    shares = {kind: percent(given[kind] / total).replace(" ", "\u00a0") for kind in ranked}
    others = [f"{kind_name(kind)} {shares[kind]}" for kind in ranked[1:4]]
    label = f"Given by {kind_name(ranked[0])}"
    return Tile(label, shares[ranked[0]], ", ".join(others), "proof")


def _bills(found: Material) -> Tile | None:
    before, after = (
        sum(found.figure_in(name, key) for name in found.communities) for key in ("cost_alone", "cost")
    )
    if not np.isfinite([before, after]).all():
        return None
    value = _ARROW.join(dict.fromkeys(number(each) for each in (before, after)))
    saved = before - after
    remark = f"{found.amount(abs(saved))} {'less' if saved >= 0 else 'more'}, with what they sold"
    return Tile(f"All communities pay{found.money_unit}", value, remark if len(found.called) else "")


def _refused(found: Material) -> Tile | None:
    refused = [str(name) for name in found.summary.get("refused") or ()]
    if not refused:
        return None
    return Tile("Left with their own schedules", number(len(refused)), ", ".join(refused[:4]), "broken")


def _shed(found: Material) -> Tile | None:
    shed = sum(np.nan_to_num(found.figure_in(name, "shed_kwh")) for name in found.communities)
    return Tile("Load not served", energy(float(shed)), "", "broken") if shed > _LEAST_KWH else None
