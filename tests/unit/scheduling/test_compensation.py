import numpy as np
import pytest

from gridcommons.known_answers import chain_grid
from gridcommons.model.errors import NotConvergedError
from gridcommons.powerflow.admittance import build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import Injections
from gridcommons.scheduling.compensation import compensate


@pytest.fixture(scope="module")
def network():
    return build_network(chain_grid())


def losses_kw(network, load, bus, kvar):
    p_kw, q_kvar = np.append(load.p_kw, [[0.0]], axis=1), np.append(load.q_kvar, [[-kvar]], axis=1)
    moved = Injections(np.append(load.bus, bus), p_kw, q_kvar)
    return float(solve_power_flow(network, moved).losses_kw()[0])


class TestLeastLosses:
    def test_are_less_than_a_little_more_or_less_would_leave(self, network):
        load = Injections(np.array([2, 4]), np.array([[6.0, 8.0]]), np.array([[4.0, 3.0]]))
        found = compensate(network, load, np.array([1, 2, 3, 4]))
        for bus, kvar, least in zip(found.bus, found.injected_kvar, found.losses_kw, strict=True):
            assert losses_kw(network, load, bus, kvar) == pytest.approx(least, abs=1e-8)
            for beside in (-0.1, 0.1):
                assert losses_kw(network, load, bus, kvar + beside) > least
        assert found.losses_kw[found.best] == found.losses_kw.min()

    def test_a_single_load_gets_back_nearly_what_it_draws(self, network):
        load = Injections(np.array([4]), np.array([[6.0]]), np.array([[5.0]]))
        found = compensate(network, load, np.array([4]))
        # A little more than it draws lifts the voltage, which lowers the current.
        assert 5.0 <= found.injected_kvar[0] < 5.5

    def test_capacitive_load_is_absorbed(self, network):
        load = Injections(np.array([4]), np.array([[6.0]]), np.array([[-5.0]]))
        assert compensate(network, load, np.array([4])).injected_kvar[0] < -4.5

    def test_a_load_that_no_grid_carries_is_told(self, network):
        load = Injections(np.array([4]), np.array([[6000.0]]), np.array([[5.0]]))
        with pytest.raises(NotConvergedError, match="have no solution"):
            compensate(network, load, np.array([3, 4]))
