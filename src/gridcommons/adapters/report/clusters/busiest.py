"""When clusters give each other most, what flows over the links then, and where that stands on a map."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.clusters.cluster_map import draw_cluster_map
from gridcommons.adapters.report.clusters.cluster_places import ClusterPlaces
from gridcommons.adapters.report.clusters.switch_day import SwitchDay
from gridcommons.adapters.report.figures import power
from gridcommons.adapters.report.html import Section, escaped

LEAST_KW = 0.05
"""Less than this is nothing."""


def busiest_step(day: SwitchDay, wide: int = 15) -> int:
    """The interval in which clusters give each other most, as the mean of some around it has it.

    Where no cluster has anything to spare, that in which most flows over the links.

    Parameters
    ----------
    day : SwitchDay
        Links and connections.
    wide : int
        Over how many intervals the mean is taken; by default minutes, a quarter of an hour of them.
    """
    power_kw = day.given_kw if day.given_kw.max(initial=0.0) > LEAST_KW else day.exchange_kw
    wide = min(wide, len(power_kw))
    return int(np.argmax(np.convolve(power_kw, np.ones(wide) / wide, mode="same")))


def flows_at(day: SwitchDay, step: int) -> list[tuple[float, str]]:
    """What flows over each link in an interval (HTML), the most first."""
    flows = []
    for row in np.flatnonzero(day.is_link):
        p_kw = float(day.p_kw[step, row])
        ends = (day.from_cluster[row], day.to_cluster[row])
        giver, taker = ends if p_kw > 0 else ends[::-1]
        if abs(p_kw) > LEAST_KW:
            words = f"<b>{power(abs(p_kw))}</b> from {escaped(giver)} to {escaped(taker)}"
            flows.append((abs(p_kw), words))
    return sorted(flows, key=lambda flow: -flow[0])


def busiest_section(
    clock: Clock, day: SwitchDay, places: ClusterPlaces, colours: dict[str, str], step: int
) -> Section:
    """The map in one interval, and how it is read."""
    where = (
        "Buses stand at the coordinates of the grid file"
        if places.is_map
        else "The grid file has no coordinates: each cluster is a tree that grows from its connection"
    )
    said = (
        f"At {clock.brief(step)}, when clusters give each other most. {where}. Thick: a closed link or "
        "connection, with what flows over it and which way; dotted: open. Squares are connections to the "
        "main grid, blue where it delivers, orange where it is fed."
    )
    chart = draw_cluster_map(places, day, {**dict.fromkeys(day.clusters, "#5a6673"), **colours}, step)
    return Section("map", "The feeder at its busiest moment", html.text(said) + html.figure(chart))
