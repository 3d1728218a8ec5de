"""The report of switches between clusters: what is exchanged less with the main grid, and how."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Page, Section
from gridcommons.adapters.report.origin import origin_section
from gridcommons.adapters.report.style import style
from gridcommons.adapters.report.switching.cluster_exchange import exchange_section, gap_section
from gridcommons.adapters.report.switching.cluster_lead import lead
from gridcommons.adapters.report.switching.cluster_material import ClusterMaterial, read_clusters
from gridcommons.adapters.report.switching.cluster_switches import (
    map_section,
    operation_section,
    topology_section,
)
from gridcommons.adapters.report.switching.cluster_tiles import make_tiles
from gridcommons.adapters.report.switching.window import kicker

_SECTIONS = (exchange_section, topology_section, map_section, gap_section, operation_section)
"""In their order; one that has nothing to be made from is left out."""


def make_cluster_page(folder: Path) -> Page:
    """The page of a result of ``objective = "exchange"`` or ``"injection"``."""
    found = read_clusters(folder)
    with style():
        made = [make(found) for make in _SECTIONS]
    sections: list[Section] = [section for section in made if section is not None]
    title = str(found.provenance.get("study") or folder.name)
    origin = origin_section(found.provenance)
    return Page(title, _kicker(found), lead(found), make_tiles(found), [*sections, origin])


def _kicker(found: ClusterMaterial) -> str:
    task = f"Switching between clusters for least {found.summary.get('objective') or 'exchange'}"
    return kicker(task, found.clock if found.is_timed else None, number(found.figure("switches")))
