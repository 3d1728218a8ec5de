"""Voltages: all buses over the window before and after, and the hours that were out."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import (
    bus_name,
)
from gridcommons.adapters.report.scheduling.voltage_book import VoltageBook, read_close_ups, read_voltages
from gridcommons.adapters.report.scheduling.voltage_charts import draw_close_ups, draw_profiles

_MOST_CLOSE_UPS = 14


def voltage_section(found: Material) -> Section | None:
    """Profiles, the hours that were out, and extremes; None where the result holds no voltages."""
    book = read_voltages(found)
    if book is None:
        return None
    body = html.text(_said(found, book)) + html.figure(draw_profiles(found, book))
    rows = read_close_ups(found, book)
    if rows:
        shown = sorted(rows[:_MOST_CLOSE_UPS], key=lambda row: row.step)
        body += "<h3>The voltages that were out, close up</h3>"
        if len(shown) < len(rows):
            count = f"{number(len(shown))} of {found.intervals(len(rows))}"
            body += html.text(f"{count}: those in which a voltage is furthest out.")
        body += html.figure(draw_close_ups(found, shown))
    return Section("voltages", "Voltages of all buses", body + extremes_table(found, book))


def _said(found: Material, book: VoltageBook) -> str:
    low, high = book.band
    said = "The load flow of what the communities and everybody else exchange with the grid."
    if np.isfinite([low, high]).all():
        said += f" Each voltage is to stay from {number(low, 3)} to {number(high, 3)} pu (1 pu: nominal)."
    if not len(found.called):
        said += " Nothing is bought, so that the schedules stay as they are."
    return said


def extremes_table(found: Material, book: VoltageBook) -> str:
    """Lowest and highest voltage before and after, where and when, and hours out of the band."""
    heads = {
        "name": "schedules",
        "low#": "lowest [pu]",
        "low_at": "where and when",
        "high#": "highest [pu]",
        "high_at": "where and when",
        "out#": "hours out" if found.clock.step_minutes == 60.0 else "intervals out",
        "lost#": "losses [kWh]",
    }
    lines = []
    for place, scenario in enumerate(found.shown):
        line = {"name": found.scenario_name(scenario), "out#": number(book.out_intervals(scenario))}
        line["lost#"] = number(found.figure(("losses_alone_kwh", "losses_kwh")[place]), 1)
        vm_pu = book.vm_pu[place]
        for key, at in (("low", int(np.nanargmin(vm_pu))), ("high", int(np.nanargmax(vm_pu)))):
            step, bus = divmod(at, vm_pu.shape[1])
            line[f"{key}#"] = number(float(vm_pu[step, bus]), 5)
            line[f"{key}_at"] = f"{bus_name(book.buses[bus])}, {found.clock.brief(step)}"
        lines.append(line)
    return html.table(heads, lines, [line is lines[-1] for line in lines])
