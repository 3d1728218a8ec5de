import pytest

from fakes.communities import (
    Absurd,
    Broken,
    Elsewhere,
    Fickle,
    Foreign,
    Garbled,
    Late,
    Liar,
    Mute,
    Short,
    SomebodyElse,
    Speechless,
    Steady,
)
from gridcommons.adapters.studies.files import load_study
from scheduling_cases import make_case


@pytest.fixture(scope="module")
def study(examples):
    return load_study(examples / "campus_high_voltage")


REASONS = {
    Garbled: "expected JSON",
    Mute: "TimeoutError: nothing in 300 s",
    Foreign: "KeyError: 'the price of tomorrow'",
    Speechless: "TypeError: cannot convert",
    Broken: "our meter is on fire",
    SomebodyElse: "received community 'somebody else', expected 'LEC1'",
    Elsewhere: "received bus ('20',), expected ('2',)",
    Late: "received round 0, expected 1",
    Short: "received shape (1, 23), expected (1, 24)",
    Absurd: "no operable solution",
}


@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: kind.__name__)
class TestWhoAnswersNonsenseOrNotAtAll:
    def test_is_left_with_its_schedule_and_the_reason_is_told(self, study, kind):
        found = make_case(study, {"LEC1": kind}).hold()
        (refusal,) = found.refusals
        assert refusal.community == "LEC1" and refusal.round == 1
        assert REASONS[kind] in refusal.reason
        assert found.final["LEC1"] is found.alone["LEC1"]
        assert found.outcome.bought_kvar[0].tolist() == [0.0]

    def test_the_other_mends_the_hour_alone(self, study, kind):
        found = make_case(study, {"LEC1": kind}).hold()
        steady = make_case(study, {"LEC1": Steady}).hold()
        assert not len(found.outcome.after.hours)
        assert found.outcome.bought_kvar[1, 0] == pytest.approx(steady.outcome.bought_kvar[1, 0], rel=1e-4)


class TestWhoPromisesAndDoesNotGive:
    def test_is_paid_nothing_and_told(self, study):
        found = make_case(study, {"LEC1": Liar}).hold()
        assert found.paid_to("LEC1") == 0.0
        assert found.outcome.bought_kvar[0, 0] == 0.0
        (breach,) = found.refusals
        assert breach.community == "LEC1" and "delivers 0 kvar of -" in breach.reason

    def test_the_other_is_asked_for_the_rest_within_what_it_offered(self, study):
        honest, found = make_case(study).hold(), make_case(study, {"LEC1": Liar}).hold()
        assert found.outcome.bought_kvar[1, 0] < honest.outcome.bought_kvar[1, 0] - 0.1
        offered = min(row.delta_kvar[1] for row in found.outcome.rows)
        assert found.outcome.bought_kvar[1, 0] >= offered * (1.0 + 1e-3)

    def test_what_stays_out_is_told(self, study):
        found = make_case(study, {"LEC1": Liar}).hold()
        assert set(found.outcome.short) == set(found.outcome.after.hours.tolist()) == {14}


class TestWhoChangesItsMind:
    def test_does_not_keep_the_round_from_its_end(self, study):
        found = make_case(study, {"LEC1": Fickle}).hold()
        assert found.outcome.rounds <= 20
        assert bool(len(found.outcome.after.hours)) == bool(found.outcome.short)
        assert not found.refusals
