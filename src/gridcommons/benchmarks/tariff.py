"""The tariff of 2,000 homes: the structured interior-point method, beside one that sees a sparse program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy.sparse import block_diag, coo_array, csc_array, hstack, vstack

from gridcommons.benchmarks.timing import measure, measure_once
from gridcommons.model.assets import EvCharger, HeatPump
from gridcommons.model.errors import MissingExtraError, NotConvergedError
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.chain_plans import SharedLimits, plan_devices, plan_shared
from gridcommons.optimisation.devices.chain import STATES, Chains, chain_rows, join
from gridcommons.optimisation.devices.ev_charger import charging_chains
from gridcommons.optimisation.devices.heat_pump import OUTDOOR, heating_chains

HOMES, STEPS, LOAD_POINTS = 2000, 24, 20
REPEATS = 3
CURVATURE = 0.02
HOUSES = ((0.280, 3.638), (0.315, 4.093), (0.350, 4.548), (0.385, 5.002), (0.420, 5.457))


@dataclass(frozen=True, eq=False)
class TariffWork:
    """Homes behind one feeder: half of the load points below a line of their own, all below the first."""

    chains: Chains
    curvature: FloatArray
    cost: FloatArray
    limits: SharedLimits


def tariff() -> dict[str, Any]:
    """Ours against Clarabel on the same program, and the aggregators' own plans at the tariff found."""
    work = make_work(HOMES)
    ours = measure(lambda: plan_shared(work.chains, work.curvature, work.cost, work.limits), REPEATS)
    plan = plan_shared(work.chains, work.curvature, work.cost, work.limits)
    price = np.zeros((LOAD_POINTS, work.chains.steps))
    np.add.at(price.T, work.limits.step, plan.mu[:, None] * work.limits.matrix)
    own_cost = work.cost + price[work.limits.group]
    alone = measure(lambda: plan_devices(work.chains, work.curvature, own_cost), REPEATS)
    own = plan_devices(work.chains, work.curvature, own_cost)
    clarabel_kw, clarabel_s = np.zeros_like(own), 0.0

    def solve() -> None:
        nonlocal clarabel_kw
        clarabel_kw = solve_with_clarabel(work)

    clarabel_s = measure_once(solve)
    return {
        "goal": "under 30 s",
        "homes": HOMES,
        "steps": STEPS,
        "shared_rows": len(work.limits.room_kw),
        "tariff_s": ours.median,
        "aggregators_s": alone.median,
        "clarabel_s": clarabel_s,
        "ratio": clarabel_s / ours.median,
        "objective_gap_share": goal_of(work, plan.power_kw) / goal_of(work, clarabel_kw) - 1.0,
        "worst_difference_kw": float(np.abs(plan.power_kw - clarabel_kw).max()),
        "decentralised_apart_kw": float(np.abs(own - plan.power_kw).max()),
    }


