"""Newton's method from a nearby start, for the few scenarios close to voltage collapse."""

from __future__ import annotations

import numpy as np
from scipy.sparse import block_array, csc_array, diags_array
from scipy.sparse.linalg import SuperLU, splu

from gridcommons.powerflow.admittance import ComplexArray, Network
from gridcommons.powerflow.phase_loads import LoadPairs, linearised_pairs, pair_currents

STEPS = 12


def injected_current(network: Network, v: ComplexArray, pairs: LoadPairs | None = None) -> ComplexArray:
    """Current that powers to earth must inject at each PQ node for ``v`` (…, pq nodes) to hold [pu].

    ``pairs`` are the loads between two nodes, the grid file's own where none is given.
    """
    rows, pairs = network.rows, network.pairs if pairs is None else pairs
    current = (network.y_pq @ v.T).T + (rows.source_re + 1j * rows.source_im)
    if len(pairs):
        current = current - pair_currents(pairs, with_sources(network, v), network.pq_count)
    return np.asarray(current)


def with_sources(network: Network, v: ComplexArray) -> ComplexArray:
    """Voltages of all nodes from those of the PQ nodes, shape (…, nodes) [pu]."""
    held = np.broadcast_to(network.v_source, (*v.shape[:-1], len(network.v_source)))
    return np.concatenate([v, held], axis=-1)


def mismatch_pu(
    network: Network, s: ComplexArray, v: ComplexArray, pairs: LoadPairs | None = None
) -> ComplexArray:
    """V conj(I) − S at each PQ node, same shape as ``v`` (…, pq nodes) [pu]."""
    return np.asarray(v * np.conj(injected_current(network, v, pairs)) - s)


def newton_polish(
    network: Network,
    s: ComplexArray,
    v_start: ComplexArray,
    tolerance_pu: float,
    pairs: LoadPairs | None = None,
) -> ComplexArray | None:
    """The operable solution near ``v_start``, or None where Newton's method finds none.

    Parameters
    ----------
    s : (pq nodes,)
        Injected power [pu].
    v_start : (pq nodes,)
        Where to start, a Padé approximant [pu].
    pairs : LoadPairs, optional
        Loads between two nodes, the grid file's own where none is given.

    Notes
    -----
    Operable means connected with the no-load state without passing a collapse, so that the
    Jacobian's determinant has the sign that it has there.
    """
    v = v_start.copy()
    for _ in range(STEPS):
        error = mismatch_pu(network, s, v, pairs)
        if not np.isfinite(error).all():
            return None
        if np.abs(error).max() < tolerance_pu:
            germ = _jacobian(network, np.asarray(network.v_no_load), pairs)
            same_side = _determinant_sign(germ) == _determinant_sign(_jacobian(network, v, pairs))
            return v if same_side else None
        step = _jacobian(network, v, pairs).solve(-np.concatenate([error.real, error.imag]))
        v = v + step[: len(v)] + 1j * step[len(v) :]
    return None


def _jacobian(network: Network, v: ComplexArray, pairs: LoadPairs | None) -> SuperLU:
    """d(V conj(I)) in real and imaginary parts of V."""
    a = diags_array(np.conj(injected_current(network, v, pairs)))
    b = diags_array(v) @ network.y_pq.conj()
    pairs = network.pairs if pairs is None else pairs
    if len(pairs):
        along, against = linearised_pairs(pairs, with_sources(network, v), network.pq_count)
        a, b = a - diags_array(v) @ against.conj(), b - diags_array(v) @ along.conj()
    plus, minus = a + b, a - b
    return splu(csc_array(block_array([[plus.real, -minus.imag], [plus.imag, minus.real]])))


def _determinant_sign(factors: SuperLU) -> int:
    negative = int((factors.U.diagonal() < 0.0).sum())
    odd = _is_odd(factors.perm_r) ^ _is_odd(factors.perm_c)
    return -1 if (negative % 2 == 1) ^ odd else 1


def _is_odd(permutation: np.ndarray[tuple[int], np.dtype[np.int32]]) -> bool:
    seen = np.zeros(len(permutation), dtype=bool)
    swaps = 0
    for start in range(len(permutation)):
        at = start
        while not seen[at]:
            seen[at] = True
            at = int(permutation[at])
            swaps += at != start
    return swaps % 2 == 1
