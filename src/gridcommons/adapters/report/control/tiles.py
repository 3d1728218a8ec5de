"""The key figures of control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gridcommons.adapters.report.control.count_bars import change_words
from gridcommons.adapters.report.control.lead import Found
from gridcommons.adapters.report.control.scenario_words import (
    reference_of,
    scenario_name,
    short_name,
    stress_name,
)
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.html import Tile


def make_tiles(found: Found, summary: Mapping[str, Any]) -> list[Tile]:
    """Limit, violations of the scenarios shown, cost, comfort, and the grid."""
    counts = found.counts
    if not counts.scenarios or not counts.stresses:
        return []
    focus = stress_name(counts.focus)
    limit = Tile(
        f"Limit of the station, {focus}", f"{number(counts.limits_kw[counts.focus])} kW", "net power"
    )
    return [limit, *(_count_tile(found, s) for s in counts.shown()), *_household_tiles(found), _grid(summary)]


def _count_tile(found: Found, scenario: str) -> Tile:
    counts = found.counts
    load, feed_in = counts.at(scenario, "load"), counts.at(scenario, "feed_in")
    changes = [change_words(counts, scenario, d, counts.focus) or "–" for d in ("load", "feed_in")]
    remark = f"of {number(found.steps)} intervals"
    if changes != ["–", "–"]:
        remark = f"{' / '.join(changes)} against {scenario_name(reference_of(scenario))}"
    tone = "broken" if load or feed_in else "proof"
    label = f"Load / feed-in violations, {short_name(scenario)}"
    return Tile(label, f"{number(load)} / {number(feed_in)}", remark, tone)


def _household_tiles(found: Found) -> list[Tile]:
    counts, felt = found.counts, found.felt
    before, after = felt.get("storage"), felt.get(counts.strongest)
    tiles = []
    if before is not None and after is not None and before.cost and math.isfinite(before.cost + after.cost):
        change = after.cost - before.cost
        sign = "+" if change > 0.0 else ""
        costs = f"{number(before.cost)} → {number(after.cost)} {before.currency}".rstrip()
        remark = f"{costs} with {short_name(counts.strongest)}"
        shown = f"{sign}{percent(change / abs(before.cost), 1)}"
        tiles.append(Tile("Cost of all households, against storage", shown, remark, "import"))
    if before is not None and after is not None and math.isfinite(before.self_consumption_share):
        shown = f"{percent(before.self_consumption_share)} → {percent(after.self_consumption_share)}"
        tiles.append(Tile("Self-consumption, storage → strongest control", shown, "", "export"))
    if felt:
        cold = max(each.households_unserved for each in felt.values())
        most = max(each.unserved_kwh for each in felt.values())
        remark = f"{number(most, 1 if most else 0)} kWh of heat not served, at most"
        tiles.append(
            Tile("Households without some heat", number(cold), remark, "broken" if cold else "proof")
        )
    return tiles


def _grid(summary: Mapping[str, Any]) -> Tile:
    share = summary.get("binding_share")
    above = summary.get("ac_over_dc_share")
    remark = f"losses under load: {percent(above, 1)} of the peak, at most" if above is not None else ""
    shown = percent(math.nan if share is None else share, 1)
    return Tile("Intervals in which a grid limit bound", shown, remark)
