"""Stages follow each other, are run once, and go on where a killed day stood."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from day_study import day_of, day_study, field_of, random_day_study, usual_day, usual_field
from gridcommons.day import timeline
from gridcommons.day.account_entries import open_account
from gridcommons.day.capability import run
from gridcommons.day.outcomes import to_arrays
from gridcommons.day.settings import Settings
from gridcommons.day.timeline import Stages, instruments_of, run_alone, run_day
from gridcommons.model.assets import Pv
from gridcommons.model.members import Community
from gridcommons.model.profiles import Profiles
from gridcommons.ports import Engines

SEEDS = st.integers(0, 10_000)
STAGES = ("alone", "baseline", "tariff", "market", "day", "trading")
USED = ("tariff", "market", "control", "envelopes", "trading")


class KilledError(Exception):
    """Somebody pulled the plug."""


class Keeping:
    """Keeps what is saved, by everything that it depends on; pulls the plug after so many pieces."""

    def __init__(self, most=None, kept=None) -> None:
        self.kept = {} if kept is None else kept
        self.most, self.saved, self.loaded = most, [], []

    def load(self, key):
        found = self.kept.get(json.dumps(key))
        if found is not None:
            self.loaded.append(key["path"][-1])
        return found

    def save(self, key, arrays):
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
        self.kept[json.dumps(key)] = {name: array.copy() for name, array in arrays.items()}
        self.saved.append(key["path"][-1])
        if len(self.saved) == self.most:
            raise KilledError


def bytes_of(result):
    """Every column of every table, and the summary."""
    found = {("summary",): json.dumps(result.summary)}
    for name, table in result.tables.items():
        for column in table:
            values = table[column].to_numpy()
            whole = values.tobytes() if values.dtype.kind in "fiMb" else "|".join(map(str, values))
            found[name, column] = whole
    return found


def answer(study, finished=None):
    engines = Engines() if finished is None else Engines(finished=finished)
    return bytes_of(run(study, Settings(**study.tasks["day"]), engines))


@pytest.mark.parametrize("after", range(1, len(STAGES) + 1))
def test_a_killed_day_goes_on_to_the_same_bytes(after):
    study, whole = day_study(), answer(day_study())
    first = Keeping(most=after)
    with pytest.raises(KilledError):
        answer(study, first)
    second = Keeping(kept=first.kept)
    assert answer(study, second) == whole
    assert tuple(first.saved) == STAGES[:after]
    assert tuple(second.loaded) == STAGES[:after] and tuple(second.saved) == STAGES[after:]


def test_every_stage_is_run_once_however_many_days_are_compared(monkeypatch):
    """Five instruments and eleven days beside each other share what they have in common."""
    made = {}
    names = ("plan_baseline", "publish_tariff", "buy_flexibility", "live_the_day", "trade_locally")
    for name in names:
        monkeypatch.setattr(timeline, name, counted(made, name, getattr(timeline, name)))
    keeping = Keeping()
    answer(day_study(worth=USED), keeping)
    paths = [json.loads(key)["path"] for key in keeping.kept]
    assert len(keeping.saved) == len(paths) == len({tuple(path) for path in paths})
    by_stage = {name: sum(path[-1] == name for path in paths) for name in STAGES}
    assert made == {
        "plan_baseline": by_stage["baseline"],
        "publish_tariff": by_stage["tariff"],
        "buy_flexibility": by_stage["market"],
        "live_the_day": by_stage["day"] + by_stage["alone"],
        "trade_locally": by_stage["trading"],
    }
    assert made["plan_baseline"] == made["publish_tariff"] == 1 and made["buy_flexibility"] == 2


def counted(made, name, stage):
    def once(*args, **kwargs):
        made[name] = made.get(name, 0) + 1
        return stage(*args, **kwargs)

    return once


CHANGES = {
    "seed": lambda study: replace(study, seed=2),
    "inputs": lambda study: replace(study, inputs_sha256="other"),
    "a setting of the day": lambda study: with_task(study, "day", load_error_share=0.3),
    "a gate": lambda study: with_task(study, "day", gates={"market": "12:30"}),
    "another task": lambda study: with_task(study, "flexibility", price_max_per_kwh=0.9),
}


def with_task(study, task, **changes):
    return replace(study, tasks={**study.tasks, task: {**study.tasks[task], **changes}})


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_taken_from_a_day_that_was_asked_otherwise(change):
    first = Keeping()
    answer(day_study(), first)
    second = Keeping(kept=dict(first.kept))
    answer(CHANGES[change](day_study()), second)
    assert second.loaded == [] and len(second.saved) == len(STAGES)


def test_a_day_of_another_load_flow_is_another_day():
    keeping = Keeping()
    run_alone(Stages(field_of(day_study(), finished=keeping)))
    run_alone(Stages(field_of(day_study(), finished=keeping, method="newton")))
    assert keeping.loaded == [] and len(keeping.kept) == 2


def test_what_only_says_what_is_shown_takes_what_was_kept():
    first = Keeping()
    answer(day_study(), first)
    second = Keeping(kept=dict(first.kept))
    answer(day_study(without=["trading"], worth=["envelopes"]), second)
    assert set(second.loaded) >= {"alone", "baseline", "tariff", "market", "day"}
    assert "tariff" not in second.saved and "market" not in second.saved


def test_nothing_is_taken_from_a_stage_that_kept_other_things():
    """As an older version of the package would have left it."""
    first = Keeping()
    answer(day_study(), first)
    older = {key.replace('"stored_kwh"', '"stored"'): arrays for key, arrays in first.kept.items()}
    assert older.keys() != first.kept.keys()
    second = Keeping(kept=older)
    assert answer(day_study(), second) == answer(day_study())
    assert "day" not in second.loaded and "baseline" in second.loaded


def test_the_same_day_twice_is_the_same_bytes():
    assert answer(day_study(3)) == answer(day_study(3)) != answer(day_study(4))


def without(study, kind):
    kept = tuple(asset for asset in study.community.assets if not isinstance(asset, kind))
    return replace(study, community=Community(study.community.members, kept))


def test_a_study_uses_what_it_has_something_for():
    study = day_study()
    assert instruments_of(field_of(study)) == USED
    assert instruments_of(field_of(with_task(study, "day", without=["market", "control"]))) == (
        "tariff",
        "envelopes",
        "trading",
    )
    assert instruments_of(field_of(replace(study, prices=None))) == ("control", "envelopes")
    no_export = replace(study.prices, export_price_per_kwh=np.full(24, np.nan))
    assert "trading" not in instruments_of(field_of(replace(study, prices=no_export)))
    alone = tuple(replace(member, aggregator="") for member in study.community.members)
    of = replace(study, community=Community(alone, study.community.assets))
    assert instruments_of(field_of(of)) == ("control", "envelopes", "trading")
    still = tuple(replace(asset, flexible=False) for asset in study.community.assets)
    of = replace(study, community=Community(study.community.members, still))
    assert instruments_of(field_of(of)) == ("trading",)


def test_only_roofs_can_be_held_back_and_have_nothing_to_control():
    study = day_study(homes=2)
    roof = Pv(asset="roof", member="home0", flexible=True, generation_max_kw=5.0)
    of = replace(
        study,
        community=Community(study.community.members, (roof,)),
        profiles=Profiles(study.time, {"roof": np.ones(24)}),
    )
    assert instruments_of(field_of(of)) == ("envelopes", "trading")


@settings(max_examples=25)
@given(seed=SEEDS, chosen=st.sets(st.sampled_from(USED)))
def test_one_account_follows_every_asset_through_any_day(seed, chosen):
    """Whatever instruments take part: what was done is inside what was left, and what was sold was there."""
    field = field_of(random_day_study(seed, load_error_share=0.4, temperature_error_c=3.0))
    day = day_of(field, tuple(name for name in USED if name in chosen))
    day.account.check()
    at = day.account.rows_of(field.row)
    assert day.account.plan_kw == pytest.approx(day.done.p_kw[:, at], abs=1e-6)
    first = open_account(field, day.baseline)
    assert (day.account.low_kw >= first.low_kw).all() and (day.account.high_kw <= first.high_kw).all()
    for name in ("tariff", "market", "trading"):
        left = {"trading": "trades"}.get(name, name)
        assert (getattr(day, left) is not None) == (name in chosen)
    assert {each.stage for each in day.account.commitments} <= chosen


def test_what_the_market_bought_is_committed_device_by_device():
    field, day = usual_field(), usual_day()
    market = day.market
    sold = [each for each in day.account.commitments if each.stage == "market"]
    assert len({each.reference for each in sold}) == len(sold) == len(market.device)
    for place in range(len(market.aggregator)):
        mine = [each for each in sold if each.reference.startswith(f"market {place} ")]
        assert {each.counterparty for each in mine} == {market.aggregator[place]}
        assert {price for each in mine for price in each.price.tolist()} == {market.price_per_kwh[place]}
        quantity_kw = sum(each.quantity for each in mine)
        asked = market.ordered_kw[place] > 0.0
        assert (quantity_kw >= market.ordered_kw[place] - 1e-3).all() and (quantity_kw[~asked] == 0.0).all()
    for each in sold:
        row = field.row[each.seller]
        k = market.device.tolist().index(row)
        bought = each.quantity > 0.0
        less_kw = market.before_kw[k] - market.planned.plan_kw[:, row]
        assert each.quantity[bought] == pytest.approx(less_kw[bought])


def test_the_schedules_are_those_of_the_last_instrument_of_the_day_before():
    day, field = usual_day(), usual_field()
    assert day.final is day.market.planned
    stages = Stages(field)
    assert run_day(stages, ("tariff",)).final is run_day(stages, ("tariff",)).tariff.planned
    nothing = run_day(stages, ())
    assert nothing.final is nothing.baseline and nothing.tariff is nothing.market is nothing.trades is None


def test_alone_nobody_plans_sells_or_is_held_back():
    field = usual_field()
    alone = run_alone(Stages(field))
    assert np.isinf(alone.p_max_kw).all() and alone.p_kw.tobytes() == alone.wanted_kw.tobytes()
    row = field.row["car2"]
    plugged_in, first = field.study.profiles.of("car2.plugged_in"), alone.p_kw[0, row]
    assert plugged_in[0] == 1.0 and first == pytest.approx(min(11.0, (0.85 - 0.5) * 25.0))
    assert set(to_arrays(alone)) == set(to_arrays(usual_day().done))
