"""The report of flexibility: what would break tomorrow, what is done about it, what is left, who pays."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.advice_section import advice_section
from gridcommons.adapters.report.flexibility.cause_section import cause_section
from gridcommons.adapters.report.flexibility.delivery_section import delivery_section
from gridcommons.adapters.report.flexibility.lead import lead
from gridcommons.adapters.report.flexibility.loading_section import loading_section
from gridcommons.adapters.report.flexibility.map_section import map_section
from gridcommons.adapters.report.flexibility.market_section import market_section
from gridcommons.adapters.report.flexibility.material import Material, read_material
from gridcommons.adapters.report.flexibility.money_section import money_section
from gridcommons.adapters.report.flexibility.reprofiling_section import reprofiling_section
from gridcommons.adapters.report.flexibility.stage_words import stage_name
from gridcommons.adapters.report.flexibility.tariff_section import tariff_section
from gridcommons.adapters.report.flexibility.tiles import make_tiles
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.material import make_sections
from gridcommons.adapters.report.phrases import listed

_SECTIONS = (
    loading_section,
    cause_section,
    tariff_section,
    reprofiling_section,
    market_section,
    delivery_section,
    money_section,
    advice_section,
    map_section,
)
"""In their order; one that has nothing to be made from is left out."""


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``flexibility``."""
    found = read_material(folder)
    sections = make_sections(found, _SECTIONS)
    return Page(found.title, _kicker(found), lead(found), make_tiles(found), sections)


def _kicker(found: Material) -> str:
    """Task, instruments, window and intervals on one line."""
    clock = found.clock
    steps = f"{number(clock.steps)} {clock.step_words()} interval{'s' if clock.steps > 1 else ''}"
    used = listed([stage_name(stage) for stage in found.stages[1:]])
    with_used = f"Flexibility by {used}" if used else "Flexibility"
    return f"{with_used} · {clock.window_words()} · {steps}"
