"""A study as columns: the grid, limits and assets that every task leaves beside its own tables.

With them a result can be drawn and read without the study that it came from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, Grid
from gridcommons.model.limits import LIMIT_NAMES
from gridcommons.model.results import Columns, text_column
from gridcommons.model.study import Study

_ROWS_AT_ONCE = 100_000
"""Rows of one part of a table over time, so that a year does not sit in memory as names."""


def describe_study(study: Study, soc_path: str | None = "profile") -> Iterator[tuple[str, Columns]]:
    """Parts of the tables ``grid_buses``, ``grid_branches``, ``grid_limits``, ``assets``, ``asset_ranges``.

    Parameters
    ----------
    study : Study
        What was asked about.
    soc_path : str or None
        Which energy a store has at the start of each interval, as in ``Profiles.signals``; None where
        the task decides that itself, and then there are no ``asset_ranges``.

    Yields
    ------
    tuple of str and Columns
        Name of a table and some of its rows; docs/results.md says what the columns are.
    """
    yield "grid_buses", _buses(study.grid)
    yield "grid_branches", _branches(study.grid)
    for part in _limits(study):
        yield "grid_limits", part
    yield "assets", _assets(study)
    if soc_path is None:
        return
    for part in _asset_ranges(study, soc_path):
        yield "asset_ranges", part


def _buses(grid: Grid) -> Columns:
    buses = grid.buses
    return {
        "bus": text_column(buses.name),
        "vn_kv": buses.vn_kv,
        "x_map": buses.x_map,
        "y_map": buses.y_map,
        "is_source": np.isin(np.arange(len(buses)), grid.sources.bus),
    }


def _branches(grid: Grid) -> Columns:
    """Lines, transformers and impedances, then the switches between buses."""
    branches, switches, name = grid.branches, grid.switches, text_column(grid.buses.name)
    return {
        "branch": text_column([*branches.name, *switches.name]),
        "kind": text_column([*branches.kind, *["switch"] * len(switches)]),
        "from_bus": name[np.concatenate([branches.from_bus, switches.bus_a])],
        "to_bus": name[np.concatenate([branches.to_bus, switches.bus_b])],
        "length_km": np.concatenate([branches.length_km, np.zeros(len(switches))]),
        "closed": np.concatenate([branches.in_service, switches.closed]),
    }


def _limits(study: Study) -> Iterator[Columns]:
    """Each limit when it begins to hold: once where it is constant, else at every change."""
    names = {"bus": study.grid.buses.name, "branch": study.grid.branches.name}
    for element, kinds in LIMIT_NAMES.items():
        for kind in kinds:
            values: FloatArray = getattr(study.limits, kind)
            step, column = np.nonzero(_begins(values))
            if len(step):
                yield {
                    "time": study.time.stamps()[step],
                    "element": text_column(names[element])[column],
                    "kind": text_column([kind] * len(step)),
                    "limit": values[step, column],
                }


def _begins(values: FloatArray) -> BoolArray:
    """Where a limit differs from the step before; at the first step, where there is one at all."""
    begins = np.isfinite(values)
    begins[1:] = values[1:] != values[:-1]
    return begins


def _assets(study: Study) -> Columns:
    community = study.community
    members = [community.member_by_id[asset.member] for asset in community.assets]
    return {
        "asset": text_column([asset.asset for asset in community.assets]),
        "member": text_column([member.member for member in members]),
        "kind": text_column([asset.kind for asset in community.assets]),
        "bus": text_column([member.bus for member in members]),
        "rating_kw": np.array([asset.rating_kw for asset in community.assets]),
        "controllable": np.isin(np.arange(len(members)), community.controllable),
    }


def _asset_ranges(study: Study, soc_path: str) -> Iterator[Columns]:
    assets = [study.community.assets[index] for index in study.community.controllable]
    if not assets:
        return
    signals = [study.profiles.signals(asset, soc_path=soc_path) for asset in assets]
    ranges = [asset.range_kw(s) for asset, s in zip(assets, signals, strict=True)]
    low_kw, high_kw = (np.stack([each[side] for each in ranges], axis=1) for side in (0, 1))
    planned_kw = np.stack([asset.net_kw(s) for asset, s in zip(assets, signals, strict=True)], axis=1)
    name, stamps = text_column([asset.asset for asset in assets]), study.time.stamps()
    at_once = max(1, _ROWS_AT_ONCE // len(assets))
    for start in range(0, len(stamps), at_once):
        cut = slice(start, start + at_once)
        yield {
            "time": np.repeat(stamps[cut], len(assets)),
            "asset": np.tile(name, len(stamps[cut])),
            "p_low_kw": low_kw[cut].ravel() + 0.0,
            "p_high_kw": high_kw[cut].ravel() + 0.0,
            "p_planned_kw": planned_kw[cut].ravel() + 0.0,
        }
