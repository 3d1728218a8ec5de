"""The grid on a map: where communities are connected, and the worst voltage of each bus before and after."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.scheduling.community_map import draw_community_map, read_places
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.voltage_book import read_voltages


def map_section(found: Material) -> Section | None:
    """The map; None where the result does not describe its grid or holds no voltages."""
    book, grid = read_voltages(found), found.grid
    if book is None or grid is None:
        return None
    said = (
        "Each bus in the colour of its worst voltage of the whole window, blue where it is low and orange "
        "where it is high; rings are the connections of the communities. "
    )
    said += (
        "Buses stand at the coordinates of the grid file."
        if grid.layout.is_map
        else "The grid file has no coordinates: distance from the source grows to the right."
    )
    chart = draw_community_map(found, book, read_places(found))
    return Section("map", "Where the communities are", html.text(said) + html.figure(chart))
