"""The key figures between clusters."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.figures import energy, fine_percent, number, percent
from gridcommons.adapters.report.html import Tile
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.switching.cluster_material import ClusterMaterial

_ARROW = " → "
_LEAST_KWH = 0.05
_LEAST_GAP = 1e-9


def make_tiles(found: ClusterMaterial) -> list[Tile]:
    """Exchange, losses, switches, the gap, voltages, and what goes unserved."""
    if not np.isfinite(found.figure("fed_in_kwh")):
        return []
    made = [
        _change(found, ("Fed into the main grid [kWh]", "fed_in", "kwh"), "export"),
        _change(found, ("Drawn from the main grid [kWh]", "absorbed", "kwh"), "import"),
        _change(found, ("Losses in the mean [kW]", "losses", "kw"), ""),
        _moves(found),
        _gap(found),
        _voltage(found),
        _unserved(found),
    ]
    return [tile for tile in made if tile is not None]


def _change(found: ClusterMaterial, what: tuple[str, str, str], tone: str) -> Tile | None:
    label, name, unit = what
    before, after = found.figure(f"{name}_before_{unit}"), found.figure(f"{name}_{unit}")
    if not np.isfinite(after):
        return None
    digits = 0 if max(after, np.nan_to_num(before)) >= 99.95 else 1 if unit == "kwh" else 2
    remark = "before → after"
    share = after / before - 1.0 if before > 0.0 else 0.0
    remark += f": {percent(abs(share))} {'more' if share > 0.0 else 'less'}" if share else ""
    return Tile(label, _ARROW.join(number(value, digits) for value in (before, after)), remark, tone)


def _moves(found: ClusterMaterial) -> Tile | None:
    changes, count = found.summary.get("topology_changes"), found.summary.get("operations")
    if changes is None or count is None:
        return None
    remark, cost = times(int(count), "operation"), found.figure("operation_cost_amount")
    currency = str(found.provenance.get("currency") or "")
    remark += f", {number(cost, 2)} {currency}".rstrip() if cost > 0.0 else ""
    return Tile("Changes of topology", number(int(changes)), remark)


def _gap(found: ClusterMaterial) -> Tile | None:
    gap, best = found.figure("gap_share"), found.figure("best_fed_in_kwh")
    if not np.isfinite(best):
        return None
    label, remark = "Above the best topologies", f"which would feed in {energy(best)}, without losses"
    if not np.isfinite(gap):
        return Tile(label, energy(found.figure("planned_fed_in_kwh") - best), remark)
    if gap <= _LEAST_GAP:
        return Tile(label, percent(0.0), remark, "proof")
    return Tile(label, fine_percent(gap), remark)


def _voltage(found: ClusterMaterial) -> Tile | None:
    low = found.figure("vm_min_pu")
    return Tile("Lowest voltage after [pu]", number(low, 3)) if np.isfinite(low) else None


def _unserved(found: ClusterMaterial) -> Tile | None:
    lost, curtailed = (float(np.nan_to_num(found.figure(k))) for k in ("unserved_kwh", "curtailed_kwh"))
    if not max(lost, curtailed) > _LEAST_KWH:
        return None
    return Tile("Unserved", energy(lost), f"{energy(curtailed)} of generation curtailed", "broken")
