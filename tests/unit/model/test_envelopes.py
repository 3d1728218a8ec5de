"""Operating envelopes as a limit: what assets are held to, and what that leaves of a member."""

from __future__ import annotations

import numpy as np

from communities import community_study
from gridcommons.model.envelopes import Envelopes, member_envelopes_kw, net_power_kw, within_envelopes

CONSUMPTION = np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]])
GENERATION = np.array([[15.0, 0.0, 5.0], [40.0, 70.0, 0.0]])
STUDY = community_study(CONSUMPTION, GENERATION)
NET = np.array([[10.0, -15.0, 20.0, 0.0, 30.0, -5.0], [40.0, -40.0, 50.0, -70.0, 60.0, 0.0]])
"""Load and roof of A, B and C."""

ENVELOPES = Envelopes(
    ("pv_C", "load_A"), np.array([[-3.0, 12.0], [-3.0, 0.0]]), np.array([[0.0, 20.0], [-1.0, 20.0]])
)
"""Not in the order of the assets."""


def test_net_power_draws_with_loads_and_injects_with_generation():
    np.testing.assert_array_equal(net_power_kw(STUDY.community, STUDY.profiles), NET)


def test_power_is_held_between_both_ends_of_its_own_envelope():
    before = NET.copy()
    held = within_envelopes(STUDY.community, NET, ENVELOPES)
    expected = [[12.0, -15.0, 20.0, 0.0, 30.0, -3.0], [20.0, -40.0, 50.0, -70.0, 60.0, -1.0]]
    np.testing.assert_array_equal(held, expected)
    np.testing.assert_array_equal(NET, before)


def test_without_envelopes_everything_stays():
    np.testing.assert_array_equal(within_envelopes(STUDY.community, NET, None), NET)


def test_assets_without_an_envelope_count_with_what_they_draw():
    low, high = member_envelopes_kw(STUDY.community, NET, ENVELOPES)
    np.testing.assert_array_equal(low, [[12.0 - 15.0, 20.0, 30.0 - 3.0], [0.0 - 40.0, -20.0, 60.0 - 3.0]])
    np.testing.assert_array_equal(high, [[20.0 - 15.0, 20.0, 30.0], [20.0 - 40.0, -20.0, 60.0 - 1.0]])


def test_a_member_that_is_held_is_inside_its_own_envelope():
    rng = np.random.default_rng(2)
    owner = np.repeat(np.eye(3), 2, axis=0)
    for _ in range(20):
        low = rng.uniform(-60.0, 60.0, (2, 6))
        envelopes = Envelopes(
            tuple(asset.asset for asset in STUDY.community.assets), low, low + rng.uniform(0.0, 30.0, (2, 6))
        )
        held = within_envelopes(STUDY.community, NET, envelopes) @ owner
        ends = member_envelopes_kw(STUDY.community, NET, envelopes)
        assert (ends[0] - 1e-9 <= held).all() and (held <= ends[1] + 1e-9).all()
