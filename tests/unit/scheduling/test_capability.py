from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import gridcommons as gc
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.errors import StudyError
from gridcommons.model.limits import Limits
from gridcommons.model.members import Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.tariffs import Prices
from scheduling_cases import run_with


@pytest.fixture(scope="module")
def low(examples):
    return load_study(examples / "campus_low_voltage")


def ten_communities(study):
    """LEC2 ten times at other buses, each a little larger than the last, with names of its own."""
    own = [asset for asset in study.community.assets if asset.member == "LEC2"]
    columns, members, assets = dict(study.profiles.columns), [], []
    for k in range(10):
        name = f"village {k}"
        members.append(Member(member=name, bus=str(8 + 3 * k), cluster=name))
        for asset in own:
            copied = replace(asset, asset=f"{asset.asset}_{k}", member=name)
            assets.append(copied)
            for column in list(study.profiles.columns):
                if column == asset.asset or column.startswith(f"{asset.asset}."):
                    scale = 1.0 if column.endswith("draw_m3") else 0.1 + 0.01 * k
                    columns[column.replace(asset.asset, copied.asset, 1)] = scale * columns[column]
    community = replace(
        study.community,
        members=(*study.community.members, *members),
        assets=(*study.community.assets, *assets),
    )
    return replace(study, community=community, profiles=Profiles(study.profiles.time, columns))


def two_days(study):
    """The day twice."""
    time = replace(study.time, steps=48)
    twice = {name: np.tile(column, 2) for name, column in study.profiles.columns.items()}
    prices = Prices(*(np.tile(getattr(study.prices, name), 2) for name in Prices.__dataclass_fields__))
    limits = Limits(*(getattr(study.limits, name) for name in Limits.__dataclass_fields__))
    return replace(study, profiles=Profiles(time, twice), prices=prices, limits=limits)


class TestTenCommunities:
    @pytest.mark.slow
    def test_in_parallel_processes_leave_the_same_bytes_as_in_sequence(self, low):
        study = ten_communities(low)
        alone, together = (
            gc.run(study, "scheduling", gc.default_engines(workers=workers)) for workers in (1, 2)
        )
        assert len(alone.summary["communities"]) == 12
        assert alone.summary["intervals_called"] > 0
        assert alone.summary == together.summary
        assert sorted(alone.tables) == sorted(together.tables)
        for name in alone.tables:
            pd.testing.assert_frame_equal(alone.tables[name], together.tables[name], check_exact=True)


