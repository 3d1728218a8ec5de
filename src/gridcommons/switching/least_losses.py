"""The radial topology of least losses: enumerated where there are few, searched for where there are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.errors import InfeasibleError, NotConvergedError, Problem, StudyError, did_you_mean
from gridcommons.model.grid import S_BASE_KVA, BoolArray, FloatArray, Names
from gridcommons.model.limits import Limits
from gridcommons.model.switches import with_positions
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections
from gridcommons.switching.branch_exchange import KICKS, search_exchanges
from gridcommons.switching.feeder import Feeder
from gridcommons.switching.loss_bound import LossBound, bound_losses
from gridcommons.switching.spanning_trees import TREES_MAX, count_radial_topologies, enumerate_topologies

METHODS = ("auto", "enumeration", "search")
"""How a topology may be found; ``auto`` enumerates where the work is at most ``TREES_MAX`` load flows."""

LIMIT_TOLERANCE = 1e-6
"""What breaks a limit by no more holds it: voltages [pu], loadings and powers as shares."""

AGREEMENT_SHARE = 1e-5
"""Share by which the losses of the sweeps and of the load flow may differ, beside ``AGREEMENT_KW``."""

AGREEMENT_KW = 1e-3
"""What the load flow's own tolerance of 1e-8 pu a bus may come to [kW]."""


@dataclass(frozen=True)
class LossSettings:
    """How a topology of least losses is found.

    Parameters
    ----------
    method : str
        One of ``METHODS``.
    trees_max : int
        Most load flows (topologies times steps) that ``auto`` enumerates, most topologies that
        ``enumeration`` does.
    kicks : int
        Kicks in a row that must not help before a chain of the search ends.
    bound_seconds : float
        Time for the proof of a bound beside a search [s]; 0 asks for none.
    """

    method: str = "auto"
    trees_max: int = TREES_MAX
    kicks: int = KICKS
    bound_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class LeastLosses:
    """A radial topology and what it loses.

    Parameters
    ----------
    closed : (switches,)
        Position of every switch.
    open_switches : tuple of str
        Names of the open ones.
    losses_kw : (steps,)
        Losses by the load flow [kW].
    losses_kwh : float
        Over all steps [kWh].
    method : str
        ``enumeration`` or ``search``.
    gap_share : float or None
        How far the losses may at most be above the least, of the losses: 0 where all topologies were
        enumerated; None where nothing is proven.
    bound : LossBound or None
        The bound that the gap rests on, where one was asked for.
    evaluated : int
        Topologies that were evaluated.
    """

    closed: BoolArray
    open_switches: Names
    losses_kw: FloatArray
    losses_kwh: float
    method: str
    gap_share: float | None
    bound: LossBound | None
    evaluated: int


def least_losses(
    feeder: Feeder, rng: np.random.Generator, settings: LossSettings | None = None
) -> LeastLosses:
    """The radial topology that loses least energy over all steps and holds all limits.

    Parameters
    ----------
    feeder : Feeder
        From ``make_feeder``.
    rng : numpy.random.Generator
        Of the study's seed; the same one gives the same answer. Enumeration draws nothing from it.
    settings : LossSettings, optional
        How to look.

    Raises
    ------
    StudyError
        An unknown method, or more topologies than may be enumerated.
    InfeasibleError
        No topology within limits was found: with the element, its value and its limit in the best one.
    NotConvergedError
        The load flow contradicts the sweeps.
    """
    settings = settings or LossSettings()
    method = _method(feeder, settings)
    if method == "enumeration":
        best, evaluated = enumerate_topologies(feeder, settings.trees_max)
    else:
        end = search_exchanges(feeder, rng, settings.kicks)
        best, evaluated = end.best, end.evaluated
    if not np.isfinite(best.excess):
        raise InfeasibleError(
            f"none of {evaluated} radial topologies has a solution of the load flow: the loads are beyond "
            "what the feeder can carry"
        )
    closed = feeder.positions(best.closed)
    solution = solve_topology(feeder, closed)
    losses_kw = solution.losses_kw()
    losses_kwh = float(losses_kw.sum() * feeder.step_hours)
    _refuse_disagreement(best.losses_kwh, losses_kwh, feeder.step_hours * len(losses_kw))
    _refuse_violations(feeder, solution, method)
    bound, gap_share = _proof(feeder, method, losses_kwh, settings.bound_seconds)
    names = tuple(switch.name for switch, on in zip(feeder.switches, closed, strict=True) if not on)
    return LeastLosses(closed, names, losses_kw, losses_kwh, method, gap_share, bound, evaluated)


def _method(feeder: Feeder, settings: LossSettings) -> str:
    if settings.method not in METHODS:
        expected = " or ".join(METHODS)
        do = did_you_mean(settings.method, METHODS)
        raise StudyError([Problem("settings", f"{settings.method!r}", expected, do, column="method")])
    if settings.method != "auto":
        return settings.method
    flows = count_radial_topologies(feeder) * len(feeder.p_kw)
    return "enumeration" if flows <= settings.trees_max else "search"


