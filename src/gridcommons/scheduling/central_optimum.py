"""The central optimum: one nonlinear program that sees every device and every voltage, as an oracle.

Ipopt (by CasADi, the extra ``central``) solves all communities' laws, with whole numbers as in their
schedules and S exact, together with the power flow equations of the intervals that were called. What
communities and grid operator reach by messages is held against it; no part of the round uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array

from gridcommons.model.errors import MissingExtraError, NotConvergedError
from gridcommons.model.grid import S_BASE_KVA, FloatArray, IntArray
from gridcommons.optimisation.apparent_power import opportunity_cost
from gridcommons.optimisation.linear_model import Linear, matrix_of
from gridcommons.powerflow.solution import Injections
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.constraints import REACTIVE_COST, price_of_active_power
from gridcommons.scheduling.grid_operator import GridOperator
from gridcommons.scheduling.promises import imbalance_price, pay_imbalance

OPTIONS: dict[str, Any] = {
    "print_time": False,
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "ipopt.tol": 1e-9,
    "ipopt.max_iter": 500,
}
"""Of Ipopt: quiet, and exact."""

SMALLEST_KVA2 = 1e-8
"""Added below the root of P² + Q², which has no slope at 0 [kVA²]."""


@dataclass(frozen=True, eq=False)
class CentralOptimum:
    """What one mind would do.

    Parameters
    ----------
    resource_cost : float
        What communities pay more than by their own schedules, sales and the fee on reactive power aside
        [currency].
    delta_kvar : (connections, hours)
        Reactive power injected beyond the schedules in the intervals called [kvar].
    vm_pu : (hours, buses)
        Voltages then [pu].
    """

    resource_cost: float
    delta_kvar: FloatArray
    vm_pu: FloatArray


@dataclass(frozen=True, eq=False)
class _Block:
    """Some symbols of the program, where they start, and what they must keep."""

    x: Any
    start: FloatArray
    bounds: tuple[FloatArray, FloatArray]
    rows: Any
    row_bounds: tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class _Part:
    """A community's share of the program: its symbols, its exchange in the hours called, and its cost."""

    block: _Block
    p_kw: Any
    q_kvar: Any
    cost: Any
    fee: Any
    base_cost: float
    base_kvar: FloatArray


def find_central_optimum(
    communities: Sequence[Community], operator: GridOperator, called: IntArray, *, active_power_fixed: bool
) -> CentralOptimum:
    """The cheapest way to hold every voltage of the intervals called.

    Parameters
    ----------
    communities : sequence of Community
        Scheduled, in the order of the operator's connections.
    operator : GridOperator
        The grid.
    called : (hours,)
        Intervals whose power flow is part of the program.
    active_power_fixed : bool
        Whether active power at the connections stays as scheduled in these intervals: a market of reactive
        power alone. Else it may be moved to help, which nobody is paid for in the round.

    Raises
    ------
    MissingExtraError
        CasADi is not installed.
    NotConvergedError
        Ipopt ended without an optimum.
    """
    try:
        import casadi
    except ImportError as error:
        raise MissingExtraError("casadi", "central") from error
    parts = [_part(community, called, active_power_fixed) for community in communities]
    flow, vm_pu = _power_flow(operator, called, parts)
    blocks = [*(part.block for part in parts), flow]
    symbols = casadi.vertcat(*(block.x for block in blocks))
    program = {
        "x": symbols,
        "f": sum(part.cost + part.fee for part in parts),
        "g": casadi.vertcat(*(block.rows for block in blocks)),
    }
    solver = casadi.nlpsol("central", "ipopt", program, OPTIONS)
    found = solver(
        x0=np.concatenate([block.start for block in blocks]),
        lbx=np.concatenate([block.bounds[0] for block in blocks]),
        ubx=np.concatenate([block.bounds[1] for block in blocks]),
        lbg=np.concatenate([block.row_bounds[0] for block in blocks]),
        ubg=np.concatenate([block.row_bounds[1] for block in blocks]),
    )
    status = solver.stats()["return_status"]
    if status not in ("Solve_Succeeded", "Solved_To_Acceptable_Level"):
        raise NotConvergedError(f"central optimum: Ipopt ended {status}")
    wanted = [sum(part.cost for part in parts), vm_pu, *(part.q_kvar for part in parts)]
    read = casadi.Function("read", [symbols], wanted)
    cost, voltages, *q_kvar = (np.array(value) for value in read(found["x"]))
    base_kvar = np.concatenate([part.base_kvar for part in parts])
    return CentralOptimum(
        resource_cost=float(cost[0, 0]) - sum(part.base_cost for part in parts),
        delta_kvar=base_kvar - np.concatenate(q_kvar),
        vm_pu=voltages.T,
    )


def _part(community: Community, called: IntArray, active_power_fixed: bool) -> _Part:
    import casadi

    hub, program, base = community.hub, community.program, community.scheduled
    model = program.model.with_whole_fixed(base).without(REACTIVE_COST)
    scheduled_kw, price = program.p_kw.value(base), imbalance_price(hub, community.settings)
    pay_imbalance(model, program.p_kw, scheduled_kw, price)
    if active_power_fixed:
        model.require_equal("active power as scheduled", program.p_kw[:, called], scheduled_kw[:, called])
    arrays = model.as_program()
    x = casadi.MX.sym(community.name, model.columns)
    given_up, lost = _opportunity_cost(community, x)
    p_kw, q_kvar = (_symbolic(each[:, called], x) for each in (program.p_kw, program.q_kvar))
    # What imbalance adds is nothing at the schedule.
    start = np.concatenate([base, np.zeros(model.columns - len(base))])
    costs = float(arrays.cost @ start)
    bounds, row_bounds = (arrays.lower, arrays.upper), (_known(arrays.row_min), arrays.row_max)
    return _Part(
        block=_Block(x, start, bounds, _sparse(arrays.matrix) @ x, row_bounds),
        p_kw=p_kw,
        q_kvar=q_kvar,
        cost=casadi.dot(casadi.DM(arrays.cost), x) + given_up,
        fee=_fee(community, x),
        base_cost=costs + lost,
        base_kvar=program.q_kvar[:, called].value(base),
    )


