"""The report of settlement: what was shared, and what each member pays for the window."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.material import make_sections
from gridcommons.adapters.report.settlement.energy_section import energy_section
from gridcommons.adapters.report.settlement.key_section import key_section
from gridcommons.adapters.report.settlement.lead import lead
from gridcommons.adapters.report.settlement.material import Material, read_material
from gridcommons.adapters.report.settlement.member_section import member_section
from gridcommons.adapters.report.settlement.money_section import money_section
from gridcommons.adapters.report.settlement.rules_section import rules_section
from gridcommons.adapters.report.settlement.tiles import make_tiles

_SECTIONS = (energy_section, member_section, money_section, key_section, rules_section)
"""In their order; one that has nothing to be made from is left out."""


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``settlement``."""
    found = read_material(folder)
    return Page(found.title, _kicker(found), lead(found), make_tiles(found), make_sections(found, _SECTIONS))


def _kicker(found: Material) -> str:
    """Task, window and length on one line."""
    intervals = f"{number(found.clock.steps)} {found.clock.step_words()} intervals"
    return f"Settlement of a community · {found.clock.window_words()} · {intervals}"
