"""The main picture: the most strained element through the day, and what was done about it, hour by hour."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.lines import thin_bins
from gridcommons.adapters.report.day.day_chart import draw_day, entries
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import choose_moments, moment_cards
from gridcommons.adapters.report.day.stress import Stressed, find_stressed
from gridcommons.adapters.report.day.wide_and_narrow import both, key
from gridcommons.adapters.report.html import Section


def day_section(found: Material) -> Section | None:
    """Loading or voltage over the day, the instruments below it, and some moments in words.

    None where the result has no grid with limits.
    """
    stressed = find_stressed(found)
    if stressed is None:
        return None
    moments = choose_moments(found, stressed)
    steps = [moment.step for moment in moments]
    chart = both(lambda width, prefix: draw_day(found, stressed, steps, width, prefix))
    body = html.text(_said(found, stressed)) + key(entries(stressed)) + chart
    body += moment_cards(found, stressed, moments)
    return Section("day", f"The day at {stressed.name}", body)


def _said(found: Material, stressed: Stressed) -> str:
    broken = any(stressed.is_broken(scenario) for scenario in stressed.scenarios)
    why = "No other element would break its limit by as much" if broken else "No element comes nearer a limit"
    said = (
        f"{why}. Read down from an hour: what would have been, what was, and what each instrument did then."
    )
    bins = thin_bins(found.clock)
    return said if bins.is_plain else f"{said} Lines show the worst, areas the mean of {bins.name}."
