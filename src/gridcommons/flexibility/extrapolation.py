"""Extrapolation of an iteration that contracts slowly, from what it did in the rounds before.

On a linear program the rounds of the clearing soon spiral around their end: once the same shares and
limits are on their bounds, a round is an affine map. Anderson's method (1965, Iterative procedures for
nonlinear integral equations) takes the combination of past points whose residuals cancel best, which ends
such a spiral in a few rounds. A plain round never makes the residual larger, so an extrapolation that
does is undone, and plain rounds follow (the safeguard of Zhang, O'Donoghue and Boyd 2020, Globally
convergent type-I Anderson acceleration, in its simplest form).
"""

from __future__ import annotations

import numpy as np

from gridcommons.model.grid import FloatArray

PLAIN_ROUNDS = 3
"""Rounds without extrapolation after one that was undone."""

REACH = 10.0
"""How far an extrapolation may go, in steps of the size of the last."""

RIDGE = 1e-10
"""Share of the residuals' squares that keeps the combination finite where they are alike."""


class Extrapolation:
    """The next point of x ← T(x).

    Parameters
    ----------
    memory : int
        Rounds that are combined; 0 leaves the iteration as it is.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self.forget()

    def forget(self) -> None:
        """Start anew, as after a change of T itself."""
        self._images: list[FloatArray] = []
        self._residuals: list[FloatArray] = []
        self._undo: FloatArray | None = None
        self._size = np.inf
        self._plain_rounds = 0

    def next_after(self, point: FloatArray, image: FloatArray) -> FloatArray:
        """Where to go from a point and its image, of any one shape."""
        residual = (image - point).ravel()
        size = float(np.linalg.norm(residual))
        if self._undo is not None and size > self._size:
            back, self._undo = self._undo, None
            self._images, self._residuals = [], []
            self._plain_rounds = PLAIN_ROUNDS
            return back
        self._size = size
        self._images.append(image.ravel())
        self._residuals.append(residual)
        del self._images[: -self._memory - 1], self._residuals[: -self._memory - 1]
        self._plain_rounds -= 1
        if len(self._images) < 2 or self._plain_rounds > 0:
            self._undo = None
            return image
        self._undo = image
        correction = self._correction()
        # Residuals that hardly differ point nowhere: the combination that cancels them lies at infinity.
        length, most = float(np.linalg.norm(correction)), REACH * size
        if length > most:
            correction *= most / length
        return image - correction.reshape(image.shape)

    def _correction(self) -> FloatArray:
        residuals = np.diff(np.array(self._residuals), axis=0)
        gram = residuals @ residuals.T
        gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) + 1e-300
        weight = np.linalg.solve(gram, residuals @ self._residuals[-1])
        return np.asarray(weight @ np.diff(np.array(self._images), axis=0))
