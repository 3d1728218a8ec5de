"""Where assets are connected: one row in a balanced grid, by phases in a three-phase one."""

from __future__ import annotations

import numpy as np
import pytest

from feeders import charger, load, study, tree
from gridcommons.model.errors import GridcommonsError, StudyError
from gridcommons.model.members import CONNECTIONS, refuse_three_phase
from three_phase import four_bus_drawing
from three_phase_studies import phase_study, street

GRID = street().grid()


def terminals(phase: str, bus: str = "1"):
    return phase_study(GRID, {"m": f"{bus}.{phase}"}, [load("L", "m")]).community.terminals(GRID)


def rows_by_name(at) -> list[tuple[str, str]]:
    name = (*GRID.buses.name, "earth")
    return [(name[a], name[b]) for a, b in zip(at.bus, at.to_bus, strict=True)]


def test_a_balanced_asset_is_one_row_with_all_of_its_power():
    of = study(tree([0, 1], 0.1), [charger("C2", "b2"), charger("C1", "b1")])
    at = of.community.terminals(of.grid)
    assert at.bus.tolist() == [2, 1] and at.asset.tolist() == [0, 1] and at.share.tolist() == [1.0, 1.0]
    assert not at.is_between.any()
    p_kw = np.array([[3.0, 5.0]])
    assert at.of_rows(p_kw) is p_kw and at.of_assets(p_kw) is p_kw


@pytest.mark.parametrize("phase", ["a", "b", "c"])
def test_an_asset_on_one_phase_is_one_row_to_earth(phase):
    at = terminals(phase)
    assert rows_by_name(at) == [(f"1.{phase}", "earth")] and at.share.tolist() == [1.0]


@pytest.mark.parametrize("phase", ["ab", "bc", "ca"])
def test_an_asset_between_two_phases_is_one_row_between_them(phase):
    at = terminals(phase)
    assert rows_by_name(at) == [(f"1.{phase[0]}", f"1.{phase[1]}")] and at.share.tolist() == [1.0]
    assert at.is_between.all()


def test_an_asset_on_three_phases_is_a_third_on_each():
    at = terminals("")
    assert rows_by_name(at) == [("1.a", "earth"), ("1.b", "earth"), ("1.c", "earth")]
    assert at.share == pytest.approx([1 / 3] * 3)


def test_a_delta_is_a_third_between_each_two_phases():
    at = terminals("delta")
    assert rows_by_name(at) == [("1.a", "1.b"), ("1.b", "1.c"), ("1.c", "1.a")]
    assert at.share == pytest.approx([1 / 3] * 3)


def test_powers_reach_their_rows_and_slopes_come_back():
    """Σ slope · row power over rows is Σ asset slope · asset power, for whatever is chosen of the assets."""
    phases = list(CONNECTIONS)
    of = phase_study(
        GRID,
        {f"m{k}": f"1.{phase}" for k, phase in enumerate(phases)},
        [load(f"L{k}", f"m{k}") for k in range(len(phases))],
    )
    every = of.community.terminals(GRID)
    assert every.count == len(phases) and len(every) == 6 + 3 + 3
    rng = np.random.default_rng(1)
    for chosen in (np.arange(len(phases)), np.array([7, 0, 6]), np.array([2]), np.zeros(0, np.int64)):
        at = every.taken(chosen)
        p_kw, slope = rng.normal(size=(4, len(chosen))), rng.normal(size=(4, len(at)))
        assert at.of_rows(p_kw).sum(axis=1) == pytest.approx(p_kw.sum(axis=1))
        by_rows, by_assets = (at.of_rows(p_kw) * slope).sum(axis=1), (at.of_assets(slope) * p_kw).sum(axis=1)
        assert by_rows == pytest.approx(by_assets)
        places = [set(every.bus[every.asset == asset]) for asset in chosen]
        assert [set(at.bus[at.asset == k]) for k in range(len(chosen))] == places


def test_single_buses_of_a_three_phase_grid_are_refused():
    of = phase_study(GRID, {"m": "1.a"}, [load("L", "m")])
    with pytest.raises(GridcommonsError, match="use terminals"):
        of.community.asset_buses(GRID)


def test_a_phase_that_the_bus_has_not_is_refused_by_name():
    grid = four_bus_drawing().grid()
    of = phase_study(grid, {"m": "2."}, [load("L", "m")])
    with pytest.raises(GridcommonsError, match=r"bus '2' has the phases a, c, and no phase 'b'"):
        of.community.terminals(grid)


def test_tasks_of_balanced_grids_refuse_three_phase_ones():
    refuse_three_phase(tree([0], 0.1), "control")
    with pytest.raises(StudyError, match="a three-phase grid for the task 'control'"):
        refuse_three_phase(GRID, "control")
