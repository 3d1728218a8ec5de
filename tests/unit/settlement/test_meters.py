"""Meters: what is behind each connection adds up, and a meter goes before a profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridcommons.known_answers.settlement import EXAMPLE
from gridcommons.model.assets import Battery
from gridcommons.model.members import Community
from gridcommons.settlement import meters as meters_module
from gridcommons.settlement.meters import Meters, is_unheard, read_meters
from settlement_study import sharing_study, worked_example


def test_meters_count_what_is_behind_them():
    found = read_meters(worked_example()).registers(slice(0, 4))
    np.testing.assert_allclose(found.withdrawal_kwh, EXAMPLE.withdrawal_kwh, atol=1e-12)
    np.testing.assert_allclose(found.injection_kwh, EXAMPLE.injection_kwh, atol=1e-12)


@pytest.mark.parametrize("minutes", [1, 15, 60])
def test_energy_is_power_times_the_length_of_an_interval(minutes):
    net_kwh = np.array([[1.0, -2.0], [0.5, 0.0]])
    np.testing.assert_allclose(
        read_meters(sharing_study(net_kwh, minutes=minutes)).net_kwh, net_kwh.T, atol=1e-12
    )


def test_what_was_metered_goes_before_the_profile():
    study = worked_example()
    columns = {**study.profiles.columns, "B_load.metered_kw": np.array([9.0, 1.0, 1.0, 1.0])}
    found = read_meters(replace(study, profiles=replace(study.profiles, columns=columns)))
    # 9 kW less the plant's 1 kW, for a quarter of an hour.
    assert found.net_kwh[1, 0] == pytest.approx(2.0)


def test_an_idle_battery_needs_no_profile_and_a_load_does():
    study = worked_example()
    sizes = dict.fromkeys(("charge_max_kw", "discharge_max_kw", "energy_kwh"), 1.0)
    shares = dict.fromkeys(("charge_efficiency_share", "discharge_efficiency_share"), 1.0)
    energy = {"soc_initial_share": 0.5, "soc_min_share": 0.0, "soc_max_share": 1.0}
    battery = Battery(asset="store", member="B", **sizes, **shares, **energy)
    community = Community(study.community.members, (*study.community.assets, battery))
    found = read_meters(replace(study, community=community))
    np.testing.assert_allclose(found.net_kwh, read_meters(study).net_kwh)
    assert not is_unheard(study, battery)
    load = replace(study.community.assets[0], asset="silent")
    assert is_unheard(study, load)


@pytest.mark.parametrize("cells", [1, 30, 10**6])
def test_blocks_are_whole_netting_intervals_that_fill_the_window(cells, monkeypatch):
    monkeypatch.setattr(meters_module, "CELLS_AT_ONCE", cells)
    blocks = list(Meters(np.zeros((3, 24))).blocks(4))
    assert [step for block in blocks for step in range(block.start, block.stop)] == list(range(24))
    assert all((block.stop - block.start) % 4 == 0 for block in blocks)
    assert len(blocks) == {1: 6, 30: 3, 10**6: 1}[cells]