class TestHorizons:
    def test_follow_each_other_with_what_the_last_one_left(self, low):
        result = run_with(two_days(low))
        assert result.summary["horizons"] == 2
        stores = result.tables["schedules"].query("asset == 'lec1_battery'")
        soc = stores.sort_values("time").soc_share.to_numpy()
        power = stores.sort_values("time").p_kw.to_numpy()
        change = np.where(power > 0.0, 0.95 * power, power / 0.95) / 200.0
        assert soc[1:] == pytest.approx(soc[:-1] + change[1:], abs=1e-7)

    def test_begin_with_a_battery_as_full_as_the_last_one_left_it(self, low):
        # Whoever buys in the last hours of the first day is paid for it: batteries end full.
        paid = np.where(np.arange(48) // 2 == 11, -1.5, 0.0)
        study = two_days(low)
        both = ("import_price_per_kwh", "export_price_per_kwh")
        prices = {name: getattr(study.prices, name) + paid for name in both}
        result = run_with(replace(study, prices=replace(study.prices, **prices)))
        stores = result.tables["schedules"].query("asset == 'lec1_battery'").sort_values("time")
        soc, power = stores.soc_share.to_numpy(), stores.p_kw.to_numpy()
        assert soc[23] > 0.85
        change = np.where(power > 0.0, 0.95 * power, power / 0.95) / 200.0
        assert soc[24] == pytest.approx(soc[23] + change[24], abs=1e-7)

    def test_the_first_day_is_the_same_as_alone(self, low):
        one, two = run_with(low), run_with(two_days(low))
        first = two.tables["schedules"]
        first = first[first.time < first.time.min() + pd.Timedelta(hours=24)].reset_index(drop=True)
        columns = ["p_kw", "q_kvar", "heat_kw", "soc_share"]
        assert first[columns].to_numpy().tobytes() == one.tables["schedules"][columns].to_numpy().tobytes()

    def test_of_another_length_are_planned_whole(self, low):
        whole, parts = (
            run_with(two_days(low), horizon_hours=hours, heat_peak_price_per_kw_day=0.0) for hours in (48, 12)
        )
        assert (whole.summary["horizons"], parts.summary["horizons"]) == (1, 4)
        cost = [
            sum(each["cost_alone"] for each in result.summary["communities"].values())
            for result in (whole, parts)
        ]
        assert cost[0] <= cost[1] * (1.0 + 1e-3)

    def test_pay_the_heat_of_a_day_once_however_it_is_cut(self, low):
        for hours in (24, 12, 36):
            costs = run_with(two_days(low), horizon_hours=hours).tables["community_costs"]
            fee = costs[(costs.scenario == "alone") & (costs.item == "heat fee")].amount.sum()
            assert fee == pytest.approx(2 * 2 * 76.33)


@pytest.fixture(scope="module")
def result(low):
    return run_with(low)


class TestTables:
    def test_every_posting_has_its_other_side(self, result):
        rows = result.tables["settlement"]
        assert sum(Decimal(str(amount)) for amount in rows.amount) == 0
        for community in ("LEC1", "LEC2"):
            paid = rows[(rows.party == community) & (rows.counterparty == "DSO")].amount.sum()
            assert paid == pytest.approx(result.summary["communities"][community]["paid"], abs=0.005)

    def test_purchases_are_what_is_paid(self, result):
        rows = result.tables["reactive_purchases"]
        assert rows.amount.to_numpy() == pytest.approx(rows.price_per_kvarh * rows.bought_kvar)
        assert rows.amount.sum() == pytest.approx(result.summary["paid"])

    def test_devices_and_what_is_fixed_make_the_exchange(self, result):
        keys, powers = ["community", "time"], ["p_kw", "q_kvar"]
        exchange = result.tables["community_exchange"]
        for scenario, table in (("alone", "schedules_alone"), ("bought", "schedules")):
            devices = result.tables[table].groupby(keys, observed=True)[powers].sum()
            rows = exchange[exchange.scenario == scenario].set_index(keys)[powers]
            assert devices.loc[rows.index].to_numpy() == pytest.approx(rows.to_numpy(), abs=1e-6)

    def test_costs_make_the_summary(self, result):
        costs = (
            result.tables["community_costs"].groupby(["scenario", "community"], observed=True).amount.sum()
        )
        for name, figures in result.summary["communities"].items():
            assert costs["alone", name] == pytest.approx(figures["cost_alone"])
            assert costs["bought", name] == pytest.approx(figures["cost"] + figures["paid"])

    def test_import_and_export_are_the_two_sides_of_the_exchange(self, result):
        exchange = result.tables["community_exchange"].query("scenario == 'bought'")
        for name, figures in result.summary["communities"].items():
            power = exchange[exchange.community == name].p_kw.to_numpy()
            assert figures["import_kwh"] == pytest.approx(power[power > 0.0].sum())
            assert figures["export_kwh"] == pytest.approx(-power[power < 0.0].sum())

    def test_violations_are_the_voltages_beyond_the_band(self, examples, result):
        high = run_with(load_study(examples / "campus_high_voltage"))
        for found in (result, high):
            vm_pu, rows = found.tables["bus_voltages"], found.tables["violations"]
            out = vm_pu[(vm_pu.vm_pu < 0.95 - 1e-5) | (vm_pu.vm_pu > 1.05 + 1e-5)]
            places = zip(rows.time, rows.element, strict=True)
            assert sorted(zip(out.time, out.bus, strict=True)) == sorted(places)
            assert rows.excess.to_numpy() == pytest.approx(np.abs(rows.value - rows.limit).to_numpy())
        assert set(result.tables["violations"].kind) == {"vm_min_pu"}
        assert set(high.tables["violations"].kind) == {"vm_max_pu"}

    def test_a_fee_on_reactive_power_is_paid_on_the_schedule_where_more_is_bought(self, low):
        fee = 0.02
        found = run_with(low, reactive_fee_per_kvarh=fee)
        exchange, costs = found.tables["community_exchange"], found.tables["community_costs"]
        called = set(found.tables["reactive_purchases"].time)
        assert called
        for name, figures in found.summary["communities"].items():
            rows = exchange[exchange.community == name].set_index(["scenario", "time"]).q_kvar
            charged = rows["bought"].copy()
            charged[[time in called for time in charged.index]] = rows["alone"][list(called)]
            spent = costs[(costs.community == name) & (costs.scenario == "bought")].amount.sum()
            assert figures["cost"] == pytest.approx(spent + fee * charged.sum() - figures["paid"])

    def test_what_each_kind_provided_is_beyond_its_schedule(self, low):
        found = run_with(low, reactive_fee_per_kvarh=0.02)
        keys = ["asset", "time"]
        names = ("schedules", "schedules_alone")
        final, alone = (found.tables[name].set_index(keys).q_kvar for name in names)
        moved = (final - alone).abs().reset_index()
        moved = moved[moved.time.isin(found.tables["reactive_purchases"].time)]
        kinds = found.tables["assets"].set_index("asset").kind
        by_kind = moved.groupby(moved.asset.map(kinds), observed=True).q_kvar.sum()
        assert by_kind.pv > 1.0
        for kind, amount in found.summary["provided_kvarh"].items():
            assert amount == pytest.approx(by_kind[kind])

    def test_a_rerun_leaves_the_same(self, low, result):
        again = run_with(low)
        assert again.summary == result.summary
        for name in result.tables:
            pd.testing.assert_frame_equal(again.tables[name], result.tables[name], check_exact=True)


def test_a_study_without_prices_or_communities_is_refused_with_all_that_is_missing(low):
    members = tuple(replace(member, cluster="") for member in low.community.members)
    study = replace(low, prices=None, community=replace(low.community, members=members))
    with pytest.raises(StudyError) as raised:
        gc.run(study, "scheduling")
    text = str(raised.value)
    assert "prices.csv" in text and "no member with a cluster" in text


def test_what_follows_its_profile_stays_within_its_envelope_as_well(low):
    """A building without a community, and one of LEC2, whose consumption an envelope cuts."""
    asset = ("building_20_load", "lec2_buildings")
    most_kw = np.tile([10.0, 300.0], (24, 1))
    envelopes = Envelopes(asset, np.zeros((24, 2)), most_kw)
    cut, whole = run_with(replace(low, envelopes=envelopes)), run_with(low)
    rows = cut.tables["schedules"].query("asset == 'lec2_buildings'").sort_values("time")
    assert rows.p_kw.max() == 300.0
    assert rows.q_kvar.to_numpy() == pytest.approx(rows.p_kw.to_numpy() * np.tan(np.arccos(0.9)))
    vm_pu = [
        found.tables["bus_voltages"].query("scenario == 'alone' and bus == '20'").vm_pu.to_numpy()
        for found in (cut, whole)
    ]
    assert (vm_pu[0] > vm_pu[1]).all()
