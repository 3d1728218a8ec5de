"""The report of settlement: which sections stand in it, and that its words and figures are the tables'."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.page import write_report
from gridcommons.adapters.report.settlement.lead import lead
from gridcommons.adapters.report.settlement.material import KEY_WORDS, day_profile, read_material
from gridcommons.adapters.report.settlement.tiles import make_tiles
from gridcommons.settlement.sharing_keys import KEYS
from gridcommons.tasks import default_engines, run
from html_pages import Page
from settlement_study import EXAMPLE_TERMS, random_study, sharing_study, worked_example

HOSTILE = 'Zürich <b>&"北" $x_1$ </section>'


def left(folder, study):
    """Folder of a finished run."""
    with ParquetTables(folder) as sink:
        sink.finish(run(study, "settlement", default_engines(sink)))
    return folder


def page(folder, study):
    return Page(write_report(left(folder, study)).read_text(encoding="utf-8"))


def plain(words):
    return words.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2212", "-")


class TestSections:
    def test_all_of_them(self, tmp_path):
        study = worked_example(keys_compared=list(KEYS), **EXAMPLE_TERMS)
        found = page(tmp_path / "out", study)
        assert found.sections == ["energy", "members", "money", "keys", "rules", "origin"]
        assert found.open == [] and len(set(found.ids)) == len(found.ids)

    def test_without_rules_and_comparison(self, tmp_path):
        found = page(tmp_path / "out", random_study(1))
        assert found.sections == ["energy", "members", "money", "origin"]

    def test_what_is_to_be_verified_is_told(self, tmp_path):
        text = page(tmp_path / "out", worked_example()).text
        assert "fee reductions later than the 2nd amendment of 2021 of SNE-V 2018" in text
        assert "this is no legal advice" in text and "shared energy pays 43 %" in plain(text)

    def test_names_of_a_study_are_escaped(self, tmp_path):
        study = sharing_study(np.array([[-1.0, 2.0]]), names=["a", HOSTILE], suppliers=[HOSTILE + "s"])
        found = page(tmp_path / "out", study)
        assert found.open == [] and found.sections == ["energy", "members", "money", "origin"]

    def test_the_same_result_gives_the_same_bytes(self, tmp_path):
        first = write_report(left(tmp_path / "one", worked_example())).read_bytes()
        assert write_report(left(tmp_path / "two", worked_example())).read_bytes() == first

    def test_many_members_over_many_days(self, tmp_path):
        found = page(tmp_path / "out", random_study(2, steps=3 * 96, members=30))
        assert "Each of 3 days" in "".join(found.texts)


class TestWords:
    def test_the_lead_of_the_worked_example(self, tmp_path):
        said = plain(lead(read_material(left(tmp_path / "out", worked_example()))))
        assert "3 members share <b>9.0 kWh</b>, by consumption: 56.2 % of what they draw" in said
        assert "Together they pay <b>2.25 EUR</b>, where alone they would pay 3.84 EUR" in said
        assert "sharing saves <b>1.59 EUR</b>. Nobody pays more than alone." in said
        assert "Austria, EEG local (2024-04-01 to 2026-09-30); <b>6 statements</b> about them are" in said

    def test_who_is_worse_off_is_told(self, tmp_path):
        study = sharing_study(np.array([[-2.0, 4.0, 4.0]]), internal_price_per_kwh=0.30)
        said = plain(lead(read_material(left(tmp_path / "out", study))))
        assert "<b>2</b> of them pay more than alone, the worst off by 0.10 EUR." in said

    def test_what_sharing_costs_is_told(self, tmp_path):
        prices = worked_example().prices
        dear = replace(prices, export_price_per_kwh=np.full(4, 0.50))
        found = read_material(left(tmp_path / "out", replace(worked_example(rules=""), prices=dear)))
        assert "sharing costs <b>2.70 EUR</b>" in plain(lead(found))

    def test_how_the_benefit_is_handed_out(self, tmp_path):
        found = read_material(left(tmp_path / "one", worked_example(benefit="nucleolus")))
        assert "handed out by the nucleolus." in lead(found)
        many = random_study(1, members=17, benefit="shapley", draws=50)
        found = read_material(left(tmp_path / "two", many))
        error = f"{found.summary['benefit_error']:.2f} EUR"
        assert f"Shapley values, estimated to within {error} a member" in plain(lead(found))

    def test_every_key_has_words(self):
        assert set(KEY_WORDS) == set(KEYS)


class TestFigures:
    def test_tiles_of_the_worked_example(self, tmp_path):
        found = read_material(left(tmp_path / "out", worked_example()))
        values = {tile.label: plain(tile.value) for tile in make_tiles(found)}
        assert values == {
            "Shared [kWh]": "9",
            "From suppliers [kWh]": "16 → 7",
            "To suppliers [kWh]": "12 → 3",
            "All members pay [EUR]": "3.84 → 2.25",
            "A member saves [EUR]": "0.36 – 0.75",
            "Worse off than alone": "0",
        }

    def test_tables_are_the_results(self, tmp_path):
        text = plain(page(tmp_path / "out", worked_example()).text)
        assert "suppliers get, for energy less feed-in 2.24 1.16 -1.08" in text
        assert "the grid operator gets, in fees 1.60 1.09 -0.51" in text
        assert "members pay 3.84 2.25 -1.59" in text
        assert "shared energy 2.16" in text
        assert "B 7.0 0.0 3.5 0.0 2.10 1.62 0.48" in text

    def test_a_premium_stands_among_who_pays(self, tmp_path):
        study = worked_example(rules="Italy, CER", key="virtual", plant_kw=200.0)
        text = plain(page(tmp_path / "out", study).text)
        assert "the support scheme pays, as a premium 0.00 1.44 1.44" in text

    @pytest.mark.parametrize(
        "start", [datetime(2025, 3, 28, 23, tzinfo=UTC), datetime(2025, 10, 24, 22, tzinfo=UTC)]
    )
    def test_the_mean_day_is_by_the_local_clock(self, tmp_path, start):
        """One member feeds 4 kW to another from local noon to one, also where clocks change."""
        steps = 3 * 96 + (4 if start.month == 10 else -4)
        study = sharing_study(np.zeros((steps, 2)), start=start)
        time = replace(study.time, timezone="Europe/Vienna")
        is_noon = time.local_clock()[1].astype(int) == 12
        columns = {**study.profiles.columns}
        columns["m0_pv"], columns["m1_load"] = (
            columns[name] + 4.0 * is_noon for name in ("m0_pv", "m1_load")
        )
        study = replace(study, profiles=replace(study.profiles, time=time, columns=columns))
        shared_kw = day_profile(read_material(left(tmp_path / "out", study)), "shared_kwh")
        np.testing.assert_allclose(shared_kw[48:52], 4.0)
        assert shared_kw.sum() == pytest.approx(16.0)
