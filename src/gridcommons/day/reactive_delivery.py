"""Reactive power that communities have sold: what their devices gave of it, and when they planned anew."""

from __future__ import annotations

import numpy as np

from gridcommons.day.community_powers import of_connections
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Realised, Scheduled
from gridcommons.model.grid import FloatArray

ROUNDING_KVAR = 1e-3
"""What a solver may leave of a promise and is kept."""


def missed_kvar(field: Field, sold: Scheduled, done: Realised) -> FloatArray:
    """What devices lacked of what was due, a magnitude within what was sold, (steps, connections) [kvar].

    Measured at the devices that have a say in it: what loads draw is not what was sold.
    """
    # Net reactive power counts what is drawn.
    given_kvar = -done.q_kvar[:, field.scheduled] @ of_connections(field)
    lacking_kvar = (sold.due_kvar - given_kvar) * np.sign(sold.sold_kvar)
    return np.clip(np.where(lacking_kvar > ROUNDING_KVAR, lacking_kvar, 0.0), 0.0, np.abs(sold.sold_kvar))


def replanned(sold: Scheduled) -> FloatArray:
    """1 where communities planned anew at the start of an interval, shape (steps,)."""
    found = np.zeros(len(sold.planned_at))
    found[np.unique(sold.planned_at[sold.planned_at >= 0])] = 1.0
    return found
