"""Sections of Schutterwald joined behind the station of their region."""

from __future__ import annotations

import numpy as np
import pytest

from gridcommons.adapters.grids.pandapower_grids import read_grid
from gridcommons.adapters.grids.pandapower_networks import open_net
from gridcommons.adapters.grids.schutterwald import BUSBAR, HIGH_BUS, STATION, distance_km
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.errors import StudyError
from gridcommons.model.topology import is_radial, supplied_buses

SOURCE = "pandapower:lv_schutterwald"


@pytest.fixture(scope="module")
def joined():
    return open_net(SOURCE, {"sections": [4, 6, 12], "join": True})


def test_one_source_supplies_all_sections(joined):
    grid = read_grid(joined).grid
    assert grid.sources.name == (HIGH_BUS,) and supplied_buses(grid).all() and is_radial(grid)
    assert len(joined.load) == 319
    assert sorted(joined.trafo.sn_mva) == [0.4, 0.63, 0.63, 25.0]


def test_the_station_is_that_of_the_region(joined):
    import pandapower.networks

    region = pandapower.networks.mv_oberrhein()
    own = joined.trafo[joined.trafo.name == STATION].iloc[0]
    theirs = region.trafo[region.trafo.name == "HV/MV Transformer 0"].iloc[0]
    for column in ("std_type", "sn_mva", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent", "tap_pos"):
        assert own[column] == theirs[column], column
    assert (joined.bus.at[own.hv_bus, "vn_kv"], joined.bus.at[own.lv_bus, "vn_kv"]) == (110.0, 20.0)


def test_cables_are_as_long_as_the_line_to_each_section(joined):
    busbar = joined.bus.index[joined.bus.name == BUSBAR][0]
    cables = joined.line[joined.line.from_bus == busbar]
    assert len(cables) == 3 and set(cables.std_type) == {"NA2XS2Y 1x185 RM/25 12/20 kV"}
    assert cables.length_km.tolist() == pytest.approx([2.657, 2.557, 2.110], abs=2e-3)
    assert set(joined.bus.loc[cables.to_bus, "vn_kv"]) == {20.0}


def test_distance_along_a_meridian_and_a_parallel():
    degree_km = np.pi / 180.0 * 6371.0
    assert distance_km((8.0, 48.0), (8.0, 49.0)) == pytest.approx(degree_km)
    assert distance_km((8.0, 60.0), (9.0, 60.0)) == pytest.approx(degree_km / 2.0)


@pytest.mark.parametrize(
    "options", [{"join": True}, {"sections": [4], "join": "yes"}, {"sections": [4], "join": 1}]
)
def test_joining_without_sections_or_without_a_plain_yes_is_refused(options):
    with pytest.raises(StudyError, match="join = true beside sections"):
        open_net(SOURCE, options)


def test_not_joined_sections_are_islands_as_before():
    net = open_net(SOURCE, {"sections": [4, 6], "join": False})
    assert len(net.ext_grid) == 2


@pytest.mark.slow
def test_the_example_is_this_grid_and_loads_for_its_whole_year(joined, examples):
    study = load_study(examples / "schutterwald")
    grid = read_grid(joined, slack_vm_pu=1.025, tap_pos=0).grid
    assert study.grid.buses.name == grid.buses.name and study.grid.branches.name == grid.branches.name
    np.testing.assert_array_equal(study.grid.branches.r_pu, grid.branches.r_pu)
    assert study.grid.sources.vm_pu.tolist() == [1.025] and not len(study.grid.fixed.name)
    assert study.time.steps == 35_040 and len(study.community.members) == 319
    net_kw = sum(asset.net_kw(study.profiles.signals(asset)) for asset in study.today.assets)
    assert 0.8 < net_kw.max() / 319 < 1.2
    assert study.time.local(int(net_kw.argmax())).hour in (17, 18, 19, 20)
