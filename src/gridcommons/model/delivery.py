"""What meters say of an order of flexibility."""

from __future__ import annotations

import numpy as np

from gridcommons.model.grid import FloatArray


def verify_delivery(
    baseline_kw: FloatArray, metered_kw: FloatArray, ordered_kw: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What meters say was delivered of what was ordered, and what is missing, same shape each [kW].

    delivered = clip(baseline − metered, 0, ordered); missing = max(0, metered − baseline + ordered)
    (Shapeshifter specification, settlement phase, 2025), where something was ordered.

    Parameters
    ----------
    baseline_kw, metered_kw, ordered_kw : same shape
        Load without the order, load as metered, and reduction ordered [kW].

    Examples
    --------
    >>> import numpy as np
    >>> from gridcommons.model.delivery import verify_delivery
    >>> delivered, missing = verify_delivery(np.full(3, 10.0), np.array([7.0, 9.0, 11.0]), np.full(3, 2.0))
    >>> (7 * delivered - 11 * missing).tolist()
    [14.0, -4.0, -33.0]
    """
    reduced_kw = baseline_kw - metered_kw
    ordered = ordered_kw > 0.0
    delivered_kw = np.where(ordered, np.clip(reduced_kw, 0.0, ordered_kw), 0.0)
    missing_kw = np.where(ordered, np.maximum(ordered_kw - reduced_kw, 0.0), 0.0)
    return delivered_kw, missing_kw
