"""The lead of a report of control, drawn from the counts and from what households felt."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gridcommons.adapters.report.control import count_bars
from gridcommons.adapters.report.control.counts import Counts
from gridcommons.adapters.report.control.household_book import Felt
from gridcommons.adapters.report.control.lead import Found, lead
from gridcommons.control.scenarios import SOURCE_SCENARIOS


def plain(words):
    """A lead without its marks, and with common spaces."""
    return re.sub(r"<[^>]*>", "", words).replace("\u00a0", " ").replace("\u202f", " ")


def counted(load, feed_in=None, stresses=("critical",)):
    """Counts by scenario; a figure is that of each level, or a tuple of one a level."""
    intervals = {}
    for direction, by_scenario in (("load", load), ("feed_in", feed_in or dict.fromkeys(load, 0))):
        for scenario, figure in by_scenario.items():
            each = figure if isinstance(figure, tuple) else (figure,) * len(stresses)
            intervals |= {(scenario, s, direction): n for s, n in zip(stresses, each, strict=True)}
    return Counts(tuple(load), stresses, dict.fromkeys(stresses, 100.0), intervals, {})


def told(counts, felt=None, steps=1000, *, own=True):
    return plain(lead(Found(counts, felt or {}, steps, own)))


def test_the_lead_says_what_storage_and_each_measure_mend():
    load = {"status_quo": 0, "base_2030": 200, "storage": 100, "storage+CurA": 90, "storage+CurB": 103}
    load |= {"storage+ProA+ProB": 10}
    feed_in = {"status_quo": 0, "base_2030": 40, "storage": 0} | dict.fromkeys(list(load)[3:], 0)
    words = told(counted(load, feed_in))
    assert "critically stressed today is 100 kW, which follows from today's own peak." in words
    assert "goes beyond it in 200 of 1 000 intervals by load and in 40 by feed-in." in words
    assert "Storage alone mends 50 % of the load and all of the feed-in violations." in words
    assert "the measures mend: CurA 10 %, CurB adds 3 %, ProA + ProB 90 %." in words
    assert "No control is enough for the load at this level of stress: ProA + ProB, the strongest" in words
    assert "leaves 10 when critical." in words
    assert "Feed-in is mended by storage alone." in words


def test_the_lead_says_which_control_is_enough_at_which_stress():
    load = {"base_2030": (30, 60, 90), "storage": (20, 40, 80), "storage+ProA": (0, 8, 30)}
    stresses = ("safe", "near_critical", "critical")
    open_words = told(counted(load | {"storage+ProA+ProB": (0, 0, 1)}, stresses=stresses))
    assert "Enough for the load is ProA when safe and ProA + ProB when near-critical; " in open_words
    assert "else it stays open: ProA + ProB, the strongest, leaves 1 when critical." in open_words
    closed = told(counted(load | {"storage+ProA+ProB": (0, 0, 0)}, stresses=stresses))
    assert "is ProA when safe, ProA + ProB when near-critical and ProA + ProB when critical." in closed
    always = told(counted({"base_2030": (1, 1, 2), "storage": 1, "storage+ProB": 0}, stresses=stresses))
    assert "ProB is enough for the load at every level of stress." in always
    assert "Of the 1 load violation that storage leaves" in always


def test_the_lead_of_a_grid_without_violations_claims_no_cure():
    words = told(counted(dict.fromkeys(SOURCE_SCENARIOS, 0)), own=False)
    assert words == (
        "The limit of a grid that is critically stressed today is 100 kW. "
        "The mix of 2030, without storage, never goes beyond it, and no other scenario does."
    )
    one = counted(dict.fromkeys(SOURCE_SCENARIOS, 0) | {"storage+ProA": 2})
    assert "never goes beyond it, but Storage + ProA does." in told(one)


@pytest.mark.parametrize("scenario", ["status_quo", "base_2030", "storage", "storage+CurB", "base_2030+CurA"])
def test_the_lead_of_one_scenario_is_about_that_alone(scenario):
    words = told(counted({scenario: 3}, {scenario: 0}), steps=4)
    assert "goes beyond it in 3 of 4 intervals by load, never by feed-in." in words
    assert "mend" not in words.replace("leaves", "")
    assert told(counted({scenario: 1}, {scenario: 0}), steps=1).count("1 of 1 interval by load") == 1


def test_the_lead_says_what_the_strongest_control_costs():
    counts = counted({"base_2030": 9, "storage": 5, "storage+ProA": 1})
    felt = {
        "storage": Felt(1000.0, 0.46, 0.0, 0, 0.0),
        "storage+ProA": Felt(1025.0, 0.38, 0.0, 0, 0.0, carried_kwh=7.0),
    }
    words = told(counts, felt)
    assert "ProA costs the households 2.5 % more than with storage alone, and self-consumption falls" in words
    assert "from 46 % to 38 % (7 kWh put off are still owed at the end)." in words
    assert words.endswith("No household goes without heat.")
    unknown = {key: replace(each, cost=np.nan) for key, each in felt.items()}
    assert "Self-consumption falls from 46 % to 38 %" in told(counts, unknown)
    assert "costs" not in told(counts, unknown)
    cold = felt | {"storage+ProA": Felt(1000.0, 0.46, 3.25, 2, 0.0)}
    assert "ProA costs the households no more than with storage alone. 2 households go without" in told(
        counts, cold
    )


def test_the_lead_of_feed_in_tells_mended_from_open():
    def words(storage, pro, base=9):
        load = {"base_2030": 9, "storage": 5, "storage+ProA": 1}
        return told(counted(load, {"base_2030": base, "storage": storage, "storage+ProA": pro}))

    assert "Feed-in is not mended: 7 with storage alone and 8 with ProA." in words(7, 8)
    assert "Feed-in is mended by ProA." in words(7, 0)
    assert "Storage alone mends the feed-in, but ProA brings it beyond the limit again." in words(0, 2)
    assert "Feed-in" not in words(0, 0, base=0)


def test_changes_beside_the_bars_are_held_against_the_same_mix_without_them():
    counts = counted(
        {"base_2030": 200, "storage": 100, "storage+CurA": 100, "storage+ProA": 101, "base_2030+CurA": 50}
    )
    changes = {s: count_bars.change_words(counts, s, "load", "critical") for s in counts.scenarios}
    assert changes == {
        "base_2030": "",
        "storage": "\u221250 %",
        "storage+CurA": "as before",
        "storage+ProA": "+1 %",
        "base_2030+CurA": "\u221275 %",
    }


def test_of_equal_controls_the_one_with_fewest_measures_is_the_strongest():
    load = {"storage": 5, "storage+ProA+ProB+CurB_night": 1, "storage+ProA+ProB": 1, "storage+CurA": 3}
    assert counted(load).strongest == "storage+ProA+ProB"
