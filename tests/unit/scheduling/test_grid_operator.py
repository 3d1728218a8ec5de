from dataclasses import replace

import numpy as np
import pytest

from gridcommons.adapters.studies.files import load_study
from gridcommons.model.errors import NotConvergedError
from gridcommons.scheduling.grid_operator import HIGH, LOW
from gridcommons.scheduling.messages import Exchange
from scheduling_cases import make_case


@pytest.fixture(scope="module")
def case(examples):
    return make_case(load_study(examples / "campus_low_voltage"))


@pytest.fixture(scope="module")
def schedules(case):
    found = {each.name: Exchange.from_bytes(each.schedule()) for each in case.communities}
    case.operator.admit(found)
    return found


def injecting(exchange, step, kvar):
    moved = exchange.q_kvar.copy()
    moved[0, step] -= kvar
    return replace(exchange, q_kvar=moved)


class TestNeed:
    def test_effects_are_those_of_the_load_flow(self, case, schedules):
        operator, step, kvar = case.operator, 14, 2.0
        before = operator.look(schedules)
        rows = [(operator.network.grid.bus_index[name], LOW) for name in ("2", "7", "20")]
        need = operator.need(before, step, rows, np.zeros(2))
        for j, name in enumerate(schedules):
            beside = [injecting(schedules[name], step, sign * kvar) for sign in (1.0, -1.0)]
            vm_pu = [operator.look({**schedules, name: each}).solution.vm_pu() for each in beside]
            slope = (vm_pu[0] - vm_pu[1])[step, [bus for bus, _ in rows]] / (2.0 * kvar)
            assert need.effect_pu_per_kvar[:, j] == pytest.approx(slope, rel=1e-4)

    def test_what_is_missing_is_counted_from_the_schedules(self, case, schedules):
        operator, step, kvar = case.operator, 14, 5.0
        rows = [(operator.network.grid.bus_index["2"], LOW)]
        at_schedule = operator.need(operator.look(schedules), step, rows, np.zeros(2))
        moved = operator.look({**schedules, "LEC1": injecting(schedules["LEC1"], step, kvar)})
        later = operator.need(moved, step, rows, np.array([kvar, 0.0]))
        assert later.missing_pu == pytest.approx(at_schedule.missing_pu, rel=1e-2)

    def test_of_a_voltage_that_is_too_high_turns_the_effects(self, case, schedules):
        sight = case.operator.look(schedules)
        low, high = (case.operator.need(sight, 14, [(7, side)], np.zeros(2)) for side in (LOW, HIGH))
        assert (low.effect_pu_per_kvar == -high.effect_pu_per_kvar).all()
        assert (low.own_effect_pu_per_kvar == high.own_effect_pu_per_kvar).all()
        assert low.missing_pu[0] + high.missing_pu[0] == pytest.approx(0.95 - 1.05, abs=1e-6)


class TestSight:
    def test_names_the_intervals_and_the_worst_bus(self, case, schedules):
        sight = case.operator.look(schedules)
        assert sight.hours.tolist() == [14, 17]
        assert [case.operator.network.grid.buses.name[sight.worst(step)[0]] for step in (14, 17)] == [
            "2",
            "7",
        ]
        assert sight.worst(14)[1] == pytest.approx(0.9499, abs=1e-6)

    def test_an_interval_without_solution_is_told_with_its_hour(self, case, schedules):
        absurd = injecting(schedules["LEC1"], 3, -1e7)
        with pytest.raises(NotConvergedError, match="first at 2021-04-14T03:00"):
            case.operator.look({**schedules, "LEC1": absurd})
