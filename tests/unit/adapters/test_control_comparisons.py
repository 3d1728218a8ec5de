"""The page that compares two results of control."""

import re
import shutil

import pytest

from control_results import made_up_load, write_control
from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.control import comparison
from gridcommons.adapters.report.control.material import read_material
from gridcommons.adapters.report.page import write_comparison
from gridcommons.control.scenarios import SOURCE_SCENARIOS
from gridcommons.model.errors import StudyError
from gridcommons.model.results import Result
from html_pages import Page


@pytest.fixture(scope="module")
def two_days(tmp_path_factory):
    return write_control(tmp_path_factory.mktemp("control") / "two_days")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same with another seed: a higher evening."""
    return write_control(
        tmp_path_factory.mktemp("other") / "seed_2",
        load=lambda scenario, steps: made_up_load(scenario, steps) * 1.3,
        scenarios=(*SOURCE_SCENARIOS[:5], "storage+law14a"),
        provenance={"seed": 2, "settings": {"station_limit_kw": None, "forecast": "persistence"}},
    )


def test_a_comparison_shows_both_counts_and_what_was_asked_otherwise(two_days, other):
    path = write_comparison(two_days, other)
    assert path == two_days / "comparison.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert page.sections == ["differences", "counts", "households", "origin"]
    assert page.open == []
    first, second = (read_material(folder).counts for folder in (two_days, other))
    for scenario in SOURCE_SCENARIOS[:5]:
        before, after = (counts.at(scenario, "load", "safe") for counts in (first, second))
        shown = f"{before} → {after} ({comparison.signed(after - before)})"
        assert shown in page.text
        assert f">{shown}</text>" in path.read_text(encoding="utf-8")
    assert first.at("storage", "load") < second.at("storage", "load")
    assert "seed – 2" in page.text
    assert "forecast – persistence" in page.text
    assert "Only in seed_2: Storage + § 14a." in page.text
    assert "Only in two_days: Storage + ProA, Storage + ProA + ProB and" in page.text


def test_the_lead_of_a_comparison_names_what_moved_most(two_days, other):
    write_comparison(two_days, other)
    text = Page((two_days / "comparison.html").read_text(encoding="utf-8")).text
    first, second = (read_material(folder).counts for folder in (two_days, other))
    moves = {s: second.at(s, "load") - first.at(s, "load") for s in SOURCE_SCENARIOS[:5]}
    most = max(moves, key=lambda s: abs(moves[s]))
    before, after = first.at(most, "load"), second.at(most, "load")
    assert re.search(
        rf"load violations move most in [^,;]*, from {before} to {after}", re.sub(" +", " ", text)
    )
    assert "two_days and seed_2 differ in seed and forecast." in text


def test_a_result_compared_with_itself_differs_in_nothing(two_days, tmp_path):
    twin = tmp_path / "two_days"
    shutil.copytree(two_days, twin)
    text = Page(write_comparison(two_days, twin).read_text(encoding="utf-8")).text
    assert "Both were asked the same of the same inputs." in text
    assert "the load violations of all scenarios are the same" in text
    assert "first and second, side by side" in text


def test_results_without_a_common_scenario_are_compared_in_settings_alone(two_days, tmp_path):
    lone = write_control(tmp_path / "lone", scenarios=("base_2030+CurA",))
    page = Page(write_comparison(lone, two_days).read_text(encoding="utf-8"))
    assert page.sections == ["differences", "counts", "households", "origin"]
    assert "no scenario or no level of stress in common" in page.text


def test_what_cannot_be_compared_is_refused_and_says_why(two_days, tmp_path):
    with ParquetTables(tmp_path / "envelopes") as sink:
        sink.finish(Result("envelopes", {}, {}, {}))
    with pytest.raises(StudyError, match="a result of the task envelopes, expected one of control, as in"):
        write_comparison(two_days, tmp_path / "envelopes")
    with pytest.raises(StudyError, match="found a result of the task envelopes, expected one of control"):
        write_comparison(tmp_path / "envelopes", tmp_path / "envelopes")
    with pytest.raises(StudyError, match="result folder of a run"):
        write_comparison(two_days, tmp_path / "nowhere")


def test_a_run_may_replace_a_result_that_was_compared(two_days, other, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(two_days, folder)
    write_comparison(folder, other)
    with ParquetTables(folder) as sink:
        sink.finish(Result("control", {}, {}, {}))
    assert not (folder / "comparison.html").exists()
