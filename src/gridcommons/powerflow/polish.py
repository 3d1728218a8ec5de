"""Newton's method from a nearby start, for the few scenarios close to voltage collapse."""

from __future__ import annotations

import numpy as np
from scipy.sparse import block_array, csc_array, diags_array
from scipy.sparse.linalg import SuperLU, splu

from gridcommons.powerflow.admittance import ComplexArray, Network

STEPS = 12


def mismatch_pu(network: Network, s: ComplexArray, v: ComplexArray) -> ComplexArray:
    """V conj(Y V) − S at each PQ node, same shape as ``v`` (…, pq nodes) [pu]."""
    rows = network.rows
    source = rows.source_re + 1j * rows.source_im
    current = (network.y_pq @ v.T).T + source
    return np.asarray(v * np.conj(current) - s)


def newton_polish(
    network: Network, s: ComplexArray, v_start: ComplexArray, tolerance_pu: float
) -> ComplexArray | None:
    """The operable solution near ``v_start``, or None where Newton's method finds none.

    Parameters
    ----------
    s : (pq nodes,)
        Injected power [pu].
    v_start : (pq nodes,)
        Where to start, a Padé approximant [pu].

    Notes
    -----
    Operable means connected with the no-load state without passing a collapse, so that the
    Jacobian's determinant has the sign that it has there.
    """
    v = v_start.copy()
    for _ in range(STEPS):
        error = mismatch_pu(network, s, v)
        if not np.isfinite(error).all():
            return None
        if np.abs(error).max() < tolerance_pu:
            germ = _jacobian(network, np.asarray(network.v_no_load))
            same_side = _determinant_sign(germ) == _determinant_sign(_jacobian(network, v))
            return v if same_side else None
        step = _jacobian(network, v).solve(-np.concatenate([error.real, error.imag]))
        v = v + step[: len(v)] + 1j * step[len(v) :]
    return None


def _jacobian(network: Network, v: ComplexArray) -> SuperLU:
    """d(V conj(Y V)) in real and imaginary parts of V."""
    rows = network.rows
    current = network.y_pq @ v + rows.source_re + 1j * rows.source_im
    a = diags_array(np.conj(current))
    b = diags_array(v) @ network.y_pq.conj()
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
