"""The main picture: the most strained element through the day, and what was done about it at each time."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.lines import thin_bins
from gridcommons.adapters.report.day.day_chart import draw_day, entries
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import choose_moments, moment_cards
from gridcommons.adapters.report.day.stress import Stressed, find_stressed
from gridcommons.adapters.report.day.wide_and_narrow import both, key
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.phrases import times

_LEAST_KVARH = 0.05


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
        f"{why}. Read down from any time: what would have been, what was, and what each instrument did then."
    )
    bins = thin_bins(found.clock)
    means = "" if bins.is_plain else f"Lines show the worst, areas the mean of {bins.name}."
    return " ".join(words for words in (said, means, _anew(found), _missed(found)) if words)


def _anew(found: Material) -> str:
    """How often communities planned anew, and what shows it."""
    count = int(found.did("communities_replanned").sum())
    if not count:
        return ""
    often = times(count, "interval")
    return f"Communities of heat and power planned the rest of their day anew (▾) at the start of {often}."


def _missed(found: Material) -> str:
    """Reactive energy that was sold and not given, where there is any."""
    missed_kvarh, bought_kvarh = (
        float(np.abs(found.did(column)).sum()) * found.clock.step_hours
        for column in ("reactive_missed_kvar", "reactive_bought_kvar")
    )
    if not missed_kvarh > _LEAST_KVARH:
        return ""
    return (
        f"Of {number(bought_kvarh, 1)} kvarh of reactive energy that were sold, devices did not give "
        f"{number(missed_kvarh, 1)} kvarh; nobody pays for these."
    )
