"""Set-points: what every device does in an interval, from what is known at its start.

A car or a house follows the path of its planned state, so that what was held back is made up for as soon as
there is room, and so is what the weather takes. A battery takes what the roof of its member has left, and
gives what the member lacks. All of them stay within what they are allowed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from gridcommons.day.field import Field
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.profiles import Profiles
from gridcommons.optimisation.devices.chain import STATES, Chains


@dataclass(frozen=True, eq=False)
class Orders:
    """What devices are told for a day.

    Parameters
    ----------
    target : (devices with a state, steps)
        State that each shall have at the end of each interval [kWh or °C].
    low_kw, high_kw : (steps, assets)
        What each asset is allowed [kW]; infinite where nobody says.
    stored_target : (batteries, steps), optional
        Energy that each battery shall have then, NaN where it follows its meter [kWh]; all do if empty.
    plan_kw : (steps, assets), optional
        Where given, devices do what is planned, within their own bounds, and look at nothing else; but for
        those that nobody may move.
    """

    target: FloatArray
    low_kw: FloatArray
    high_kw: FloatArray
    plan_kw: FloatArray | None = None
    stored_target: FloatArray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True, eq=False)
class Operated:
    """What devices did.

    Parameters
    ----------
    p_kw : (steps, assets)
        Net power [kW].
    state : (devices with a state, steps, states)
        Energy of cars [kWh], air and structure of houses [°C].
    stored_kwh : (batteries, steps)
        Energy of batteries at the end of each interval [kWh].
    wanted_kw : (steps, assets)
        What they would have done if everything were allowed in that interval [kW].
    """

    p_kw: FloatArray
    state: FloatArray
    stored_kwh: FloatArray
    wanted_kw: FloatArray


def unplanned_target(chains: Chains, cars: int) -> FloatArray:
    """States that nobody plans: cars as full as they get, houses in the middle of their band."""
    low, high = chains.state_low[:, :, 0], chains.state_high[:, :, 0]
    target = 0.5 * (low + high)
    target[:cars] = high[:cars]
    return target


def operate(field: Field, expected: Profiles, real: Profiles, orders: Orders) -> Operated:
    """A day of all devices.

    Parameters
    ----------
    expected, real : Profiles
        Each interval as it is expected at its start, and as it is.
    orders : Orders
        What they are told.
    """
    day = _Day(field, expected, real, orders)
    for step in range(field.study.time.steps):
        day.chains(step)
        day.followers(step)
        day.batteries(step)
    return Operated(day.p_kw, day.state, day.stored_kwh, day.wanted_kw)


class _Day:
    """Devices on their way through a day."""

    def __init__(self, field: Field, expected: Profiles, real: Profiles, orders: Orders) -> None:
        self.field, self.orders = field, orders
        self.seen_kw, self.p_kw = field.net_kw(expected), field.net_kw(real)
        self.wanted_kw = self.p_kw.copy()
        self.law, self.real_law = field.chains(expected), field.chains(real)
        self.water_kw = self.p_kw[:, field.chained].T.copy()
        self.water_kw[: len(field.cars)] = 0.0
        steps = field.study.time.steps
        self.state = np.empty((len(field.chained), steps, STATES))
        self.hours = field.study.time.step_hours
        self.stored_kwh = np.empty((len(field.batteries), steps))
        self._read_batteries()

    def _read_batteries(self) -> None:
        batteries = self.field.batteries

        def of(rating: str) -> FloatArray:
            return np.array([getattr(battery, rating) for battery in batteries], dtype=np.float64)

        size = of("energy_kwh")
        self.charge_kw, self.discharge_kw = of("charge_max_kw"), of("discharge_max_kw")
        self.charge_share = of("charge_efficiency_share")
        self.discharge_share = of("discharge_efficiency_share")
        self.least_kwh, self.most_kwh = of("soc_min_share") * size, of("soc_max_share") * size
        self.held_kwh = of("soc_initial_share") * size
        owner = self.field.member_of[self.field.stored]
        together = np.zeros(len(self.field.study.community.members))
        np.add.at(together, owner, self.charge_kw)
        self.part = self.charge_kw / np.where(together[owner] > 0.0, together[owner], 1.0)

    def _allowed(self, step: int, rows: IntArray, p_kw: FloatArray) -> FloatArray:
        return np.clip(p_kw, self.orders.low_kw[step, rows], self.orders.high_kw[step, rows])

    def chains(self, step: int) -> None:
        """Cars and houses take what brings them to their target, within power, state and what is allowed."""
        law, rows = self.law, self.field.chained
        if not len(rows):
            return
        state = law.start if step == 0 else self.state[:, step - 1]
        moved = np.einsum("dij,dj->di", law.transition, state)
        idle, per_kw = moved[:, 0] + law.drift[:, step, 0], law.effect[:, step, 0]
        need = self._to(self.orders.target[:, step] - idle, per_kw)
        if self.orders.plan_kw is not None:
            told = self.orders.plan_kw[step, rows] - self.water_kw[:, step]
            need = np.where(self.field.is_controllable[rows], told, need)
        most = np.minimum(self._to(law.state_high[:, step, 0] - idle, per_kw), law.power_high[:, step])
        wanted = np.clip(need, law.power_low[:, step], np.maximum(most, law.power_low[:, step]))
        net = wanted + self.water_kw[:, step]
        held = self._allowed(step, rows, net)
        # A device draws nothing below zero, and its hot water whatever it is allowed.
        power = np.clip(held - self.water_kw[:, step], law.power_low[:, step], wanted)
        self.wanted_kw[step, rows] = net
        self.p_kw[step, rows] = power + self.water_kw[:, step]
        real = self.real_law
        self.state[:, step] = moved + real.drift[:, step] + real.effect[:, step] * power[:, None]

    @staticmethod
    def _to(change: FloatArray, per_kw: FloatArray) -> FloatArray:
        return np.divide(change, per_kw, out=np.zeros_like(change), where=per_kw > 0.0)

    def followers(self, step: int) -> None:
        """Solar plants and all else without a state follow their profile, within what is allowed."""
        rows = self.field.followers
        for p_kw in (self.p_kw, self.seen_kw):
            # Nobody feeds in more than there is.
            least_kw = np.minimum(p_kw[step, rows], 0.0)
            held_kw = self._allowed(step, rows, p_kw[step, rows])
            p_kw[step, rows] = np.where(held_kw < least_kw, least_kw, held_kw)

    def batteries(self, step: int) -> None:
        """Batteries keep the meter of their member at zero, or go to the energy that they planned."""
        rows, field = self.field.stored, self.field
        if not len(rows):
            return
        seen = self.seen_kw[step].copy()
        seen[field.chained], seen[rows] = self.p_kw[step, field.chained], 0.0
        member_kw = np.bincount(field.member_of, seen, len(field.study.community.members))
        wanted = -member_kw[field.member_of[rows]] * self.part
        if len(self.orders.stored_target):
            goal_kwh = self.orders.stored_target[:, step]
            moved_kw = (goal_kwh - self.held_kwh) / self.hours
            to_goal = np.where(moved_kw > 0.0, moved_kw / self.charge_share, moved_kw * self.discharge_share)
            wanted = np.where(np.isnan(goal_kwh), wanted, to_goal)
        if self.orders.plan_kw is not None:
            wanted = self.orders.plan_kw[step, rows]
        room_kw = (self.most_kwh - self.held_kwh) / (self.charge_share * self.hours)
        stock_kw = (self.held_kwh - self.least_kwh) * self.discharge_share / self.hours
        low, high = -np.minimum(self.discharge_kw, stock_kw), np.minimum(self.charge_kw, room_kw)
        self.wanted_kw[step, rows] = np.clip(wanted, low, high)
        power = np.clip(self._allowed(step, rows, self.wanted_kw[step, rows]), low, high)
        gained = np.where(power > 0.0, power * self.charge_share, power / self.discharge_share)
        self.held_kwh = self.held_kwh + gained * self.hours
        self.p_kw[step, rows], self.stored_kwh[:, step] = power, self.held_kwh
