"""The common form of what stores energy: its law, its bounds, and the same law as rows for any solver."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcommons.benchmarks.tariff import make_homes
from gridcommons.optimisation.devices.chain import Chains, chain_rows, join


def any_chains(seed, devices=3, steps=5) -> Chains:
    """Devices whose two states and every number are drawn: nothing that a car or a house would spare."""
    rng = np.random.default_rng(seed)
    two = (devices, steps, 2)
    low, high = np.full(two, -np.inf), np.full(two, np.inf)
    return Chains(
        name=tuple(f"d{k}" for k in range(devices)),
        transition=rng.normal(size=(devices, 2, 2)) / 2.0,
        effect=rng.normal(size=two),
        drift=rng.normal(size=two),
        start=rng.normal(size=(devices, 2)),
        state_low=low,
        state_high=high,
        power_low=-rng.random((devices, steps)),
        power_high=rng.random((devices, steps)),
    )


def walk(chains, device, power_kw):
    """The states of one device, number by number."""
    a, (x, y) = chains.transition[device], chains.start[device]
    out = []
    for t, power in enumerate(power_kw):
        b, w = chains.effect[device, t], chains.drift[device, t]
        x, y = (
            a[0, 0] * x + a[0, 1] * y + b[0] * power + w[0],
            a[1, 0] * x + a[1, 1] * y + b[1] * power + w[1],
        )
        out.append((x, y))
    return np.array(out)


@given(st.integers(0, 10**6))
def test_states_obey_the_law(seed):
    chains = any_chains(seed)
    power_kw = np.random.default_rng(seed + 1).normal(size=(3, 5))
    states = chains.states(power_kw)
    for device in range(3):
        np.testing.assert_allclose(states[device], walk(chains, device, power_kw[device]), atol=1e-12)


@given(st.integers(0, 10**6))
def test_rows_for_any_solver_hold_exactly_where_the_law_does(seed):
    chains = any_chains(seed)
    rng = np.random.default_rng(seed + 1)
    power_kw = rng.normal(size=(3, 5))
    states = chains.states(power_kw)
    for device in range(3):
        matrix, right = chain_rows(chains, device)
        assert matrix.shape == (10, 15)
        point = np.concatenate([power_kw[device], states[device].ravel()])
        np.testing.assert_allclose(matrix @ point, right, atol=1e-12)
        wrong = point.copy()
        wrong[rng.integers(15)] += 0.1
        assert np.abs(matrix @ wrong - right).max() > 1e-4


def test_rows_determine_the_states():
    """With the power given, the rows have one solution: no interval's balance is missing."""
    chains = any_chains(3)
    matrix, right = chain_rows(chains, 1)
    power_kw = np.linspace(-1.0, 1.0, 5)
    dense = matrix.toarray()
    states = np.linalg.solve(dense[:, 5:], right - dense[:, :5] @ power_kw)
    np.testing.assert_allclose(states.reshape(5, 2), walk(chains, 1, power_kw), atol=1e-12)


@pytest.mark.parametrize(
    ("bound", "by"),
    [("power_low", 0.5), ("power_high", -0.25), ("state_low", 0.125), ("state_high", -0.75)],
)
def test_breach_is_the_distance_to_the_broken_bound(bound, by):
    chains = any_chains(4)
    power_kw = (chains.power_low + chains.power_high) / 2.0
    states = chains.states(power_kw)
    assert chains.breach(power_kw) == 0.0
    values = getattr(chains, bound).copy()
    held = power_kw if bound.startswith("power") else states
    where = (1, 2) if bound.startswith("power") else (1, 2, 1)
    values[where] = held[where] + by
    assert replace(chains, **{bound: values}).breach(power_kw) == pytest.approx(abs(by))


def test_take_and_join_keep_every_array_with_its_device():
    one, two = make_homes(2, 1), make_homes(3, 2)
    both = join([one, two])
    assert both.name == one.name + two.name
    again = both.take(np.arange(4, 10))
    twice = both.take([5, 0, 5])
    assert len(twice) == 3
    for column in fields(Chains):
        if column.name == "name":
            assert again.name == two.name
            assert twice.name == (both.name[5], both.name[0], both.name[5])
        else:
            np.testing.assert_array_equal(getattr(again, column.name), getattr(two, column.name))
            np.testing.assert_array_equal(
                getattr(twice, column.name), getattr(both, column.name)[np.array([5, 0, 5])]
            )
