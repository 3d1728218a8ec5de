"""What each instrument is worth: the same day without any, with each alone, and with all but each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gridcommons.day.bills import Ledger, is_settled, postings_of
from gridcommons.day.field import DayFlow, Field
from gridcommons.day.outcomes import Realised
from gridcommons.day.timeline import OperatingDay, Stages, run_day
from gridcommons.day.violations import find_broken
from gridcommons.model.assets import EvCharger, HeatPump
from gridcommons.model.grid import FloatArray
from gridcommons.model.money import balance
from gridcommons.model.profiles import room_cop

LEAST_KWH = 0.01
"""What a car may lack and counts as full."""


@dataclass(frozen=True, eq=False)
class DayFigures:
    """A day in figures.

    Parameters
    ----------
    label : str
        Which day it is.
    broken, intervals : int
        Limits broken, counted by element and interval; intervals with any.
    worst_loading_percent, lowest_vm_pu : float
        Of the whole day.
    held_back_kwh : float
        Energy that envelopes kept from being drawn or fed in when it was wanted.
    missing_kwh : float
        What cars lack at the end of the day of what they should hold then.
    cold_kelvin_hours : float
        By how much, and for how long, the air of houses was below its band.
    batteries_kwh : float
        What is left in batteries at the end.
    members_pay, operator_gets : float
        What all members pay together, and what the grid operator is left with [currency].
    """

    label: str
    broken: int
    intervals: int
    worst_loading_percent: float
    lowest_vm_pu: float
    held_back_kwh: float
    missing_kwh: float
    cold_kelvin_hours: float
    batteries_kwh: float
    members_pay: float
    operator_gets: float


def selections(instruments: tuple[str, ...], asked: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Label and instruments of each day that is compared."""
    yield "none", ()
    for name in instruments:
        if name in asked:
            yield f"{name} alone", (name,)
    for name in instruments:
        if name in asked and len(instruments) > 1:
            yield f"all but {name}", tuple(each for each in instruments if each != name)
    yield "all", instruments


def held_back_kw(field: Field, day: OperatingDay) -> FloatArray:
    """What envelopes kept back of what was wanted, shape (steps,) [kW]; what is made up for counts again."""
    moved_kw = np.abs(day.done.wanted_kw - day.done.p_kw)
    return np.asarray(moved_kw[:, field.is_controllable].sum(axis=1))


def missing_by_member_kwh(field: Field, done: Realised) -> FloatArray:
    """What the cars of each member lack at the end of what they should hold then, shape (members,) [kWh].

    Cars and heat pumps without a state that is planned lack what they were kept from drawing.
    """
    cars = len(field.cars)
    due_kwh = field.chains(field.information.meters()).state_low[:cars, -1, 0]
    short_kwh = due_kwh - done.state[:cars, -1]
    short_kwh = np.where(short_kwh > LEAST_KWH, short_kwh, 0.0)
    owner = field.member_of[field.chained[:cars]]
    members = len(field.study.community.members)
    rows = [k for k in field.followers.tolist() if isinstance(field.assets[k], EvCharger | HeatPump)]
    kept_kwh = np.maximum(done.wanted_kw - done.p_kw, 0.0)[:, rows].sum(axis=0) * field.study.time.step_hours
    of_followers = np.bincount(field.member_of[rows], kept_kwh, members) if rows else np.zeros(members)
    return np.asarray(np.bincount(owner, short_kwh, members) + of_followers)


def stored_by_member_kwh(field: Field, done: Realised) -> FloatArray:
    """What the devices of each member hold at the end, as electricity, shape (members,) [kWh].

    Energy of cars and batteries, and the warmth of the air of houses by their mean COP, above 0 °C.
    """
    cars, members = len(field.cars), len(field.study.community.members)
    known = field.information.meters()
    per_k = [pump.air_kwh_per_k / float(room_cop(pump, known).mean()) for pump in field.pumps]
    weight = np.concatenate([np.ones(cars), per_k])
    given = np.array([battery.discharge_efficiency_share for battery in field.batteries])
    stored = np.bincount(field.member_of[field.stored], done.stored_kwh[:, -1] * given, members)
    return np.asarray(
        stored + np.bincount(field.member_of[field.chained], done.state[:, -1] * weight, members)
    )


def missing_kwh(field: Field, done: Realised) -> float:
    """What all cars lack at the end [kWh]."""
    return float(missing_by_member_kwh(field, done).sum())


def cold_kelvin_hours(field: Field, done: Realised) -> float:
    """How far and how long houses were below their band, all together [K h]."""
    least_c = np.array([pump.temp_min_c for pump in field.pumps]).reshape(-1, 1)
    short_c = np.maximum(least_c - done.state[len(field.cars) :], 0.0)
    return float(short_c.sum()) * field.study.time.step_hours


def figures_of(field: Field, label: str, day: OperatingDay, flow: DayFlow) -> DayFigures:
    """A day in figures, from its load flow."""
    broken = find_broken(field, flow)
    rows = broken.counted()
    members_pay = operator_gets = float("nan")
    if is_settled(field.study):
        left = balance(postings_of(ledger_of(field, day, flow)))
        members = {member.member for member in field.study.community.members}
        members_pay = -float(sum(amount for name, amount in left.items() if name in members))
        operator_gets = float(left.get("DSO", 0))
    return DayFigures(
        label=label,
        broken=len(rows),
        intervals=len(np.unique(broken.step[rows])),
        worst_loading_percent=float(np.nanmax(flow.loading_percent)),
        lowest_vm_pu=float(np.nanmin(flow.vm_pu)),
        held_back_kwh=float(held_back_kw(field, day).sum()) * field.study.time.step_hours,
        missing_kwh=missing_kwh(field, day.done),
        cold_kelvin_hours=cold_kelvin_hours(field, day.done),
        batteries_kwh=float(day.done.stored_kwh[:, -1].sum()),
        members_pay=members_pay,
        operator_gets=operator_gets,
    )


def realised_flow(field: Field, day: OperatingDay) -> DayFlow:
    """The load flow of the day as it was, with its switches where they stood."""
    closed = None if day.switched is None else day.switched.closed
    return field.flow(day.done.p_kw, day.done.q_kvar, closed)


def ledger_of(field: Field, day: OperatingDay, flow: DayFlow) -> Ledger:
    """The day as it is settled."""
    agreed = (day.tariff, day.market, day.trades)
    return Ledger(field, day.done, *agreed, day.final.plan_kw, flow.losses_kw, day.scheduled)


def compare(stages: Stages, instruments: tuple[str, ...]) -> list[DayFigures]:
    """Every day that the study asks to compare."""
    field = stages.field
    days = list(selections(instruments, field.settings.worth))
    found = []
    with field.engines.progress("days compared", len(days)) as advance:
        for label, chosen in days:
            day = run_day(stages, chosen)
            flow = realised_flow(field, day)
            found.append(figures_of(field, label, day, flow))
            advance(1)
    return found
