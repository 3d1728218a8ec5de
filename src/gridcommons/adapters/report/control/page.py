"""The report of control: when the station is beyond its limit, what each measure mends, and who feels it."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import make_bins
from gridcommons.adapters.report.control import count_bars, grid_section, household_charts, peak_day, pickup
from gridcommons.adapters.report.control.calendar_rasters import draw_rasters, mark_words, month_table
from gridcommons.adapters.report.control.call_strips import call_table, draw_calls
from gridcommons.adapters.report.control.lead import lead
from gridcommons.adapters.report.control.material import Material, read_material
from gridcommons.adapters.report.control.scenario_words import (
    MEASURE_NAMES,
    MEASURE_WORDS,
    measures_of,
    scenario_name,
    stress_name,
)
from gridcommons.adapters.report.control.spans import day_words
from gridcommons.adapters.report.control.station import Runs
from gridcommons.adapters.report.control.tiles import make_tiles
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.grid import read_grid, read_limits
from gridcommons.adapters.report.html import Page, Section
from gridcommons.adapters.report.origin import origin_section
from gridcommons.adapters.report.style import style


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``control``."""
    found = read_material(folder)
    with style():
        sections = [make(found) for make in _SECTIONS]
    title = str(found.provenance.get("study") or folder.name)
    lines = found.found()
    return Page(title, kicker(found.runs), lead(lines), make_tiles(lines, found.summary), sections)


def kicker(runs: Runs) -> str:
    """Task, window and intervals on one line."""
    clock = runs.clock
    steps = f"{number(clock.steps)} {clock.step_words()} interval{'s' if clock.steps > 1 else ''}"
    return f"Control behind the meter · {clock.window_words()} · {steps}"


def _raster_section(found: Material) -> Section:
    heading = "When the station is beyond its limit"
    if not found.is_drawable:
        return Section("rasters", heading, html.nothing("The result holds no station load."))
    counts = found.counts
    said = (
        f"Each column is a day, from midnight at the bottom to midnight at the top; a mark is "
        f"{mark_words(found.runs)} beyond the limit of {number(counts.limits_kw[counts.focus])} kW (stress: "
        f"{stress_name(counts.focus)}). Blue: more is drawn than the limit. Orange: more is fed in. "
        "An hour that the clock shows twice holds the worse of both, one that it skips stays white."
    )
    body = html.text(said) + html.figure(draw_rasters(found.runs, counts))
    body += html.folded("By month: load / feed-in violations", month_table(found.runs, counts))
    return Section("rasters", heading, body)


def _count_section(found: Material) -> Section:
    heading = "How often, and what each measure mends"
    counts = found.counts
    if not counts.scenarios or not counts.stresses:
        return Section("counts", heading, html.nothing("The result holds no counts."))
    said = "Bars count intervals beyond the limit of the station." + count_bars.reference_words(counts)
    body = html.text(said) + html.figure(count_bars.draw_bars(counts)) + count_bars.count_table(counts)
    measures = dict.fromkeys(m for s in counts.scenarios for m in measures_of(s))
    known = [f"{MEASURE_NAMES.get(m, m)}: {MEASURE_WORDS[m]}" for m in measures if m in MEASURE_WORDS]
    if known:
        body += "<h3>What the measures do</h3>" + html.bullets(known)
    return Section("counts", heading, body)


def _day_section(found: Material) -> Section:
    heading = "Days in full"
    if not found.is_drawable:
        return Section("days", heading, html.nothing("The result holds no station load."))
    counts, runs = found.counts, found.runs
    body = _pickup(found)
    span = peak_day.peak_span(runs, counts)
    first = counts.shown()[0]
    body += f"<h3>The day of the peak: {day_words(runs, span[0])}</h3>"
    body += html.text(
        f"The day on which {scenario_name(first)} draws most. Coloured: who draws (above 0) and who feeds in "
        "(below 0); the black line is the station. Below: what the stores hold."
    )
    body += html.figure(peak_day.draw_peak(runs, counts, span))
    return Section("days", heading, body)


def _pickup(found: Material) -> str:
    counts, runs = found.counts, found.runs
    found_call = pickup.find_pickup(runs, counts, found.provenance.get("settings", {}))
    if found_call is not None and found_call.new:
        head = f"<h3>Heat that comes back: {day_words(runs, found_call.call[0])}</h3>"
        said = f"{pickup.pickup_words(runs, found_call)} Red: the intervals that are new beyond the limit."
        return head + html.text(said) + html.figure(pickup.draw_pickup(runs, counts, found_call))
    why_not = "No call that throttles heat pumps puts new intervals beyond the limit"
    if found_call is None:
        why_not = "No call throttles heat pumps"
    span, why = peak_day.worst_span(runs, counts)
    head = f"<h3>The day farthest out: {day_words(runs, span[0])}</h3>"
    said = f"{why_not}, so this is the day on which {why}."
    return head + html.text(said) + html.figure(peak_day.draw_worst(runs, counts, span))


def _household_section(found: Material) -> Section:
    heading = "What each household felt"
    counts, book = found.counts, found.book
    if not book.values or not counts.scenarios or not counts.stresses:
        return Section("households", heading, html.nothing("The result holds no households."))
    said = (
        f"Over the whole result, at stress {stress_name(counts.focus)}. Heat put off comes back later; a car "
        "that is charged later is full later."
    )
    body = html.text(said) + html.figure(household_charts.draw_households(book, counts))
    body += household_charts.household_table(book, counts)
    body += "<h3>Heat that was not served</h3>" + household_charts.unserved_table(book)
    return Section("households", heading, body)


def _grid_section(found: Material) -> Section:
    heading = "The grid behind the station"
    grid = read_grid(found.tables)
    if grid is None or not found.is_drawable:
        return Section("grid", heading, html.nothing("The result does not describe its grid."))
    counts, runs = found.counts, found.runs
    limits = read_limits(found.tables, runs.clock, grid)
    chart = grid_section.draw_grid(found.tables, runs, counts, grid, limits)
    place = (
        "Buses stand at the coordinates of the grid file."
        if grid.layout.is_map
        else "The grid file has no coordinates: distance from the source grows to the right."
    )
    said = f"Each panel is the interval in which its scenario draws most. {place} "
    said += grid_section.binding_words(found.summary)
    body = html.text(said)
    body += html.nothing("The result holds no voltages.") if chart is None else html.figure(chart)
    body += grid_section.extremes_table(found.tables, runs, counts, found.summary)
    body += "<h3>What comes nearest to its limit</h3>"
    body += grid_section.nearest_table(found.tables, runs, counts)
    return Section("grid", heading, body)


def _call_section(found: Material) -> Section:
    heading = "When the measures are called"
    if not found.runs.calls or not found.is_drawable:
        return Section("calls", heading, html.nothing("No measure is called."))
    said = (
        "A measure is called when the forecast of the day shows the load beyond the limit; it is the same "
        "in every scenario that has it."
    )
    if not make_bins(found.runs.clock).is_plain:
        said += " The deeper the colour, the more of the day it is called for."
    body = html.text(said) + html.figure(draw_calls(found.runs, found.counts))
    return Section("calls", heading, body + call_table(found.runs, found.counts))


def _origin(found: Material) -> Section:
    return origin_section(found.provenance)


_SECTIONS = (
    _raster_section,
    _count_section,
    _day_section,
    _household_section,
    _grid_section,
    _call_section,
    _origin,
)
