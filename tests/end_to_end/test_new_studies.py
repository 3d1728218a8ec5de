"""From a grid that others publish to envelopes: what ``new`` writes, and what a study names by source."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import gridcommons as gc
from command_line import gridcommons
from gridcommons.known_answers import BARAN_WU_FILE

pytestmark = pytest.mark.slow


def run(study, out):
    said = gridcommons("run", study, "--task", "envelopes", "--out", out)
    assert f"report: {out / 'report.html'}" in said
    return gc.read_result(out)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def append_rows(path, rows):
    """Rows under a CSV file, each a mapping of the columns that it fills."""
    with path.open(newline="") as file:
        before = list(csv.DictReader(file))
    columns = list(before[0]) + [name for row in rows for name in row if name not in before[0]]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(columns)), restval="")
        writer.writeheader()
        writer.writerows([*before, *rows])


def runpp_of_simbench(code, at):
    """Voltages of a SimBench grid at one time of its own profiles, by pandapower alone."""
    import pandapower
    import simbench

    net = simbench.get_simbench_net(code)
    (row,) = net.profiles["load"].index[net.profiles["load"]["time"] == at]
    for (element, column), values in simbench.get_absolute_values(net, True).items():
        if len(net[element]):
            net[element][column] = values.loc[row]
    pandapower.runpp(net, tolerance_mva=1e-10)
    return dict(zip(net.bus.name, net.res_bus.vm_pu, strict=True))


def test_a_simbench_code_becomes_a_study_that_runs_unchanged(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    said = gridcommons("new", study, "--simbench", "1-LV-rural1--0-sw", "--day", "2016-06-01")
    assert "13 members, 17 assets (13 load, 4 pv), 4 flexible" in said
    assert "nothing is flexible" not in said
    written = contents(study)
    checked = gridcommons("check", study)
    assert "time: 96 steps of 15 min from 2016-06-01T00:00:00+02:00" in checked
    assert "inside all limits in all 96 steps" in checked
    result = run(study, out)
    assert contents(study) == written
    # Nothing binds on this day, so that an envelope is exactly what the device could do.
    bands = result.tables["envelopes"].merge(result.tables["asset_ranges"], on=["time", "asset"])
    assert len(bands) == 4 * 96 and bands["p_low_kw"].min() < -20.0
    np.testing.assert_allclose(bands["p_min_kw"], bands["p_low_kw"], atol=1e-9)
    np.testing.assert_allclose(bands["p_max_kw"], bands["p_high_kw"], atol=1e-9)
    assert result.summary["violations_found"] == 0 and result.summary["resolved_share"] == 1.0
    # Noon on the clock of the place is 10:00 UTC in June: a profile an hour off would show.
    volts = result.tables["bus_voltages"]
    noon = volts[(volts["scenario"] == "uncontrolled") & (volts["time"] == "2016-06-01T10:00Z")]
    expected = runpp_of_simbench("1-LV-rural1--0-sw", "01.06.2016 12:00")
    assert set(noon["bus"]) == set(expected)
    np.testing.assert_allclose(noon["vm_pu"], [expected[bus] for bus in noon["bus"]], rtol=0, atol=1e-6)


SCHUTTERWALD = """\
name = "One substation of Schutterwald"
currency = "EUR"
seed = 1

[time]
start = "2024-01-01T18:00:00+01:00"
timezone = "Europe/Berlin"
step_minutes = 15
steps = 2

[grid]
source = "pandapower:lv_schutterwald"
options = {{ sections = [4] }}
{overrides}
[limits]
vm_min_pu = 0.95
vm_max_pu = 1.05
line_loading_max_percent = 100
transformer_loading_max_percent = 100

