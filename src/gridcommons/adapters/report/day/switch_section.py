"""Which switch stood how when: a strip each for those that moved, the others and refusals in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import dates_of
from gridcommons.adapters.report.clusters.lines import thin_bins
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import capital
from gridcommons.adapters.report.day.scenario_words import INSTRUMENT_COLOURS, SWITCHING
from gridcommons.adapters.report.day.wide_and_narrow import both, key
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.style import (
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    shorten,
    time_axis,
)
from gridcommons.model.grid import BoolArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CLOSED, _OPEN = INSTRUMENT_COLOURS[SWITCHING], "#e3e7ea"
_MOST_DRAWN, _MOST_NAMED = 24, 3
_LEFT_INCH, _LETTER_INCH, _RIGHT_INCH = 0.45, 0.075, 0.24
_HEAD_INCH, _ROW_INCH, _FOOT_INCH = 0.06, 0.21, 0.46
_LETTERS = 15


@dataclass(frozen=True, eq=False)
class Positions:
    """Where switches stood.

    Parameters
    ----------
    name : tuple of str
        Which.
    closed : (steps, switches)
        Whether power could flow through each in an interval.
    """

    name: tuple[str, ...]
    closed: BoolArray

    @property
    def moved(self) -> BoolArray:
        """Whether each stood otherwise than in the interval before, (steps, switches); never in the first."""
        return np.concatenate([np.zeros_like(self.closed[:1]), self.closed[1:] != self.closed[:-1]])


def switch_section(found: Material) -> Section | None:
    """Strips and words; None where no switch was moved and no move was refused."""
    stood = read_positions(found)
    if not stood.name or not (stood.moved.any() or found.did("switches_refused").any()):
        return None
    body = html.text(_said(found, stood))
    drawn = most_moved(stood)
    if drawn:
        body += key([("■", _CLOSED, "closed"), ("■", _OPEN, "open")])
        body += both(lambda width, prefix: draw_positions(found, stood, drawn, width, prefix))
    return Section("switches", "How the switches stood", body)


def read_positions(found: Material) -> Positions:
    """Rows of ``switch_states``, each of which holds until the next one of its switch."""
    rows = found.tables.whole("switch_states", ("time", "switch", "closed"))
    names = tuple(dict.fromkeys(map(str, rows["switch"])))
    closed = np.zeros((found.clock.steps, len(names)), dtype=np.bool_)
    step, column = found.steps_of(rows), {name: place for place, name in enumerate(names)}
    for row in np.argsort(step, kind="stable").tolist():
        closed[max(int(step[row]), 0) :, column[str(rows["switch"][row])]] = rows["closed"][row]
    return Positions(names, closed)


def most_moved(stood: Positions) -> list[int]:
    """The switches that are drawn, in their order: all that moved, or of very many those that did so most."""
    count = stood.moved.sum(axis=0)
    ranked = [place for place in np.argsort(-count, kind="stable").tolist() if count[place]]
    return sorted(ranked[:_MOST_DRAWN])


def _said(found: Material, stood: Positions) -> str:
    count = stood.moved.sum(axis=0)
    changed = int((count > 0).sum())
    # Positions of the first interval are the start: that some moved into them is known as a count alone.
    before = int(found.did("switches_moved")[0])
    said = [f"{_moves(stood, before)}{_others(stood, count == 0)}."]
    if changed > _MOST_DRAWN:
        said.append(f"Drawn are the {_MOST_DRAWN} that moved most; all are in the table switch_states.")
    return " ".join([*said, *_refused(found)])


def _moves(stood: Positions, before: int) -> str:
    """How many switches moved how often."""
    count = stood.moved.sum(axis=0)
    changed, switches = int((count > 0).sum()), len(stood.name)
    if not changed:
        return "No switch was moved"
    began = f", {number(before)} of them as the day began" if before else ""
    moves = f"{times(int(count.sum()) + before, 'move')} in all{began}"
    return f"{number(changed)} of {times(switches, 'switch', 'switches')} moved, {moves}"


def _others(stood: Positions, never: BoolArray) -> str:
    """Those that never moved: by name where they are few, else as a count."""
    said = []
    for is_closed, word in ((True, "closed"), (False, "open")):
        mine = [stood.name[k] for k in np.flatnonzero(never & (stood.closed[0] == is_closed)).tolist()]
        if mine:
            who = listed(mine) if len(mine) <= _MOST_NAMED else f"{number(len(mine))} others"
            said.append(f"{who} stayed {word} all day")
    return f"; {listed(said)}" if said else ""


def _refused(found: Material) -> list[str]:
    """How often positions were wanted and not taken."""
    steps = np.flatnonzero(found.did("switches_refused")).tolist()
    if not steps:
        return []
    when = f"at {listed([found.clock.brief(step) for step in steps])}"
    if len(steps) > _MOST_NAMED:
        when = f"in {number(len(steps))} intervals, first at {found.clock.brief(steps[0])}"
    return [
        f"{capital(when)} a move was wanted and refused, because it would have broken a limit or a promise."
    ]


def draw_positions(
    found: Material, stood: Positions, drawn: Sequence[int], width: float, prefix: str
) -> Chart:
    """A strip a switch, one below the other on one clock."""
    high = _ROW_INCH * len(drawn)
    total = _HEAD_INCH + high + _FOOT_INCH
    figure, bins = make_figure(total, width), thin_bins(found.clock)
    names = [shorten(stood.name[place], _LETTERS) for place in drawn]
    left = max(_LEFT_INCH, _LETTER_INCH * max(map(len, names)) + 0.12)
    inch = width - left - _RIGHT_INCH
    axes = figure.add_axes((left / width, _FOOT_INCH / total, inch / width, high / total))
    for row, place in enumerate(drawn):
        _draw_strip(axes, found, stood, place, row)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.set_yticks(range(len(drawn)), names, fontsize=8.2)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    most_ticks = 9 if width > WIDTH_INCH - 1.0 else 6
    time_axis(axes, bins.dates, found.clock.timezone, most_ticks=most_ticks)
    axes.grid(True, axis="x", color="white", linewidth=0.8)
    axes.set_axisbelow(False)
    told = [_words(found, stood, place) for place in drawn]
    return finish(figure, f"Where switches stood. {'; '.join(told)}.", f"stood{prefix}")


def _draw_strip(axes: Axes, found: Material, stood: Positions, place: int, row: int) -> None:
    """Spans without a change, each in the colour of its position."""
    for first, end in _spans(stood, place):
        left, right = dates_of(found.clock, np.array([first, end]))
        colour = _CLOSED if stood.closed[first, place] else _OPEN
        axes.broken_barh([(left, right - left)], (row - 0.38, 0.76), facecolor=colour, linewidth=0)


def _spans(stood: Positions, place: int) -> list[tuple[int, int]]:
    borders = [0, *np.flatnonzero(stood.moved[:, place]).tolist(), len(stood.closed)]
    return list(zip(borders[:-1], borders[1:], strict=True))


def _words(found: Material, stood: Positions, place: int) -> str:
    said = [
        f"{'closed' if stood.closed[first, place] else 'open'} from {found.clock.brief(first)}"
        for first, _ in _spans(stood, place)
    ]
    return f"{stood.name[place]} {', '.join(said)}"
