"""The tables that describe a study, and that every task leaves."""

from dataclasses import replace

import numpy as np
import pytest

from gridcommons.adapters.studies.files import load_study
from gridcommons.model.limits import Limits
from gridcommons.model.study_columns import describe_study


@pytest.fixture(scope="module")
def chain(examples):
    return load_study(examples / "chain")


def tables_of(study):
    tables = {}
    for table, columns in describe_study(study):
        lengths = {len(values) for values in columns.values()}
        assert len(lengths) == 1, table
        parts = tables.setdefault(table, [])
        parts.append(columns)
    return {
        name: {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}
        for name, parts in tables.items()
    }


def test_the_chain_is_described(chain):
    tables = tables_of(chain)
    assert tables["grid_buses"]["bus"].tolist() == ["source", "UL01", "CS01", "CS02", "UL02"]
    assert tables["grid_buses"]["is_source"].tolist() == [True, False, False, False, False]
    branches = tables["grid_branches"]
    assert branches["from_bus"].tolist() == ["source", "UL01", "CS01", "CS02"]
    assert branches["to_bus"].tolist() == ["UL01", "CS01", "CS02", "UL02"]
    assert branches["length_km"] == pytest.approx(0.15)
    assert branches["closed"].all()
    assets = tables["assets"]
    assert dict(zip(assets["asset"], assets["bus"], strict=True))["CS02"] == "CS02"
    assert assets["asset"][assets["controllable"]].tolist() == ["CS01", "CS02"]


def test_ranges_are_those_of_the_devices(chain):
    ranges = tables_of(chain)["asset_ranges"]
    assert ranges["asset"].tolist() == ["CS01", "CS02"] * 6
    assert ranges["time"].tolist() == np.repeat(chain.time.stamps(), 2).tolist()
    assert (ranges["p_low_kw"] == 0.0).all()
    assert (ranges["p_high_kw"] == 22.0).all()
    assert (ranges["p_planned_kw"] == 0.0).all()


def test_a_constant_limit_is_told_once_and_a_changing_one_at_each_change(chain):
    rows = tables_of(chain)["grid_limits"]
    lower = rows["kind"] == "vm_min_pu"
    assert lower.sum() == 5
    assert (rows["limit"][lower] == 0.95).all()
    assert (rows["time"] == chain.time.stamps()[0]).all()
    # Unlimited angles are not told at all.
    assert not np.char.startswith(rows["kind"].astype(str), "va_").any()

    limits = {name: getattr(chain.limits, name) for name in Limits.__dataclass_fields__}
    band = np.repeat(limits["vm_max_pu"], 6, axis=0)
    band[3:, 1] = 1.02
    band[4:, 2] = np.inf
    changed = replace(chain, limits=Limits(**{**limits, "vm_max_pu": band}))
    rows = tables_of(changed)["grid_limits"]
    upper = rows["kind"] == "vm_max_pu"
    told = list(zip(rows["time"][upper], rows["element"][upper], rows["limit"][upper], strict=True))
    stamps = chain.time.stamps()
    assert len(told) == 7
    assert (stamps[3], "UL01", 1.02) in told
    assert (stamps[4], "CS01", np.inf) in told
