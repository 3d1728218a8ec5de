"""What a report says in words and figures: headline, tiles, tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.envelopes import AssetBook, Bands, CheckBook
from gridcommons.adapters.report.figures import number, percent, power
from gridcommons.adapters.report.grid import Extremes
from gridcommons.adapters.report.html import Tile, table
from gridcommons.adapters.report.shares import Shares
from gridcommons.adapters.report.strips import limit_words
from gridcommons.adapters.report.style import kind_words
from gridcommons.adapters.report.tables import Part
from gridcommons.model.grid import FloatArray

_MOST_ROWS = 40
_NOTHING_KW = 0.005
_CASES = {
    "uncontrolled": "nobody controlled",
    "p_max": "all at their upper end",
    "p_min": "all at their lower end",
}


@dataclass(frozen=True, eq=False)
class Findings:
    """What the headline is made of; ``checks`` is None and ``buses`` 0 where the result does not say."""

    clock: Clock
    summary: Mapping[str, Any]
    book: AssetBook
    total: Bands
    checks: CheckBook | None
    buses: int
    broken_steps: int


def headline(found: Findings) -> str:
    """The answer in three sentences (HTML)."""
    if not found.book.name:
        return "The result holds no envelopes."
    devices = len(found.book.name)
    where = f" on a grid of {number(found.buses)} buses" if found.buses else ""
    first = (
        f"<b>{number(devices)} {'device' if devices == 1 else 'devices'}</b>{where} share what it can carry. "
    )
    draw, inject = _may("draw", found.total.p_max_kw), _may("inject", -found.total.p_min_kw)
    first += f"Together they {draw} and {inject}."
    return " ".join([first, _without(found), _with(found)])


def _may(verb: str, end_kw: FloatArray) -> str:
    """How much may be drawn or injected at most, and when it is least; a negative end is an obligation."""
    most, least = float(end_kw.max()), float(end_kw.min())
    if most <= _NOTHING_KW:
        return f"may {verb} nothing"
    said = f"may {verb} up to <b>{power(most)}</b>"
    if most - least <= _NOTHING_KW:
        return said + " at any time"
    if least < -_NOTHING_KW:
        other = {"draw": "inject", "inject": "draw"}[verb]
        return said + f" (at the tightest they have to {other} {power(-least)}, to mend a limit)"
    return said + f" (at the tightest {'nothing' if least <= _NOTHING_KW else power(least)})"


def _without(found: Findings) -> str:
    lost = int(found.summary.get("uncontrolled_steps_without_solution") or 0)
    broken, steps = found.broken_steps + lost, found.clock.steps
    if not broken:
        return "Without envelopes, the planned use breaks no limit."
    which = (
        "the only interval breaks"
        if steps == 1
        else f"<b>{number(broken)} of {number(steps)}</b> intervals break"
    )
    state = f"; in {number(lost)} of them the grid has no operable state at all" if lost else ""
    return f"Without envelopes, {which} a limit{state}."


def _with(found: Findings) -> str:
    summary = found.summary
    tried, violations = summary.get("points_tried"), summary.get("violations_found")
    if tried is None or violations is None:
        return ""
    none = f"<b>none</b> of the {number(tried)} points tried on the exact load flow does"
    some = f"<b>{number(violations)}</b> of the {number(tried)} points tried on the exact load flow do"
    said = f"With them, {none if violations == 0 else some}."
    if summary.get("certified_share") == 1.0:
        said += " Every envelope is certified: proven, not only tested."
    left = _unresolved_steps(found.checks)
    if left:
        said += (
            f" In {number(left)} of {number(found.clock.steps)} intervals a limit is broken even with "
            "everyone at rest: there the side that would make it worse is held at rest."
        )
    return said


def _unresolved_steps(checks: CheckBook | None) -> int:
    return 0 if checks is None else int((checks.status == "unresolved").any(axis=1).sum())


def tiles(found: Findings) -> list[Tile]:
    """The key figures."""
    summary, total, of = found.summary, found.total, f"of {number(found.clock.steps)} intervals"
    kinds = Counter(found.book.kind)
    mix = ", ".join(f"{count} {kind_words(kind, count)}" for kind, count in kinds.most_common(4) if kind)
    binding = (summary.get("binding_import_steps", math.nan), summary.get("binding_export_steps", math.nan))
    left = _unresolved_steps(found.checks)
    return [
        Tile("Devices with envelopes", number(len(found.book.name)), mix),
        Tile(
            "May draw together",
            _span(total.p_max_kw),
            f"{_energy(summary.get('import_kwh'))} in all",
            "import",
        ),
        Tile(
            "May inject together",
            _span(-total.p_min_kw),
            f"{_energy(summary.get('export_kwh'))} in all",
            "export",
        ),
        _kept_tile(found.book),
        Tile("The grid limits drawing / injecting", " / ".join(number(b) for b in binding), of),
        Tile("Limits broken without envelopes", number(found.broken_steps), of, "broken"),
        Tile(
            "Points tried on the load flow",
            number(summary.get("points_tried", math.nan)),
            f"{number(summary.get('violations_found', math.nan))} violations found",
            "proof",
        ),
        Tile(
            "Proven (certified)",
            percent(summary.get("certified_share", math.nan)),
            f"{percent(summary.get('tested_share', math.nan))} tested, {number(left)} intervals unresolved",
            "proof",
        ),
    ]


def _kept_tile(book: AssetBook) -> Tile:
    known = np.isfinite(book.device_kwh)
    most = float(book.device_kwh[known].sum())
    share = float(book.offered_kwh[known].sum()) / most if most > 0.0 else math.nan
    return Tile("Kept of what the devices could do", percent(share), "the rest is what the grid cannot carry")


def _span(values_kw: FloatArray) -> str:
    """Least and largest of a power over time."""
    low, high = float(values_kw.min()), float(values_kw.max())
    digits = 0 if max(abs(low), abs(high)) >= 100 or low == high == 0.0 else 1
    ends = [number(low, digits), number(high, digits)]
    return f"{ends[0]} kW" if ends[0] == ends[1] else f"{ends[0]} – {ends[1]} kW"


def _energy(value_kwh: float | None) -> str:
    if value_kwh is None:
        return "–"
    return f"{number(value_kwh / 1000, 1)} MWh" if value_kwh >= 1e4 else f"{number(value_kwh)} kWh"


def objective_table(shares: Shares, chosen: str) -> str:
    """Totals, Jain's index and the price of fairness of each objective."""
    heads = {
        "name": "objective",
        "import#": "may draw [kWh]",
        "export#": "may inject [kWh]",
        "price#": "price of fairness",
        "split#": "drawing / injecting",
        "jain#": "Jain's index",
        "least#": "least an asset got [kWh]",
    }
    rows = []
    for place, name in enumerate(shares.objective):
        figures = shares.figures[place]
        got = shares.import_kwh[place] + shares.export_kwh[place]
        rows.append(
            {
                "name": name,
                "import#": number(shares.import_kwh[place].sum()),
                "export#": number(shares.export_kwh[place].sum()),
                "price#": percent(figures.get("price_of_fairness_share", math.nan), 1),
                "split#": " / ".join(
                    percent(figures.get(f"{side}_price_of_fairness_share", math.nan), 1)
                    for side in ("import", "export")
                ),
                "jain#": number(figures.get("jain_index", math.nan), 4),
                "least#": number(got.min(), 1) if len(got) else "–",
            }
        )
    return table(heads, rows, [name == chosen for name in shares.objective])


