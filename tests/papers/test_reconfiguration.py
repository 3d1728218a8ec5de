"""Published feeders: their losses before and after reconfiguration, within the last printed digit."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.adapters.grids.matpower import read_matpower
from gridcommons.adapters.published_feeders import published_feeders
from gridcommons.known_answers import BARAN_WU_FILE
from gridcommons.known_answers.switching import answers_of
from gridcommons.switching.least_losses import LossSettings, least_losses
from gridcommons.switching.loss_bound import bound_losses
from gridcommons.switching.spanning_trees import count_radial_topologies

PUBLISHED = {published.name: published for published in published_feeders()}
BUSES = {
    "civanlar_16": (16, 16, 190),
    "baran_wu_33": (33, 37, 50_751),
    "baran_wu_69": (69, 73, 407_924),
    "taiwan_84": (84, 96, None),
    "zhang_118": (118, 132, None),
    "mantovani_136": (136, 156, None),
}


@pytest.mark.parametrize("name", BUSES)
def test_losses_before_and_least_losses_are_those_in_print(name):
    published = PUBLISHED[name]
    found = least_losses(published.feeder, np.random.default_rng(1), LossSettings(method="search"))
    answers = list(answers_of(published, found))
    assert len(answers) == 3 and [a for a in answers if not a.passed] == []
    assert len(found.open_switches) == len(published.open_best)
    if name != "baran_wu_69":
        assert found.open_switches == published.open_best


def test_all_feeders_are_there():
    assert list(PUBLISHED) == list(BUSES)
    for name, (count, switches, trees) in BUSES.items():
        feeder = PUBLISHED[name].feeder
        assert (len(feeder.grid.buses), len(feeder.switches)) == (count, switches)
        assert trees is None or count_radial_topologies(feeder) == trees


@pytest.mark.parametrize("name", ["civanlar_16", "baran_wu_33"])
def test_small_feeders_are_enumerated_to_the_same_end(name):
    published = PUBLISHED[name]
    found = least_losses(published.feeder, np.random.default_rng(0))
    assert (found.method, found.evaluated) == ("enumeration", BUSES[name][2])
    assert found.open_switches == published.open_best


def test_the_33_bus_tables_are_the_file_that_is_shipped_too():
    grid, ours = read_matpower(BARAN_WU_FILE).grid, PUBLISHED["baran_wu_33"].feeder
    for column in ("from_bus", "to_bus", "r_pu", "x_pu", "from_closed"):
        values = getattr(ours.grid.branches, column)
        assert values.tolist() == pytest.approx(getattr(grid.branches, column).tolist())
    drawn_kw = np.zeros(33)
    drawn_kw[grid.fixed.bus] = grid.fixed.p_kw
    assert ours.p_kw[0] == pytest.approx(drawn_kw)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gap_share"), [("baran_wu_33", 1e-3), ("taiwan_84", 1e-3)])
def test_the_best_in_print_is_proven_to_be_within_a_thousandth_of_the_least(name, gap_share):
    published = PUBLISHED[name]
    most_kw = published.losses_best_kw * 1.0001
    bound = bound_losses(published.feeder, most_kw, 300.0)
    assert bound.status == "proven"
    assert (1.0 - gap_share) * published.losses_best_kw < bound.losses_kwh <= most_kw


def test_no_bound_is_told_where_capacitors_feed_in():
    bound = bound_losses(PUBLISHED["civanlar_16"].feeder, 466.2, 1.0)
    assert bound.losses_kwh is None and "reactive power" in bound.why
