"""The feeder at the busiest moment between its clusters."""

from __future__ import annotations

from gridcommons.adapters.report.clusters.busiest import busiest_section, busiest_step
from gridcommons.adapters.report.clusters.cluster_places import place_clusters
from gridcommons.adapters.report.html import Section
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
    return busiest_section(found.clock, day, places, found.colours, busiest_step(day))