def asset_table(shares: Shares | None, book: AssetBook, distance_km: FloatArray) -> str:
    """Every asset: kind, bus, distance, what its envelopes allow, and its share under each objective."""
    heads = {
        "name": "asset",
        "kind": "kind",
        "bus": "bus",
        "km#": "from the source [km]",
        "kwh#": "envelopes [kWh]",
    }
    objectives = [] if shares is None else shares.objective
    heads |= {f"{name}#": f"{name} [% of range]" for name in objectives}
    rows = []
    for a in sorted(range(len(book.name)), key=lambda a: (book.kind[a], float(distance_km[a]), book.name[a])):
        row = {
            "name": book.name[a],
            "kind": kind_words(book.kind[a], 1),
            "bus": book.bus[a],
            "km#": number(float(distance_km[a]), 2),
            "kwh#": number(float(book.offered_kwh[a]), 1),
        }
        for place, name in enumerate(objectives):
            assert shares is not None
            got = float(shares.import_kwh[place, a] + shares.export_kwh[place, a])
            most = float(book.device_kwh[a])
            row[f"{name}#"] = percent(got / most) if most > 1e-9 else "–"
        rows.append(row)
    return table(heads, rows)


def proof_table(checks: CheckBook) -> str:
    """Intervals by status and side, points tried, worst margin and where it was."""
    heads = {
        "side": "side",
        "certified#": "certified",
        "tested#": "tested",
        "unresolved#": "unresolved",
        "draws#": "points tried",
        "margin#": "worst margin",
        "where": "where",
    }
    rows = []
    for side, words in enumerate(("drawing (p_max)", "injecting (p_min)")):
        status = checks.status[:, side]
        margin = np.where(status == "unresolved", np.nan, checks.margin[:, side])
        margin = np.where(np.isfinite(margin), margin, np.nan)
        worst = int(np.nanargmin(margin)) if np.isfinite(margin).any() else -1
        rows.append(
            {
                "side": words,
                **{
                    f"{word}#": number(int((status == word).sum()))
                    for word in ("certified", "tested", "unresolved")
                },
                "draws#": number(int(checks.draws[:, side].sum())),
                "margin#": "–" if worst < 0 else f"{margin[worst]:.1e}".replace("-", "\u2212"),
                "where": "" if worst < 0 else str(checks.element[worst, side]),
            }
        )
    return table(heads, rows)


