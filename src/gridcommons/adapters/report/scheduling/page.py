"""The report of scheduling: voltages, the prices that mend them, who gives what, and each community's day."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.material import make_sections
from gridcommons.adapters.report.scheduling.day_section import day_section
from gridcommons.adapters.report.scheduling.lead import lead
from gridcommons.adapters.report.scheduling.left_section import left_section
from gridcommons.adapters.report.scheduling.map_section import map_section
from gridcommons.adapters.report.scheduling.material import Material, read_material
from gridcommons.adapters.report.scheduling.money_section import money_section
from gridcommons.adapters.report.scheduling.price_section import price_section
from gridcommons.adapters.report.scheduling.provider_section import provider_section
from gridcommons.adapters.report.scheduling.purchase_section import purchase_section
from gridcommons.adapters.report.scheduling.tiles import make_tiles
from gridcommons.adapters.report.scheduling.voltage_section import voltage_section

_SECTIONS = (
    left_section,
    voltage_section,
    price_section,
    provider_section,
    purchase_section,
    money_section,
    map_section,
    day_section,
)
"""In their order; one that has nothing to be made from is left out."""


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``scheduling``."""
    found = read_material(folder)
    sections = make_sections(found, _SECTIONS)
    return Page(found.title, _kicker(found), lead(found), make_tiles(found), sections)


def _kicker(found: Material) -> str:
    """Task, window and intervals on one line."""
    clock = found.clock
    steps = f"{number(clock.steps)} {clock.step_words()} interval{'s' if clock.steps > 1 else ''}"
    return f"Schedules and reactive power · {clock.window_words()} · {steps}"
