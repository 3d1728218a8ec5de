"""The key figures of least losses."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.figures import energy, fine_percent, number, percent
from gridcommons.adapters.report.html import Tile
from gridcommons.adapters.report.switching.loss_lead import percent_of
from gridcommons.adapters.report.switching.loss_material import LossMaterial

_ENDS = {"goal": "lead to the topology found", "nearest": "end short of it", "stay": "none is safe"}


def make_tiles(found: LossMaterial) -> list[Tile]:
    """Losses, what is saved, how sure that is, voltages, limits, open switches and operations."""
    if not np.isfinite(found.figure("losses_kw")):
        return []
    made = [_losses(found), _saved(found), _proof(found), _voltage(found), _limits(found)]
    made += [_open(found), _operations(found)]
    return [tile for tile in made if tile is not None]


def _losses(found: LossMaterial) -> Tile:
    values = [found.figure(name) for name in ("losses_before_kw", "losses_kw")]
    remark = f"before → after; {energy(found.figure('losses_kwh'))} over the window"
    return Tile("Losses in the mean [kW]", " → ".join(number(value, 1) for value in values), remark)


def _saved(found: LossMaterial) -> Tile | None:
    share = found.figure("saved_share")
    if not np.isfinite(share):
        return None
    label = "Saved" if share >= 0.0 else "Lost in addition"
    return Tile(label, percent_of(abs(share)), "of the losses before", "proof" if share > 0.0 else "broken")


def _proof(found: LossMaterial) -> Tile | None:
    if "method" not in found.summary:
        return None
    gap, count = found.figure("gap_share"), number(found.figure("topologies_evaluated"))
    remark = f"{found.summary['method']}, {count} topologies computed"
    if np.isfinite(found.figure("bound_kwh")):
        remark += f"; no topology loses less than {energy(found.figure('bound_kwh'))}"
    if not np.isfinite(gap):
        return Tile("Above the least losses", "not proven", remark)
    words = percent(gap) if gap <= 1e-9 else fine_percent(gap)
    return Tile("Above the least losses, at most", words, remark, "proof")


def _voltage(found: LossMaterial) -> Tile | None:
    low = found.figure("vm_min_pu")
    return Tile("Lowest voltage after [pu]", number(low, 3)) if np.isfinite(low) else None


def _limits(found: LossMaterial) -> Tile | None:
    broken = found.summary.get("violations")
    if broken is None:
        return None
    rule = "held" if found.summary.get("limits") == "hold" else "reported, not held"
    label = "Limits broken after"
    return Tile(
        label, number(int(broken)), f"over all intervals; limits are {rule}", "broken" if broken else "proof"
    )


def _open(found: LossMaterial) -> Tile | None:
    names = found.summary.get("open_branch_numbers")
    if names is None:
        return None
    shown = ", ".join(str(name) for name in names)
    served = found.summary.get("everyone_served")
    remark = f"numbers {shown} of the grid file" if names else "none"
    tone = "broken" if served is False else ""
    remark += "; not everyone is served" if served is False else ""
    return Tile("Open switches", f"{number(len(names))} of {number(found.figure('switches'))}", remark, tone)


def _operations(found: LossMaterial) -> Tile | None:
    count = found.summary.get("operations")
    if count is None:
        return None
    end = str(found.summary.get("operations_end") or "")
    remark = _ENDS.get(end, end) if count or end != "goal" else "nothing has to be moved"
    cost = found.figure("operation_cost_amount")
    currency = str(found.provenance.get("currency") or "")
    remark += f"; {number(cost, 2)} {currency}".rstrip() if cost > 0.0 else ""
    return Tile("Operations", number(int(count)), remark, "" if end in ("", "goal") else "broken")