def solve_topology(feeder: Feeder, closed: BoolArray) -> FlowSolution:
    """The load flow of all steps with switches in given positions, by the holomorphic embedding.

    Parameters
    ----------
    closed : (switches,)
        Position of every switch.

    Raises
    ------
    NotConvergedError
        A step without solution: with the first of them.
    """
    network = build_network(with_positions(feeder.grid, feeder.switches, closed))
    # Buses that no source can reach have no load, and no place in the load flow.
    bus = np.flatnonzero(feeder.node >= 0)
    solution = solve_power_flow(network, Injections(bus, feeder.p_kw[:, bus], feeder.q_kvar[:, bus]))
    if not solution.solved.all():
        step = int(np.argmin(solution.solved))
        raise NotConvergedError(
            f"the load flow of the chosen topology has no solution at step {step}, though its sweeps have: "
            f"mismatch {solution.mismatch_pu[step]:.3g} pu; the step is close to voltage collapse"
        )
    return solution


def _refuse_disagreement(swept_kwh: float, losses_kwh: float, hours: float) -> None:
    if abs(swept_kwh - losses_kwh) > AGREEMENT_SHARE * abs(losses_kwh) + AGREEMENT_KW * hours:
        raise NotConvergedError(
            f"sweeps give losses of {swept_kwh:.9g} kWh and the load flow {losses_kwh:.9g} kWh for one "
            "topology: they must agree; please report the grid"
        )


def _proof(
    feeder: Feeder, method: str, losses_kwh: float, seconds: float
) -> tuple[LossBound | None, float | None]:
    """The bound that was asked for, and the gap that is proven."""
    if method == "enumeration":
        return None, 0.0
    if seconds <= 0.0:
        return None, None
    bound = bound_losses(feeder, losses_kwh, seconds)
    if bound.losses_kwh is None or losses_kwh <= 0.0:
        return bound, None
    return bound, max(losses_kwh - bound.losses_kwh, 0.0) / losses_kwh


def _refuse_violations(feeder: Feeder, solution: FlowSolution, method: str) -> None:
    """Raise with the worst broken limit, since no topology that holds all was found."""
    breaches = [*_breaches_of_limits(feeder.limits, solution), *_breaches_of_capacities(feeder, solution)]
    worst = max(breaches, key=lambda breach: breach.size, default=None)
    if worst is None or worst.size <= LIMIT_TOLERANCE:
        return
    looked = "there is none" if method == "enumeration" else "the search found none"
    raise InfeasibleError(
        f"of all radial topologies {looked} that holds the limits; in the one that breaks them least "
        f"{worst.words}: widen the limit, move load, or let more switches move"
    )


@dataclass(frozen=True)
class _Breach:
    """By how much a limit is broken at worst, in pu or as a share, and where."""

    size: float
    words: str


def _breaches_of_limits(limits: Limits | None, solution: FlowSolution) -> list[_Breach]:
    if limits is None:
        return []
    grid, vm, loading = solution.network.grid, solution.vm_pu(), solution.loading_percent()
    v_min, v_max, most = limits.vm_min_pu, limits.vm_max_pu, limits.loading_max_percent
    return [
        _worst("vm_min_pu of bus", grid.buses.name, vm, v_min, v_min - vm),
        _worst("vm_max_pu of bus", grid.buses.name, vm, v_max, vm - v_max),
        _worst("loading_max_percent of branch", grid.branches.name, loading, most, (loading - most) / 100.0),
    ]


def _breaches_of_capacities(feeder: Feeder, solution: FlowSolution) -> list[_Breach]:
    capped = [switch for switch in feeder.switches if np.isfinite(switch.capacity_kw)]
    if not capped:
        return []
    branches, network = feeder.grid.branches, solution.network
    row = np.array([switch.branches[0] for switch in capped])
    v, power_kw = solution.v_nodes(), np.zeros((len(solution.v_pq), len(capped)))
    for bus, current in zip((branches.from_bus, branches.to_bus), solution.currents_pu(), strict=True):
        at = v[:, np.maximum(network.node_of_bus[bus[row]], 0)]
        power_kw = np.maximum(power_kw, np.abs((at * np.conj(current[:, row])).real) * S_BASE_KVA)
    most_kw = np.array([[switch.capacity_kw for switch in capped]])
    names = tuple(switch.name for switch in capped)
    over = (power_kw - most_kw) / np.maximum(most_kw, 1e-9)
    return [_worst("capacity_kw of switch", names, power_kw, most_kw, over)]


def _worst(kind: str, names: Names, value: FloatArray, limit: FloatArray, over: FloatArray) -> _Breach:
    # A bus without voltage breaks nothing, and an infinite limit is never broken.
    size = np.where(np.isfinite(over), over, -np.inf)
    step, at = (int(k) for k in np.unravel_index(int(np.argmax(size)), size.shape))
    most = np.broadcast_to(limit, value.shape)[step, at]
    words = f"{kind} {names[at]} is {value[step, at]:.6g} at step {step} and its limit is {most:.6g}"
    return _Breach(float(size[step, at]), words)
