"""The answer is a load flow's, with a gap only where one is proven, and errors that name what is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import branches, buses, source
from gridcommons.known_answers import voltage_band
from gridcommons.model.errors import InfeasibleError, StudyError
from gridcommons.model.grid import Grid
from gridcommons.model.switches import Switch, with_positions
from gridcommons.model.topology import is_radial
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Injections
from gridcommons.switching.feeder import make_feeder
from gridcommons.switching.least_losses import LossSettings, least_losses

RNG = np.random.default_rng(0)
LOAD_KW = np.array([[0.0, 20.0, 30.0, 25.0, 10.0], [0.0, 5.0, 5.0, 40.0, 10.0]])


def ring(limits=None, load_kw=LOAD_KW, capacity_kw=np.inf, moves=True, i_max_ka=None):
    """Five buses in a ring with a chord; the chord and one side are open."""
    on = np.array([True, True, True, True, False, False])
    ends = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 3)]
    lines = branches(ends, [0.1, 0.2, 0.1, 0.15, 0.2, 0.3], from_closed=on, to_closed=on, i_max_ka=i_max_ka)
    grid = Grid(buses(5), lines, source())
    switches = tuple(
        Switch(
            f"line {k}",
            (k,),
            bool(on[k]),
            capacity_kw=capacity_kw if k == 0 else np.inf,
            moves=moves or k > 1,
        )
        for k in range(6)
    )
    return make_feeder(grid, switches, load_kw, 0.3 * load_kw, 0.5, None if limits is None else limits(grid))


@pytest.mark.parametrize("method", ["auto", "enumeration", "search"])
def test_the_answer_is_a_radial_topology_with_the_losses_of_its_load_flow(method):
    feeder = ring()
    found = least_losses(feeder, np.random.default_rng(0), LossSettings(method=method))
    grid = with_positions(feeder.grid, feeder.switches, found.closed)
    assert is_radial(grid)
    loads = Injections(np.arange(5), LOAD_KW, 0.3 * LOAD_KW)
    losses_kw = solve_power_flow(build_network(grid), loads).losses_kw()
    assert found.losses_kw.tolist() == losses_kw.tolist()
    assert found.losses_kwh == pytest.approx(0.5 * losses_kw.sum())
    assert found.open_switches == tuple(f"line {k}" for k in np.flatnonzero(~found.closed))
    assert found.method == ("search" if method == "search" else "enumeration")
    assert found.gap_share == (None if method == "search" else 0.0)
    assert found.open_switches == least_losses(feeder, RNG).open_switches


def test_it_loses_less_than_the_start_and_keeps_what_does_not_move():
    feeder = ring(moves=False)
    found = least_losses(feeder, RNG)
    start = least_losses(ring(load_kw=LOAD_KW), RNG)
    assert found.closed[:2].all()
    assert found.evaluated < start.evaluated
    assert found.losses_kwh >= start.losses_kwh


def test_auto_enumerates_by_the_work_it_is():
    feeder = ring()
    trees = least_losses(feeder, RNG).evaluated
    # Two steps: twice as many load flows as topologies.
    assert least_losses(feeder, RNG, LossSettings(trees_max=2 * trees)).method == "enumeration"
    assert least_losses(feeder, RNG, LossSettings(trees_max=2 * trees - 1)).method == "search"
    with pytest.raises(StudyError, match=f"{trees} radial topologies"):
        least_losses(feeder, RNG, LossSettings("enumeration", trees_max=trees - 1))


def test_a_gap_is_told_only_with_a_proof():
    how = LossSettings(method="search", bound_seconds=30.0)
    found = least_losses(ring(), np.random.default_rng(0), how)
    assert found.bound is not None and found.bound.status == "proven"
    assert found.gap_share == pytest.approx(1.0 - found.bound.losses_kwh / found.losses_kwh)
    assert 0.0 <= found.gap_share < 2e-3
    with_sun = ring(load_kw=LOAD_KW - np.array([0.0, 0.0, 60.0, 0.0, 0.0]))
    found = least_losses(with_sun, np.random.default_rng(0), how)
    assert found.gap_share is None and "active power" in found.bound.why


def test_limits_change_the_answer_and_are_held():
    free = least_losses(ring(), RNG)
    carries_kw = 30.0
    held = least_losses(ring(capacity_kw=carries_kw), RNG)
    assert held.losses_kwh > free.losses_kwh and held.open_switches != free.open_switches


@pytest.mark.parametrize("method", ["enumeration", "search"])
def test_the_worst_broken_limit_is_named_where_none_is_inside(method):
    how = LossSettings(method=method)

    def voltages(grid):
        return voltage_band(grid, 0.999, 1.1)

    def loadings(grid):
        return replace(voltage_band(grid, 0.5, 1.1), loading_max_percent=np.full((1, 6), 50.0))

    with pytest.raises(
        InfeasibleError, match=r"vm_min_pu of bus b\d is 0\.9\d* at step \d and its limit is 0.999"
    ):
        least_losses(ring(limits=voltages), np.random.default_rng(0), how)
    with pytest.raises(InfeasibleError, match=r"loading_max_percent of branch line \d is .* its limit is 50"):
        least_losses(ring(limits=loadings, i_max_ka=np.full(6, 0.05)), np.random.default_rng(0), how)
    with pytest.raises(InfeasibleError, match=r"vm_max_pu of bus b0 is 1 at step 0 and its limit is 0\.99"):
        least_losses(ring(limits=lambda g: voltage_band(g, 0.5, 0.99)), np.random.default_rng(0), how)


def test_a_capacity_that_no_topology_holds_is_named():
    """Bus 4 hangs on bus 0 alone: the one line must carry its load."""
    grid = Grid(buses(3), branches([(0, 1), (1, 2), (0, 1)], 0.05), source())
    load_kw = np.array([[0.0, 10.0, 30.0]])
    switches = tuple(Switch(f"line {k}", (k,), True, capacity_kw=35.0) for k in range(3))
    with pytest.raises(InfeasibleError, match=r"capacity_kw of switch line \d is 4\d.* its limit is 35"):
        least_losses(make_feeder(grid, switches, load_kw, 0.0 * load_kw), RNG)


def test_loads_beyond_collapse_are_told():
    for method in ("enumeration", "search"):
        with pytest.raises(InfeasibleError, match="has a solution of the load flow"):
            least_losses(ring(load_kw=100.0 * LOAD_KW), np.random.default_rng(0), LossSettings(method))


def test_an_unknown_method_is_refused():
    with pytest.raises(StudyError, match="did you mean 'search'"):
        least_losses(ring(), RNG, LossSettings(method="serch"))


def test_a_bus_that_nothing_reaches_and_nothing_needs_is_no_obstacle():
    grid = Grid(buses(3), branches([(0, 1)], 0.1), source())
    load_kw = np.array([[0.0, 10.0, 0.0]])
    found = least_losses(make_feeder(grid, (Switch("line 0", (0,), True),), load_kw, load_kw), RNG)
    assert found.closed.tolist() == [True] and found.evaluated == 1
