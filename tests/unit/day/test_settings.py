"""What a study says of its day is checked, and all that is wrong is said at once."""

from __future__ import annotations

import pytest

from day_study import day_study
from gridcommons.day.settings import INSTRUMENTS, Settings
from gridcommons.model.errors import StudyError
from gridcommons.tasks import run


def test_a_day_is_run_with_everything_unless_it_is_told_otherwise():
    assert Settings().without == () and Settings(without=INSTRUMENTS).without == INSTRUMENTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("load_error_share", -0.1),
        ("generation_error_share", -0.1),
        ("temperature_error_c", float("nan")),
        ("error_memory_hours", 0.0),
        ("neighbour_share", 1.1),
        ("internal_price_share", -0.1),
        ("imbalance_price_share", 2.0),
        ("envelope_margin_share", float("nan")),
    ],
)
def test_a_figure_without_a_meaning_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})


def test_everything_that_is_wrong_is_said_at_once():
    wrong = {"without": ["tarif"], "worth": ["weather"], "neighbour_share": 2, "load_error_share": -1}
    with pytest.raises(StudyError) as caught:
        run(day_study(**wrong), "day")
    text = str(caught.value)
    assert "4 problems" in text
    assert all(word in text for word in ("'tarif'", "'weather'", "neighbour_share 2", "load_error_share -1"))


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"sharing_key": "static_capped"}, "dynamic_prorata"),
        ({"error_share": 0.1}, "error_share"),
        ({"gates": {"market": 12}}, "gates"),
        ({"worth": "tariff"}, "worth"),
    ],
)
def test_an_unknown_word_or_key_is_refused_by_the_check_of_the_study(table, word):
    with pytest.raises(StudyError, match=word):
        run(day_study(**table), "day")
