from dataclasses import replace

import numpy as np
import pytest

from fakes.communities import Jumping, Steady
from gridcommons.adapters.studies.files import load_study
from gridcommons.scheduling.messages import Call, Exchange
from gridcommons.scheduling.oracles import bisect_price
from gridcommons.scheduling.settings import Settings
from gridcommons.scheduling.transactive_round import TransactiveRound
from scheduling_cases import make_case, run_with


@pytest.fixture(scope="module")
def study(examples):
    return load_study(examples / "campus_high_voltage")


def with_band(study, vm_max_pu, vm_min_pu=0.95):
    limits = replace(
        study.limits,
        vm_max_pu=np.full_like(study.limits.vm_max_pu, vm_max_pu),
        vm_min_pu=np.full_like(study.limits.vm_min_pu, vm_min_pu),
    )
    return replace(study, limits=limits)


def only(study, community):
    """The study with one community; of the other the load alone is left, which nobody controls."""
    members = tuple(
        replace(member, cluster=member.cluster if member.cluster == community else "")
        for member in study.community.members
    )
    assets = tuple(
        asset for asset in study.community.assets if asset.member == community or asset.kind == "load"
    )
    return replace(study, community=replace(study.community, members=members, assets=assets))


class TestOneSeller:
    def test_is_paid_the_price_that_bisection_finds(self, study):
        # Without the other one the voltage is a little lower: a band that LEC1 alone can mend.
        case = make_case(with_band(only(study, "LEC1"), 1.0502))
        found = case.hold()
        (step,) = found.outcome.called.tolist()
        community, operator = case.communities[0], case.operator

        def missing_at(price):
            call = Call(round=1, called=np.array([step]), price_per_kvarh=np.array([[price]]))
            offer = Exchange.from_bytes(community.answer(call.to_bytes()))
            return float(operator.look({"LEC1": offer}).excess_pu[step].max())

        least = bisect_price(missing_at, -2.0)
        tolerance = case.settings.price_tolerance_share
        assert found.outcome.price_per_kvarh[0, 0] == pytest.approx(least, rel=tolerance)
        assert abs(found.outcome.price_per_kvarh[0, 0]) >= abs(least) * (1.0 - 1e-6)


@pytest.fixture(scope="module")
def unmet(study):
    return make_case(with_band(study, 1.0485)).hold()

    def test_is_first_asked_the_published_step(self, study):
        """c1 λ (c2 + c3 e^(c4 k)) for all of the need, with k = 0 before any answer."""
        factors = (0.05, 1.0, 0.5, 2.0)
        found = make_case(with_band(only(study, "LEC1"), 1.0502), step_factors=factors).hold()
        first = found.outcome.rows[0]
        expected = -0.05 * study.prices.import_price_per_kwh[first.step] * 1.5
        assert first.price_per_kvarh[0] == pytest.approx(expected * (1.0 + 0.6 * 0.02))

    def test_is_later_asked_the_published_step_of_that_round(self, study):
        """Beside a curve that says little, half of it is the least."""
        operator = make_case(study).operator
        asked = TransactiveRound(operator, Settings(step_factors=(0.1, 1.0, 2.0, 0.5)), np.array([0.4]), None)
        assert [asked._published_step(0, k) for k in (0, 3)] == pytest.approx(
            [0.1 * 0.4 * 3.0, 0.1 * 0.4 * (1.0 + 2.0 * np.exp(1.5))]
        )


class TestASellerOfAllOrNothing:
    """The line through two answers creeps where nearly all of a jump is needed; halving does not."""

    @pytest.mark.parametrize("share", [1.02, 1.5, 50.0])
    def test_is_found_in_few_rounds_and_sells_a_part(self, study, monkeypatch, share):
        silent = {"LEC1": Steady, "LEC2": Jumping}
        monkeypatch.setattr(Jumping, "JUMP_KVAR", 10_000.0)
        needed = -make_case(study, silent).hold().outcome.bought_kvar[1, 0]
        monkeypatch.setattr(Jumping, "JUMP_KVAR", share * needed)
        found = make_case(study, silent).hold()
        assert found.outcome.rounds <= 12
        assert not len(found.outcome.after.hours)
        assert -found.outcome.bought_kvar[1, 0] == pytest.approx(needed, rel=1e-3)
        assert 0.3 <= -found.outcome.price_per_kvarh[1, 0] <= 0.3 * 1.15


