"""What the page of any result is made from, read from its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from gridcommons.adapters.report.clock import Bins, Clock, make_bins
from gridcommons.adapters.report.grid import GridPicture, LimitBook, read_grid, read_limits
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.origin import origin_section
from gridcommons.adapters.report.style import style
from gridcommons.adapters.report.tables import ResultTables


@dataclass(frozen=True, eq=False)
class ResultMaterial:
    """A result folder and what all sections need of it.

    Parameters
    ----------
    tables : ResultTables
        The tables.
    summary, provenance : dict
        As the run left them.
    clock : Clock
        The intervals of the result.
    """

    tables: ResultTables
    summary: dict[str, Any]
    provenance: dict[str, Any]
    clock: Clock

    @property
    def title(self) -> str:
        """Name of the study, else of the folder."""
        return str(self.provenance.get("study") or self.tables.folder.name)

    @property
    def currency(self) -> str:
        """Currency of the study; may be empty."""
        return str(self.provenance.get("currency") or "")

    def figure(self, name: str) -> float:
        """A figure of the summary; NaN where it has none."""
        return figure_of(self.summary, name)

    @cached_property
    def bins(self) -> Bins:
        """Intervals, or hours or days where these are too many to draw."""
        return make_bins(self.clock)

    @cached_property
    def grid(self) -> GridPicture | None:
        """The grid; None where the result does not describe it."""
        return read_grid(self.tables)

    @cached_property
    def limits(self) -> LimitBook | None:
        """The limits; None where there is no grid."""
        return None if self.grid is None else read_limits(self.tables, self.clock, self.grid)


def figure_of(figures: Mapping[str, Any], name: str) -> float:
    """A figure by name; NaN where there is none."""
    value = figures.get(name)
    return float("nan") if value is None else float(value)


def read_clock(
    tables: ResultTables, provenance: Mapping[str, Any], timed: Sequence[str], minutes: float, steps: int = 1
) -> Clock:
    """From the first to the last interval of the first of these tables that has any.

    Parameters
    ----------
    tables : ResultTables
        The tables.
    provenance : dict
        As the run left it; for the time zone.
    timed : sequence of str
        Tables with a row an interval.
    minutes : float
        Length of an interval [min].
    steps : int
        How many intervals there are at least; all of them where no table has any.
    """
    zone = str(provenance.get("timezone") or "UTC")
    for table in timed:
        times = tables.whole(table, ("time",))["time"]
        if len(times):
            span = round((times.max() - times.min()) / np.timedelta64(1, "m") / minutes)
            return Clock(times.min(), minutes, max(steps, span + 1), zone)
    return Clock(np.datetime64(0, "ms"), minutes, steps, zone)


Found = TypeVar("Found", bound=ResultMaterial)


def make_sections(found: Found, makers: Sequence[Callable[[Found], Section | None]]) -> list[Section]:
    """Sections in their order, without those that have nothing to be made from; the origin comes last."""
    with style():
        made = [make(found) for make in makers]
    return [*(section for section in made if section is not None), origin_section(found.provenance)]
