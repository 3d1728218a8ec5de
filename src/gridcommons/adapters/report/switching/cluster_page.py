"""The report of switches between clusters: what is exchanged less with the main grid, and how."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.material import make_sections
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
    sections = make_sections(found, _SECTIONS)
    return Page(found.title, _kicker(found), lead(found), make_tiles(found), sections)


def _kicker(found: ClusterMaterial) -> str:
    task = f"Switching between clusters for least {found.summary.get('objective') or 'exchange'}"
    return kicker(task, found.clock if found.is_timed else None, number(found.figure("switches")))