def _fee(community: Community, x: Any) -> Any:
    """c_Q on all reactive power that is exchanged: what it is worth beyond this grid."""
    import casadi

    price = community.settings.reactive_fee_per_kvarh * community.hub.hours
    return price * casadi.sum1(casadi.sum2(_symbolic(community.program.q_kvar, x)))


def _opportunity_cost(community: Community, x: Any) -> tuple[Any, float]:
    """λ⁺ (S − P) dt with S exact: as a symbol, and at the schedule."""
    import casadi

    priced, hub = community.program.priced, community.hub
    p_kw, q_kvar = (priced.p_kw.value(community.scheduled), priced.q_kvar.value(community.scheduled))
    price = price_of_active_power(hub)
    lost = float(opportunity_cost(np.maximum(p_kw, 0.0), q_kvar, price, hub.hours).sum())
    if not p_kw.size:
        return 0.0, lost
    p, q = _symbolic(priced.p_kw, x), _symbolic(priced.q_kvar, x)
    each = casadi.DM(np.tile(price * hub.hours, (len(p_kw), 1)))
    return casadi.sum1(casadi.sum2((casadi.sqrt(p**2 + q**2 + SMALLEST_KVA2) - p) * each)), lost


def _power_flow(operator: GridOperator, called: IntArray, parts: Sequence[_Part]) -> tuple[_Block, Any]:
    """Voltages as symbols, mismatches and squared magnitudes as rows; and the magnitudes of the buses."""
    import casadi

    network = operator.network
    count, hours = network.pq_count, len(called)
    others = Injections(operator.others.bus, operator.others.p_kw[called], operator.others.q_kvar[called])
    fixed = others.at_nodes(network)
    real, imag = casadi.MX.sym("real", count, hours), casadi.MX.sym("imag", count, hours)
    source = np.tile(network.v_source[:, None], (1, hours))
    v_re = casadi.vertcat(real, casadi.DM(source.real))
    v_im = casadi.vertcat(imag, casadi.DM(source.imag))
    y = network.y[:count]
    g, b = _sparse(y.real), _sparse(y.imag)
    i_re, i_im = g @ v_re - b @ v_im, g @ v_im + b @ v_re
    place = _sparse(_placed(operator)) / S_BASE_KVA
    p = casadi.DM(fixed.real.T) - place @ casadi.vertcat(*(part.p_kw for part in parts))
    q = casadi.DM(fixed.imag.T) - place @ casadi.vertcat(*(part.q_kvar for part in parts))
    rows = [real * i_re + imag * i_im - p, imag * i_re - real * i_im - q, real**2 + imag**2]
    low, high = _band(operator, called)
    nothing = np.zeros(2 * count * hours)
    block = _Block(
        x=casadi.vertcat(casadi.vec(real), casadi.vec(imag)),
        start=np.concatenate([np.ones(count * hours), np.zeros(count * hours)]),
        bounds=(np.full(2 * count * hours, -np.inf), np.full(2 * count * hours, np.inf)),
        rows=casadi.vertcat(*(casadi.vec(row) for row in rows)),
        row_bounds=(np.concatenate([nothing, low]), np.concatenate([nothing, high])),
    )
    magnitude = casadi.sqrt(v_re**2 + v_im**2)
    return block, magnitude[np.maximum(network.node_of_bus, 0).tolist(), :]


def _placed(operator: GridOperator) -> csr_array:
    """1 where a connection lies at a PQ node, shape (pq nodes, connections)."""
    node, count = operator.network.node_of(operator.bus_index), operator.network.pq_count
    inside = np.flatnonzero(node < count)
    return csr_array((np.ones(len(inside)), (node[inside], inside)), shape=(count, len(node)))


def _band(operator: GridOperator, called: IntArray) -> tuple[FloatArray, FloatArray]:
    """Squares of the narrowest band of each PQ node, an hour after the other [pu²]."""
    network, limits = operator.network, operator.limits
    low, high = np.zeros((len(called), network.pq_count)), np.full((len(called), network.pq_count), np.inf)
    for bus, node in enumerate(network.node_of_bus.tolist()):
        if 0 <= node < network.pq_count:
            low[:, node] = np.maximum(low[:, node], limits.vm_min_pu[called, bus])
            high[:, node] = np.minimum(high[:, node], limits.vm_max_pu[called, bus])
    return low.ravel() ** 2, high.ravel() ** 2


def _known(row_min: FloatArray | None) -> FloatArray:
    assert row_min is not None  # a LinearModel always gives it
    return row_min


def _symbolic(expression: Linear, x: Any) -> Any:
    """An array of expressions as a matrix of CasADi."""
    import casadi

    rows, columns = expression.shape
    flat = _sparse(matrix_of([expression], x.shape[0])) @ x + casadi.DM(expression.constant.ravel())
    return casadi.reshape(flat, columns, rows).T


def _sparse(matrix: Any) -> Any:
    import casadi

    return casadi.DM(csc_array(matrix))