class TestOffersThatMoveActivePower:
    """At prices of zero or below, plants move with reactive power, and voltages with them."""

    @pytest.mark.parametrize("hour", [None, 14])
    @pytest.mark.parametrize("price", [0.0, -0.2])
    def test_clear_their_interval(self, examples, price, hour):
        study = load_study(examples / "campus_low_voltage")
        paid = np.full(24, price) if hour is None else study.prices.import_price_per_kwh.copy()
        paid[slice(hour, None if hour is None else hour + 1)] = price
        sold = np.minimum(paid, study.prices.export_price_per_kwh)
        prices = replace(study.prices, import_price_per_kwh=paid, export_price_per_kwh=sold)
        found = make_case(replace(study, prices=prices)).hold()
        assert len(found.outcome.called)
        assert not len(found.outcome.after.hours)


class TestAnIntervalTooLowHereAndTooHighThere:
    @pytest.mark.parametrize("buses", [("7", "2"), ("2", "7")])
    @pytest.mark.parametrize("cap", [10.0, 0.3])
    def test_is_cleared_at_prices_that_do_not_depend_on_the_cap(self, examples, buses, cap):
        study = load_study(examples / "campus_low_voltage")
        before = make_case(study, reactive_round=False).hold().outcome.before.solution.vm_pu()
        low, high = (study.grid.bus_index[name] for name in buses)
        vm_min_pu, vm_max_pu = np.full(before.shape, 0.9), np.full(before.shape, 1.1)
        vm_min_pu[14, low], vm_max_pu[14, high] = before[14, low] + 1e-4, before[14, high] - 1e-4
        limits = replace(study.limits, vm_min_pu=vm_min_pu, vm_max_pu=vm_max_pu)
        found = make_case(replace(study, limits=limits), shortage_price_per_kvarh=cap).hold()
        assert not len(found.outcome.after.hours)
        assert found.paid.sum() == pytest.approx(1.486, rel=0.01)

    @pytest.mark.parametrize("rounds", [1, 2, 3])
    def test_stays_cleared_where_rounds_end_early(self, examples, rounds):
        study = load_study(examples / "campus_low_voltage")
        before = make_case(study, reactive_round=False).hold().outcome.before.solution.vm_pu()
        low, high = study.grid.bus_index["2"], study.grid.bus_index["7"]
        vm_min_pu, vm_max_pu = np.full(before.shape, 0.9), np.full(before.shape, 1.1)
        vm_min_pu[14, low], vm_max_pu[14, high] = before[14, low] + 1e-4, before[14, high] - 1e-4
        limits = replace(study.limits, vm_min_pu=vm_min_pu, vm_max_pu=vm_max_pu)
        found = make_case(replace(study, limits=limits), rounds_max=rounds).hold()
        assert found.outcome.rounds == rounds
        assert np.abs(found.outcome.bought_kvar) == pytest.approx(np.array([[28.2], [16.2]]), rel=0.04)


class TestTheCapOfPrices:
    def test_is_kept(self, study):
        found = make_case(study, shortage_price_per_kvarh=0.02, price_tolerance_share=0.9).hold()
        # Of a kvar at the bus itself; at bus 2 it does a little more.
        assert np.abs(found.outcome.price_per_kvarh).max() <= 0.02 * 1.002


class TestAVoltageThatIsFoundOutLater:
    def test_opens_its_interval_again(self, study):
        case = make_case(study)
        schedules = {each.name: Exchange.from_bytes(each.schedule()) for each in case.communities}
        case.operator.admit(schedules)
        sight = case.operator.look(schedules)
        asked = TransactiveRound(case.operator, Settings(), study.prices.import_price_per_kwh, None)
        asked._open_hours(sight)
        (book,) = asked.books.values()
        assert book.rows == [(3, -1.0)]
        book.is_settled = True
        asked._open_hours(sight)
        assert book.is_settled
        out_pu = sight.out_pu.copy()
        out_pu[14, 7] = -0.01
        asked._open_hours(replace(sight, out_pu=out_pu))
        assert book.rows == [(3, -1.0), (7, -1.0)] and not book.is_settled


class TestASourceOutOfItsBand:
    def test_is_told_and_nothing_is_bought_for_it(self, study):
        # The substation holds 1.048; only bus 3 at 14:00 is higher.
        result = run_with(with_band(study, 1.0475))
        rows = result.tables["violations"]
        assert "substation" in set(rows[rows.scenario == "bought"].element)
        assert "substation" not in set(result.tables["reactive_rounds"].worst_bus)
        assert result.summary["intervals_out_of_band"] == 24


