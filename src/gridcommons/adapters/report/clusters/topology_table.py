"""Each topology of a time: from when to when, who is joined with whom, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.clusters.switch_day import Joined, SwitchDay
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.phrases import listed
from gridcommons.model.grid import FloatArray

_MOST_ROWS = 12
_UNBROKEN = 40


def group_words(group: Joined) -> str:
    """``homes and flats over PCC5``."""
    way = f"over {listed(group.pccs)}" if group.pccs else "without a way to the main grid"
    words = f"{listed(group.clusters)} {way}"
    # On a narrow screen a short group stays on one line.
    return words.replace(" ", "\u00a0") if len(words) <= _UNBROKEN else words


def span_table(clock: Clock, day: SwitchDay, columns: Mapping[str, FloatArray]) -> str:
    """A row each time between two changes; of many, those that lasted longest, and all on demand.

    Parameters
    ----------
    clock : Clock
        The intervals of the result.
    day : SwitchDay
        Links and connections.
    columns : mapping of str to (steps,)
        Further columns by head: power, of which the energy is told [kW].
    """
    heads = {"from": "from", "to": "to", "groups": "joined, and over which connection"}
    heads |= {f"{place}#": head for place, head in enumerate(columns)}
    rows = []
    for first, end in day.spans:
        row = {
            "from": clock.brief(first),
            "to": clock.brief(end) if end < clock.steps else "the end",
            "groups": "; ".join(group_words(group) for group in day.joined_at(first)),
        }
        for place, p_kw in enumerate(columns.values()):
            row[f"{place}#"] = number(float(p_kw[first:end].sum() * clock.step_hours), 1)
        rows.append(row)
    if len(rows) <= _MOST_ROWS:
        return html.table(heads, rows)
    busiest = np.argsort([-(end - first) for first, end in day.spans], kind="stable")[:_MOST_ROWS]
    chosen = [rows[place] for place in sorted(busiest)]
    told = html.text(f"The {_MOST_ROWS} that lasted longest; all {number(len(rows))} stand below.")
    return told + html.table(heads, chosen) + html.folded(f"All {number(len(rows))}", html.table(heads, rows))


def islanded_hours(clock: Clock, day: SwitchDay) -> list[str]:
    """Clusters that had no way to the main grid, and for how long."""
    hours = day.is_islanded.sum(axis=0) * clock.step_hours
    return [
        f"{name}: {number(float(each), 1)} h without a way to the main grid"
        for name, each in zip(day.clusters, hours, strict=True)
        if each > 0.0
    ]
