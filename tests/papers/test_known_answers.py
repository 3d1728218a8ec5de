"""Every known answer holds, and the list can tell a wrong one."""

from __future__ import annotations

from dataclasses import replace

from gridcommons.known_answers import check_all


def test_every_known_answer_is_within_its_tolerance():
    answers = check_all()
    assert len(answers) > 30
    assert [a for a in answers if not a.passed] == []
    wrong = replace(answers[0], computed=answers[0].expected + 2 * answers[0].tolerance + 1e-12)
    assert not wrong.passed and not replace(wrong, computed=float("nan")).passed
