"""Switches between clusters through the day, in the order of a round.

Envelopes are those of the topology that an interval begins with; devices are told what to do within them; the
balances that follow ask for positions. These are taken where what has been promised holds on them, with all
upper ends of the envelopes and with all lower ones. Where it does not, envelopes are issued for the new
topology first, and it is taken if devices that keep these still ask for it; else the present one stays.

What an interval does depends on those before it alone. All intervals are worked out at once on the topologies
that are known, and again from the first one on that turns out to be another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gridcommons.day.account import Account
from gridcommons.day.envelope_issuer import Issuer
from gridcommons.day.expectation import expected_power
from gridcommons.day.field import Field
from gridcommons.day.local_market import expected_day, rounds_of, trading_settings
from gridcommons.day.outcomes import Planned, Realised, Switched
from gridcommons.day.real_time import live_the_day
from gridcommons.model.clusters import ClusterMap
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray
from gridcommons.model.switches import positions
from gridcommons.ports import SwitchController, SwitchWish
from gridcommons.powerflow.switched_flows import Connected
from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.rounds import Rounds
from gridcommons.trading.scenarios import Switchyard

WORSE = np.array([1e-6, 1e-6, 1e-4])
"""By how much a limit may be broken further: low and high voltages [pu], loadings [%]."""


def clusters_of(field: Field) -> tuple[SwitchController, ClusterMap]:
    """Who moves switches, and what they cut the grid into."""
    settings = trading_settings(field)
    controller = field.engines.switch_controller(settings.switching)
    study = field.study
    return controller, controller.find_clusters(study.grid, study.community.members, study.switches)


def live_with_switches(
    issuer: Issuer, account: Account | None, *, control: bool
) -> tuple[Realised, Switched]:
    """The day with envelopes on the topology of each interval, and the topologies that it asks for."""
    field, planned = issuer.field, issuer.planned
    course = Course.at_rest(field)
    while True:
        done = live_the_day(field, planned, account, control=control, issued=issuer.on(course.ground))
        course = Follower(field, planned, done, issuer).follow(course)
        if course.settled == len(course.ground):
            return done, Switched(course.closed, course.refused)


def follow_balances(field: Field, planned: Planned, done: Realised) -> Switched:
    """Positions of each interval, where no envelope depends on them."""
    course = Follower(field, planned, done).follow(Course.at_rest(field))
    return Switched(course.closed, course.refused)


@dataclass(frozen=True, eq=False)
class Course:
    """How far a day with switches is worked out.

    Parameters
    ----------
    ground : (steps, switches)
        Positions for which the envelopes of each interval are issued.
    closed : (steps, switches)
        Positions that each interval ends with.
    refused : (steps,)
        Where others were wanted and not taken.
    is_tried, is_given_up : (steps,)
        Where envelopes are issued for positions that are wanted; where that was of no use.
    settled : int
        Intervals, from the first on, that are as they will be.
    """

    ground: BoolArray
    closed: BoolArray
    refused: BoolArray
    is_tried: BoolArray
    is_given_up: BoolArray
    settled: int = 0

    @classmethod
    def at_rest(cls, field: Field) -> Course:
        """Nothing worked out, and no switch moved."""
        start, steps = positions(field.study.switches), field.study.time.steps
        nowhere = np.zeros(steps, dtype=np.bool_)
        ground = np.tile(start, (steps, 1))
        return cls(ground, ground.copy(), nowhere, nowhere.copy(), nowhere.copy())

    def again(self, step: int, ground: BoolArray, *, tried: bool = False, given_up: bool = False) -> Course:
        """The day up to an interval, to be worked out from there with envelopes of other positions."""
        ground_now, tried_now = self.ground.copy(), self.is_tried.copy()
        given_up_now = self.is_given_up.copy()
        ground_now[step:], tried_now[step], given_up_now[step] = ground, tried, given_up
        return replace(self, ground=ground_now, is_tried=tried_now, is_given_up=given_up_now, settled=step)


@dataclass(frozen=True, eq=False)
class Follower:
    """Who moves the switches of a day, given what everybody does.

    Parameters
    ----------
    field, planned, done
        The day, its plans, and what everybody does.
    issuer : Issuer, optional
        Who issues envelopes; nobody if absent.
    """

    field: Field
    planned: Planned
    done: Realised
    issuer: Issuer | None = None

    def follow(self, course: Course) -> Course:
        """Positions of each interval, up to the first whose envelopes must be others than it has."""
        course = replace(course, closed=course.closed.copy(), refused=course.refused.copy())
        now = (
            positions(self.field.study.switches) if not course.settled else course.closed[course.settled - 1]
        )
        for step in range(course.settled, len(course.ground)):
            ground, goal = course.ground[step], self.wanted(step, now)
            if self.issuer is not None and (ground != now).any():
                if not course.is_tried[step]:
                    return course.again(step, now)
                if (ground != goal).any() or not self._may_follow(step, now, goal):
                    return course.again(step, now, given_up=True)
            elif (goal != now).any() and self._is_worse(step, now, goal):
                if self.issuer is not None and not course.is_given_up[step]:
                    return course.again(step, goal, tried=True)
                course.refused[step] = True
                goal = now
            now = course.closed[step] = goal
        return replace(course, settled=len(course.ground))

    @cached_property
    def power(self) -> tuple[FloatArray, FloatArray]:
        """What everybody is expected to draw when each interval begins, (steps, assets) each [kW], [kvar]."""
        return expected_power(self.field, self.planned, self.done)

    def wanted(self, step: int, now: BoolArray) -> BoolArray:
        """Positions that the rounds of an interval ask for, from those that are there, shape (switches,)."""
        day, rounds, yard = self.community_day, self.rounds, self.yard
        idle = np.zeros(len(yard.clusters.graph.clusters))
        for index in self.rounds_of_step.get(step, []):
            minutes = int(rounds.minute[index]), int(rounds.effect_minute[index])
            moves, _ = yard.decide(day, minutes, yard.balance_kw(day, minutes[0], idle), now)
            now = now if moves is None else moves.reached
        return now

    @cached_property
    def community_day(self) -> CommunityDay:
        """What everybody is expected to exchange."""
        return expected_day(self.field, (self.planned, self.done), trading_settings(self.field))

    @cached_property
    def rounds(self) -> Rounds:
        """The rounds of the day."""
        return rounds_of(self.field, self.community_day)

    @cached_property
    def rounds_of_step(self) -> dict[int, list[int]]:
        """Those that may move switches, by the interval that is the first to have what they decide."""
        found: dict[int, list[int]] = {}
        for index in self.yard.ruling(self.community_day, self.rounds).tolist():
            step = -(-int(self.rounds.effect_minute[index]) // self.field.study.time.step_minutes)
            found.setdefault(step, []).append(index)
        return found

    @cached_property
    def yard(self) -> Switchyard:
        """Who moves switches."""
        settings = trading_settings(self.field)
        controller, clusters = clusters_of(self.field)
        wish = SwitchWish(settings.parallel_allowed, worth_hours=settings.worth_minutes / 60.0)
        return Switchyard(self.field.study, clusters, controller, wish, self._connected())

    def _connected(self) -> Connected:
        """Power of every asset at the rows of the grid that it uses, by the minute."""
        at = self.field.study.community.terminals(self.field.study.grid)
        of_row = np.repeat(np.arange(len(self.power[0])), self.field.study.time.step_minutes)
        p_kw, q_kvar = (part[:, at.asset] * at.share for part in self.power)
        return Connected(at.bus, at.to_bus, p_kw, q_kvar, of_row, at.asset, at.share)

    def _is_worse(self, step: int, now: BoolArray, goal: BoolArray) -> bool:
        """Whether a limit is broken further on other positions by what was promised on the present ones."""
        promised_kw = (self.done.p_min_kw, self.done.p_max_kw)
        return _exceeds(self._worst(goal, promised_kw, step), self._worst(now, promised_kw, step))

    def _may_follow(self, step: int, now: BoolArray, goal: BoolArray) -> bool:
        """Whether envelopes issued for other positions hold there as those of the present ones do here."""
        assert self.issuer is not None
        issued = self.issuer.on(np.tile(now, (len(self.done.p_kw), 1)))
        after = self._worst(goal, (self.done.p_min_kw, self.done.p_max_kw), step)
        return not _exceeds(after, self._worst(now, (issued.p_min_kw, issued.p_max_kw), step))

    def _worst(self, closed: BoolArray, promised_kw: tuple[FloatArray, FloatArray], step: int) -> FloatArray:
        """By how much positions break each kind of limit at most in an interval, shape (kinds,).

        With both ends of some envelopes, and with what is expected within them; infinite where nothing flows.
        """
        expected_kw, expected_kvar = (part[[step]] for part in self.power)
        low_kw, high_kw = (end[[step]] for end in promised_kw)
        powers = [np.clip(expected_kw, low_kw, high_kw)]
        if np.isfinite(high_kw).any():
            powers += [np.where(np.isfinite(end), end, expected_kw) for end in (high_kw, low_kw)]
        p_kw, tan = np.concatenate(powers), self.field.tan
        q_kvar = np.where(p_kw == expected_kw, expected_kvar, p_kw * tan)
        try:
            flow = self.field.flow(p_kw, q_kvar, np.tile(closed, (len(p_kw), 1)))
        except NotConvergedError:
            return np.full(len(WORSE), np.inf)
        limits = self.field.limits.window(step, step + 1)
        over = (
            limits.vm_min_pu - flow.vm_pu,
            flow.vm_pu - limits.vm_max_pu,
            flow.loading_percent - limits.loading_max_percent,
        )
        return np.array([np.nan_to_num(part, nan=-np.inf).max(initial=-np.inf) for part in over])


def _exceeds(beyond: FloatArray, before: FloatArray) -> bool:
    return bool((beyond > np.maximum(before, 0.0) + WORSE).any())