def broken_table(clock: Clock, rows: Part, *, with_side: bool) -> str:
    """Broken limits with place, value, limit and excess, the largest of each element and kind."""
    heads = {
        "element": "bus or branch",
        "kind": "what",
        "count#": "intervals",
        "when": "at its worst",
        "value#": "value",
        "limit#": "limit",
        "excess#": "beyond by",
    }
    if with_side:
        heads = {"side": "held at rest", **heads}
    ranked = []
    for (side, element, kind), places in _by_element(rows, with_side).items():
        worst = max(places, key=lambda p: (abs(float(np.nan_to_num(rows["excess"][p], nan=np.inf))), -p))
        row = {
            "side": {"p_max": "drawing", "p_min": "injecting"}.get(side, side),
            "element": element,
            "kind": limit_words(kind),
            "count#": number(len({rows["time"][p] for p in places})),
            "when": clock.brief(int(clock.step_of(rows["time"][worst]))),
            **{f"{c}#": _measure(rows[c][worst], kind) for c in ("value", "limit", "excess")},
        }
        ranked.append((-len(places), element, row))
    listed = [row for _, _, row in sorted(ranked, key=lambda entry: entry[:2])]
    hidden = len(listed) - _MOST_ROWS
    more = f"<p>and {number(hidden)} more, in the tables beside this page.</p>" if hidden > 0 else ""
    return table(heads, listed[:_MOST_ROWS]) + more


def extremes_table(clock: Clock, extremes: Mapping[str, Extremes]) -> str:
    """Lowest and highest voltage and loading of each scenario, with the interval."""
    heads = {
        "case": "case",
        "low#": "lowest voltage [pu]",
        "low_at": "at",
        "high#": "highest voltage [pu]",
        "high_at": "at",
        "load#": "highest loading [%]",
        "load_at": "at",
    }
    rows = []
    for scenario, found in extremes.items():
        row = {"case": _CASES.get(scenario, scenario)}
        for key, values, sign in (
            ("low", found.vm_low_pu, -1.0),
            ("high", found.vm_high_pu, 1.0),
            ("load", found.loading_percent, 1.0),
        ):
            known = np.isfinite(values) & (values > 0.0)
            at = int(np.argmax(np.where(known, sign * values, -np.inf)))
            row[f"{key}#"] = number(float(values[at]), 1 if key == "load" else 4) if known.any() else "–"
            row[f"{key}_at"] = clock.brief(at) if known.any() else ""
        rows.append(row)
    return table(heads, rows)


def _by_element(rows: Part, with_side: bool) -> dict[tuple[str, str, str], list[int]]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    sides = rows["side"] if with_side else [""] * len(rows["element"])
    for place, key in enumerate(zip(sides, rows["element"], rows["kind"], strict=True)):
        groups.setdefault((str(key[0]), str(key[1]), str(key[2])), []).append(place)
    return groups


def _measure(value: float, kind: str) -> str:
    """A value in the unit of its limit."""
    unit = {"pu": "pu", "percent": "%", "degree": "°"}.get(kind.rsplit("_", 1)[-1], "")
    return f"{number(float(value), 4 if unit == 'pu' else 1)} {unit}".strip()
