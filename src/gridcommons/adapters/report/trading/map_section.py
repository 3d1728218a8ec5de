"""The feeder at the busiest moment between its clusters."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.trading.cluster_map import draw_cluster_map
from gridcommons.adapters.report.trading.cluster_places import place_clusters
from gridcommons.adapters.report.trading.lead import busiest_step
from gridcommons.adapters.report.trading.material import Material


def map_section(found: Material) -> Section | None:
    """The map; None where the result does not describe its grid or its switches."""
    day = found.switched
    if day is None:
        return None
    rows = found.bills
    of_member = dict(zip(map(str, rows["member"]), map(str, rows["cluster"]), strict=True))
    places = place_clusters(found.tables, day, of_member)
    if places is None:
        return None
    step = busiest_step(day)
    where = (
        "Buses stand at the coordinates of the grid file"
        if places.is_map
        else "The grid file has no coordinates: each cluster is a tree that grows from its connection"
    )
    said = (
        f"At {found.clock.brief(step)}, when clusters give each other most. {where}. Thick: a closed link or "
        "connection, with what flows over it and which way; dotted: open. Squares are connections to the "
        "main grid, blue where it delivers, orange where it is fed."
    )
    chart = draw_cluster_map(places, day, {**dict.fromkeys(day.clusters, "#5a6673"), **found.colours}, step)
    return Section("map", "The feeder at its busiest moment", html.text(said) + html.figure(chart))
