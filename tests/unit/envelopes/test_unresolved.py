"""What is broken at rest: which side it closes, and that the other side is still kept from harm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import battery, branches, buses, charger, load, solar, study, tree
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.known_answers import chain_grid, voltage_band
from gridcommons.model.assets import Pv
from gridcommons.model.grid import Grid, Sources
from gridcommons.tasks import run
from unit_envelopes import boxes_of


def two_islands() -> Grid:
    """Two lines of 0.5 km, each behind its own source: b0–b1 and b2–b3."""
    sources = Sources(("one", "two"), np.array([0, 2]), np.ones(2), np.zeros(2))
    return Grid(buses(4), branches([(0, 1), (2, 3)], (0.642 + 0.083j) * 0.5 / 0.16), sources)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_line_overloaded_one_way_at_rest_keeps_its_rating_the_other_way(sign):
    """80 kW over a line of 69 kVA: 115 %. The battery may turn the flow round to 100 %, no farther."""
    grid = tree([0], 0.001 + 0.0003j, i_max_ka=[0.1])
    assets = [battery("B", "b1", 300.0), load("L", "b1"), Pv(asset="P", member="b1", generation_max_kw=80.0)]
    of = study(grid, assets, {"L": 80.0} if sign > 0 else {"P": 80.0})
    w, rest, boxes = boxes_of(of)
    assert (rest.max_resolved[0], rest.min_resolved[0]) == (sign < 0, sign > 0)
    end = np.array([[-boxes.down_kw[0, 0] if sign > 0 else boxes.up_kw[0, 0]]])
    assert w.flow(end, np.array([0])).loading_percent()[0, 0] == pytest.approx(100.0, abs=1e-3)
    result = run(of, "envelopes")
    assert result.summary["violations_found"] == 0
    assert result.tables["unresolved"]["excess"].iloc[0] == pytest.approx(15.47, abs=0.01)


def test_no_asset_makes_a_limit_worse_that_is_broken_at_rest():
    """A ring of two ways to a load; one is overloaded, and injecting halfway along the other adds to it."""
    ends, z_pu = [(0, 1), (1, 2), (2, 3), (3, 0)], np.array([0.05, 0.05, 0.05, 0.05]) + 0.02j
    grid = Grid(buses(4), branches(ends, z_pu, i_max_ka=[1.0, 1.0, 0.03, 1.0]), tree([0], 0.1).sources)
    of = study(
        grid,
        [battery("A", "b1", 60.0), battery("B", "b3", 60.0), load("L", "b2")],
        {"L": 60.0},
        limits=voltage_band(grid, 0.8, 1.2),
    )
    w, rest, boxes = boxes_of(of)
    assert rest.broken.any()
    vertices = np.array([[a, b] for a in (False, True) for b in (False, True)])
    step = np.zeros(4, dtype=np.int64)
    loading = w.flow(boxes.corner(step, vertices), step).loading_percent()[:, 2]
    assert loading.max() <= 100.0 * (1.0 + rest.excess.max()) + 1e-3
    assert (boxes.up_kw + boxes.down_kw).sum() > 10.0


def test_each_broken_limit_closes_its_own_side_and_says_which():
    """Low voltage in one island, high in the other; nobody flexible stands where the voltage is low."""
    assets = [battery("B", "b1", 10.0), load("L", "b3"), Pv(asset="P", member="b1", generation_max_kw=99.0)]
    low = study(two_islands(), assets, {"L": 60.0})
    _, rest, boxes = boxes_of(low)
    assert not rest.max_resolved[0] and rest.min_resolved[0]
    assert boxes.up_kw[0, 0] == 0.0 and boxes.down_kw[0, 0] == pytest.approx(10.0)
    both = run(study(two_islands(), assets, {"L": 60.0, "P": 60.0}), "envelopes").tables["unresolved"]
    assert dict(zip(both["element"], both["side"], strict=True)) == {"b3": "p_max", "b1": "p_min"}


def test_support_that_mends_to_the_limit_leaves_the_other_side_its_width():
    """Each mended voltage stands within rounding of its limit; injection must not shrink for that."""
    grid = chain_grid()
    for load_kw in np.arange(16.5, 19.0, 0.1):
        assets = [
            load("L1", "bus 1"),
            load("L2", "bus 4"),
            battery("B", "bus 3", 20.0),
            solar("S", "bus 2", 15.0),
        ]
        of = study(grid, assets, {"L1": load_kw, "L2": load_kw, "S": 15.0})
        w, rest, boxes = boxes_of(of, support=np.array([True, False]))
        assert rest.max_resolved.all() and boxes.rest_kw[0, 0] < -0.5
        assert boxes.down_kw[0, 1] == pytest.approx(15.0)


def test_a_grid_without_any_state_promises_nothing():
    """900 kW has no load flow at all; the limits of the other steps, or none, are no matter."""
    grid = replace(chain_grid(), branches=replace(chain_grid().branches, i_max_from_ka=np.full(4, 0.2)))
    grid = replace(grid, branches=replace(grid.branches, i_max_to_ka=np.full(4, 0.2)))
    limits = replace(
        voltage_band(grid, 0.0, 2.0),
        vm_max_pu=np.array([[np.inf] * 5, [2.0] * 5, [2.0] * 5]),
        loading_max_percent=np.array([[100.0] * 4, [np.inf] * 4, [100.0] * 4]),
    )
    assets = [load("L", "bus 4"), battery("B", "bus 2", 5.0)]
    of = study(grid, assets, {"L": [900.0, 900.0, 1.0]}, limits=limits, steps=3)
    _, rest, boxes = boxes_of(of)
    assert rest.max_resolved.tolist() == rest.min_resolved.tolist() == [False, False, True]
    np.testing.assert_allclose(boxes.up_kw[:, 0], [0.0, 0.0, 5.0])
    np.testing.assert_allclose(boxes.down_kw[:, 0], [0.0, 0.0, 5.0])


def test_relaxed_limits_are_those_of_rest_and_no_others():
    grid = tree([0], 0.001 + 0.0003j, i_max_ka=[0.1])
    of = study(grid, [charger("C", "b1"), load("L", "b1")], {"L": 80.0})
    w, rest, _ = boxes_of(of)
    again = settle_at_rest(w, np.zeros(1, dtype=bool))
    changed = rest.rows.bound != w.rows.bound
    assert (changed == rest.broken).all() and changed.sum() == 1
    np.testing.assert_array_equal(rest.rows.bound_back, w.rows.bound_back)
    np.testing.assert_array_equal(again.rows.bound, rest.rows.bound)
