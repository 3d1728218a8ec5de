"""A community as a party: it schedules itself, answers prices of reactive power, and delivers what is bought.

It shares nothing but messages: what it exchanges at its connections. The whole numbers of its schedule stay
as they are while it answers, so that an answer is a linear program, exact where a schedule may be within its
gap; the tangents that price reactive power are added to until they are exact at the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.messages import MessageError
from gridcommons.optimisation.apparent_power import given_up_kw, opportunity_cost
from gridcommons.optimisation.linear_model import Linear, LinearModel
from gridcommons.scheduling.constraints import (
    REACTIVE_COST,
    Priced,
    Program,
    make_program,
    price_of_active_power,
)
from gridcommons.scheduling.energy_hub import EnergyHub
from gridcommons.scheduling.messages import Award, Call, Exchange
from gridcommons.scheduling.promises import (
    IMBALANCE,
    Promised,
    breach_price,
    imbalance_price,
    keep_promises,
    pay_imbalance,
)
from gridcommons.scheduling.settings import Settings
from gridcommons.scheduling.shortfalls import explain

STAY_PRICE_PER_KWH = 1e-6
"""What moving a device from the schedule costs beside its cost, and a kvarh of a device: of two answers that
cost the same, the one that moves less."""

PRICED_SHARE = 1e-4
"""Share by which S − P may be priced too low at an answer."""

HEAT_COSTS = ("heat", "fuel")
"""Names of the costs of heat and fuel that arise interval by interval."""

SMALLEST_KVA = 1e-6
"""Error of S that is none [kVA]."""


@dataclass(frozen=True, eq=False)
class DeviceDay:
    """What one device does over the horizon, each of shape (steps,).

    ``p_kw`` and ``q_kvar`` are net, ``heat_kw`` is given; ``soc_share`` is at the end of the interval, NaN
    where nothing is stored.
    """

    asset: str
    p_kw: FloatArray
    q_kvar: FloatArray
    heat_kw: FloatArray
    soc_share: FloatArray


@dataclass(frozen=True, eq=False)
class Plan:
    """What a community does over a horizon.

    Parameters
    ----------
    devices : tuple of DeviceDay
        What it controls, then what follows its profile.
    p_kw, q_kvar : (connections, steps)
        Net power at its connections.
    heat_kw, shed_kw : (steps,)
        Heat drawn from the district network; load that is not served.
    cost : mapping of str to float
        What it pays, by what for; the exchange of reactive power with the grid aside.
    heat_cost : (steps,)
        What of it is for heat and fuel, peaks and fees of days aside.
    states : mapping of str to (steps,)
        States of its devices after each interval, by the names of ``Horizon.start``.
    """

    devices: tuple[DeviceDay, ...]
    p_kw: FloatArray
    q_kvar: FloatArray
    heat_kw: FloatArray
    shed_kw: FloatArray
    cost: dict[str, float]
    heat_cost: FloatArray
    states: dict[str, FloatArray]

    @property
    def end(self) -> dict[str, float]:
        """States after the last interval, with which another horizon begins."""
        return {name: float(values[-1]) for name, values in self.states.items()}


@dataclass(frozen=True)
class ProgramSize:
    """How large the program of a schedule was, and by how much its cost may be above the least possible."""

    variables: int
    whole_variables: int
    rows: int
    gap_share: float

    @classmethod
    def of(cls, model: LinearModel, gap_share: float) -> ProgramSize:
        """That of a model, solved to a gap."""
        rows = sum(each.expression.constant.size for each in model.rows)
        return cls(model.columns, int(_whole(model).sum()), rows, gap_share)


class Community:
    """A community over one horizon.

    Parameters
    ----------
    hub : EnergyHub
        What it has and needs.
    settings : Settings
        Its tariffs.
    promised : Promised, optional
        What it has sold before, where the rest of a horizon is planned anew.
    """

    def __init__(self, hub: EnergyHub, settings: Settings, promised: Promised | None = None) -> None:
        self.hub = hub
        self.settings = settings
        self.promised = promised
        self._base: FloatArray | None = None
        self._now: FloatArray | None = None
        self._program: Program | None = None
        self.size: ProgramSize | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the program, which is made anew where it is needed."""
        return {**self.__dict__, "_program": None}

    @property
    def name(self) -> str:
        """What it is called."""
        return self.hub.name

    @property
    def program(self) -> Program:
        """Its program."""
        if self._program is None:
            self._program = make_program(self.hub, self.settings)
        return self._program

    @property
    def scheduled(self) -> FloatArray:
        """Its own schedule as a point of the program, shape (variables,)."""
        return self._known(self._base)

    def schedule(self) -> bytes:
        """Schedule itself, once, without anybody else; the message says what it will exchange.

        Raises
        ------
        InfeasibleError
            Which law cannot hold, when, and by how much.
        """
        if self._base is not None:
            return self._message(0)
        program, fee = self.program, self._fee()
        model = _copy(program.model)
        model.add_cost(program.q_kvar * (fee * self.hub.hours), "reactive exchange")
        if self.promised is not None:
            self._keep_what_is_sold(model, self.promised.p_kw)
        try:
            optimum = model.solve(self.settings.mip_gap_share, self.settings.nodes_max)
        except InfeasibleError:
            raise InfeasibleError(explain(model, self.hub, program)) from None
        except NotConvergedError as error:
            raise NotConvergedError(f"{self._where()}: {error}") from None
        found = optimum.x[: program.model.columns]
        self.size = ProgramSize.of(model, optimum.gap_share)
        self._base = np.where(_whole(program.model), np.round(found), found)
        self._base = self._now = self._respond(fee, is_committed=False)
        return self._message(0)

    def answer(self, message: bytes) -> bytes:
        """What it would exchange at the prices of a ``Call``.

        Inside the hours that are called, the fee is paid on the schedule's reactive power and the price is
        earned on what is injected beyond it; outside, the fee on what is exchanged.
        """
        call = Call.from_bytes(message)
        price = self._fee()
        price[:, self._hours_of(call.called)] = self._expect_rows("call", call.price_per_kvarh)
        self._now = self._respond(price)
        return self._message(call.round)

    def deliver(self, message: bytes) -> bytes:
        """What it exchanges when the amounts of an ``Award`` are bought: at least cost, and exactly these."""
        award = Award.from_bytes(message)
        hours, bought_kvar = self._hours_of(award.called), self._expect_rows("award", award.bought_kvar)
        self._now = self._respond(self._fee(), bought=(hours, bought_kvar))
        return self._message(award.round)

    def plan(self) -> Plan:
        """What it does as things stand."""
        plan = read_plan(self.hub, self.program, self._known(self._now))
        moved_kw = np.abs(plan.p_kw - self._sold_kw())
        paid = float((moved_kw * imbalance_price(self.hub, self.settings)).sum())
        return replace(plan, cost={**plan.cost, IMBALANCE: paid})

    def _where(self) -> str:
        """Who, and from when on: for errors."""
        first = self.hub.horizon.profiles.time.local(0).isoformat(timespec="minutes")
        return f"community {self.name}, {self.hub.steps} intervals from {first}"

    def _fee(self) -> FloatArray:
        return np.full((len(self.hub.bus), self.hub.steps), self.settings.reactive_fee_per_kvarh)

    def _hours_of(self, called: IntArray) -> IntArray:
        if len(called) and called[-1] >= self.hub.steps:
            raise MessageError(f"received interval {called[-1]}, expected below {self.hub.steps}")
        return called

    def _expect_rows(self, kind: str, table: FloatArray) -> FloatArray:
        if len(table) != len(self.hub.bus):
            raise MessageError(f"{kind}: received {len(table)} rows, expected {len(self.hub.bus)}")
        return table

    def _known(self, x: FloatArray | None) -> FloatArray:
        if x is None:
            raise MessageError(f"{self.name}: received a call, expected to be asked for its schedule first")
        return x

    def _message(self, number: int) -> bytes:
        x, program = self._known(self._now), self.program
        return Exchange(
            round=number,
            community=self.name,
            bus=self.hub.bus,
            p_kw=program.p_kw.value(x),
            q_kvar=program.q_kvar.value(x),
        ).to_bytes()

    def _respond(
        self,
        price_per_kvarh: FloatArray,
        bought: tuple[IntArray, FloatArray] | None = None,
        *,
        is_committed: bool = True,
    ) -> FloatArray:
        """The answer at prices of reactive power drawn, as a point of the program."""
        program, hours, base = self.program, self.hub.hours, self.scheduled
        model = program.model.with_whole_fixed(base)
        model.add_cost(program.q_kvar * (price_per_kvarh * hours), "reactive exchange")
        stay_as_scheduled(model, program, base, hours)
        if is_committed or self.promised is not None:
            self._keep_what_is_sold(model, self._sold_kw())
        if bought is not None:
            self._hold_bought(model, *bought)
        of_converter = self.hub.connections_of(program.priced.asset)
        slope = price_per_kvarh[of_converter] / price_of_active_power(self.hub)
        add_tangents_at(model, program.priced, np.arcsin(np.clip(slope, -1.0, 1.0)))
        x = model.solve_refined(partial(missing_tangents, program.priced))
        return x[: program.model.columns]

    def _sold_kw(self) -> FloatArray:
        """Active power that is sold already: as promised, else as scheduled, (connections, steps) [kW]."""
        return self.program.p_kw.value(self.scheduled) if self.promised is None else self.promised.p_kw

    def _keep_what_is_sold(self, model: LinearModel, sold_kw: FloatArray) -> None:
        pay_imbalance(model, self.program.p_kw, sold_kw, imbalance_price(self.hub, self.settings))
        if self.promised is not None:
            keep_promises(model, self.program, self.hub, self.promised, self.settings)

    def _hold_bought(self, model: LinearModel, called: IntArray, bought_kvar: FloatArray) -> None:
        """ΔQ as bought in the hours that were called; what is short of it costs more than anything else."""
        program, base = self.program, self._known(self._base)
        base_kvar = program.q_kvar.value(base)[:, called]
        short_kvar, over_kvar = (model.variable(base_kvar.shape) for _ in range(2))
        held = program.q_kvar[:, called] - short_kvar + over_kvar
        model.require_equal("reactive power as bought", held, base_kvar - bought_kvar)
        model.add_cost((short_kvar + over_kvar) * breach_price(self.hub, self.settings), "breach")


