"""The rounds of prices: what each connection is paid and offers, hour by hour, until the voltage is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.panels import Shape, legend, make_panels, title
from gridcommons.adapters.report.phrases import listed
from gridcommons.adapters.report.scheduling.legend_rows import legend_inch
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import reactive
from gridcommons.adapters.report.scheduling.round_book import HourRounds, read_rounds
from gridcommons.adapters.report.style import (
    INK,
    MUTED,
    UNKNOWN,
    Chart,
    finish,
    quiet_grid,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_HOURS = 6
_IN_BAND = "#12756b"
_MOST_DASHED = 12
_DASHES = ("-", (0, (4, 1.6)), (0, (1.2, 1.4)))


def price_section(found: Material) -> Section | None:
    """Prices and offers by round; None where no price was asked."""
    hours = read_rounds(found)
    if not hours:
        return None
    shown = choose_hours(found, hours)
    body = html.text(_said(found, hours, shown)) + html.figure(draw_rounds(found, shown))
    return Section("prices", "Prices, round by round", body + cleared_table(found, hours))


def choose_hours(found: Material, hours: Sequence[HourRounds]) -> list[HourRounds]:
    """The hours that are drawn: where something is missing, then those in which most is paid; by time."""
    short = set(found.steps_of(found.shortages).tolist())
    ranked = sorted(hours, key=lambda hour: (hour.step not in short, -hour.paid, hour.step))
    return sorted(ranked[:_MOST_HOURS], key=lambda hour: hour.step)


def _said(found: Material, hours: Sequence[HourRounds], shown: Sequence[HourRounds]) -> str:
    said = (
        "Each round, the grid operator names a price for each connection (above 0 it is paid for injecting "
        "reactive power beyond the schedule, below 0 for absorbing it), and each community answers with what "
        "it would give. A connection that does more to the voltage is offered a higher price. The first "
        "prices may be more than it takes; the rounds go on until the least that is enough is found. Of the "
        "last offer, only what the voltage needs is bought."
    )
    if len({name for name, _ in found.connections}) < len(found.connections):
        said += " Each line is a connection; those of one community share its colour."
    if len(shown) < len(hours):
        said += (
            f" Drawn are {number(len(shown))} of {found.intervals(len(hours))}: where something is missing, "
            "and where most is paid. The others are in the table reactive_rounds."
        )
    return said


def draw_rounds(found: Material, shown: Sequence[HourRounds]) -> Chart:
    """A pair of panels an hour: price and offer of each connection by round, and what is bought."""
    columns = 2 if len(shown) == 1 else 4
    entries = _entries(found)
    said = f"left: price [{found.price_unit}], right: offer [kvar]; above 0: injected"
    shape = Shape(columns, 1.25, head=0.56, foot=0.42, top=legend_inch(entries, said), gap=0.60)
    figure, axes = make_panels(2 * len(shown), shape)
    for place, hour in enumerate(shown):
        left, right = axes[2 * place : 2 * place + 2]
        when = found.clock.brief(hour.step)
        _draw_hour(left, found, hour, (hour.price_per_kvarh, hour.paid_per_kvarh))
        _draw_hour(right, found, hour, (hour.offered_kvar, hour.bought_kvar))
        is_in = hour.cleared is not None
        words = f"in the band from round {hour.cleared}" if is_in else "not in the band at the end"
        title(left, f"{when} · price", words, is_broken=not is_in)
        title(right, f"{when} · offer", f"{reactive(float(np.abs(hour.bought_kvar).sum()))} bought")
    figure.text(0.985, 0.004, "round", ha="right", va="bottom", color=MUTED, fontsize=8)
    legend(figure, entries, said)
    return finish(figure, _words(found, shown), "rounds")


def _entries(found: Material) -> list[tuple[str, str, str]]:
    """Communities with a colour of their own, the others together, and marks."""
    asked = list(dict.fromkeys(name for name, _ in found.connections))
    own = [name for name in asked if found.colours.get(name, UNKNOWN) != UNKNOWN]
    entries = [("━", found.colours[name], name) for name in own]
    entries += [("━", UNKNOWN, "other communities")] if len(own) < len(asked) else []
    entries += [("◇", INK, "bought, and its price"), ("┆", _IN_BAND, "in the band from here on")]
    return entries


def _draw_hour(axes: Axes, found: Material, hour: HourRounds, what: tuple[FloatArray, FloatArray]) -> None:
    from matplotlib.ticker import MaxNLocator

    values, last = what
    looks = _looks(found)
    # Those that share the last colour lie below the others.
    for place in sorted(range(len(looks)), key=lambda k: looks[k]["color"] != UNKNOWN):
        look = looks[place]
        axes.plot(hour.number, values[place], markeredgewidth=0, zorder=3, **look)
        axes.plot(
            hour.number[-1:], last[place : place + 1], color=look["color"], marker="D", clip_on=False,
            markersize=2.6 + 0.9 * look["markersize"], markerfacecolor="white", markeredgewidth=1.1,
            linestyle="none", zorder=4,
        )  # fmt: skip
    axes.axhline(0.0, color=MUTED, linewidth=0.6, zorder=1)
    if hour.cleared is not None:
        axes.axvline(hour.cleared, color=_IN_BAND, linewidth=1.0, linestyle=(0, (3, 2)), zorder=2)
    axes.set_xlim(-0.12, hour.number[-1] + 0.25)
    axes.margins(y=0.10)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    quiet_grid(axes)


def _looks(found: Material) -> list[dict[str, Any]]:
    """How the line of each connection looks: the further ones of a community dashed, thin where many."""
    is_many, seen, looks = len(found.connections) > _MOST_DASHED, dict[str, int](), []
    for community, _ in found.connections:
        place = 0 if is_many else min(seen.get(community, 0), len(_DASHES) - 1)
        seen[community] = seen.get(community, 0) + 1
        looks.append(
            {
                "color": found.colours.get(community, UNKNOWN),
                "linestyle": _DASHES[place],
                "linewidth": 0.8 if is_many else 1.3,
                "marker": "o",
                "markersize": 1.6 if is_many else 3.2,
            }
        )
    return looks


def _words(found: Material, shown: Sequence[HourRounds]) -> str:
    told = []
    for hour in shown:
        ends = [
            f"{community} {number(float(price), 4)} {found.price_unit}"
            for (community, _), price in zip(found.connections, hour.paid_per_kvarh, strict=True)
        ]
        last = (
            "not in the band at the end" if hour.cleared is None else f"in the band from round {hour.cleared}"
        )
        told.append(f"{found.clock.brief(hour.step)}: {last}, at the end {listed(ends)}")
    return f"Prices of reactive power by round, positive for injecting. {'; '.join(told)}."


def cleared_table(found: Material, hours: Sequence[HourRounds]) -> str:
    """Each hour: rounds until it is cleared, the worst voltage then, and what was bought and paid."""
    heads = {
        "when": "hour" if found.clock.step_minutes == 60.0 else "interval",
        "rounds#": "rounds",
        "cleared#": "in the band from round",
        "vm#": "worst voltage in the last round [pu]",
        "bought#": "bought [kvar]",
        "paid#": f"paid{found.money_unit}",
    }
    lines = [
        {
            "when": found.clock.brief(hour.step),
            "rounds#": number(len(hour.number) - 1),
            "cleared#": "not at the end" if hour.cleared is None else number(hour.cleared),
            "vm#": number(float(hour.worst_vm_pu[-1]), 5),
            "bought#": number(float(np.abs(hour.bought_kvar).sum()), 2),
            "paid#": number(hour.paid, 2),
        }
        for hour in hours
    ]
    return long_table(heads, lines, "reactive_rounds")
