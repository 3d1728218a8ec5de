"""The bound is never above the least losses, is close to them, and is refused where it proves nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses, source
from gridcommons.model.grid import Grid, Shunts, Sources
from gridcommons.model.switches import Switch
from gridcommons.switching.feeder import make_feeder
from gridcommons.switching.loss_bound import bound_losses
from gridcommons.switching.spanning_trees import enumerate_topologies


def feeder_of(seed, *, steps=1, sources=1, change=lambda grid: grid, fixed=2, load_kw=60.0):
    """A random meshed feeder of loads alone, heavy enough that losses are some per cent."""
    generator = np.random.default_rng(seed)
    count = 9
    ends = [(int(generator.integers(max(0, k - 3), k)), k) for k in range(1, count)]
    while len(ends) < 12:
        ends.append(tuple(int(n) for n in generator.choice(count, 2, replace=False)))
    z = generator.uniform(0.02, 0.15, 12) + 1j * generator.uniform(0.0, 0.12, 12)
    grid = Grid(buses(count), branches(ends, z), source(vm_pu=1.03))
    if sources > 1:
        at = Sources(("a", "b"), np.array([0, 1]), np.array([1.03, 1.0]), np.zeros(2))
        grid = replace(grid, sources=at)
    p_kw = generator.uniform(0.0, load_kw, (steps, count))
    q_kvar = generator.uniform(0.0, load_kw / 2.0, (steps, count))
    p_kw[:, generator.integers(0, count)] = q_kvar[:, generator.integers(0, count)] = 0.0
    stays = set(range(8 - fixed, 8))
    switches = tuple(Switch(str(k), (k,), True) for k in range(12) if k not in stays)
    return make_feeder(change(grid), switches, p_kw, q_kvar, 0.5)


@pytest.mark.parametrize(("steps", "sources"), [(1, 1), (1, 2), (3, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_just_below_the_least_losses(seed, steps, sources):
    feeder = feeder_of(seed, steps=steps, sources=sources)
    best, _ = enumerate_topologies(feeder)
    least_kwh = best.losses_kwh
    # A topology that is known to lose 30 % more: flows may be larger, the bound stays a bound.
    bound = bound_losses(feeder, 1.3 * least_kwh, 60.0)
    assert bound.status == "proven" and bound.why == ""
    assert bound.losses_kwh <= least_kwh * (1.0 + 1e-7)
    assert bound.losses_kwh >= least_kwh * (1.0 - 2e-3)


def test_flows_may_be_loads_and_losses_where_all_pass_one_branch():
    grid = Grid(buses(4), branches([(0, 1), (1, 2), (2, 3), (3, 1)], 0.2 + 0.2j), source())
    load_kw = np.array([[0.0, 0.0, 90.0, 110.0]])
    switches = tuple(Switch(str(k), (k,), True) for k in range(4))
    feeder = make_feeder(grid, switches, load_kw, 0.5 * load_kw)
    least_kwh = enumerate_topologies(feeder)[0].losses_kwh
    assert least_kwh > 8.0
    bound = bound_losses(feeder, 1.5 * least_kwh, 60.0)
    assert least_kwh * (1.0 - 2e-3) <= bound.losses_kwh <= least_kwh * (1.0 + 1e-7)


def test_a_bound_never_exceeds_what_is_known():
    feeder = feeder_of(0)
    least_kwh = enumerate_topologies(feeder)[0].losses_kwh
    # Told of losses that no topology reaches, the program has no solution but the bound stays at them.
    bound = bound_losses(feeder, 0.9 * least_kwh, 60.0)
    assert bound.losses_kwh == pytest.approx(0.9 * least_kwh)


def test_without_time_nothing_false_is_said():
    feeder = feeder_of(1, steps=3)
    least_kwh = enumerate_topologies(feeder)[0].losses_kwh
    bound = bound_losses(feeder, least_kwh, 0.0)
    assert bound.status == "stopped"
    assert 0.0 <= bound.losses_kwh <= least_kwh * (1.0 + 1e-7)


def with_branch(**columns):
    return lambda grid: replace(
        grid, branches=replace(grid.branches, **{k: np.full(12, v) for k, v in columns.items()})
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (with_branch(b_to_pu=0.01), "charging"),
        (with_branch(g_from_pu=0.01), "charging"),
        (with_branch(ratio=1.02), "ratio"),
        (with_branch(r_pu=0.0, x_pu=0.1), "resistance"),
        (with_branch(x_pu=-0.01), "capacitive"),
        (lambda grid: replace(grid, shunts=Shunts(np.array([3]), np.zeros(1), np.full(1, -5.0))), "shunts"),
    ],
)
def test_what_would_break_the_proof_is_refused_by_name(change, why):
    bound = bound_losses(feeder_of(2, change=change), 10.0, 1.0)
    assert bound.losses_kwh is None and bound.status == "refused"
    assert why in bound.why


def test_generation_is_refused_by_name():
    feeder = feeder_of(3, steps=2)
    for sign, word in ((1.0, "active power"), (1.0j, "reactive power")):
        s = feeder.case.scenarios.s.copy()
        s[1, 4] = -0.001 * sign
        case = feeder.case._replace(scenarios=feeder.case.scenarios._replace(s=s))
        bound = bound_losses(replace(feeder, case=case), 10.0, 1.0)
        assert bound.losses_kwh is None and word in bound.why
