"""National rules: dated, consistent with the keys there are, and honest on what is not known."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.known_answers.settlement import EXAMPLE
from gridcommons.model.errors import GridcommonsError
from gridcommons.settlement.national_rules import (
    ITALIAN_ZONES_PER_KWH,
    PREMIUMS,
    RULES,
    NationalRules,
    check_participation,
    italian_premium_per_kwh,
    rules_of,
    with_participation,
)
from gridcommons.settlement.sharing_keys import KEYS

AUSTRIAN = rules_of("Austria", "EEG regional", date(2025, 1, 1))


@pytest.mark.parametrize("rules", RULES, ids=str)
class TestEveryProfile:
    def test_names_keys_and_premiums_that_there_are(self, rules):
        assert rules.keys and set(rules.keys) <= set(KEYS)
        assert rules.premium == "" or rules.premium in PREMIUMS

    def test_says_where_it_comes_from_and_what_to_verify(self, rules):
        assert rules.source and rules.area
        assert rules.to_verify and all(rules.to_verify)

    def test_has_shares_and_intervals_that_can_be(self, rules):
        assert all(0.0 < share < 1.0 for share in rules.fee_reduction_share.values())
        assert rules.netting_minutes in (15, 30, 60)

    def test_is_found_on_its_days_alone(self, rules):
        assert rules_of(rules.country, rules.name, rules.valid_from) is rules
        if rules.valid_to:
            assert rules.valid_to > rules.valid_from
            assert rules_of(rules.country, rules.name, rules.valid_to) is rules
            assert not rules.holds_on(rules.valid_to + timedelta(days=1))
        assert not rules.holds_on(rules.valid_from - timedelta(days=1))


def test_profiles_of_one_kind_follow_each_other_without_overlap():
    kinds = {(rules.country, rules.name) for rules in RULES}
    assert {country for country, _ in kinds} == {"Austria", "Germany", "Spain", "France", "Italy"}
    for kind in kinds:
        in_time = sorted(
            (rules for rules in RULES if (rules.country, rules.name) == kind),
            key=lambda rules: rules.valid_from,
        )
        for earlier, later in pairwise(in_time):
            assert earlier.valid_to is not None and earlier.valid_to + timedelta(days=1) == later.valid_from


class TestCountries:
    def test_austria_cuts_the_fee_and_lets_a_point_be_in_five_communities(self):
        local = rules_of("Austria", "EEG local", date(2025, 7, 1))
        assert local.reduced_fee_per_kwh(0.10, "level 7") == pytest.approx(0.043)
        assert AUSTRIAN.reduced_fee_per_kwh(0.10, "level 7") == pytest.approx(0.072)
        assert AUSTRIAN.reduced_fee_per_kwh(0.10, "level 5") == pytest.approx(0.036)
        with pytest.raises(
            GridcommonsError, match="found network level 'level 6', expected one of level 5, level 7"
        ):
            AUSTRIAN.reduced_fee_per_kwh(0.10, "level 6")
        assert rules_of("Austria", "EEG local", date(2024, 3, 31)).participation is None
        assert AUSTRIAN.participation.communities_max == 5

    def test_austrian_rules_end_with_elwg(self):
        assert rules_of("Austria", "GEA", date(2026, 9, 30)).netting_minutes == 15
        with pytest.raises(GridcommonsError, match="2026-10-01"):
            rules_of("Austria", "GEA", date(2026, 10, 1))

    def test_german_sharing_begins_in_2026_and_widens_in_2028_at_full_fees(self):
        first = rules_of("Germany", "energy sharing", date(2026, 6, 1))
        later = rules_of("Germany", "energy sharing", date(2028, 6, 1))
        assert "one balancing area" in first.area and "adjacent" in later.area
        assert first.reduced_fee_per_kwh(0.10, "level 7") == 0.10
        with pytest.raises(GridcommonsError, match="2026-06-01 to 2028-05-31"):
            rules_of("Germany", "energy sharing", date(2026, 5, 31))
        assert rules_of("Germany", "GGV", date(2026, 5, 31)).keys[0] == "static_capped"

    def test_defaults_and_intervals_of_the_others(self):
        on = date(2026, 1, 1)
        assert rules_of("France", "collective self-consumption", on).keys[0] == "dynamic_prorata"
        assert rules_of("Spain", "collective self-consumption", on).keys == ("static_owned",)
        italy = rules_of("Italy", "CER", on)
        assert (italy.keys, italy.netting_minutes) == (("virtual",), 60)


class TestUnknown:
    def test_kind_lists_those_of_the_country_with_their_dates(self):
        with pytest.raises(GridcommonsError) as raised:
            rules_of("Austria", "EEG locale", date(2025, 1, 1))
        text = str(raised.value)
        assert "EEG local (2024-04-01 to 2026-09-30)" in text and "GEA" in text and "Germany" not in text
        assert "did you mean 'EEG local'" in text

    def test_country_lists_all(self):
        with pytest.raises(GridcommonsError) as raised:
            rules_of("Autsria", "GEA", date(2025, 1, 1))
        text = str(raised.value)
        assert all(str(rules) in text for rules in RULES) and "did you mean 'Austria'" in text


class TestItalianPremium:
    @pytest.mark.parametrize(
        ("plant_kw", "zonal_price", "zone", "expected"),
        [
            (200.0, 0.060, "none", 0.120),
            (200.0, 0.150, "none", 0.110),
            (200.0, 0.200, "none", 0.080),
            (200.1, 0.200, "none", 0.070),
            (600.0, 0.000, "none", 0.110),
            (600.1, 0.200, "none", 0.060),
            (1000.0, 0.000, "none", 0.100),
            (100.0, 0.150, "centre", 0.114),
            (100.0, 0.150, "north", 0.120),
            (100.0, 0.150, "south", 0.110),
            (100.0, -0.050, "north", 0.130),
        ],
    )
    def test_by_class_price_and_zone(self, plant_kw, zonal_price, zone, expected):
        assert italian_premium_per_kwh(plant_kw, zonal_price, zone) == pytest.approx(expected, abs=1e-12)

    def test_on_12_kwh(self):
        premium = 12.0 * italian_premium_per_kwh(200.0, np.array([0.060, 0.150, 0.200]))
        np.testing.assert_allclose(premium, [1.44, 1.32, 0.96], atol=1e-12)

    @given(
        st.floats(0.1, 1000.0), st.floats(-0.5, 1.0), st.floats(0.0, 0.5), st.sampled_from(["none", "north"])
    )
    def test_never_rises_with_the_price_and_never_falls_below_the_fixed_part(
        self, plant_kw, price, more, zone
    ):
        low, high = italian_premium_per_kwh(plant_kw, np.array([price, price + more]), zone)
        assert high <= low and high >= 0.060 and low <= 0.120 + ITALIAN_ZONES_PER_KWH[zone] + 1e-12

    @pytest.mark.parametrize(
        ("plant_kw", "zone"), [(0.0, "none"), (-5.0, "none"), (np.nan, "none"), (5.0, "east")]
    )
    def test_what_is_no_plant_or_zone_is_refused(self, plant_kw, zone):
        with pytest.raises(GridcommonsError, match="Italian premium: found"):
            italian_premium_per_kwh(plant_kw, 0.1, zone)


class TestParticipation:
    @given(st.lists(st.lists(st.integers(0, 33), min_size=3, max_size=3), min_size=1, max_size=3))
    def test_parts_of_a_register_are_a_whole(self, rows):
        factors = np.array(rows, dtype=np.float64)
        factors = np.vstack([factors, 100.0 - factors.sum(axis=0)])
        parts = [with_participation(EXAMPLE, row) for row in factors]
        np.testing.assert_allclose(sum(part.withdrawal_kwh for part in parts), EXAMPLE.withdrawal_kwh)
        np.testing.assert_allclose(sum(part.injection_kwh for part in parts), EXAMPLE.injection_kwh)

    def test_each_has_its_own_factor(self):
        part = with_participation(EXAMPLE, np.array([50, 100, 0]))
        np.testing.assert_allclose(part.injection_kwh[:, 0], [3.0, 1.0, 0.0, 2.0])
        np.testing.assert_allclose(part.withdrawal_kwh[0], [0.0, 1.0, 0.0])

    @pytest.mark.parametrize("factors", [[50, 50], [50, 101, 0], [50, -1, 0], [50, np.nan, 0]])
    def test_factors_that_are_none(self, factors):
        with pytest.raises(GridcommonsError, match="participation: found"):
            with_participation(EXAMPLE, np.array(factors))

    def test_five_communities_of_100_percent_together_are_allowed(self):
        check_participation(AUSTRIAN, np.array([[20, 1], [20, 99], [20, 0], [20, 0], [20, 0]]))

    @pytest.mark.parametrize(
        ("factors", "law"),
        [
            ([[50, 60], [50, 41]], "point 1 breaks: factors of at most 100 together"),
            ([[10, 5]] * 6, "point 0 breaks: at most 5 communities"),
            ([[10, 5.5]], "point 1 breaks: whole factors"),
            ([[0.5, 5]], "point 0 breaks: whole factors"),
            ([[-10, 5]], "point 0 breaks: whole factors"),
        ],
    )
    def test_factors_that_the_rules_do_not_allow(self, factors, law):
        with pytest.raises(GridcommonsError, match=law):
            check_participation(AUSTRIAN, np.array(factors))

    def test_without_several_communities_a_point_is_in_one_in_full(self):
        before = rules_of("Austria", "EEG regional", date(2023, 1, 1))
        check_participation(before, np.array([[100, 0], [0, 100]]))
        for factors in ([[50], [50]], [[60]]):
            with pytest.raises(GridcommonsError, match="whole factors from 100 to 100"):
                check_participation(before, np.array(factors))


def test_a_profile_without_an_end_holds_on():
    rules = NationalRules("X", "y", date(2020, 1, 1), None, ("virtual",), 15, "anywhere", "nowhere")
    assert rules.holds_on(date(2999, 1, 1)) and str(rules) == "X, y (2020-01-01 to now)"
