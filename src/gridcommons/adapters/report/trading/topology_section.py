"""What the switches did: strips over the day, and each topology with whom it joined."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.stage_words import listed
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.trading.material import MINUTES_PER_HOUR, Material
from gridcommons.adapters.report.trading.scenario_words import energy, scenario_name, times
from gridcommons.adapters.report.trading.switch_day import Joined, SwitchDay
from gridcommons.adapters.report.trading.switch_strips import draw_switches

_MOST_ROWS = 12
_UNBROKEN = 40
_FED_IN = {"fed#": "fed in [kWh]", "joined#": "with all closed [kWh]"}


def topology_section(found: Material) -> Section | None:
    """Strips of the last scenario and its topologies; None where nothing tells of switches."""
    day = found.switched
    if day is None:
        return None
    is_switched = found.last == "switched"
    said = (
        "Power over a link stands above the middle where it flows as its arrow says, and below it where it "
        "flows back; over a connection, above is what the main grid delivers and below what it is fed. "
    )
    if is_switched:
        said += _moves(found)
    else:
        said += f"In this scenario ({scenario_name(found.last)}) nobody moves a switch."
    body = html.text(said) + html.figure(draw_switches(found.clock, day, found.colours))
    body += "<h3>Who is joined with whom</h3>" + topology_table(found, day)
    return Section("topology", "What the switches did" if is_switched else "Where the switches stand", body)


def _moves(found: Material) -> str:
    summary = found.summary
    changes = times(int(summary.get("topology_changes") or 0), "time")
    said = f"The topology changes {changes}, in {times(int(summary.get('operations') or 0), 'operation')}."
    notes = [str(note) for note in summary.get("notes") or []]
    return " ".join([said, *notes])


def group_words(group: Joined) -> str:
    """``homes and flats over PCC5``."""
    way = f"over {listed(group.pccs)}" if group.pccs else "without a way to the main grid"
    words = f"{listed(group.clusters)} {way}"
    # On a narrow screen a short group stays on one line.
    return words.replace(" ", "\u00a0") if len(words) <= _UNBROKEN else words


def topology_table(found: Material, day: SwitchDay) -> str:
    """Each time between two changes: who is joined, what is fed in, and what would be with all closed."""
    columns = {"fed#": found.last, **({"joined#": "joined"} if found.last == "switched" else {})}
    fed_in = {key: found.exchange[name] for key, name in columns.items() if name in found.exchange}
    heads = {
        "from": "from",
        "to": "to",
        "groups": "joined, and over which connection",
    }
    heads |= {key: _FED_IN[key] for key in fed_in}
    rows = []
    for first, end in day.spans:
        row = {
            "from": found.clock.brief(first),
            "to": found.clock.brief(end) if end < found.clock.steps else "the end",
            "groups": "; ".join(group_words(group) for group in day.joined_at(first)),
        }
        for key, exchange in fed_in.items():
            row[key] = number(float(exchange.fed_in_kw[first:end].sum() / MINUTES_PER_HOUR), 1)
        rows.append(row)
    if len(rows) <= _MOST_ROWS:
        return html.table(heads, rows)
    busiest = np.argsort([-(end - first) for first, end in day.spans], kind="stable")[:_MOST_ROWS]
    chosen = [rows[place] for place in sorted(busiest)]
    told = html.text(f"The {_MOST_ROWS} that lasted longest; all {number(len(rows))} stand below.")
    return told + html.table(heads, chosen) + html.folded(f"All {number(len(rows))}", html.table(heads, rows))


def islanded_words(found: Material, day: SwitchDay) -> list[str]:
    """Clusters that had no way to the main grid, and for how long."""
    hours = day.is_islanded.sum(axis=0) / MINUTES_PER_HOUR
    told = [
        f"{name}: {number(float(each), 1)} h without a way to the main grid"
        for name, each in zip(day.clusters, hours, strict=True)
        if each > 0.0
    ]
    for key, words in (
        ("unserved_kwh", "of consumption not served"),
        ("curtailed_kwh", "of generation lost"),
    ):
        lost = found.figure(found.last, key)
        if lost > 0.05:
            told.append(f"{energy(lost)} {words}")
    return told
