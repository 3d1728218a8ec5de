"""The key figures of a day of trading."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.figures import energy, number, percent
from gridcommons.adapters.report.html import Tile
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.trading.lead import worth_of_switches
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.scenario_words import (
    scenario_name,
    storage,
    threshold_words,
    trigger_name,
)

_ARROW = " → "
_LEAST_KWH = 0.05


def make_tiles(found: Material) -> list[Tile]:
    """Exchange, money, switches, rounds, voltages, and what goes unserved."""
    if not found.scenarios:
        return []
    made = [_fed_in(found), _exchange(found), _bill(found), _worth(found), _moves(found), _rounds(found)]
    made += [_voltages(found), _gap(found), _unserved(found)]
    return [tile for tile in made if tile is not None]


def _ends(found: Material) -> str:
    return _ARROW.join(scenario_name(name) for name in dict.fromkeys((found.scenarios[0], found.last)))


def _both(found: Material, name: str) -> list[float]:
    return [found.figure_in(s, name) for s in dict.fromkeys((found.scenarios[0], found.last))]


def _fed_in(found: Material) -> Tile:
    values = _both(found, "fed_in_kwh")
    return Tile(
        "Fed into the main grid [kWh]", _ARROW.join(number(v) for v in values), _ends(found), "export"
    )


def _exchange(found: Material) -> Tile:
    values = _both(found, "exchange_kwh")
    remark = _ends(found)
    if len(values) > 1 and values[0] > 0.0:
        remark += f": {percent(1.0 - values[-1] / values[0])} less"
    label = "Exchanged in all, both ways [kWh]"
    return Tile(label, _ARROW.join(number(v) for v in values), remark, "import")


def _bill(found: Material) -> Tile | None:
    values = _both(found, "bill_amount")
    if not np.isfinite(values).all():
        return None
    unit = f" [{found.currency}]" if found.currency else ""
    return Tile(f"All members pay{unit}", _ARROW.join(number(v) for v in values), _ends(found))


def _worth(found: Material) -> Tile | None:
    worth = worth_of_switches(found)
    if not np.isfinite(worth):
        return None
    worth = worth if abs(worth) >= 0.005 else 0.0
    tone = "proof" if worth > 0.0 else ""
    return Tile("The switches alone are worth", found.amount(worth), "joined less switched", tone)


def _moves(found: Material) -> Tile | None:
    summary = found.summary
    if "operations" not in summary:
        return None
    remark = times(int(summary["operations"]), "operation")
    cost = float(summary.get("operation_cost_amount") or 0.0)
    remark += f", {found.amount(cost)}" if cost else ""
    return Tile("Changes of topology", number(int(summary.get("topology_changes") or 0)), remark)


def _rounds(found: Material) -> Tile | None:
    summary = found.summary
    if "community_rounds" not in summary:
        return None
    trigger = str(summary.get("trigger") or "")
    threshold = threshold_words(trigger, float(summary.get("threshold") or 0.0))
    every = "every " if trigger == "periodic" else ""
    remark = (
        f"{trigger_name(trigger)}, {every}{threshold}; {storage(float(summary.get('storage_bytes') or 0))}"
    )
    return Tile("Rounds of the community's market", number(int(summary["community_rounds"])), remark)


def _voltages(found: Material) -> Tile | None:
    low, high = (found.figure_in(found.last, name) for name in ("vm_min_pu", "vm_max_pu"))
    if not np.isfinite([low, high]).all():
        return None
    return Tile("Voltages [pu]", f"{number(low, 3)} – {number(high, 3)}", scenario_name(found.last))


def _gap(found: Material) -> Tile | None:
    gap = found.summary.get("gap_share")
    if gap is None:
        return None
    remark = "what rounds planned to feed in, against the best topology for what each knew"
    tone = "proof" if gap <= 1e-9 else ""
    return Tile("Above the best topologies", percent(float(gap), 1), remark, tone)


def _unserved(found: Material) -> Tile | None:
    lost, curtailed = (found.figure_in(found.last, name) for name in ("unserved_kwh", "curtailed_kwh"))
    if not max(np.nan_to_num(lost), np.nan_to_num(curtailed)) > _LEAST_KWH:
        return None
    return Tile("Unserved", energy(lost), f"{energy(curtailed)} of generation curtailed", "broken")
