"""Limits that the topology found breaks: the worst of each element."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.strips import limit_words
from gridcommons.adapters.report.switching.loss_material import LossMaterial

_COLUMNS = ("time", "element", "kind", "value", "limit", "excess")
_MOST_ROWS = 20
_WORDS = {"capacity_kw": "beyond the capacity of the switch [kW]"}
_DIGITS = {"vm_min_pu": 4, "vm_max_pu": 4}


def violation_section(found: LossMaterial) -> Section | None:
    """A row an element and limit; None where nothing is broken."""
    rows = found.tables.whole("violations", _COLUMNS)
    if not len(rows["time"]):
        return None
    places: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(rows["element"], rows["kind"], strict=True)):
        places.setdefault((str(key[0]), str(key[1])), []).append(row)
    lines = []
    for (element, kind), mine in places.items():
        worst = mine[int(np.argmax(rows["excess"][mine]))]
        digits, limit = _DIGITS.get(kind, 1), float(rows["limit"][worst])
        line = {
            "element": element,
            "kind": _WORDS.get(kind) or limit_words(kind),
            "value#": number(float(rows["value"][worst]), digits),
            "limit#": number(limit, digits),
            "excess#": number(float(rows["excess"][worst]), digits),
            "when": found.clock.brief(int(found.clock.step_of(rows["time"][worst]))),
            "count#": number(len(np.unique(rows["time"][mine]))),
        }
        share = float(rows["excess"][worst]) / abs(limit) if limit else np.inf
        lines.append((-share, element, kind, line))
    shown = [line for *_, line in sorted(lines, key=lambda each: each[:3])]
    told = f"{times(len(rows['time']), 'limit')} over all intervals, at {times(len(shown), 'element')}"
    said = (
        f"{told}; the worst of each, the farthest beyond its limit first. Voltages in pu, loadings in % of "
        "the rating."
    )
    return Section("violations", "Limits that are broken", html.text(said) + _table(shown))


def _table(lines: list[dict[str, str]]) -> str:
    heads = {
        "element": "element",
        "kind": "what",
        "value#": "worst",
        "limit#": "limit",
        "excess#": "beyond it by",
        "when": "at",
        "count#": "intervals",
    }
    if len(lines) <= _MOST_ROWS:
        return html.table(heads, lines)
    rest = html.folded(f"All {number(len(lines))}", html.table(heads, lines))
    return html.table(heads, lines[:_MOST_ROWS]) + rest
