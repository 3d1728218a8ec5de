"""Sensitivities against finite differences of the load flow itself."""

from __future__ import annotations

import numpy as np
import pytest

from feeders import random_tree
from gridcommons.known_answers import chain_grid
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.sensitivities import gradients, reactive_sensitivities, voltage_sensitivities
from gridcommons.powerflow.solution import Injections

STEP_KW = 1e-3


def differences(network, bus, p_kw, q_kvar, column, *, reactive):
    p, q = np.tile(p_kw, (2, 1)), np.tile(q_kvar, (2, 1))
    (q if reactive else p)[:, column] += [STEP_KW, -STEP_KW]
    v = solve_power_flow(network, Injections(bus, p, q)).v_pq
    return (v[0] - v[1]) / (2 * STEP_KW)


@pytest.mark.parametrize("scale", [1.0, 6.0])
def test_voltages_answer_to_power_as_differences_say(scale):
    generator = np.random.default_rng(2)
    grid = random_tree(generator, 8)
    network, bus = build_network(grid), np.arange(1, 9)
    p_kw, q_kvar = scale * generator.uniform(0, 3, 8), scale * generator.uniform(-1, 1, 8)
    solution = solve_power_flow(network, Injections(bus, p_kw[None], q_kvar[None]))
    nodes = network.node_of(bus)
    by_p = voltage_sensitivities(solution, 0, nodes)
    by_q = reactive_sensitivities(solution, 0, nodes)
    for column in range(8):
        at = (network, bus, p_kw, q_kvar, column)
        np.testing.assert_allclose(by_p[column], differences(*at, reactive=False), atol=2e-9)
        np.testing.assert_allclose(by_q[column], differences(*at, reactive=True), atol=2e-9)


def test_the_gradient_of_a_magnitude_is_the_other_direction_of_the_same_numbers():
    generator = np.random.default_rng(4)
    grid = random_tree(generator, 10)
    network, bus = build_network(grid), np.arange(1, 11)
    p_kw = generator.uniform(-3, 5, (1, 10))
    solution = solve_power_flow(network, Injections(bus, p_kw, 0 * p_kw))
    nodes, v = network.node_of(bus), solution.v_pq[0]
    towards = np.zeros((10, 10), dtype=complex)
    towards[np.arange(10), nodes] = (np.conj(v) / np.abs(v))[nodes]
    by_p, by_q = gradients(solution, np.zeros(10, dtype=int), towards, nodes)
    unit = np.conj(v) / np.abs(v)
    direct_p = (unit * voltage_sensitivities(solution, 0, nodes)).real
    direct_q = (unit * reactive_sensitivities(solution, 0, nodes)).real
    np.testing.assert_allclose(by_p, direct_p[:, nodes].T, atol=1e-11)
    np.testing.assert_allclose(by_q, direct_q[:, nodes].T, atol=1e-11)
    # Feeders that meet only at the source do not feel each other.
    assert (by_p <= 0.0).all() and (by_p.diagonal() < 0.0).all()


def test_near_collapse_the_direct_solve_takes_over():
    network = build_network(chain_grid(1))
    z = complex(network.grid.branches.r_pu[0], network.grid.branches.x_pu[0])
    p_kw = np.array([[0.999e3 / (2 * (z.real + abs(z)))]])
    solution = solve_power_flow(network, Injections(np.array([1]), p_kw, 0 * p_kw))
    slope = voltage_sensitivities(solution, 0, np.array([0]))[0, 0]
    v = solve_power_flow(network, Injections(np.array([1]), p_kw + [[1e-4], [-1e-4]], np.zeros((2, 1)))).v_pq
    assert slope == pytest.approx((v[0, 0] - v[1, 0]) / 2e-4, rel=1e-3)
