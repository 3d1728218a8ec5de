"""Communities through the day: they plan the rest of it anew when it is not what it was to be.

At the start of each interval every community looks at the newest forecast and at the states of its devices,
and the grid operator at the voltages that are to be expected with what is planned. Where a forecast is off by
more than ``redispatch_share``, or a voltage would leave its band, all plan the rest of their horizon from the
states that they have: active power that was sold the day before is paid for where it is left, reactive power
that was sold is kept. Then the grid operator holds a round for what the voltages still lack.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from gridcommons.day.communities import Council, serving_all, write_plans
from gridcommons.day.community_houses import Houses
from gridcommons.day.community_powers import moved_powers
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Scheduled
from gridcommons.model.errors import InfeasibleError, NotConvergedError
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.optimisation.devices.operation import Past
from gridcommons.ports import CommunityParty
from gridcommons.scheduling.capability import energy_price, schedule_horizon
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.energy_hub import EnergyHub, make_hub
from gridcommons.scheduling.grid_operator import GridOperator
from gridcommons.scheduling.messages import Exchange
from gridcommons.scheduling.parties import Standing
from gridcommons.scheduling.promises import Promised

WORSE_PU = 1e-4
"""By how much a voltage must be further out than a round has left it for another round."""

SURER_SHARE = 0.5
"""Part of the margin of envelopes that rounds within the day leave: they know more than a day before."""


def redispatch(field: Field, before: Scheduled, plan_kw: FloatArray, *, rounds: bool) -> Scheduled:
    """What communities do through the day, from their schedules of the day before.

    Parameters
    ----------
    plan_kw : (steps, assets)
        What everybody else has planned [kW].
    rounds : bool
        Whether the grid operator buys reactive power when a voltage is to be out.
    """
    arrays = {column.name: getattr(before, column.name).copy() for column in fields(before)}
    day = _Day(Council(field, rounds), before, replace(before, **arrays), plan_kw)
    minutes = field.study.time.step_minutes
    with field.engines.progress("intervals of communities", field.study.time.steps) as advance:
        for step in range(field.study.time.steps):
            day.begin(step, field.information.seen(step * minutes))
            day.end(step)
            advance(1)
    return day.found


@dataclass(eq=False)
class _Day:
    """Communities on their way through a day.

    Parameters
    ----------
    council : Council
        The communities and their settings.
    sold : Scheduled
        The schedules of the day before.
    found : Scheduled
        What is planned now; intervals that are over are as they were.
    plan_kw : (steps, assets)
        What everybody else has planned [kW].
    """

    council: Council
    sold: Scheduled
    found: Scheduled
    plan_kw: FloatArray

    def __post_init__(self) -> None:
        field = self.field = self.council.field
        self.at = field.scheduled
        self.of_hub = np.array(
            [field.study.community.member_by_id[asset.member].cluster for asset in field.assets], dtype=object
        )
        gate = field.information.seen(field.gates["schedules"])
        self.margin_share = SURER_SHARE * field.settings.envelope_margin_share
        self.told_kw = self._drawn_kw(gate)
        self.left_pu = np.zeros((field.study.time.steps, len(field.study.grid.buses)))

    def _drawn_kw(self, known: Profiles) -> FloatArray:
        """What profiles say of each community, (steps, communities) [kW]."""
        net_kw = self.field.net_kw(known)
        return np.stack([net_kw[:, self.of_hub == name].sum(axis=1) for name in self.field.hubs], axis=1)

    @cached_property
    def houses(self) -> Houses:
        """Houses that communities heat."""
        return Houses.of(self.field, self.found)

    def begin(self, step: int, known: Profiles) -> None:
        """Look at what is known, and plan anew where it asks for that."""
        horizon = next(each for each in self.council.horizons if step < each.stop)
        rest, study = slice(step, horizon.stop), self.council.study(known, self.plan_kw, self.margin_share)
        start, hubs = self._start(step), {}
        for place, name in enumerate(self.field.hubs):
            past = self._past(step, horizon, place)
            hubs[name] = serving_all(make_hub(study, name, rest, start, past))
        kept = (self.found.p_kw, self.found.q_kvar, self.found.seen_kw)
        powers, drawn_kw = moved_powers(self.field, kept, known), self._drawn_kw(known)
        exchange = {name: self._exchange(hub, powers, rest) for name, hub in hubs.items()}
        if self._has_news(rest, drawn_kw) or self._is_out(study, rest, exchange):
            self._plan_anew(rest, study, hubs, exchange)
            self.told_kw[rest] = drawn_kw[rest]

    def end(self, step: int) -> None:
        """Houses are as warm as the weather of the interval has left them."""
        self.houses.warm(self.found, step)

    def _start(self, step: int) -> dict[str, float]:
        """States before an interval; none before the first, where ratings say."""
        if step == 0:
            return {}
        return dict(zip(self.found.state_name.tolist(), self.found.state[step - 1].tolist(), strict=True))

    def _past(self, step: int, horizon: slice, place: int) -> Past | None:
        """What is over of the horizon of a community; nothing at its first interval."""
        if step == horizon.start:
            return None
        day = self.field.study.time.local_clock()[0]
        over = np.flatnonzero(day[horizon.start : step] == day[step]) + horizon.start
        hours = len(over) * self.field.study.time.step_hours
        peak_kw = float(self.found.heat_kw[over, place].max(initial=0.0))
        return Past(self._start(horizon.start), peak_kw, hours)

    def _exchange(self, hub: EnergyHub, powers: tuple[FloatArray, FloatArray], rest: slice) -> Exchange:
        """What a community will exchange when it keeps to its plan, by the powers of its devices."""
        (p_kw, q_kvar), mine = powers, self.of_hub[self.at] == hub.name
        names = tuple(self.field.assets[k].asset for k in self.at[mine].tolist())
        place = np.concatenate([hub.connections_of(hub.fixed), hub.connections_of(names)])
        at_connection = np.eye(len(hub.bus))[:, place]
        parts = ((hub.fixed_kw, p_kw), (hub.fixed_kvar, q_kvar))
        drawn = [at_connection @ np.concatenate([fixed, own[rest, mine].T]) for fixed, own in parts]
        return Exchange(round=0, community=hub.name, bus=hub.bus, p_kw=drawn[0], q_kvar=drawn[1])

    def _has_news(self, rest: slice, drawn_kw: FloatArray) -> bool:
        """Whether a forecast of what is left is off by more than the study lets pass."""
        off_kw = np.abs(drawn_kw - self.told_kw)[rest].max(axis=0)
        usual_kw = np.abs(self.told_kw).max(axis=0)
        return bool((off_kw > self.field.settings.redispatch_share * usual_kw).any())

    def _is_out(self, study: Study, rest: slice, exchange: dict[str, Exchange]) -> bool:
        """Whether a voltage is to be out that no round gave up; half of the room may be used until one."""
        if not self.council.settings.reactive_round:
            return False
        operator = self._operator(study, rest)
        operator.admit(exchange)
        limits = self.field.limits.window(rest.start, rest.stop)
        room_pu = self.margin_share * (limits.vm_max_pu - limits.vm_min_pu) / 2.0
        out_pu = np.abs(operator.look(exchange).out_pu)
        return bool((out_pu > np.maximum(room_pu / 2.0, self.left_pu[rest] + WORSE_PU)).any())

    def _operator(self, study: Study, rest: slice) -> GridOperator:
        """The grid operator, who looks at the voltages of the next intervals alone."""
        operator = self.council.operator(study, rest)
        minutes = self.field.study.time.step_minutes
        soon = (
            np.arange(rest.stop - rest.start)[:, None] * minutes < self.field.settings.reactive_ahead_minutes
        )
        limits = operator.limits
        operator.limits = replace(
            limits,
            vm_min_pu=np.where(soon, limits.vm_min_pu, 0.0),
            vm_max_pu=np.where(soon, limits.vm_max_pu, np.inf),
        )
        return operator

    def _plan_anew(
        self, rest: slice, study: Study, hubs: dict[str, EnergyHub], exchange: dict[str, Exchange]
    ) -> None:
        """All communities plan what is left and sell what voltages need; who finds no plan keeps the old."""
        council, found = self.council, self.found
        parties = [self._party(hub, rest, exchange[name]) for name, hub in hubs.items()]
        operator = self._operator(study, rest)
        result = schedule_horizon(parties, operator, council.settings, energy_price(study, rest))
        write_plans(found, council, result, rest)
        seen_kw = self.field.net_kw(study.profiles)[rest]
        for place, name in enumerate(self.field.hubs):
            if name in result.final:
                mine = self.of_hub[self.at] == name
                found.seen_kw[rest, mine] = seen_kw[:, self.at[mine]]
                found.planned_at[rest, place] = rest.start
        found.kept[rest.start] = len(hubs) - len(result.final)
        found.rounds[rest.start] = result.outcome.rounds
        self.left_pu[rest] = np.abs(result.outcome.after.out_pu)

    def _party(self, hub: EnergyHub, rest: slice, exchange: Exchange) -> CommunityParty:
        rows = self.council.rows_of(hub.name)
        sold, found = self.sold.net_kw[rest, rows].T, self.found
        promised = Promised(sold, found.sold_kvar[rest, rows].T, found.due_kvar[rest, rows].T)
        community = Community(hub, self.council.settings, promised)
        try:
            community.schedule()
        except (InfeasibleError, NotConvergedError):
            return Standing(exchange)
        return community
