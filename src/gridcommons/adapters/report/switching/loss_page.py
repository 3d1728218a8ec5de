"""The report of least losses: what another topology saves, and the way there."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.material import make_sections
from gridcommons.adapters.report.switching.feeder_section import feeder_section
from gridcommons.adapters.report.switching.loss_lead import lead
from gridcommons.adapters.report.switching.loss_material import LossMaterial, read_losses
from gridcommons.adapters.report.switching.loss_section import loss_section
from gridcommons.adapters.report.switching.loss_tiles import make_tiles
from gridcommons.adapters.report.switching.operation_section import operation_section
from gridcommons.adapters.report.switching.profile_section import profile_section
from gridcommons.adapters.report.switching.violation_section import violation_section
from gridcommons.adapters.report.switching.window import kicker

_SECTIONS = (feeder_section, loss_section, profile_section, operation_section, violation_section)
"""In their order; one that has nothing to be made from is left out."""


def make_loss_page(folder: Path) -> Page:
    """The page of a result of ``objective = "losses"``."""
    found = read_losses(folder)
    sections = make_sections(found, _SECTIONS)
    return Page(found.title, _kicker(found), lead(found), make_tiles(found), sections)


def _kicker(found: LossMaterial) -> str:
    clock = found.clock if found.is_timed else None
    return kicker("Switching for least losses", clock, number(found.figure("switches")))
