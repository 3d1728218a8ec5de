"""SimBench as a study: what becomes of its loads, storages and local times; and other new studies."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridcommons.adapters.studies.draft import open_out_of_service
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.simbench import utc_stamps
from gridcommons.adapters.studies.writer import new_study
from gridcommons.known_answers import BARAN_WU_FILE
from gridcommons.model.errors import StudyError
from gridcommons.model.study import Study

simbench = pytest.importorskip("simbench")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CODE = "1-LV-rural2--2-sw"
DAY = date(2016, 5, 27)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The study of one day, made once for all tests, and what was said on the way."""
    folder = tmp_path_factory.mktemp("new") / "rural"
    return folder, new_study(folder, "simbench", CODE, day=DAY)


@pytest.fixture(scope="module")
def study(made: tuple[Path, list[str]]) -> Study:
    """The study of one day as it is read back."""
    return load_study(made[0])


@pytest.fixture(scope="module")
def source() -> Any:
    """The network as SimBench gives it."""
    return simbench.get_simbench_net(CODE)


def local_rows(source: Any) -> slice:
    """Rows of 27 May 2016 in the profiles of the source."""
    first = int(np.flatnonzero(source.profiles["load"].time == "27.05.2016 00:00")[0])
    return slice(first, first + 96)


def test_repeated_october_hour_gives_uniform_utc() -> None:
    local = pd.date_range("2016-10-30", "2016-10-31", freq="15min", tz="Europe/Berlin").tz_localize(None)
    stamps = utc_stamps(local.strftime("%d.%m.%Y %H:%M"))
    assert len(stamps) == 25 * 4 + 1
    assert set(np.diff(stamps.tz_localize(None))) == {np.timedelta64(15, "m")}


def test_whole_year_is_uniform_in_utc(source: Any) -> None:
    stamps = utc_stamps(source.profiles["load"].time)
    assert len(stamps) == 35_136
    assert set(np.diff(stamps.tz_localize(None))) == {np.timedelta64(15, "m")}
    assert str(stamps[0]) == "2015-12-31 23:00:00+00:00"


def test_net_power_is_what_simbench_computes(study: Study, source: Any) -> None:
    values = simbench.get_absolute_values(source, profiles_instead_of_study_cases=True)
    rows = local_rows(source)
    load_kw = 1e3 * values["load", "p_mw"].iloc[rows].clip(lower=0.0).sum(axis=1).to_numpy()
    load_kvar = 1e3 * values["load", "q_mvar"].iloc[rows].sum(axis=1).to_numpy()
    solar_kw = 1e3 * values["sgen", "p_mw"].iloc[rows].sum(axis=1).to_numpy()
    sums = {"load": np.zeros(96), "q": np.zeros(96), "pv": np.zeros(96)}
    for asset in study.community.assets:
        net_kw = asset.net_kw(study.profiles.signals(asset))
        sums["q"] += study.profiles.net_kvar(asset, net_kw)
        if asset.kind in ("load", "ev_charger", "heat_pump"):
            sums["load"] += net_kw
        elif asset.kind == "pv" and not asset.asset.endswith("_pv"):
            sums["pv"] -= net_kw
    assert sums["load"] == pytest.approx(load_kw, abs=1e-6)
    assert sums["q"] == pytest.approx(load_kvar, abs=1e-6)
    assert sums["pv"] == pytest.approx(solar_kw, abs=1e-6)


def test_kinds_follow_the_profiles(study: Study, source: Any) -> None:
    kind_of = {asset.asset: asset.kind for asset in study.community.assets}
    flexible = {asset.asset for asset in study.community.assets if asset.flexible}
    for row in source.load.itertuples():
        name = row.name.replace(".", "_").replace(" ", "_")
        word = row.profile.split("_")[0]
        expected = {"HLS": "ev_charger", "APLS": "ev_charger", "Air": "heat_pump", "Soil": "heat_pump"}
        assert kind_of[name] == expected.get(word, "load")
        assert (name in flexible) == (word in expected)


def test_storage_element_is_solar_and_battery(study: Study, source: Any) -> None:
    row = source.storage.iloc[3]
    by_id = {asset.asset: asset for asset in study.community.assets}
    solar: Any = by_id["LV2_101_Storage_4_pv"]
    battery: Any = by_id["LV2_101_Storage_4"]
    available = 1e3 * row.sn_mva * source.profiles["renewables"]["PV3"].iloc[local_rows(source)]
    assert study.profiles.columns[solar.asset] == pytest.approx(available.to_numpy(), abs=1e-9)
    assert battery.asset not in study.profiles.columns
    assert (battery.charge_max_kw, battery.energy_kwh) == pytest.approx((34.6, 69.2))
    assert battery.charge_efficiency_share == 0.95
    assert solar.member == battery.member


