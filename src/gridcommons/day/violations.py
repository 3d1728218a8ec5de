"""What a load flow of the day breaks, and why it was not mended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.day.envelope_issuer import device_bounds_kw
from gridcommons.day.field import DayFlow, Field
from gridcommons.day.timeline import OperatingDay
from gridcommons.model.grid import FloatArray, IntArray, Names

LEAST_PU, LEAST_PERCENT = 1e-5, 1e-3
"""Excess that is none: the load flow's own rounding."""

NAMED_PU, NAMED_PERCENT = 1e-3, 0.5
"""Excess from which a limit counts as broken."""

FIXED, UNDELIVERED, UNPROMISED, FORECAST = (
    "load that nobody can move",
    "a party that did not deliver",
    "nothing kept it",
    "forecast error",
)


@dataclass(frozen=True, eq=False)
class Broken:
    """Limits that are broken, one row an element and interval.

    Parameters
    ----------
    step : (rows,)
        Interval.
    element, kind : tuple of str
        Where, and which limit.
    value, limit, excess : (rows,)
        In the unit of the limit.
    """

    step: IntArray
    element: Names
    kind: Names
    value: FloatArray
    limit: FloatArray
    excess: FloatArray

    def counted(self) -> IntArray:
        """Rows that count as broken."""
        is_loading = np.array([kind == "loading_max_percent" for kind in self.kind], dtype=np.bool_)
        return np.flatnonzero(self.excess > np.where(is_loading, NAMED_PERCENT, NAMED_PU))


def find_broken(field: Field, flow: DayFlow) -> Broken:
    """Every limit that a load flow of all intervals breaks, by interval."""
    limits, vm_pu, grid = field.limits, flow.vm_pu, field.study.grid
    loading = flow.loading_percent
    steps, elements, kinds, columns = [], [], [], []
    for kind, names, value, limit, sign, least in (
        ("vm_min_pu", grid.buses.name, vm_pu, limits.vm_min_pu, -1.0, LEAST_PU),
        ("vm_max_pu", grid.buses.name, vm_pu, limits.vm_max_pu, 1.0, LEAST_PU),
        ("loading_max_percent", grid.branches.name, loading, limits.loading_max_percent, 1.0, LEAST_PERCENT),
    ):
        excess = np.nan_to_num(sign * (value - limit), nan=-np.inf)
        step, place = np.nonzero(excess > least)
        steps.append(step)
        elements += [names[k] for k in place]
        kinds += [kind] * len(step)
        columns.append(np.stack([value[step, place], limit[step, place], excess[step, place]]))
    step, table = np.concatenate(steps), np.concatenate(columns, axis=1)
    order = np.lexsort((np.array(elements, dtype=np.str_), np.array(kinds, dtype=np.str_), step))
    element, kind_names = (tuple(words[k] for k in order) for words in (elements, kinds))
    return Broken(step[order], element, kind_names, *table[:, order])


def at_rest(field: Field, day: OperatingDay) -> Broken:
    """What load that nobody can move breaks alone: everything else rests, as the day was."""
    low_kw, high_kw = device_bounds_kw(field, field.information.meters())
    p_kw, q_kvar = day.done.p_kw.copy(), day.done.q_kvar.copy()
    may = np.flatnonzero(field.is_controllable)
    p_kw[:, may] = np.clip(0.0, low_kw[:, may], high_kw[:, may])
    q_kvar[:, may] = p_kw[:, may] * field.tan[may]
    closed = None if day.switched is None else day.switched.closed
    return find_broken(field, field.flow(p_kw, q_kvar, closed))


def causes(day: OperatingDay, broken: Broken, fixed: Broken, missed: FloatArray) -> list[str]:
    """Why each limit stays broken.

    Parameters
    ----------
    fixed : Broken
        What is broken at rest.
    missed : (steps,)
        What was sold and not delivered [kW, kvar].
    """
    is_promised = "envelopes" in day.instruments or "reactive" in day.instruments
    # Communities can move what nobody else can: a voltage that they were to hold is out for another reason.
    by_rounds = "reactive" in day.instruments
    of_rest = set(zip(fixed.step.tolist(), fixed.element, fixed.kind, strict=True))
    found = []
    for place in zip(broken.step.tolist(), broken.element, broken.kind, strict=True):
        if place in of_rest and not (by_rounds and place[2].startswith("vm_")):
            found.append(FIXED)
        elif missed[place[0]] > 0.0:
            found.append(UNDELIVERED)
        else:
            found.append(FORECAST if is_promised else UNPROMISED)
    return found
