"""The report of flexibility: its words and figures are those of the tables."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.report.flexibility import money_flows, stage_words, tariff_section
from gridcommons.adapters.report.flexibility.device_days import most_changed, shown_change
from gridcommons.adapters.report.flexibility.lead import lead
from gridcommons.adapters.report.flexibility.loads import find_branches, find_buses
from gridcommons.adapters.report.flexibility.map_section import worst_step
from gridcommons.adapters.report.flexibility.market_book import read_market
from gridcommons.adapters.report.flexibility.material import read_material
from gridcommons.adapters.report.flexibility.tariff_section import read_tariffs
from gridcommons.adapters.studies.files import load_study
from gridcommons.flexibility import check, dynamic_tariff, settlement
from gridcommons.flexibility.settings import INSTRUMENTS
from gridcommons.tasks import default_engines, run
from html_pages import Page
from unit.adapters.test_flexibility_reports import SECTIONS, labels, made, page_of, plain


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return made(tmp_path_factory.mktemp("flexibility") / "day")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """All instruments on the printed grid, each left something to do."""
    study = load_study("examples/rbts4_tariff_case2")
    asked = {"instruments": ["tariff", "market"], "tariff": "relaxed", "tariff_cap_per_kwh": 0.2}
    study = replace(study, tasks={"flexibility": {**study.tasks["flexibility"], **asked}})
    folder = tmp_path_factory.mktemp("real") / "out"
    with ParquetTables(folder) as sink:
        sink.finish(run(study, "flexibility", default_engines(sink)))
    return folder


def test_the_lead_names_the_line_the_hour_and_the_size(day):
    told = plain(lead(read_material(day)))
    assert told.startswith(
        "On 20 January 2021, plans at the spot price break limits once: L2 by up to 250 kW at 17:00."
    )
    assert "No tariff can hold the limits: L2 at 17:00 lacks 72.5 kW." in told
    assert "The published one goes up to 0.750 DKK/kWh and leaves 90.0 kW." in told
    assert "Re-profiling moves 90.0 kWh for 70.00 DKK." in told
    assert (
        "The market takes 2 of 3 offers in 3 rounds: 40 kWh less at the hours in need, for 25.50 DKK." in told
    )
    assert "After that no limit is broken." in told
    assert (
        "In the end the DSO pays 5.50 DKK, aggregators gain 1.50 DKK and customers of aggregators gain 4.00"
        in told
    )


def test_the_lead_says_what_stays_broken(tmp_path):
    told = plain(lead(read_material(made(tmp_path / "out", stages=("baseline", "tariff")))))
    assert "Left broken: 1, L2 by up to 90.0 kW at 17:00." in told
    assert "no limit is broken" not in told


def test_the_lead_of_a_tariff_that_holds_claims_no_failure(tmp_path):
    good = {"plain_tariff_is_feasible": True, "highest_plain_tariff_per_kwh": 7.3, "tariff_leaves_kw": 0.0}
    folder = made(tmp_path / "out", without=("limit_prices",), summary=good)
    assert "A tariff of up to 7.30 DKK/kWh would hold the limits; one that pays for" in plain(
        lead(read_material(folder))
    )
    capless = {**good, "tariff_cap_per_kwh": None}
    folder = made(tmp_path / "other", without=("limit_prices",), summary=capless)
    assert "A tariff of up to 0.750 DKK/kWh holds the limits." in plain(lead(read_material(folder)))


def test_hours_are_those_of_the_local_clock(tmp_path):
    folder = made(tmp_path / "out", zone="America/New_York", start="2021-01-20T05:00")
    assert "L2 by up to 250 kW at 17:00" in plain(lead(read_material(folder)))
    assert "America/New_York" in page_of(folder)


def test_loadings_are_in_kw_where_the_result_tells_what_a_hundred_percent_are(day):
    found = read_material(day)
    branches = find_branches(found)
    assert (branches.name, branches.unit) == (["L2"], ["kW"])
    np.testing.assert_allclose(branches.value[:, 17, 0], [1250.0, 1090.0, 1000.0, 1000.0])
    np.testing.assert_allclose(branches.limit, 1000.0)
    told = labels(page_of(day))
    assert "L2: baseline +250.0 kW at 17:00, tariff +90.0 kW at 17:00, re-profiling within" in told["loading"]
    buses, more = find_buses(found)
    assert (buses.name, more) == (["LP2"], 0)
    assert "LP2: baseline 0.9460, tariff 0.9510" in told["voltages"]


def test_a_branch_that_is_only_near_its_limit_is_shown_in_percent(tmp_path):
    found = read_material(made(tmp_path / "out", without=("violations",)))
    branches = find_branches(found)
    assert (branches.name, branches.unit) == (["L2"], ["%"])
    assert branches.value[0, 17, 0] == 125.0


def test_the_worst_hour_is_that_of_the_worst_violation(day, tmp_path):
    assert worst_step(read_material(day)) == 17
    assert worst_step(read_material(made(tmp_path / "out", at=3, without=("violations",)))) == 3
    path = made(tmp_path / "two") / "violations.parquet"
    rows = pq.read_table(path).to_pandas().iloc[:1]
    less = rows.assign(time=rows["time"] + np.timedelta64(2, "h"), excess=rows["excess"] / 2.0)
    for order in ([rows, less], [less, rows]):
        both = pa.concat_tables([pa.Table.from_pandas(part, preserve_index=False) for part in order])
        pq.write_table(both, path)
        assert worst_step(read_material(path.parent)) == 17


def test_buses_that_pay_the_same_are_one_row_and_no_price_is_marked(day):
    tariffs = read_tariffs(read_material(day))
    assert tariffs.schemes == ["plain", "coordinated"]
    assert tariffs.group == [("LP1", "LP2")]
    assert np.isinf(tariffs.value[0, 0, 17])
    assert tariffs.value[1, 0, 17] == 0.75
    text = plain(Page(page_of(day)).text)
    assert "LP1–LP2 plain no price" in text
    assert "LP1–LP2 coordinated 0.75000" in text
    assert "L2 loading 17:00 plain no price holds it 990.0 72.5" in text


def test_tables_of_prices_calls_offers_and_shortages_hold_the_figures(day):
    text = plain(Page(page_of(day)).text)
    assert "LP2 17:00 90.00 0.78 70.00 0.00" in text
    assert "LP2 17:00 L2 overloaded 40.0 60.0 40.0 2 of 3 0.625 0.700" in text
    assert "Lag1 LP2 0.60 30.0 33.0 kW at 00:00 100.0 % 30.0" in text
    assert "late Lag1 no answer within 60 s" in text
    assert "L2 overloaded 17:00 3.5" in text
    assert "Payback is allowed in 23 hours: 00:00–17:00, 18:00–00:00." in text
    assert "Of 30.0 kW ordered, summed over all hours, 28.0 kW comes, by meters." in text
    assert labels(page_of(day))["coordination"].endswith("meet at a cap of 0.75.")


def test_offers_and_awards_meet(day):
    book = read_market(read_material(day))
    assert [(o.offer, o.price_per_kwh, round(o.share, 6)) for o in book.offers] == [
        ("L z", 0.6, 1.0),
        ("L b", 0.7, 0.333333),
        ("L c", 0.9, 0.0),
    ]
    ((group, step),) = book.pairs()
    assert (group.buses, step) == (("LP2",), 17)
    assert [o.offer for o in book.offers_at(group, step)] == ["L z", "L b", "L c"]
    assert labels(page_of(day))["merit"].endswith("LP2, 17:00: taken 40.0 of 90.0 kW")


def test_the_devices_shown_are_those_that_change_most(day):
    found = read_material(day)
    stages = shown_change(found)
    assert stages == ("reprofiling", "market")
    car, pump = most_changed(found, stages)
    assert (car.name, car.kind, car.power_max_kw) == ("L car 1", "ev_charger", 11.0)
    assert (pump.name, pump.kind, pump.bus) == ("L pump 0", "heat_pump", "LP2")
    assert car.power_kw[:, 17].tolist() == [2.0, 1.5]
    assert np.isnan(car.bounds).all()


def test_a_stage_that_moves_no_car_is_not_the_one_to_compare(tmp_path):
    half = made(tmp_path / "half", still={"market": ("car",)})
    assert shown_change(read_material(half)) == ("tariff", "reprofiling")
    stages = ("baseline", "tariff", "market")
    apart = made(tmp_path / "apart", stages=stages, still={"tariff": ("car",), "market": ("pump",)})
    assert shown_change(read_material(apart)) == ("baseline", "market")
    one = made(tmp_path / "one", stages=stages[:2], still={"tariff": ("car",)})
    assert shown_change(read_material(one)) == ("baseline", "tariff")
    assert [each.name for each in most_changed(read_material(one), stages[:2])] == ["L pump 0"]


def test_devices_that_keep_their_plan_are_not_shown(tmp_path):
    for name, stages, still in (
        ("alone", ("baseline",), {}),
        ("still", ("baseline", "tariff"), {"tariff": ("car", "pump")}),
    ):
        folder = made(tmp_path / name, stages=stages, still=still)
        assert shown_change(read_material(folder)) is None
        assert "No device leaves its plan." in Page(page_of(folder)).text


def test_money_adds_up_and_every_party_stands_in_its_column(day):
    found = read_material(day)
    payments = money_flows.read_payments(found)
    kept = {party: got - paid for party, (got, paid) in money_flows.balances(payments).items()}
    assert kept["DSO"] == pytest.approx(-3.5)
    assert kept["Lag1"] == pytest.approx(1.5)
    assert sum(kept.values()) == pytest.approx(0.0)
    text = plain(Page(page_of(day)).text)
    assert "All postings add up to exactly 0." in text
    assert "Lag1 25.50 24.00 1.50" in text
    assert "all together 71.50 71.50 0.00" in text


def test_a_settlement_that_does_not_add_up_is_told(tmp_path):

    path = made(tmp_path / "out") / "settlement.parquet"
    rows = pq.read_table(path).to_pandas()
    rows.loc[0, "amount"] += 0.01
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), path)
    assert "The postings add up to 0.01, not to 0." in page_of(path.parent)


def test_who_has_most_to_gain_stands_first_and_ten_do(day):
    text = plain(Page(page_of(day)).text)
    top = text[text.index("Who has most to gain") : text.index("The grid at its worst hour")]
    assert re.findall(r"home (\d+) homes", top) == [str(k) for k in range(11, 1, -1)]


def test_bounds_of_a_state_are_drawn_where_the_result_tells_them(tmp_path):
    out = made(tmp_path / "out")
    _, before = most_changed(read_material(out), ("reprofiling", "market"))
    rows = {"asset": [before.name], "state_min": [20.0], "state_max": [24.0]}
    pq.write_table(pa.table(rows), out / "device_bounds.parquet")
    car, pump = most_changed(read_material(out), ("reprofiling", "market"))
    assert pump.name == before.name and pump.bounds == (20.0, 24.0)
    assert np.isnan(before.bounds).all()
    assert np.isnan(car.bounds).all()


@pytest.mark.parametrize(
    ("buses", "words"),
    [
        (["LP4", "LP5", "LP6"], "LP4–LP6"),
        (["LP10", "LP9", "LP1"], "LP1, LP9–LP10"),
        (["b", "a"], "a, b"),
        ([f"bus {chr(97 + k)}" for k in range(9)], "bus a, bus b, bus c, bus d, bus e and 4 more"),
    ],
)
def test_groups_of_buses_are_said_in_few_words(buses, words):
    assert stage_words.bus_group(buses) == words


def test_names_and_ceilings_are_those_of_the_task():
    assert set(stage_words.STAGE_NAMES) == {"baseline", *INSTRUMENTS}
    assert stage_words.FIXED_LOAD == check.FIXED_LOAD
    assert money_flows.DSO == settlement.DSO
    assert tariff_section.CEILING_PER_KWH == dynamic_tariff.NO_PRICE_PER_KWH


@pytest.mark.slow
def test_a_real_result_is_shown_with_its_own_figures(real):
    page = Page(page_of(real))
    assert page.sections == [section for section in SECTIONS if section != "reprofiling"]
    found = read_material(real)
    told = plain(lead(found))
    rows = found.violations
    worst = int(np.argmax(np.where(rows["scenario"] == "baseline", rows["excess_kw"], 0.0)))
    assert f"{rows['element'][worst]} by up to {rows['excess_kw'][worst]:.0f} kW at 17:00" in told
    assert found.rated_kw == pytest.approx({"L2": 1200.0, "L7": 3000.0})
    assert sum(o.taken_kw.sum() for o in read_market(found).offers) == pytest.approx(
        found.summary["flexibility_ordered_kw"]
    )
