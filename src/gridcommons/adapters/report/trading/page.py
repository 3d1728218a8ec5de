"""The report of trading: what members keep among themselves, and what switches that follow the market add."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.material import make_sections
from gridcommons.adapters.report.trading.exchange_section import exchange_section
from gridcommons.adapters.report.trading.lead import lead
from gridcommons.adapters.report.trading.map_section import map_section
from gridcommons.adapters.report.trading.material import Material, read_material
from gridcommons.adapters.report.trading.money_section import money_section
from gridcommons.adapters.report.trading.order_section import order_section
from gridcommons.adapters.report.trading.price_section import price_section
from gridcommons.adapters.report.trading.scenario_section import scenario_section
from gridcommons.adapters.report.trading.tiles import make_tiles
from gridcommons.adapters.report.trading.told_section import told_section
from gridcommons.adapters.report.trading.topology_section import topology_section
from gridcommons.adapters.report.trading.trigger_section import trigger_section
from gridcommons.adapters.report.trading.voltage_section import voltage_section

_SECTIONS = (
    exchange_section,
    scenario_section,
    topology_section,
    map_section,
    money_section,
    price_section,
    trigger_section,
    voltage_section,
    told_section,
    order_section,
)
"""In their order; one that has nothing to be made from is left out."""


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``trading``."""
    found = read_material(folder)
    makers = _SECTIONS if found.scenarios else ()
    sections = make_sections(found, makers)
    return Page(found.title, _kicker(found), lead(found), make_tiles(found), sections)


def _kicker(found: Material) -> str:
    """Task, window and length on one line."""
    return f"Local trading and switching · {found.clock.window_words()} · {number(found.clock.steps)} minutes"