[tasks.envelopes]
objective = "equal"
objectives_compared = []
"""


def schutterwald(folder, overrides):
    """Two stations at the nearest and the farthest house of a substation; its 56 loads stay fixed."""
    folder.mkdir()
    (folder / "study.toml").write_text(SCHUTTERWALD.format(overrides=overrides))
    (folder / "members.csv").write_text("member,bus\nnear,w33105684\nfar,w266591894\n")
    (folder / "assets.csv").write_text(
        "asset,member,kind,flexible,charge_max_kw\n"
        "station_near,near,ev_charger,true,150\nstation_far,far,ev_charger,true,150\n"
    )
    times = ("2024-01-01T17:00:00Z", "2024-01-01T17:15:00Z")
    (folder / "profiles.csv").write_text("time,station_near\n" + "".join(f"{t},0\n" for t in times))
    return folder


def test_a_section_of_schutterwald_is_served_with_explicit_source_voltage_and_tap(tmp_path):
    study = schutterwald(tmp_path / "study", "slack_vm_pu = 1.025\ntap_pos = 0\n")
    checked = gridcommons("check", study)
    assert "117 buses" in checked and "stay fixed: 56" in checked and "1.025 pu" in checked
    result = run(study, tmp_path / "out")
    summary = result.summary
    assert summary["resolved_share"] == 1.0 and summary["violations_found"] == 0
    bands = result.tables["envelopes"].pivot(index="time", columns="asset", values="p_max_kw")
    np.testing.assert_allclose(bands["station_near"], bands["station_far"], atol=1e-6)
    assert (bands > 1.0).all(axis=None) and (bands < 149.0).all(axis=None)
    # The common value is as large as the grid lets it be: something is at its limit, nothing beyond.
    assert 0.0 <= summary["worst_margin"] < 1e-5 and summary["binding_import_steps"] == 2


def test_schutterwald_as_bundled_is_too_low_even_at_rest_and_says_so(tmp_path):
    result = gc.run(gc.load_study(schutterwald(tmp_path / "study", "")), "envelopes")
    status = result.tables["envelope_checks"].set_index("side")["status"]
    assert set(status.loc["p_max"]) == {"unresolved"}
    assert set(result.tables["unresolved"]["kind"]) == {"vm_min_pu"}
    assert (result.tables["envelopes"]["p_max_kw"] == 0.0).all()


def test_the_33_bus_case_from_matpower_keeps_its_known_answers_and_takes_stations(tmp_path):
    study = tmp_path / "study"
    said = gridcommons("new", study, "--matpower", BARAN_WU_FILE)
    assert "5 branches out of service are now open switches" in said and "nothing is flexible yet" in said
    checked = gridcommons("check", study)
    assert "33 buses" in checked and "radial" in checked and "worst 0.9131 pu at 18 " in checked
    refused = gridcommons("run", study, "--task", "envelopes", "--out", tmp_path / "none", code=2)
    assert "no flexible asset" in refused
    add_stations(study)
    result = run(study, tmp_path / "out")
    volts = result.tables["bus_voltages"].groupby(["scenario", "time"], observed=True)["vm_pu"].min()
    np.testing.assert_allclose(volts["uncontrolled"], 0.91309, atol=5e-6)
    flows = result.tables["branch_loadings"]
    # Bus 1 holds the voltage and feeds one line alone: what enters it is the load and the losses.
    entering = flows[(flows["scenario"] == "uncontrolled") & (flows["branch"] == "line 0")]["p_from_kw"]
    np.testing.assert_allclose(entering - 3715.0, 202.677, atol=0.005)
    bands = result.tables["envelopes"].pivot(index="time", columns="asset", values="p_max_kw")
    assert (bands["near"] == 500.0).all() and bands["far"].between(50.0, 450.0).all()
    np.testing.assert_allclose(volts["p_max"], 0.90, atol=1e-6)
    assert result.summary["violations_found"] == 0


def add_stations(study):
    """A station behind the substation and one at the weakest bus, and room below 0.913 pu; two steps."""
    station = {"kind": "ev_charger", "flexible": "true", "charge_max_kw": "500"}
    members = [{"asset": "near", "member": "bus_1"}, {"asset": "far", "member": "bus_17"}]
    append_rows(study / "assets.csv", [{**one, **station} for one in members])
    text = (study / "study.toml").read_text()
    text = text.replace("vm_min_pu = 0.95", "vm_min_pu = 0.90").replace("steps = 96", "steps = 2")
    (study / "study.toml").write_text(text)