def test_tap_and_source_voltage_are_written_down(made: tuple[Path, list[str]], study: Study) -> None:
    grid = tomllib.loads((made[0] / "study.toml").read_text(encoding="utf-8"))["grid"]
    assert (grid["tap_pos"], grid["slack_vm_pu"]) == (0, 1.025)
    assert study.grid.branches.ratio[list(study.grid.branches.kind).index("transformer")] == 1.0
    assert any(line.startswith("tap_pos = 0 is written: the source has -1") for line in made[1])


def test_nothing_is_left_in_the_network(study: Study) -> None:
    assert len(study.grid.fixed.name) == 0
    assert len(study.community.members) == len({member.bus for member in study.community.members}) == 93


def test_shipped_example_is_this_study(study: Study) -> None:
    shipped = load_study(Path(__file__).parents[3] / "examples" / "rural_day")
    # By their words, since blank ratings are NaN and so unlike themselves.
    assert list(map(repr, shipped.community.assets)) == list(map(repr, study.community.assets))
    assert shipped.grid.branches.r_pu == pytest.approx(study.grid.branches.r_pu, rel=1e-12)
    for name, values in study.profiles.columns.items():
        assert np.array_equal(shipped.profiles.columns[name], values), name


def test_tiny_negative_consumption_becomes_zero_and_is_counted(tmp_path: Path, source: Any) -> None:
    profile = source.profiles["load"]
    first = int(np.flatnonzero(profile["HLS_C_3.7_pload"] < 0)[0])
    day = date(*(int(part) for part in reversed(profile.time[first].split(" ")[0].split("."))))
    said = new_study(tmp_path / "ev", "simbench", CODE, day=day)
    assert any("are set to 0" in line for line in said)
    study = load_study(tmp_path / "ev")
    assert min(study.profiles.columns[asset.asset].min() for asset in study.community.assets
               if asset.kind == "ev_charger") == 0.0  # fmt: skip


def test_day_of_clock_change_is_whole(tmp_path: Path) -> None:
    new_study(tmp_path / "autumn", "simbench", CODE, day=date(2016, 10, 30))
    assert load_study(tmp_path / "autumn").time.steps == 100


def test_unknown_code_is_told_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="did you mean '1-LV-rural2--2-sw'"):
        new_study(tmp_path / "x", "simbench", "1-LV-rural2-2-sw")


def test_day_outside_the_year(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="days from 2016-01-01 to 2016-12-31"):
        new_study(tmp_path / "x", "simbench", CODE, day=date(2017, 1, 1))
    assert not (tmp_path / "x").exists()


def test_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(StudyError, match="a folder that is not empty"):
        new_study(tmp_path, "simbench", CODE, day=DAY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_bundled_network_becomes_a_study(tmp_path: Path) -> None:
    said = new_study(tmp_path / "kerber", "pandapower", "create_kerber_landnetz_kabel_1", days=2)
    study = load_study(tmp_path / "kerber")
    assert study.time.steps == 192
    assert any("constant over 192 steps" in line for line in said)
    import pandapower.networks as networks

    net = networks.create_kerber_landnetz_kabel_1()
    net_kw = sum(study.profiles.columns[asset.asset][0] for asset in study.community.assets)
    assert net_kw == pytest.approx(1e3 * net.load.p_mw.sum())


def test_branches_out_of_service_become_open_switches(tmp_path: Path) -> None:
    new_study(tmp_path / "baran", "pandapower", "case33bw", days=1)
    branches = load_study(tmp_path / "baran").grid.branches
    assert len(branches) == 37
    assert int((~branches.in_service).sum()) == 5
    assert not (branches.from_closed | branches.to_closed)[~branches.in_service].any()


def test_opening_says_which_branches() -> None:
    import pandapower.networks as networks

    net = networks.case33bw()
    said = open_out_of_service(net)
    assert said == [
        "5 branches out of service are now open switches (line 32, line 33, line 34, line 35, line 36)"
    ]
    assert bool(net.line.in_service.all())
    assert open_out_of_service(net) == []


def test_matpower_case_becomes_a_study(tmp_path: Path) -> None:
    case = BARAN_WU_FILE
    new_study(tmp_path / "baran", "matpower", str(case), days=1)
    study = load_study(tmp_path / "baran")
    assert sum(study.profiles.columns[a.asset][0] for a in study.community.assets) == pytest.approx(3715.0)
    assert int((~study.grid.branches.in_service).sum()) == 5
