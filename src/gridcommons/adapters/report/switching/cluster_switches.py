"""Where the switches between clusters stand, the clusters on a map, and the operations."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.busiest import busiest_section
from gridcommons.adapters.report.clusters.cluster_places import find_members, place_clusters
from gridcommons.adapters.report.clusters.switch_strips import draw_switches
from gridcommons.adapters.report.clusters.topology_table import islanded_hours, span_table
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.switching.cluster_lead import busiest
from gridcommons.adapters.report.switching.cluster_material import SCENARIOS, ClusterMaterial

_MOST_ROWS, _MOST_NOTES = 12, 12


def topology_section(found: ClusterMaterial) -> Section | None:
    """Strips of the switches and the topologies; None where nothing tells of switches."""
    day = found.day
    if day is None:
        return None
    said = (
        "Power over a link stands above the middle where it flows as its arrow says, and below it where it "
        "flows back; over a connection, above is what the main grid delivers and below what it is fed."
    )
    columns = {
        f"fed in {name} [kWh]": found.exchange_kw[name]["fed_in"]
        for name in SCENARIOS
        if name in found.exchange_kw
    }
    body = html.text(said) + html.figure(draw_switches(found.clock, day, found.colours))
    body += "<h3>Who is joined with whom</h3>" + span_table(found.clock, day, columns)
    islanded = islanded_hours(found.clock, day)
    body += "<h3>Without the main grid</h3>" + html.bullets(islanded) if islanded else ""
    return Section("topology", "Where the switches stand", body)


def map_section(found: ClusterMaterial) -> Section | None:
    """The clusters at their busiest moment; None where the result does not describe its grid."""
    day = found.day
    if day is None:
        return None
    places = place_clusters(found.tables, day, find_members(found.tables, day))
    if places is None:
        return None
    return busiest_section(found.clock, day, places, found.colours, busiest(found, day))


def operation_section(found: ClusterMaterial) -> Section | None:
    """Each change with its operations in their order, and what could not be done; None without both."""
    notes = [str(note) for note in found.summary.get("notes") or []]
    has_moves = len(found.operations["time"]) > 0
    if not has_moves and not notes:
        return None
    body = ""
    if has_moves:
        said = "Each change in its order: one switch at a time, so that nobody is cut off on the way."
        body += html.text(said) + operation_table(found)
    if notes:
        body += "<h3>What could not be done</h3>" + html.bullets(notes[:_MOST_NOTES])
        rest = notes[_MOST_NOTES:]
        body += html.folded(f"{number(len(rest))} more", html.bullets(rest)) if rest else ""
    return Section("operations", "The operations", body)


def operation_table(found: ClusterMaterial) -> str:
    """A row a change; of many the first, and all on demand."""
    rows = found.operations
    changes: dict[int, list[str]] = {}
    for time, switch, closes in zip(rows["time"], rows["switch"], rows["closes"], strict=True):
        step = int(found.clock.step_of(time))
        changes.setdefault(step, []).append(f"{'close' if closes else 'open'} {switch}")
    heads = {"when": "at", "count#": "operations", "what": "in this order"}
    lines = [
        {"when": found.clock.brief(step), "count#": number(len(moves)), "what": ", ".join(moves)}
        for step, moves in changes.items()
    ]
    if len(lines) <= _MOST_ROWS:
        return html.table(heads, lines)
    rest = html.folded(f"All {number(len(lines))}", html.table(heads, lines))
    return html.table(heads, lines[:_MOST_ROWS]) + rest