def _copy(model: LinearModel) -> LinearModel:
    costs = {name: list(parts) for name, parts in model.costs.items()}
    return LinearModel(
        model.lower[:], model.upper[:], model.whole[:], model.rows[:], costs, columns=model.columns
    )


def _whole(model: LinearModel) -> Any:
    return np.concatenate(model.whole)


def stay_as_scheduled(model: LinearModel, program: Program, base: FloatArray, hours: float) -> None:
    """Break ties: of what costs the same, active power as it was, and no reactive power."""
    moved = [each.p_kw - each.p_kw.value(base) for each in program.operations]
    for power in (*moved, program.priced.q_kvar):
        up, down = (model.variable(power.shape) for _ in range(2))
        model.require_equal("moved", power - up + down)
        model.add_cost((up + down) * (STAY_PRICE_PER_KWH * hours), "moved")


def add_tangents_at(model: LinearModel, priced: Priced, angle: FloatArray) -> None:
    """One more tangent a converter and step, just beside an angle on each side, shape (converters, steps)."""
    for side in (1.0 - 1e-3, 1.0 + 1e-3):
        a = np.clip(angle * side, -0.5 * np.pi, 0.5 * np.pi)
        line = priced.s_kva - priced.p_kw * np.cos(a) - priced.q_kvar * np.sin(a)
        model.require(REACTIVE_COST, line, lower=0.0)