def make_work(homes: int, seed: int = 1, squeeze: float = 0.85) -> TariffWork:
    """Homes with a car and a heat pump each, and lines that bind at ``squeeze`` of their peak."""
    chains = make_homes(homes, seed)
    hour = np.arange(STEPS)
    price = 0.35 + 0.1 * np.sin(hour) - 0.08 * np.exp(-((hour - 18.0) ** 2) / 3.0)
    cost = np.tile(price, (len(chains), 1))
    curvature = np.full(len(chains), CURVATURE)
    alone_kw = plan_devices(chains, curvature, cost)
    group = np.arange(len(chains)) % LOAD_POINTS
    below = np.stack([np.ones(LOAD_POINTS), (np.arange(LOAD_POINTS) < LOAD_POINTS // 2).astype(float)])
    load_kw = np.zeros((LOAD_POINTS, STEPS))
    np.add.at(load_kw, group, alone_kw)
    room_kw = squeeze * (below @ load_kw).max(axis=1)
    rows = 2 * STEPS
    limits = SharedLimits(
        group=group,
        matrix=np.repeat(below, STEPS, axis=0),
        step=np.tile(hour, 2),
        room_kw=np.repeat(room_kw, STEPS),
        relief=np.eye(rows),
        relief_price=2.0,
    )
    return TariffWork(chains, curvature, cost, limits)


def make_homes(homes: int, seed: int) -> Chains:
    """Cars and heat pumps of some homes on a winter day, drawn from a seed."""
    rng, hour = np.random.default_rng(seed), np.arange(STEPS)
    columns = {OUTDOOR: -4.0 * np.cos(2.0 * np.pi * (hour - 3.0) / 24.0)}
    cars, pumps = [], []
    for home in range(homes):
        leaves, returns = int(rng.integers(6, 9)), int(rng.integers(15, 19))
        columns[f"car_{home}.plugged_in"] = np.where((hour >= leaves) & (hour < returns), 0.0, 1.0)
        drive_kwh = np.zeros(STEPS)
        drive_kwh[[leaves, returns - 1]] = 3.0
        columns[f"car_{home}.drive_kwh"] = drive_kwh
        cars.append(_car(home))
        pumps.append(_pump(home, HOUSES[rng.integers(len(HOUSES))]))
    profiles = Profiles(TimeAxis(datetime(2024, 1, 10, tzinfo=UTC), 60, STEPS), columns)
    return join([charging_chains(cars, profiles), heating_chains(pumps, profiles)])


def _car(home: int) -> EvCharger:
    return EvCharger(
        asset=f"car_{home}",
        member="home",
        charge_max_kw=11.0,
        energy_kwh=25.0,
        soc_min_share=0.2,
        soc_max_share=0.85,
        departure_soc_share=0.5,
    )


def _pump(home: int, house: tuple[float, float]) -> HeatPump:
    return HeatPump(
        asset=f"pump_{home}",
        member="home",
        consumption_max_kw=6.0,
        cop=2.3,
        k1_kw_per_k=house[0],
        k2_kw_per_k=house[1],
        air_kwh_per_k=1.2,
        structure_kwh_per_k=9.0,
        temp_min_c=20.0,
        temp_max_c=24.0,
    )


def goal_of(work: TariffWork, power_kw: FloatArray) -> float:
    """Cost of a plan, slack beyond the rows included."""
    over_kw = np.maximum(work.limits.used_kw(power_kw) - work.limits.room_kw, 0.0).sum()
    own = (0.5 * work.curvature[:, None] * power_kw**2 + work.cost * power_kw).sum()
    return float(own + work.limits.relief_price * over_kw)


def solve_with_clarabel(work: TariffWork) -> FloatArray:
    """The same program, sparse, by Clarabel: power of each device, shape (devices, steps) [kW].

    Raises
    ------
    MissingExtraError
        If Clarabel is not installed.
    NotConvergedError
        If it ends with any status but solved.
    """
    try:
        import clarabel
    except ImportError:
        raise MissingExtraError("clarabel", "convex") from None
    chains, limits = work.chains, work.limits
    laws, given = zip(*(chain_rows(chains, device) for device in range(len(chains))), strict=True)
    width = chains.steps * (1 + STATES)
    slacks = limits.relief.shape[1]
    size = len(chains) * width + slacks
    equal = hstack([block_diag(laws), csc_array((sum(len(g) for g in given), slacks))])
    bound_rows, bounds = _bounds(chains, width, slacks)
    shared = _shared_rows(work, width, slacks)
    a = csc_array(vstack([equal, bound_rows, shared]))
    b = np.concatenate([*given, bounds, limits.room_kw])
    quadratic = np.zeros(size)
    linear = np.zeros(size)
    power = _power_columns(chains, width)
    quadratic[power], linear[power] = np.repeat(work.curvature, chains.steps), work.cost.ravel()
    linear[len(chains) * width :] = limits.relief_price
    p = csc_array((quadratic, (np.arange(size), np.arange(size))), shape=(size, size))
    cones = [clarabel.ZeroConeT(equal.shape[0]), clarabel.NonnegativeConeT(a.shape[0] - equal.shape[0])]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    found = clarabel.DefaultSolver(p, linear, a, b, cones, settings).solve()
    if str(found.status) != "Solved":
        raise NotConvergedError(f"Clarabel ended {found.status}")
    return np.asarray(found.x)[power].reshape(len(chains), chains.steps)


def _power_columns(chains: Chains, width: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    start = np.arange(len(chains)) * width
    return np.asarray((start[:, None] + np.arange(chains.steps)).ravel())


def _bounds(chains: Chains, width: int, slacks: int) -> tuple[Any, FloatArray]:
    """Rows of all finite bounds as x ≤ high and −x ≤ −low, and 0 ≤ slack."""
    power = (chains.power_low, chains.power_high)
    state = (chains.state_low, chains.state_high)
    low, high = (
        np.concatenate([p, s.reshape(len(chains), -1)], axis=1).ravel()
        for p, s in zip(power, state, strict=True)
    )
    low, high = np.concatenate([low, np.zeros(slacks)]), np.concatenate([high, np.full(slacks, np.inf)])
    below, above = np.flatnonzero(np.isfinite(high)), np.flatnonzero(np.isfinite(low))
    column = np.concatenate([below, above])
    sign = np.repeat([1.0, -1.0], [len(below), len(above)])
    rows = coo_array((sign, (np.arange(len(column)), column)), shape=(len(column), len(low)))
    return rows, np.concatenate([high[below], -low[above]])


def _shared_rows(work: TariffWork, width: int, slacks: int) -> Any:
    """matrix · load − relief · s ≤ room."""
    limits, chains = work.limits, work.chains
    weight = limits.matrix[:, limits.group]
    row, device = np.nonzero(weight)
    column = device * width + limits.step[row]
    power = coo_array((weight[row, device], (row, column)), shape=(len(weight), len(chains) * width))
    return hstack([power, csc_array(-limits.relief)])
