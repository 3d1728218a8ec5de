"""Each part of the check catches what is its own to catch, with the other parts taken away."""

from __future__ import annotations

import numpy as np
import pytest

from feeders import charger, random_tree, solar, study
from gridcommons.envelopes import verify
from gridcommons.envelopes.boxes import all_queries
from unit_envelopes import boxes_of


def narrow_and_wide(side: int):
    """Safe boxes of one step, and the same with one side 3 % too wide."""
    grid = random_tree(np.random.default_rng(1), 30, rated_a=(400.0, 500.0))
    assets = [charger(f"C{k}", f"b{k}", 11.0) for k in range(1, 31)]
    assets += [solar(f"S{k}", f"b{k}", 11.0) for k in range(1, 31)]
    of = study(grid, assets, {f"S{k}": 11.0 for k in range(1, 31)})
    w, rest, boxes = boxes_of(of)
    up, down = (1.03, 1.0) if side == 0 else (1.0, 1.03)
    return w, rest, boxes, type(boxes)(boxes.rest_kw, up * boxes.up_kw, down * boxes.down_kw)


@pytest.fixture
def without_adversary(monkeypatch):
    nothing = np.zeros(0, dtype=np.int64)
    monkeypatch.setattr(verify, "adversarial_corners", lambda w, boxes: all_queries(w, nothing))


@pytest.mark.parametrize("side", [0, 1])
def test_each_corner_alone_catches_its_own_side(without_adversary, side):
    w, rest, safe, wide = narrow_and_wide(side)
    assert not verify.check_boxes(w, safe, rest, 0, (1,)).violations.any()
    checks = verify.check_boxes(w, wide, rest, 0, (1,))
    assert checks.violations[0, side] == 1 and checks.violations[0, 1 - side] == 0


@pytest.mark.parametrize("side", [0, 1])
def test_the_draws_alone_catch_either_side(without_adversary, side, monkeypatch):
    w, rest, _, wide = narrow_and_wide(side)
    only_corners = verify.check_boxes(w, wide, rest, 0, (1,)).violations[0, side]
    assert verify.check_boxes(w, wide, rest, 1000, (1,)).violations[0, side] > only_corners + 5


@pytest.mark.parametrize("side", [0, 1])
def test_the_adversary_alone_finds_every_limit_that_is_broken(side):
    w, rest, _, wide = narrow_and_wide(side)
    found = verify.check_boxes(w, wide, rest, 0, (1,)).violations[0, side]
    assert found > 1