def missing_tangents(priced: Priced, x: FloatArray) -> Linear | None:
    """Tangents at the points where S − P is priced too low (Kelley's method); None where it is nowhere."""
    p_kw, q_kvar, s_kva = (each.value(x) for each in (priced.p_kw, priced.q_kvar, priced.s_kva))
    missing_kva = np.hypot(p_kw, q_kvar) - s_kva
    rough = missing_kva > np.maximum(SMALLEST_KVA, PRICED_SHARE * given_up_kw(p_kw, q_kvar))
    if not rough.any():
        return None
    angle = np.arctan2(q_kvar[rough], np.maximum(p_kw[rough], 0.0))
    return priced.s_kva[rough] - priced.p_kw[rough] * np.cos(angle) - priced.q_kvar[rough] * np.sin(angle)


def read_plan(hub: EnergyHub, program: Program, x: FloatArray) -> Plan:
    """A point of the program as a plan."""
    devices: list[DeviceDay] = []
    states: dict[str, FloatArray] = {}
    for each in program.operations:
        columns = (each.p_kw.value(x), each.q_kvar.value(x), each.heat_kw.value(x), each.soc_share(x))
        devices += [DeviceDay(name, *(part[k] for part in columns)) for k, name in enumerate(each.asset)]
        states |= each.states(x)
    shed_kw = program.shed_kw.value(x)
    cost = program.model.cost_by_name(x)
    p_kw, q_kvar = program.priced.p_kw.value(x), program.priced.q_kvar.value(x)
    lost = opportunity_cost(np.maximum(p_kw, 0.0), q_kvar, price_of_active_power(hub), hub.hours)
    cost[REACTIVE_COST] = float(lost.sum())
    return Plan(
        devices=tuple(devices) + _fixed_days(hub, shed_kw),
        p_kw=program.p_kw.value(x),
        q_kvar=program.q_kvar.value(x),
        heat_kw=program.heat_kw.value(x),
        shed_kw=shed_kw.sum(axis=0),
        cost=cost,
        heat_cost=program.model.cost_by_step(HEAT_COSTS, x, hub.steps),
        states=states,
    )


def _fixed_days(hub: EnergyHub, shed_kw: FloatArray) -> tuple[DeviceDay, ...]:
    p_kw, q_kvar = hub.fixed_kw.copy(), hub.fixed_kvar.copy()
    rows = hub.may_be_shed
    served = np.divide(p_kw[rows] - shed_kw, p_kw[rows], out=np.ones_like(shed_kw), where=p_kw[rows] > 0.0)
    p_kw[rows], q_kvar[rows] = p_kw[rows] - shed_kw, q_kvar[rows] * served
    nothing = np.full(hub.steps, np.nan)
    return tuple(
        DeviceDay(asset.asset, p_kw[k], q_kvar[k], -hub.heat_demand_kw[k], nothing)
        for k, asset in enumerate(hub.fixed)
    )
