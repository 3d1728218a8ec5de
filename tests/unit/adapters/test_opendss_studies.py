"""A study from a script of OpenDSS: members on their phases, profiles by load shapes, the grid alone."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from gridcommons.adapters.grids.opendss_grids import read_opendss
from gridcommons.adapters.grids.plain_json import read_plain_grid
from gridcommons.adapters.studies.from_opendss import FeederDraft, draft_from_opendss
from gridcommons.adapters.studies.writer import new_study, write_draft
from gridcommons.model.errors import StudyError
from opendss_feeders import HEAD, REFERENCE

SMALL = REFERENCE / "opendss_small_feeder" / "feeder.dss"
BUS = "new line.l bus1=head bus2=B\n"


def _draft(folder: Path, script: str, day: date | None = None, days: int | None = None) -> FeederDraft:
    path = folder / "feeder.dss"
    path.write_text(HEAD + BUS + script, encoding="utf-8")
    return draft_from_opendss(path, day, days)


def test_each_load_is_a_member_on_its_phases() -> None:
    draft = draft_from_opendss(SMALL, None, None)
    where = {name: (row["bus"], row["phase"]) for name, row in draft.members.items()}
    assert where == {
        "A": ("m4", "c"),
        "B": ("m3", "ca"),
        "C": ("s5", ""),
        "D": ("s2", "delta"),
        "E": ("s3", "delta"),
        "F": ("s4", "a"),
        "G_b": ("r3", "b"),
        "G_c": ("r3", "c"),
        "H": ("s5", "bc"),
        "I": ("m6", "b"),
        "J": ("s3", "ca"),
    }
    assert [asset.asset for asset in draft.assets] == [asset.member for asset in draft.assets] == list(where)
    assert {asset.kind for asset in draft.assets} == {"load"}
    assert not any(asset.flexible for asset in draft.assets)


def test_members_draw_what_the_loads_draw_at_rated_voltage() -> None:
    draft = draft_from_opendss(SMALL, None, None)
    factors = {asset.asset: asset.values.get("power_factor") for asset in draft.assets}
    p_kw = {asset.asset: draft.columns[asset.asset][0] for asset in draft.assets}
    q_kvar = {
        name: draft.columns[f"{name}.q_kvar"][0]
        if factor is None
        else p_kw[name] * np.sqrt(1 / factor**2 - 1)
        for name, factor in factors.items()
    }
    assert sum(p_kw.values()) == pytest.approx(649.4)
    assert sum(q_kvar.values()) == pytest.approx(226.177, abs=1e-3)
    assert (p_kw["G_b"], q_kvar["G_c"]) == pytest.approx((75.0, 30.0))
    # Reactive power that a load injects has no power factor here.
    assert [name for name, factor in factors.items() if factor is None] == ["C"]
    assert factors["B"] == 0.9


def test_the_grid_is_that_of_the_script_without_the_loads() -> None:
    grid, draft = read_opendss(SMALL).grid, draft_from_opendss(SMALL, None, None)
    assert draft.grid.buses.name == grid.buses.name
    assert np.array_equal(draft.grid.shunts.q_kvar, grid.shunts.q_kvar)
    assert len(grid.phase_loads.name) == 17 and draft.grid.phase_loads.name == ()
    assert any(
        line.startswith(
            "6 of them are of constant current or impedance in the script, and of constant power as members"
        )
        for line in draft.said
    )
    assert "10 loads are members, rated 649.4 kW and 226.2 kvar together" in draft.said


def test_without_shapes_profiles_are_constant_over_the_window(tmp_path: Path) -> None:
    draft = _draft(tmp_path, "new load.x bus1=b kw=6 kvar=0\n", days=2)
    assert draft.time.start == datetime(2024, 1, 1, tzinfo=UTC)
    assert (draft.time.step_minutes, draft.time.steps) == (15, 192)
    assert set(draft.columns["x"]) == {6.0}
    assert draft.assets[0].values == {"power_factor": 1.0}
    assert draft.members["x"] == {"bus": "B", "phase": ""}


def test_shapes_are_followed_from_the_first_of_the_year_and_begin_anew(tmp_path: Path) -> None:
    values = " ".join(map(str, range(1, 37)))
    script = (
        f"new loadshape.s npts=36 interval=1 mult=[{values}]\n"
        "new loadshape.t npts=2 minterval=30 mult=[1 2] qmult=[1 3]\n"
        "new load.x bus1=b kw=2 kvar=1 yearly=s daily=t\nnew load.y bus1=b kw=2 kvar=1 daily=t\n"
        "new load.z bus1=b kw=2 kvar=1\n"
    )
    draft = _draft(tmp_path, script, day=date(2024, 1, 2))
    assert (draft.time.step_minutes, draft.time.steps) == (30, 48)
    # The second day begins at hour 24 of the shape, which ends after hour 36.
    hours = np.array([*range(25, 37), *range(1, 13)], float)
    assert draft.columns["x"].tolist() == (2.0 * np.repeat(hours, 2)).tolist()
    assert draft.columns["y"].tolist() == [2.0, 4.0] * 24
    assert draft.columns["y.q_kvar"].tolist() == [1.0, 3.0] * 24
    assert "x.q_kvar" not in draft.columns
    assert any(
        "2 load shapes in steps of 30 min" in line and "1 loads have none" in line for line in draft.said
    )


def test_a_day_of_minutes_is_a_day_of_minutes(tmp_path: Path) -> None:
    (tmp_path / "day.txt").write_text("\n".join(str(minute) for minute in range(1440)))
    script = (
        "new loadshape.s npts=1440 minterval=1 mult=(file=day.txt) useactual=y\n"
        "batchedit loadshape..* useactual=no\n"
        "new load.x phases=1 bus1=b.2 kv=6 kw=2 pf=.95 yearly=s\n"
    )
    draft = _draft(tmp_path, script, day=date(2023, 6, 5))
    assert (draft.time.step_minutes, draft.time.steps) == (1, 1440)
    assert draft.columns["x"].tolist() == [2.0 * minute for minute in range(1440)]
    assert draft.assets[0].values == {"power_factor": 0.95}
    assert draft.members["x"]["phase"] == "b"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("new load.x bus1=b daily=none\n", "with the shape 'none'"),
        ("new loadshape.s sinterval=90 mult=[1 2]\nnew load.x bus1=b daily=s\n", "with steps of 1.5 min"),
        ("new loadshape.s minterval=7 mult=[1 2]\nnew load.x bus1=b daily=s\n", "with steps of 7 min"),
        ("new load.x bus1=b kw=-3\n", "drawing -3 kW"),
        ("new loadshape.s mult=[1 x]\nnew load.x bus1=b daily=s\n", "mult = '1 x'"),
    ],
)
def test_loads_that_no_member_can_be_are_refused(tmp_path: Path, script: str, found: str) -> None:
    with pytest.raises(StudyError) as raised:
        _draft(tmp_path, script)
    assert any(found in str(problem) for problem in raised.value.problems)


def test_ids_are_unique_and_keep_off_reserved_ones(tmp_path: Path) -> None:
    script = "".join(f"new load.{name} bus1=b\n" for name in ("time", "a.b", "a_b", "c"))
    assert list(_draft(tmp_path, script).members) == ["load_1", "load_2", "load_3", "c"]


def test_the_folder_holds_grid_members_and_switches(tmp_path: Path) -> None:
    draft = draft_from_opendss(SMALL, None, None, taps={"rega": 1.1})
    draft.write_grid(tmp_path)
    write_draft(draft, tmp_path)
    assert (tmp_path / "switches.csv").read_text() == "branch\nSw\noff\ntie\n"
    grid = read_plain_grid(json.loads((tmp_path / "grid.json").read_text()), "grid.json")
    assert grid.is_three_phase and grid.phase_loads.name == ()
    assert np.array_equal(grid.coupling.g_pu, read_opendss(SMALL, {"rega": 1.1}).grid.coupling.g_pu)  # type: ignore[union-attr]
    assert not np.array_equal(grid.coupling.g_pu, read_opendss(SMALL).grid.coupling.g_pu)  # type: ignore[union-attr]
    with (tmp_path / "members.csv").open() as file:
        assert next(csv.DictReader(file)) == {"member": "A", "bus": "m4", "phase": "c"}


def test_new_writes_a_study_that_loads(tmp_path: Path) -> None:
    lines = new_study(tmp_path / "study", "opendss", str(SMALL), days=1)
    assert "11 members, 11 assets (11 load), 0 flexible" in lines[0]
    assert "1 of class regcontrol do not act: taps stay as they are set" in lines
