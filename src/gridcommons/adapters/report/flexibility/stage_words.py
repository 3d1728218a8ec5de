"""Names and colours of stages, parties and groups of buses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import UNKNOWN

STAGE_NAMES = {
    "baseline": "baseline",
    "tariff": "tariff",
    "reprofiling": "re-profiling",
    "market": "market",
}
STAGE_COLOURS = {
    "baseline": "#5a6673",
    "tariff": "#2a6fb0",
    "reprofiling": "#d9791f",
    "market": "#12936a",
}
FIXED_LOAD = "fixed load"
FIXED_COLOUR = "#c3cbd3"
OTHERS_COLOUR = "#8a94a0"
_PARTY_COLOURS = ("#8464b0", "#5aa9dd", "#c9608f", "#a8a031", "#3d5a80", "#c98b5e", "#63b7a6", "#7d3c5c")
"""Apart from each other for colour-blind readers, and none of them a colour of a stage."""

MOST_PARTIES = len(_PARTY_COLOURS)
"""Aggregators with a colour of their own; the others share one."""

_LONGEST_GROUP = 34
_NUMBERED = re.compile(r"(.*?)(\d+)")


def stage_name(stage: str) -> str:
    """A stage in plain words."""
    return STAGE_NAMES.get(stage, stage.replace("_", " "))


def stage_colour(stage: str) -> str:
    """Colour of a stage."""
    return STAGE_COLOURS.get(stage, UNKNOWN)


def party_colours(aggregators: Sequence[str]) -> dict[str, str]:
    """Colour of each party that draws load: fixed load, and the aggregators in the order of the result."""
    own = dict(zip(aggregators, _PARTY_COLOURS, strict=False))
    return {FIXED_LOAD: FIXED_COLOUR, **{name: own.get(name, OTHERS_COLOUR) for name in aggregators}}


def hours_word(clock: Clock, count: int) -> str:
    """``3 hours``, or intervals where they are of another length."""
    word = "hour" if clock.step_minutes == 60 else "interval"
    return f"{number(count)} {word}{'' if count == 1 else 's'}"


def bus_group(buses: Sequence[str]) -> str:
    """Several buses in few words: ``LP18–LP23``; those that no label holds are counted."""
    runs: list[list[str]] = []
    for bus in sorted(buses, key=natural):
        if runs and _follows(runs[-1][-1], bus):
            runs[-1].append(bus)
        else:
            runs.append([bus])
    words = [run[0] if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    said, left = words[0], len(buses) - len(runs[0])
    for run, word in zip(runs[1:], words[1:], strict=True):
        if len(said) + len(word) > _LONGEST_GROUP:
            break
        said, left = f"{said}, {word}", left - len(run)
    return f"{said} and {number(left)} more" if left else said


def natural(name: str) -> tuple[str, int, str]:
    """What names are sorted by so that ``LP9`` stands before ``LP10``."""
    found = _NUMBERED.fullmatch(name)
    return (found.group(1), int(found.group(2)), name) if found else (name, -1, name)


def _follows(name: str, other: str) -> bool:
    (head, place, _), (other_head, other_place, _) = natural(name), natural(other)
    return place >= 0 and head == other_head and other_place == place + 1
