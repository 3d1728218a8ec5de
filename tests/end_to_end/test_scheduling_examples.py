"""Scheduling as a user runs it: the examples and their reports, and what is said of bad input."""

from __future__ import annotations

import shutil

import pytest

import gridcommons as gc
from command_line import gridcommons

INFEASIBLE, REFUSED = 3, 2


@pytest.fixture
def study(examples, tmp_path):
    return shutil.copytree(examples / "campus_low_voltage", tmp_path / "study")


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "name",
    ["campus_low_voltage", "campus_high_voltage", pytest.param("three_communities", marks=pytest.mark.slow)],
)
def test_an_example_runs_and_leaves_a_report_that_says_what_happened(examples, tmp_path, name):
    gridcommons("check", examples / name)
    out = tmp_path / "out"
    gridcommons("run", examples / name, "--task", "scheduling", "--out", out)
    result = gc.read_result(out)
    assert result.summary["intervals_out_of_band_alone"] > 0
    assert result.summary["intervals_out_of_band"] == 0
    page = (out / "report.html").read_text()
    for words in ("Voltages of all buses", "Prices, round by round", "Who gives the reactive power"):
        assert words in page
    assert f"{result.summary['bought_kvarh']:.3g} kvarh" in page
    before = page
    gridcommons("report", out)
    assert (out / "report.html").read_text() == before


def test_a_boiler_whose_least_is_more_heat_than_anybody_takes(study):
    """Without district heating: its least of 5.9 MW has no place, and the message says when and how much."""
    lines = (study / "prices.csv").read_text().splitlines()
    (study / "prices.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    text = (study / "assets.csv").read_text()
    (study / "assets.csv").write_text(text.replace(",500,6000,1000,", ",5900,6000,1000,"))
    told = gridcommons("run", study, "--task", "scheduling", "--out", study.parent / "out", code=INFEASIBLE)
    said = " ".join(told.split())
    assert "community LEC1 has no schedule" in said and "heat" in said and " kW" in said
    assert "2021-04-14T" in said and "Traceback" not in told


def test_all_that_is_missing_is_listed_at_once(study):
    edit(study / "study.toml", "heat_fee_per_day = 76.33", "heat_fee_per_day = 76.33\nhorizon_hours = 24")
    text = (study / "prices.csv").read_text()
    (study / "prices.csv").write_text(text.replace("export_price_per_kwh", "network_fee_per_kwh"))
    rows = (study / "assets.csv").read_text().splitlines()
    head = rows[0].split(",")
    chp = next(k for k, row in enumerate(rows) if row.startswith("lec1_chp"))
    cells = rows[chp].split(",")
    cells[head.index("electric_share")] = ""
    rows[chp] = ",".join(cells)
    (study / "assets.csv").write_text("\n".join(rows) + "\n")
    told = gridcommons("run", study, "--task", "scheduling", "--out", study.parent / "out", code=REFUSED)
    said = " ".join(told.split())
    assert "export_price_per_kwh" in said and "electric_share" in said and "Traceback" not in told
    assert not (study.parent / "out" / "summary.json").exists()


def test_a_setting_that_means_nothing_is_refused_with_a_suggestion(study):
    edit(study / "study.toml", "heat_fee_per_day = 76.33", "heat_fee_per_day = 76.33\nround_max = 3")
    told = " ".join(gridcommons("check", study, code=REFUSED).split())
    assert "round_max" in told and "rounds_max" in told
