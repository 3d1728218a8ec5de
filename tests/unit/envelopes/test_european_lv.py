"""Envelopes of the 55 single-phase customers of the European low-voltage feeder, proven by trial.

The whole feeder of 2,721 nodes gives the boxes. What tries to break them here shares nothing with the search
that made them: coordinate ascent over the vertices, on the load flow of the thinned feeder.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feeders import window
from gridcommons.envelopes.allocate import allocate
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.envelopes.capability import share_and_check
from gridcommons.known_answers import voltage_band
from thinned_feeder import thinned
from three_phase_studies import european_lv


def thin_window(of):
    """The window of a study on its feeder without the buses where nothing is connected or branches off."""
    grid = thinned(of.grid, {member.bus for member in of.community.members})
    low, high = of.limits.vm_min_pu.min(), of.limits.vm_max_pu.max()
    return window(replace(of, grid=grid, limits=voltage_band(grid, low, high)))


def highest_found(w, boxes, measure, generator) -> np.ndarray:
    """Coordinate ascent of each of several measures over the vertices of a box, one asset after the other.

    ``measure`` gives (scenarios, measures) from a solution; the answer is (measures,).
    """
    assets = len(w.asset)

    def looked_at(is_up):
        step = np.zeros(len(is_up), np.int64)
        return np.diag(measure(w.flow(boxes.corner(step, is_up), step))).copy()

    count = measure(w.flow(boxes.rest_kw, np.zeros(1, np.int64))).shape[1]
    is_up = generator.random((count, assets)) < 0.5
    best = looked_at(is_up)
    for asset in generator.permutation(assets):
        trial = is_up.copy()
        trial[:, asset] ^= True
        found = looked_at(trial)
        better = found > best
        is_up[better], best[better] = trial[better], found[better]
    return best


def test_the_thinned_feeder_is_the_feeder():
    of = european_lv(350.0, (0.9, 1.1), [1.0])
    whole, thin = window(of), thin_window(of)
    few, many = thin.rows.network.grid, of.grid
    assert len(few.buses) < len(many.buses) / 4
    p_kw = np.random.default_rng(1).uniform(-5.0, 7.4, (8, len(whole.asset)))
    ours, theirs = (w.flow(p_kw, np.zeros(8, np.int64)) for w in (thin, whole))
    same = [many.bus_index[name] for name in few.buses.name]
    np.testing.assert_allclose(ours.vm_pu(), theirs.vm_pu()[:, same], atol=1e-9)
    head = (few.branch_index["LINE1.b"], many.branch_index["LINE1.b"])
    assert ours.loading_percent()[:, head[0]] == pytest.approx(theirs.loading_percent()[:, head[1]], rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head_a", "low", "binds"), [(350.0, 0.9, "LINE1"), (np.inf, 0.94, "vm_min_pu")], ids=["head", "voltage"]
)
def test_no_vertex_that_an_independent_search_finds_breaks_the_envelopes(head_a, low, binds):
    of = european_lv(head_a, (low, 1.1), [1.0])
    w = window(of)
    everyone = np.ones(len(w.asset), dtype=bool)
    rest = settle_at_rest(w, ~everyone)
    boxes, checks = share_and_check(w, rest, [everyone], ("max_total", allocate), (300, (of.seed,)))
    assert not checks.violations.any() and not checks.certified.any() and checks.tried == 302
    # Both sides end at a limit, so that there is something to break.
    assert (checks.worst > -1e-6).all() and (checks.worst <= 0.0).all()
    assert binds in "".join(w.rows.name(int(checks.limit[0, 0])))
    assert w.rows.name(int(checks.limit[0, 1]))[1] == "vm_max_pu"
    assert 50.0 < boxes.up_kw.sum() < 0.8 * 55 * 7.4 and 50.0 < boxes.down_kw.sum() < 55 * 5.0

    thin = thin_window(of)
    grid = thin.rows.network.grid
    own = grid.bus_index
    rows = [own[f"{member.bus}.{member.phase}"] for member in of.community.members]
    head = [grid.branch_index[f"LINE1.{phase}"] for phase in "abc"]

    def beyond(solution):
        vm_pu = solution.vm_pu()[:, rows]
        loading = solution.loading_percent()[:, head] / 100.0 - 1.0
        return np.concatenate([low - vm_pu, vm_pu - 1.1, loading], axis=1)

    found = highest_found(thin, boxes, beyond, np.random.default_rng(of.seed))
    assert found.max() <= 1e-7
    # It is a search worth its name: it comes as near as the check did, on either side.
    tight = found[55:110].max(), max(found[:55].max(), found[110:].max())
    assert min(tight) > -1e-5
    # And boxes 1 % wider are broken by it.
    wide = replace(boxes, up_kw=1.01 * boxes.up_kw, down_kw=1.01 * boxes.down_kw)
    assert highest_found(thin, wide, beyond, np.random.default_rng(of.seed)).max() > 1e-5
