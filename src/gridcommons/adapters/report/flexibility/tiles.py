"""The key figures of flexibility."""

from __future__ import annotations

from typing import Any

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import stage_name
from gridcommons.adapters.report.flexibility.tariff_section import price_words
from gridcommons.adapters.report.html import Tile
from gridcommons.adapters.report.phrases import listed

_ARROW = " → "
_MOST_STAGES = 3
"""More figures than these break the line of a tile."""


def make_tiles(found: Material) -> list[Tile]:
    """Violations, worst excess and lowest voltage; what each instrument cost; what the DSO is left with."""
    if "violations" not in found.summary:
        return []
    return [
        *_grid_tiles(found),
        *_tariff_tiles(found),
        *_reprofiling_tiles(found),
        *_market_tiles(found),
        *_money(found),
    ]


def _by_stage(found: Material, key: str) -> list[float]:
    values = found.summary.get(key) or {}
    return [float(values.get(stage) or 0.0) for stage in found.stages]


def _grid_tiles(found: Material) -> list[Tile]:
    stages = _ARROW.join(stage_name(stage) for stage in found.stages)
    counts, excess = _by_stage(found, "violations"), _by_stage(found, "worst_excess_kw")
    tone = "broken" if counts[-1] else "proof"
    ends = [stage_name(found.stages[place]) for place in (0, -1)]
    worst = _ARROW.join(number(v, 0 if v >= 100 or not v else 1) for v in (excess[0], excess[-1]))
    if len(counts) > _MOST_STAGES:
        counts, stages = [counts[0], counts[-1]], _ARROW.join(ends)
    tiles = [
        Tile("Limits broken, by element and interval", _ARROW.join(number(v) for v in counts), stages, tone),
        Tile(
            "Worst excess of a branch [kW]",
            worst,
            _ARROW.join(ends),
            "broken" if excess[-1] > 0.05 else "proof",
        ),
    ]
    lowest = _by_stage(found, "lowest_vm_pu")
    if any(lowest):
        shown = _ARROW.join(number(v, 3) for v in (lowest[0], lowest[-1]))
        tiles.append(Tile("Lowest voltage [pu]", shown, _ARROW.join(ends)))
    return tiles


def _tariff_tiles(found: Material) -> list[Tile]:
    if "tariff" not in found.stages:
        return []
    summary = found.summary
    cap, plain = summary.get("tariff_cap_per_kwh"), summary.get("highest_plain_tariff_per_kwh")
    told = [] if cap is None else [f"cap ρ {price_words(float(cap))}"]
    if not summary.get("plain_tariff_is_feasible", True):
        told.append("without a cap none holds the limits")
    elif plain is not None and cap is not None:
        told.append(f"without a cap {price_words(float(plain))}")
    highest = _price(found, summary.get("highest_tariff_per_kwh"))
    return [Tile("Highest tariff", highest, "; ".join(told), "import")]


def _reprofiling_tiles(found: Material) -> list[Tile]:
    if "reprofiling" not in found.stages:
        return []
    energy = float(found.summary.get("reprofiling_kwh") or 0.0)
    remark = f"{number(energy, 1)} kWh"
    revenue = found.summary.get("tariff_revenue")
    if revenue is not None:
        remark += f"; tariff revenue Σ μ F {number(float(revenue), 2)}"
    return [
        Tile("Cost of re-profiling", _amount(found, found.summary.get("reprofiling_cost")), remark, "export")
    ]


def _market_tiles(found: Material) -> list[Tile]:
    if "market" not in found.stages:
        return []
    summary = found.summary
    made, rejected = (number(int(summary.get(key) or 0)) for key in ("offers", "rejections"))
    offers = f"{made} offers, {rejected} rejected"
    tiles = [Tile("Cost of flexibility", _amount(found, summary.get("flexibility_cost")), offers, "import")]
    if not summary.get("clearing_rounds") and not summary.get("flexibility_ordered_kw"):
        return tiles
    rounds, short = int(summary.get("clearing_rounds") or 0), summary.get("clearing_shortages") or []
    remark = f"{number(len(short))} limits short of offers" if short else "nothing is missing"
    tiles.append(Tile("Rounds of clearing", number(rounds), remark, "broken" if short else "proof"))
    missing = float(summary.get("flexibility_missing_kw") or 0.0)
    by = "by meters" if summary.get("is_metered") else "by schedules"
    tone = "broken" if missing > 0.05 else "proof"
    tiles.append(Tile("Not delivered", f"{number(missing, 1 if missing else 0)} kW", by, tone))
    return tiles


def _money(found: Material) -> list[Tile]:
    balance = (found.summary.get("balances") or {}).get("DSO")
    tiles = []
    if balance is not None:
        tiles.append(Tile("The DSO is left with", _amount(found, balance), "over all instruments"))
    doubles = found.summary.get("suppliers_that_aggregate") or []
    if doubles:
        said = listed([str(name) for name in doubles])
        tiles.append(Tile("Suppliers that aggregate", number(len(doubles)), said, "broken"))
    return tiles


def _amount(found: Material, amount: Any) -> str:
    return f"{number(float(amount or 0.0), 2)} {found.currency}".rstrip()


def _price(found: Material, price: Any) -> str:
    return f"{price_words(float(price or 0.0))} {found.per_kwh}"
