"""The feeder before and after, and the switches that are moved."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.switching.feeder_map import draw_feeder
from gridcommons.adapters.report.switching.loss_material import SCENARIOS, LossMaterial


def feeder_section(found: LossMaterial) -> Section | None:
    """Pictures and the list of what moves; None where the result describes no grid or no positions."""
    chart = draw_feeder(found)
    if chart is None or found.grid is None:
        return None
    where = (
        "Buses stand at the coordinates of the grid file."
        if found.grid.layout.is_map
        else "The grid file has no coordinates: each column is a branch farther from the source, as the grid "
        "stands before; bows are branches beyond that."
    )
    when = f"At {found.clock.brief(found.heaviest)}, when most is lost. " if found.snapshots else ""
    body = html.text(f"{when}{where}") + html.figure(chart)
    return Section("feeder", "The feeder before and after", body + changes_table(found))


def changes_table(found: LossMaterial) -> str:
    """Each switch that stands otherwise after: between which buses, and the power over it."""
    positions, grid = found.positions, found.grid
    assert positions is not None
    assert grid is not None
    rows_of = {name: row for row, name in enumerate(found.branch_names)}
    flows = [found.flow_kw(scenario) for scenario in SCENARIOS]
    heads = {
        "switch": "switch",
        "change": "is",
        "between": "between",
        "before#": "power before [kW]",
        "after#": "power after [kW]",
    }
    lines = []
    for names, change in ((positions.opened, "opened"), (positions.closed, "closed")):
        for name in names:
            row = rows_of.get(name)
            line = {"switch": name, "change": change, "between": "–", "before#": "–", "after#": "–"}
            if row is not None:
                a, b = (grid.buses.names[int(ends[row])] for ends in (grid.ways.from_bus, grid.ways.to_bus))
                line["between"] = f"{a}\u00a0and\u00a0{b}"
                for key, flow_kw, scenario in zip(("before#", "after#"), flows, SCENARIOS, strict=True):
                    if np.isfinite(flow_kw[row]):
                        p_kw = float(flow_kw[row]) if found.closed[scenario][row] else 0.0
                        line[key] = number(p_kw, 1)
            lines.append(line)
    if not lines:
        return html.nothing("No switch stands otherwise after than before.")
    said = html.text("Power is positive from the first bus to the second.")
    return said + html.table(heads, lines)
