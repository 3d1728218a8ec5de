"""A colour of its own for each cluster."""

from __future__ import annotations

from collections.abc import Sequence

from gridcommons.adapters.report.style import UNKNOWN

_COLOURS = ("#8464b0", "#5aa9dd", "#c9608f", "#a8a031", "#3d5a80", "#c98b5e", "#63b7a6", "#7d3c5c")
"""Apart from each other for colour-blind readers, and none of them a colour of a scenario."""


def cluster_colours(clusters: Sequence[str]) -> dict[str, str]:
    """Colour of each cluster, in their order; those beyond the palette share one."""
    own = dict(zip(clusters, _COLOURS, strict=False))
    return {name: own.get(name, UNKNOWN) for name in clusters}
