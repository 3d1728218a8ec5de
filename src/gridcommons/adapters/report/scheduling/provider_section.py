"""Who gives the reactive power: devices by kind of each community in the hours in which it is bought."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.phrases import listed
from gridcommons.adapters.report.scheduling.device_book import Given, read_given
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import in_order, kind_name
from gridcommons.adapters.report.scheduling.provider_chart import Shown, draw_providers

_MOST_HOURS, _MOST_COMMUNITIES = 14, 12
_LEAST_KVARH = 5e-3


def provider_section(found: Material) -> Section | None:
    """Bars by hour and community, and sums; None where nothing was asked for, or schedules are missing."""
    given = read_given(found)
    if given is None:
        return None
    heading = "Who gives the reactive power"
    shown = choose(found, given)
    if not shown.communities:
        return Section("providers", heading, html.nothing("No device leaves its schedule."))
    body = html.text(_said(found, given, shown)) + html.figure(draw_providers(found, given, shown))
    body += kind_table(found, given) + device_table(found, given)
    return Section("providers", heading, body)


def choose(found: Material, given: Given) -> Shown:
    """Communities that give something, and the hours in which most is given, by time."""
    moved = {name: float(np.abs(_of(given, name)).sum()) for name in found.communities}
    giving = [name for name in found.communities if moved[name] * found.clock.step_hours > _LEAST_KVARH]
    most = sorted(giving, key=lambda name: -moved[name])[:_MOST_COMMUNITIES]
    by_hour = np.abs(given.injected_kvar).sum(axis=0)
    order = np.argsort(-np.round(by_hour, 9), kind="stable")[:_MOST_HOURS]
    return Shown(tuple(name for name in giving if name in most), np.sort(order))


def _of(given: Given, community: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return given.injected_kvar[given.book.rows_of(community)]


def _said(found: Material, given: Given, shown: Shown) -> str:
    said = (
        "Reactive power beyond the schedule of each device: to the right what it injects, to the left what "
        "it absorbs, and the sum of its community at the end of each bar."
    )
    if len(shown.hours) < len(found.called):
        count = f"{number(len(shown.hours))} of {found.intervals(len(found.called))}"
        said += f" Drawn are {count}, those in which most is given; the sums below count all of them."
    giving = [name for name in found.communities if np.abs(_of(given, name)).sum() > _LEAST_KVARH]
    idle = [name for name in found.communities if name not in giving]
    if idle:
        said += f" {listed(idle)} {'gives' if len(idle) == 1 else 'give'} nothing."
    if len(shown.communities) < len(giving):
        said += f" The {number(len(shown.communities))} communities that give most are drawn."
    return said


def kind_table(found: Material, given: Given) -> str:
    """Reactive energy by community and kind over all hours called, injected and absorbed."""
    heads = {"community": "community", "kind": "kind of device", **_ways(given), "share#": "of all"}
    total = float(np.abs(given.injected_kvar).sum()) or 1.0
    lines = []
    for community in found.communities:
        for kind in in_order(given.book.kind):
            moved = given.injected_kvar[given.book.rows_of(community, kind)]
            if np.abs(moved).sum() * found.clock.step_hours > _LEAST_KVARH:
                lines.append(
                    {
                        "community": community,
                        "kind": kind_name(kind),
                        **_sums(found, moved),
                        "share#": percent(float(np.abs(moved).sum()) / total),
                    }
                )
    return long_table(heads, lines, "schedules")


def device_table(found: Material, given: Given) -> str:
    """The same device by device, the one that gives most first; folded away."""
    heads = {"asset": "device", "kind": "kind", "community": "community", **_ways(given)}
    moved = np.abs(given.injected_kvar).sum(axis=1) * found.clock.step_hours
    order = [int(row) for row in np.argsort(-np.round(moved, 9), kind="stable") if moved[row] > _LEAST_KVARH]
    most = order[:80]
    lines = [
        {
            "asset": given.book.asset[row],
            "kind": kind_name(given.book.kind[row]),
            "community": given.book.community[row],
            **_sums(found, given.injected_kvar[row]),
        }
        for row in most
    ]
    count = f"{number(len(most))} of {number(len(order))} devices" if len(most) < len(order) else ""
    return html.folded(f"Device by device: {count or number(len(order))}", html.table(heads, lines))


def _ways(given: Given) -> dict[str, str]:
    """Heads of the sums of what is injected and absorbed; only those that there are."""
    ways = (("in#", "injected [kvarh]", 1.0), ("out#", "absorbed [kvarh]", -1.0))
    return {key: head for key, head, sign in ways if (sign * given.injected_kvar > _LEAST_KVARH).any()}


def _sums(
    found: Material, injected_kvar: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> dict[str, str]:
    ends = [float(np.maximum(sign * injected_kvar, 0.0).sum() * found.clock.step_hours) for sign in (1, -1)]
    return {key: number(end, 2) for key, end in zip(("in#", "out#"), ends, strict=True)}