class TestANeedThatNobodyCanMeet:
    def test_is_told_in_kvar_with_the_voltage_reached(self, unmet):
        assert unmet.outcome.short
        for step, ((bus, kvar),) in unmet.outcome.short.items():
            vm_pu = unmet.outcome.after.solution.vm_pu()[step, bus]
            assert vm_pu > 1.0485 + 1e-5
            need = unmet.operator.need(unmet.outcome.after, step, [(bus, -1.0)], np.zeros(2))
            # Negative: it would have to be absorbed.
            assert kvar == pytest.approx((1.0485 - vm_pu) / need.own_effect_pu_per_kvar[0], rel=1e-3)

    def test_everybody_gives_what_a_price_can_bring(self, unmet):
        """Prices go to what a missing kvarh is worth, and no further."""
        for step in unmet.outcome.short:
            column = unmet.outcome.called.tolist().index(step)
            price = np.abs(unmet.outcome.price_per_kvarh[:, column])
            assert price.max() <= 10.0 * 1.05
            assert price.max() > 5.0

    def test_ends_before_the_last_round(self, unmet):
        assert unmet.outcome.rounds < 20

    def test_stands_in_the_tables_and_the_summary(self, study):
        result = run_with(with_band(study, 1.0485))
        rows = result.tables["reactive_shortages"]
        assert (rows.vm_pu > 1.0485).all() and (rows.missing_kvar < 0.0).all()
        assert result.summary["short_kvarh"] == pytest.approx(-rows.missing_kvar.sum())
        assert result.summary["intervals_out_of_band"] == len(rows)


class TestTheEnd:
    def test_of_rounds_is_kept_and_what_stays_out_is_told(self, study):
        found = make_case(study, rounds_max=1).hold()
        assert found.outcome.rounds == 1
        assert len(found.outcome.short) == len(found.outcome.after.hours)

    def test_of_rounds_buys_at_prices_that_were_asked(self, examples):
        study = load_study(examples / "campus_low_voltage")
        for rounds in (1, 2):
            found = make_case(study, rounds_max=rounds).hold()
            rows = found.outcome.rows
            asked = {(row.step, j, price) for row in rows for j, price in enumerate(row.price_per_kvarh)}
            for column, step in enumerate(found.outcome.called.tolist()):
                for j, price in enumerate(found.outcome.price_per_kvarh[:, column]):
                    assert (step, j, price) in asked
            # The first offers are already enough here: both hours are mended, at a price above the least.
            assert not len(found.outcome.after.hours)

    def test_nothing_is_asked_where_every_voltage_is_inside(self, study):
        found = make_case(with_band(study, 1.1)).hold()
        assert found.outcome.rounds == 0 and not len(found.outcome.called)
        for name, plan in found.final.items():
            assert plan.p_kw.tobytes() == found.alone[name].p_kw.tobytes()
            assert plan.q_kvar.tobytes() == found.alone[name].q_kvar.tobytes()

    def test_a_finer_tolerance_of_the_price_pays_less(self, study):
        fine = make_case(study, price_tolerance_share=0.001).hold()
        rough = make_case(study, price_tolerance_share=0.2).hold()
        assert fine.paid.sum() <= rough.paid.sum() + 1e-9
        assert fine.outcome.bought_kvar.sum() == pytest.approx(rough.outcome.bought_kvar.sum(), rel=0.02)


class TestPrices:
    def test_of_active_power_below_zero_still_bring_reactive_power(self, study):
        """Without the floor the step would be nothing at a price of 0, and turn round below it."""
        prices = replace(
            study.prices,
            import_price_per_kwh=study.prices.import_price_per_kwh - 0.9,
            export_price_per_kwh=study.prices.export_price_per_kwh - 0.9,
        )
        found = make_case(with_band(replace(study, prices=prices), 1.0495)).hold()
        assert not len(found.outcome.after.hours)
        assert (found.outcome.bought_kvar < 0.0).any()

    def test_with_a_fee_on_reactive_power_the_schedule_is_the_answer_at_the_fee(self, study):
        case = make_case(study, reactive_fee_per_kvarh=0.03)
        found = case.hold()
        fee = np.full((1, 1), 0.03)
        for community in case.communities:
            call = Call(round=1, called=np.array([14]), price_per_kvarh=fee).to_bytes()
            answer = Exchange.from_bytes(community.answer(call))
            scheduled = found.alone[community.name].q_kvar
            assert answer.q_kvar == pytest.approx(scheduled, abs=1e-3)
        assert not len(found.outcome.after.hours)
        # Communities provide for themselves where that is cheaper than the fee.
        provided = make_case(study).hold().alone["LEC1"].q_kvar.sum() - found.alone["LEC1"].q_kvar.sum()
        assert provided > 100.0
