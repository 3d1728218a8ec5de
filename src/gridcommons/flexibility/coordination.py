"""How much of the congestion the tariff shall solve: the cap ρ at which the DSO neither gains nor loses.

Tariff revenue Σ μ F pays for re-profiling Σ π q. Towards ρ → 0 there is only the cost; from some ρ on the
tariff solves all and there is only revenue. The difference is not monotone, but it changes its sign once in
all cases seen; Brent's method finds that sign change. The particle swarm of the source is kept as the other
way to the same ρ: it minimises the absolute difference (SMART-MLA, final report of project 64018-0302, 2022,
§5.1.2.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import brentq

from gridcommons.flexibility.check import check_plan
from gridcommons.flexibility.dynamic_tariff import (
    MOST_PASSES,
    NO_PRICE_PER_KWH,
    LinearTariff,
    TariffPlan,
    TariffProblem,
)
from gridcommons.flexibility.reprofiling import Call, call_customers
from gridcommons.model.errors import InfeasibleError, NotConvergedError

LEAST_CAP, FIRST_CAP = 1e-6, 0.1
CLOSE_SHARE = 0.02
"""How close around the last ρ it is looked for after linearising anew."""

EXACT_SHARE = 1e-9
"""Width of the bracket at which ρ is found, against its upper end."""

EXACT_NET = 1e-4
"""Difference of revenue and cost at which the swarm stops, in the study's currency."""

LEAST_SLACK_KW = 1e-7
EXACT_KW = 1e-5
"""How far linear rows and AC load flow may be apart: revenue and cost shall agree to 1e-3."""

PARTICLES = 10
GENERATIONS = 60
INERTIA, OWN_PULL, SHARED_PULL = 0.6, 1.4, 1.4


@dataclass(frozen=True, eq=False)
class Trial:
    """What one ρ leads to, with the limits as they are around one load flow."""

    cap_per_kwh: float
    revenue: float
    cost: float
    plan: TariffPlan
    call: Call

    @property
    def net(self) -> float:
        """Revenue above cost."""
        return self.revenue - self.cost


@dataclass(frozen=True, eq=False)
class Coordination:
    """The ρ found, and every one that was tried on the way, about the same load flow."""

    found: Trial
    tried: tuple[Trial, ...]


@dataclass(eq=False)
class Trials:
    """Tries caps about one load flow, each once."""

    linear: LinearTariff
    told: Callable[[int], None]
    tried: dict[float, Trial] = field(default_factory=dict)

    def at(self, cap_per_kwh: float) -> Trial:
        """What a cap leads to."""
        if cap_per_kwh not in self.tried:
            self.tried[cap_per_kwh] = self._try(cap_per_kwh)
            self.told(1)
        return self.tried[cap_per_kwh]

    def _try(self, cap_per_kwh: float) -> Trial:
        plan, problem = self.linear.at(cap_per_kwh), self.linear.problem
        left = np.flatnonzero(plan.slack_kw > LEAST_SLACK_KW)
        rows = replace(self.linear.rows, room_kw=-plan.slack_kw).take(left)
        response = problem.settings.response_kw_per_price
        call = call_customers(problem.fleet, rows, plan.power_kw, response)
        return Trial(cap_per_kwh, plan.revenue, call.cost(problem.fleet.step_hours), plan, call)

    def net(self, cap_per_kwh: float) -> float:
        """Revenue above cost at a cap."""
        return self.at(float(cap_per_kwh)).net


def coordinate(
    problem: TariffProblem,
    method: str,
    rng: np.random.Generator,
    told: Callable[[int], None] = lambda _: None,
) -> Coordination:
    """The cap at which tariff revenue pays for re-profiling.

    The limits are linear about one load flow while the cap is looked for, then linear anew about the load
    flow of what was found, until that is where it was.

    Parameters
    ----------
    problem : TariffProblem
        What tariffs are computed from.
    method : {"brent", "swarm"}
        How the cap is looked for.
    rng : Generator
        For the swarm.
    told : callable
        Told of each tariff that is computed.

    Raises
    ------
    InfeasibleError
        If re-profiling costs nothing at any cap, or more than any tariff brings in.
    NotConvergedError
        If linear rows and AC load flow do not come together.
    """
    plan_kw, state = problem.baseline_kw, check_plan(problem.view, problem.fleet, problem.baseline_kw)
    near: float | None = None
    for _ in range(MOST_PASSES):
        trials = Trials(problem.linearise(plan_kw, state), told)
        low, high = _bracket(trials, near)
        near = METHODS[method](trials, low, high, rng)
        found = trials.at(near)
        if found.plan.off_kw < EXACT_KW:
            return Coordination(found, tuple(trials.tried.values()))
        plan_kw, state = found.plan.power_kw, found.plan.state
    raise NotConvergedError(
        f"coordination at a cap of {near:g} per kWh: after {MOST_PASSES} linearisations the AC load flow is "
        f"still {found.plan.off_kw:.3g} kW off"
    )


def _bracket(trials: Trials, near: float | None) -> tuple[float, float]:
    """Caps between which the DSO goes from loss to gain, close around a known one where that holds them."""
    if near is not None:
        low, high = near * (1.0 - CLOSE_SHARE), near * (1.0 + CLOSE_SHARE)
        if trials.net(low) < 0.0 <= trials.net(high):
            return low, high
    if trials.at(LEAST_CAP).cost <= 0.0:
        raise InfeasibleError("nothing to coordinate: without a tariff re-profiling costs nothing")
    cap = FIRST_CAP
    while trials.net(cap) < 0.0:
        cap *= 4.0
        if cap > NO_PRICE_PER_KWH:
            loss = -trials.net(cap / 4.0)
            raise InfeasibleError(
                f"no cap makes the DSO neutral: at {cap / 4.0:g} per kWh re-profiling still costs "
                f"{loss:,.2f} more than the tariff brings in"
            )
    return LEAST_CAP, cap


def _by_brent(trials: Trials, low: float, high: float, _rng: np.random.Generator) -> float:
    brentq(trials.net, low, high, xtol=EXACT_SHARE * high, rtol=1e-12, maxiter=200)
    return min(trials.tried, key=lambda cap: abs(trials.tried[cap].net))


def _by_swarm(trials: Trials, low: float, high: float, rng: np.random.Generator) -> float:
    """Particle swarm on |revenue − cost|; particles start all over the bracket."""
    place = low + (high - low) * (np.arange(PARTICLES) + rng.random(PARTICLES)) / PARTICLES
    speed = np.zeros(PARTICLES)
    worth = np.array([abs(trials.net(cap)) for cap in place])
    own, own_worth = place.copy(), worth.copy()
    for _ in range(GENERATIONS):
        best = own[own_worth.argmin()]
        pull = OWN_PULL * rng.random(PARTICLES) * (own - place)
        speed = INERTIA * speed + pull + SHARED_PULL * rng.random(PARTICLES) * (best - place)
        place = np.clip(place + speed, low, high)
        worth = np.array([abs(trials.net(cap)) for cap in place])
        better = worth < own_worth
        own[better], own_worth[better] = place[better], worth[better]
        if own_worth.min() < EXACT_NET:
            break
    return float(own[own_worth.argmin()])


METHODS = {"brent": _by_brent, "swarm": _by_swarm}
"""Ways to find ρ, by name."""
