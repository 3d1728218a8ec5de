"""The task as a whole, on a small study: what depends on what, and what must not."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from control_study import control_study
from gridcommons.adapters.finished_runs import FinishedRunFolder
from gridcommons.control import capability
from gridcommons.control.runs import violations
from gridcommons.model.assets import Battery, HeatStore
from gridcommons.model.errors import StudyError
from gridcommons.model.members import Community
from gridcommons.tasks import default_engines, run

SCENARIOS = ("status_quo", "base_2030", "storage", "storage+CurA", "storage+ProA+ProB")


@pytest.fixture(scope="module")
def result():
    return run(control_study(), "control")


def tables_of(result):
    return {name: table.to_csv() for name, table in result.tables.items()}


def test_the_limit_is_todays_peak_over_the_stress(result):
    load = result.tables["station_load"]
    peak_kw = load[load.scenario == "status_quo"].p_kw.max()
    limits = result.tables["station_limits"].set_index("stress")
    assert limits.limit_kw.to_dict() == pytest.approx(
        {"safe": peak_kw / 0.9, "near_critical": peak_kw / 0.95, "critical": peak_kw}
    )
    assert result.summary["load_violations"]["status_quo"] == {"safe": 0, "near_critical": 0, "critical": 0}
    assert result.summary["load_violations"]["base_2030"]["critical"] > 0


def test_counts_are_what_the_station_load_says(result):
    load, limits = result.tables["station_load"], result.tables["station_limits"].set_index("stress").limit_kw
    counts = result.tables["violation_counts"]
    assert len(counts) == 8 * 3 * 2
    for row in counts.itertuples():
        one = load[(load.scenario == row.scenario) & load.stress.isin(["any", row.stress])].p_kw
        signed = one if row.direction == "load" else -one
        above = signed[signed > limits[row.stress] * (1 + 1e-12)] - limits[row.stress]
        assert row.intervals == len(above)
        assert row.excess_kwh == pytest.approx(above.sum() / 4.0, abs=1e-9)


def test_parts_and_losses_make_up_the_station_load(result):
    load = result.tables["station_load"]
    parts = load.load_kw + load.car_kw + load.heat_pump_kw + load.battery_kw - load.generation_kw
    np.testing.assert_allclose(parts, load.dc_kw, atol=1e-9)
    losses = load.p_kw - load.dc_kw
    assert (losses > 0.0).all() and losses.max() < 0.1 * load.p_kw.max()


def test_households_add_up_and_are_priced(result):
    energy = result.tables["household_energy"]
    net = energy.imported_kwh - energy.fed_in_kwh
    assert energy.balance_kwh.max() < 1e-6
    load = result.tables["station_load"]
    by_run = load.groupby(["scenario", "stress"], observed=True).dc_kw.sum() / 4.0
    for (scenario, stress), total in by_run.items():
        mine = (energy.scenario == scenario) & (energy.stress == stress)
        assert net[mine].sum() == pytest.approx(total)
    np.testing.assert_allclose(energy.cost, 0.35 * energy.imported_kwh - 0.08 * energy.fed_in_kwh)


def test_the_answer_does_not_depend_on_the_number_of_workers(result):
    other = run(control_study(), "control", default_engines(workers=4))
    assert tables_of(other) == tables_of(result) and other.summary == result.summary


def test_the_seed_changes_what_is_drawn_and_the_same_seed_nothing(result):
    assert tables_of(run(control_study(), "control")) == tables_of(result)
    other = run(replace(control_study(), seed=9), "control")
    # Without a call there is nothing to draw; whom ProA calls first is drawn.
    assert tables_of(other)["measure_calls"] == tables_of(result)["measure_calls"]
    loads = [each.tables["station_load"].set_index(["scenario", "stress"]).p_kw for each in (result, other)]
    assert loads[0].loc["storage"].equals(loads[1].loc["storage"])
    assert not loads[0].loc["storage+ProA"].equals(loads[1].loc["storage+ProA"])


def test_finished_scenarios_are_not_repeated(tmp_path, monkeypatch, result):
    kept = FinishedRunFolder(tmp_path / "runs", {})
    done, finish = [], capability.finish_run

    def dies_after_five(desk, households, job, *rest):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append((job.scenario.name, job.stress))
        return finish(desk, households, job, *rest)

    monkeypatch.setattr(capability, "finish_run", dies_after_five)
    with pytest.raises(KeyboardInterrupt):
        run(control_study(), "control", default_engines(workers=1, finished=kept))
    assert len(done) == 5
    again, lock = [], threading.Lock()

    def counted(desk, households, job, *rest):
        with lock:
            again.append((job.scenario.name, job.stress))
        return finish(desk, households, job, *rest)

    monkeypatch.setattr(capability, "finish_run", counted)
    whole = run(control_study(), "control", default_engines(workers=2, finished=kept))
    assert not set(done) & set(again) and len(done) + len(again) == result.summary["scenario_years"]
    assert kept.taken == 5
    assert tables_of(whole) == tables_of(result)


def test_a_changed_study_takes_nothing_that_was_kept_for_another(tmp_path):
    kept = FinishedRunFolder(tmp_path / "runs", {})
    run(control_study(scenarios=["storage"]), "control", default_engines(finished=kept))
    for other in (
        control_study(seed=2, scenarios=["storage"]),
        control_study(scenarios=["storage"], car_cap_kw=2.0),
    ):
        run(other, "control", default_engines(finished=kept))
    assert kept.taken == 0


def test_scenarios_that_nobody_needs_are_not_run():
    few = run(control_study(scenarios=["storage"], station_limit_kw=20.0), "control")
    assert few.summary["scenario_years"] == 1 and list(few.summary["load_violations"]) == ["storage"]
    assert few.summary["limits_kw"]["critical"] == 20.0


def test_holding_the_station_makes_what_stores_can_avoid_vanish():
    chosen = {"stress": {"critical": 1.0}, "scenarios": ["base_2030", "storage"]}
    count = run(control_study(cars=False, **chosen), "control").summary
    hold = run(control_study(cars=False, station_limit="hold", **chosen), "control").summary
    before, after = (each["load_violations"]["storage"]["critical"] for each in (count, hold))
    assert after < before < count["load_violations"]["base_2030"]["critical"]
    assert hold["binding_share"] > 0.0 and count["binding_share"] == 0.0
    assert hold["unavoidable_kwh"]["storage"] > 0.0 and count["unavoidable_kwh"]["storage"] == 0.0


def test_lines_are_held_at_their_ratings_as_far_as_stores_reach():
    tight = control_study(rating_ka=0.006, cars=False, scenarios=["storage"], stress={"critical": 1.0})
    free = run(replace(tight, tasks={"control": {**tight.tasks["control"], "grid_limits": False}}), "control")
    held = run(tight, "control")
    assert held.summary["binding_intervals"]["storage"] > 0
    assert held.summary["grid_violations"]["storage"] < free.summary["grid_violations"]["storage"]
    assert held.summary["worst_energy_balance_kwh"] < 1e-6


def test_a_study_without_today_takes_its_loads_and_generation_for_today():
    study = replace(control_study(scenarios=["status_quo"]), today=None)
    load = run(study, "control").tables["station_load"]
    assert (load.car_kw == 0.0).all() and (load.heat_pump_kw == 0.0).all() and (load.battery_kw == 0.0).all()
    assert load.generation_kw.max() > 0.0 and load.load_kw.max() > 0.0


@pytest.mark.parametrize("forecast", ["persistence", "statistical"])
def test_a_real_forecast_calls_for_nothing_before_it_knows_a_day(forecast):
    study = control_study(forecast=forecast, scenarios=["storage+CurA"], stress={"critical": 1.0})
    calls = run(study, "control").tables["measure_calls"]
    first = study.time.stamps()[0].astype("datetime64[ms]").astype(object)
    assert (calls.time.dt.tz_localize(None) - first).min().days >= 1


def test_unserved_heat_is_counted_and_its_households_are_named():
    study = control_study(scenarios=["base_2030"])
    small = [
        replace(asset, consumption_max_kw=1.0) if asset.asset == "home_3_heat_pump" else asset
        for asset in study.community.assets
    ]
    study = replace(study, community=Community(study.community.members, tuple(small)))
    summary = run(study, "control").summary
    assert summary["households_unserved"] == ["home_3"] and summary["unserved_heat_kwh"]["base_2030"] > 1.0
    assert summary["worst_energy_balance_kwh"] < 1e-6


def test_everything_that_keeps_a_mix_from_being_controlled_is_said_at_once():
    study = control_study()
    assets = [
        asset for asset in study.community.assets
        if not (asset.member == "home_1" or asset.asset == "home_2_heat_pump")
    ]  # fmt: skip
    second = next(asset for asset in assets if isinstance(asset, Battery))
    assets.append(replace(second, asset="home_2_battery_2", charge_efficiency_share=0.8))
    assets.append(
        HeatStore(asset="home_1_heat_store", member="home_1", energy_kwh=5.0, soc_initial_share=0.0)
    )
    columns = {**study.profiles.columns, "home_3_ev": -study.profiles.columns["home_3_ev"]}
    del columns["home_3_load"]
    columns["home_4_heat_pump.cop"] = np.zeros(study.time.steps)
    study = replace(
        study,
        community=Community(study.community.members, tuple(assets)),
        profiles=replace(study.profiles, columns=columns),
    )
    with pytest.raises(StudyError) as error:
        run(study, "control")
    said = str(error.value)
    for part in (
        "member 'home_3' with an asset without profile",
        "a profile of home_3_load",
        "a heat_store of 'home_1' without one",
        "a heat_store of 'home_2' without one",
        "batteries of 'home_2' with different efficiencies",
        "'home_3_ev' with a discharging profile",
        "'home_4_heat_pump' with a COP of 0",
    ):
        assert part in said
    assert len(error.value.problems) == 6


def test_opted_out_households_are_not_controlled():
    study = control_study(scenarios=["storage", "storage+CurA"], stress={"critical": 1.0})
    members = tuple(replace(member, opted_in=False) for member in study.community.members)
    out = run(replace(study, community=Community(members, study.community.assets)), "control")
    load = out.tables["station_load"]
    assert (load.battery_kw == 0.0).all()
    energy = out.tables["household_energy"]
    assert (energy.deferred_kwh == 0.0).all()


def test_an_interval_without_operable_load_flow_is_a_violation():
    assert violations(np.array([1.0, np.nan, 3.0]), 2.0, "load").tolist() == [False, True, True]
    assert violations(np.array([-1.0, np.nan, -3.0]), 2.0, "feed_in").tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"scenarios": ["storge"]}, "did you mean 'storage'?"),
        ({"scenarios": ["storage+CurC"]}, "did you mean 'CurB'?"),
        ({"scenarios": ["storage+CurA+CurA"]}, "names a measure twice"),
        ({"scenarios": ["storage", "storage"]}, "each once"),
        ({"stress": {"over": 1.2}}, "a share lies above 0, up to 1"),
        ({"costs": {"grid": 35.0}}, "costs must rise"),
        ({"costs": {"cheap_grid": 15.0}}, "import for export pays"),
        ({"costs": {"dear_discharge": 45.0}}, "dear_discharge lies above grid"),
        ({"costs": {"gird": 45.0}}, "costs names gird"),
        ({"costs": {"grid": 5000.0, "dear_discharge": 6000.0}}, "costs lie from"),
        ({"costs": {"charge_battery": 10.01}}, "each by at least 0.1"),
        ({"station_limit_kw": 0.0}, "station_limit_kw = 0"),
        ({"night_from_hour": 99.0}, "night_from_hour = 99"),
        ({"heat_cap_share": 1.3}, "heat_cap_share = 1.3"),
        ({"heat_return_hours": 0.0}, "heat_return_hours = 0"),
        ({"car_cap_kw": -1.0}, "car_cap_kw = -1"),
        ({"forecast": "perfect"}, "one of 'pseudo', 'persistence', 'statistical'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(table, said):
    with pytest.raises(StudyError, match="problem") as error:
        run(control_study(**table), "control")
    assert said in str(error.value)


def test_a_window_in_which_the_station_only_takes_back_has_no_peak_to_go_by():
    study = control_study()
    sunny = {name: np.full(288, 50.0) for name in study.profiles.columns if "_pv" in name}
    study = replace(study, profiles=replace(study.profiles, columns={**study.profiles.columns, **sunny}))
    with pytest.raises(StudyError, match="a window in which the station delivers"):
        run(study, "control")


def test_todays_mix_must_have_a_load_flow_to_set_the_limit():
    study = control_study()
    heavy = {name: 400.0 * values for name, values in study.profiles.columns.items() if "_load" in name}
    study = replace(study, profiles=replace(study.profiles, columns={**study.profiles.columns, **heavy}))
    with pytest.raises(StudyError, match="without an operable load flow"):
        run(study, "control")


def test_what_is_held_does_not_depend_on_which_scenarios_are_listed(tmp_path):
    chosen = {"station_limit": "hold", "stress": {"critical": 1.0}, "cars": False, "station_limit_kw": 9.0}
    alone = run(control_study(scenarios=["storage"], **chosen), "control")
    kept = FinishedRunFolder(tmp_path / "runs", {})
    run(control_study(scenarios=["storage"], **chosen), "control", default_engines(finished=kept))
    among = run(
        control_study(scenarios=["status_quo", "base_2030", "storage"], **chosen),
        "control",
        default_engines(finished=kept),
    )
    loads = [each.tables["station_load"] for each in (alone, among)]
    mine, theirs = (load[load.scenario == "storage"].p_kw.to_numpy() for load in loads)
    assert (mine == theirs).all() and alone.summary["binding_intervals"]["storage"] > 0
