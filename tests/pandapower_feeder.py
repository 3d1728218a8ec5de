"""A small pandapower network for tests, and the comparison of what is read with its load flow."""

from __future__ import annotations

import copy
import warnings
from functools import cache

import numpy as np
import pandapower as pp
import pytest

from dense_load_flow import loading_percent, solve
from gridcommons.adapters.grids.pandapower_grids import read_grid

TAPS = {
    "ratio hv": {"tap_changer_type": "Ratio", "tap_side": "hv", "tap_pos": -2, "tap_step_percent": 2.5},
    "ratio lv": {"tap_changer_type": "Ratio", "tap_side": "lv", "tap_pos": 2, "tap_step_percent": 1.5},
    "oblique hv": {
        "tap_changer_type": "Ratio",
        "tap_side": "hv",
        "tap_pos": 2,
        "tap_step_percent": 2.0,
        "tap_step_degree": 60.0,
    },
    "oblique lv": {
        "tap_changer_type": "Symmetrical",
        "tap_side": "lv",
        "tap_pos": -2,
        "tap_step_percent": 2.0,
        "tap_step_degree": 90.0,
    },
    "ideal degrees": {
        "tap_changer_type": "Ideal",
        "tap_side": "hv",
        "tap_pos": 1,
        "tap_step_percent": 0.0,
        "tap_step_degree": 3.0,
    },
    "ideal percent": {
        "tap_changer_type": "Ideal",
        "tap_side": "lv",
        "tap_pos": 2,
        "tap_step_percent": 2.0,
        "tap_step_degree": 0.0,
    },
}


def assert_same_as_runpp(net, **overrides):
    """Voltages within 1e-6 pu and loadings within 1e-6 of pandapower's load flow."""
    reading = read_grid(net, **overrides)
    grid = reading.grid
    pp.runpp(net, calculate_voltage_angles=True, trafo_model="t", tolerance_mva=1e-10)
    v = solve(grid)
    on = net.bus.in_service.to_numpy(dtype=bool)
    expected = net.res_bus.vm_pu[on] * np.exp(1j * np.deg2rad(net.res_bus.va_degree[on]))
    ours = v[: int(on.sum())]
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(expected))
    np.testing.assert_allclose(np.nan_to_num(ours), np.nan_to_num(expected), rtol=0, atol=1e-6)
    loading = dict(zip(grid.branches.name, loading_percent(grid, v), strict=True))
    compared = 0
    for table, kind in (("line", "line"), ("trafo", "transformer")):
        for index, theirs in net[f"res_{table}"].loading_percent.items():
            name = net[table].name.get(index)
            key = name if name in loading else f"{kind} {index}"
            if key in loading and not np.isnan(theirs):
                assert loading[key] == pytest.approx(theirs, rel=1e-6, abs=1e-6), key
                compared += 1
    assert compared > 0
    return reading


def new_feeder():
    """A copy of the feeder that a test may change."""
    return copy.deepcopy(_feeder())


@cache
def _feeder():
    """110/20/0.4 kV, one of each of the usual, with losses everywhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = pp.create_empty_network(f_hz=50.0, sn_mva=10.0)
        for vn_kv in (110.0, 20.0, 20.0, 20.0, 0.4, 0.4, 0.4):
            pp.create_bus(net, vn_kv)
        pp.create_ext_grid(net, 0, vm_pu=1.02, va_degree=10.0)
        pp.create_transformer(net, 0, 1, "25 MVA 110/20 kV", tap_pos=0, name="HV/MV")
        for a, b, km in ((1, 2, 4.0), (2, 3, 6.0), (1, 3, 9.0)):
            pp.create_line(net, a, b, km, "NA2XS2Y 1x185 RM/25 12/20 kV", name=f"mv{a}{b}")
        pp.create_transformer(net, 2, 4, "0.63 MVA 20/0.4 kV", name="MV/LV")
        for a, b in ((4, 5), (5, 6)):
            pp.create_line(net, a, b, 0.15, "NAYY 4x150 SE", name=f"lv{a}{b}")
        pp.create_load(net, 3, 3.0, 1.0, name="MV load", scaling=0.8)
        for bus in (5, 6):
            pp.create_load(net, bus, 0.05, 0.015, name=f"load at {bus}")
    return net


def set_tap(net, row, **values):
    """Set tap columns of one transformer, adding those that are missing."""
    for column, value in values.items():
        is_text = column.endswith(("_side", "_type"))
        if column not in net.trafo:
            net.trafo[column] = None if is_text else np.nan
        net.trafo[column] = net.trafo[column].astype(object if is_text else float)
        net.trafo.at[row, column] = value
