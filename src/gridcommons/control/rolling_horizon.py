"""A year of control, interval by interval, without foresight: the rule, and the grid where it binds.

The rule answers every household and interval at once. Where its answer would break a limit that the
dispatch must hold, the grid-wide program takes that interval, and the rule goes on behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gridcommons.control.congestion import GridProgram
from gridcommons.control.dispatch import Part, Sum, carry_out, look_at_all, run_rule
from gridcommons.control.households import Households, copy_state
from gridcommons.control.plant import Record, Signals, State, Worth
from gridcommons.control.settings import Costs
from gridcommons.model.grid import FloatArray, IntArray

FIRST_CHUNK, LONGEST_CHUNK = 8, 2048
"""Intervals that the rule runs ahead before the grid is looked at: few behind a binding one, then more."""


@dataclass(frozen=True, eq=False)
class ControlledYear:
    """What the households did.

    Parameters
    ----------
    record : Record
        Net powers, parts and sums.
    end : State
        Energies after the last interval, and what was put off and not yet made up for.
    binding : (intervals,)
        Intervals in which a limit of the dispatch bound.
    slack_kw : (intervals,)
        What the program could not avoid in each of them [kW].
    """

    record: Record
    end: State
    binding: IntArray
    slack_kw: FloatArray


Worths = tuple[Worth, Worth, Worth, Worth]


def worthwhile(costs: Costs) -> Worths:
    """What the costs make worthwhile: as usual, where stores wait, where the grid is cheap, and both.

    A store charges from the grid where that costs less than charging is worth, and serves load where
    that costs less than the grid.
    """
    usual, dear = (costs.discharge_battery, costs.discharge_tank), (costs.dear_discharge,) * 2
    return (
        _worth(costs, costs.grid, usual),
        _worth(costs, costs.grid, dear),
        _worth(costs, costs.cheap_grid, usual),
        _worth(costs, costs.cheap_grid, dear),
    )


def _worth(costs: Costs, grid: float, discharge: tuple[float, ...]) -> Worth:
    battery, tank = discharge
    return Worth(
        int(grid < costs.charge_battery), int(grid < costs.charge_tank), int(battery < grid), int(tank < grid)
    )


def make_record(households: Households, price: FloatArray) -> Record:
    """An empty record; ``price`` (2, steps) is that of import and of feed-in."""
    plant, start = households.plant, households.start
    steps, count = plant.load_kw.shape[1], len(households)
    reach = np.stack([start.battery_kwh, start.battery_kwh, start.tank_kwh, start.tank_kwh], axis=1)
    return Record(
        p_kw=np.zeros((count, steps)),
        q_kvar=np.zeros((count, steps)),
        parts=np.zeros((len(Part), steps)),
        sums=np.zeros((count, len(Sum))),
        reach=reach.copy(),
        clash=np.zeros(count, dtype=np.int64),
        price=price,
    )


def control_year(
    households: Households,
    signals: Signals,
    costs: Costs,
    price: FloatArray,
    *,
    program: GridProgram | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> ControlledYear:
    """Carry out a year.

    Parameters
    ----------
    households : Households
        Who is controlled.
    signals : Signals
        What measures ask for.
    costs : Costs
        The order of dispatch.
    price : (2, steps)
        Price of import and feed-in, for the account alone.
    program : GridProgram, optional
        The limits that the dispatch holds; none by default.
    advance : callable
        Told how many intervals are done.
    """
    run = _Run(households, signals, worthwhile(costs), make_record(households, price))
    steps = households.plant.load_kw.shape[1]
    if program is None or not program.can_bind:
        for start in range(0, steps, LONGEST_CHUNK):
            stop = min(start + LONGEST_CHUNK, steps)
            run.rule(start, stop)
            advance(stop - start)
        return run.finish()
    at, ahead = 0, LONGEST_CHUNK
    while at < steps:
        stop = min(at + ahead, steps)
        done = run.rule_until(at, stop, program)
        if done < stop:
            run.program(done, program)
            done += 1
        ahead = FIRST_CHUNK if done < stop else min(2 * ahead, LONGEST_CHUNK)
        advance(done - at)
        at = done
    return run.finish()


class _Run:
    """A year under way: its state, its record, and where the grid has bound so far."""

    def __init__(self, households: Households, signals: Signals, worths: Worths, record: Record) -> None:
        self.plant = households.plant
        self.signals = signals
        self.worths = worths
        self.record = record
        self.state = copy_state(households.start)
        self.binding: list[int] = []
        self.slack_kw: list[float] = []

    def rule(self, start: int, stop: int) -> None:
        """The rule from one interval to before another."""
        run_rule(self.plant, self.signals, self.worths, self.state, (start, stop), self.record)

    def rule_until(self, start: int, stop: int, program: GridProgram) -> int:
        """The rule up to the first interval that breaks a limit; gives that interval, or ``stop``."""
        before = self._keep()
        self.rule(start, stop)
        broken = np.flatnonzero(program.breaks(self.record.p_kw[:, start:stop], start))
        if not len(broken):
            return stop
        self._put_back(before, start, stop)
        first = start + int(broken[0])
        self.rule(start, first)
        return first

    def program(self, t: int, program: GridProgram) -> None:
        """One interval by the grid-wide program."""
        at = look_at_all(self.plant, self.signals, self.state, t)
        cheap, wait = self.signals.cheap[:, t], int(self.signals.wait[t])
        battery_kw, tank_kw, slack_kw = program.dispatch(at, cheap, wait, t)
        carry_out(self.plant, self.signals, self.state, t, (battery_kw, tank_kw, self.record))
        self.binding.append(t)
        self.slack_kw.append(slack_kw)

    def finish(self) -> ControlledYear:
        """What came out."""
        binding = np.array(self.binding, dtype=np.int64)
        return ControlledYear(self.record, self.state, binding, np.array(self.slack_kw))

    def _keep(self) -> tuple[State, FloatArray, FloatArray, IntArray]:
        record = self.record
        return copy_state(self.state), record.sums.copy(), record.reach.copy(), record.clash.copy()

    def _put_back(self, kept: tuple[State, FloatArray, FloatArray, IntArray], start: int, stop: int) -> None:
        state, sums, reach, clash = kept
        for mine, theirs in zip(self.state, state, strict=True):
            mine[:] = theirs
        self.record.sums[:], self.record.reach[:], self.record.clash[:] = sums, reach, clash
        self.record.parts[:, start:stop] = 0.0
