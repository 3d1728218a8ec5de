"""The report of an operating day: what would break, what was done about it, who earned what, what it cost."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.day.day_section import day_section
from gridcommons.adapters.report.day.forecast_section import forecast_section
from gridcommons.adapters.report.day.lead import lead
from gridcommons.adapters.report.day.left_section import left_section
from gridcommons.adapters.report.day.material import Material, read_material
from gridcommons.adapters.report.day.money_section import money_section
from gridcommons.adapters.report.day.power_section import power_section
from gridcommons.adapters.report.day.scenario_words import instrument_name
from gridcommons.adapters.report.day.switch_section import switch_section
from gridcommons.adapters.report.day.tiles import make_tiles
from gridcommons.adapters.report.day.worth_section import worth_section
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.material import make_sections
from gridcommons.adapters.report.phrases import listed

_SECTIONS = (
    day_section,
    switch_section,
    power_section,
    worth_section,
    money_section,
    forecast_section,
    left_section,
)
"""In their order; one that has nothing to be made from is left out."""


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``day``."""
    found = read_material(folder)
    sections = make_sections(found, _SECTIONS)
    return Page(found.title, _kicker(found), lead(found), make_tiles(found), sections)


def _kicker(found: Material) -> str:
    """Task, window, intervals and instruments on one line."""
    clock = found.clock
    steps = f"{number(clock.steps)} {clock.step_words()} interval{'s' if clock.steps > 1 else ''}"
    used = listed([instrument_name(name) for name in found.instruments]) or "no instrument"
    return f"An operating day · {clock.window_words()} · {steps} · {used}"
