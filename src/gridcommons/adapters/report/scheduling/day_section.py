"""Each community's day: electricity, heat, stores and reactive power."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.scheduling.day_chart import CommunityDay, day_bins, draw_day, read_day
from gridcommons.adapters.report.scheduling.device_book import DeviceBook, read_devices
from gridcommons.adapters.report.scheduling.material import Material

_MOST_OPEN, _MOST_DRAWN = 3, 12


def day_section(found: Material) -> Section | None:
    """A figure a community, folded from some number on; None where the result has no schedules."""
    book = read_devices(found, "schedules")
    if book is None:
        return None
    days = [day for day in (read_day(found, book, name) for name in found.communities) if day is not None]
    if not days:
        return None
    shown = choose(found, days)
    body = html.text(_said(found, book, days, shown))
    for place, day in enumerate(shown):
        chart = html.figure(draw_day(found, day, f"day{place + 1}"))
        is_open = place < _MOST_OPEN or len(shown) == _MOST_OPEN + 1
        body += f"<h3>{html.escaped(day.name)}</h3>{chart}" if is_open else html.folded(day.name, chart)
    return Section("days", "What each community does", body)


def choose(found: Material, days: list[CommunityDay]) -> list[CommunityDay]:
    """Communities to draw; those that got most for reactive power first where they are many."""
    if len(days) <= _MOST_OPEN + 1:
        return days
    paid = np.nan_to_num([found.figure_in(day.name, "paid") for day in days])
    return [days[int(place)] for place in np.argsort(-np.round(paid, 9), kind="stable")[:_MOST_DRAWN]]


def _said(found: Material, book: DeviceBook, days: list[CommunityDay], shown: list[CommunityDay]) -> str:
    said = (
        "The schedules as they are carried out in the end. The black line is what the network delivers "
        "(above 0) or takes (below 0): the sum of all that is used and given."
    )
    if any(book.rows_of(day.name)[book.has_own_heat].any() for day in shown) and any(
        day.heat for day in shown
    ):
        said += " Heat that stays in its own tank or house is not part of the balance and not drawn."
    bins = day_bins(found.clock)
    if not bins.is_plain:
        said += f" Drawn are means of {bins.name}."
    if len(days) > _MOST_OPEN + 1:
        said += " Those that got most for reactive power come first."
    if len(shown) < len(days):
        said += f" {number(len(shown))} of {number(len(days))} communities are drawn."
    return said
