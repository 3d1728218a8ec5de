"""Reactive power that communities have sold: what their devices gave of it, and when they planned anew."""

from __future__ import annotations

import numpy as np

from gridcommons.day.field import Field
from gridcommons.day.outcomes import Realised, Scheduled
from gridcommons.model.grid import FloatArray


def missed_kvar(field: Field, sold: Scheduled, done: Realised) -> FloatArray:
    """What devices lacked of what was sold, a magnitude, shape (steps, connections) [kvar].

    Measured at the devices against what they were told: what loads draw is not what was sold.
    """
    at = field.scheduled
    # Net reactive power counts what is drawn: more of it is less injected.
    less_kvar = done.q_kvar[:, at] - sold.q_kvar
    of_connection = less_kvar @ np.eye(len(field.connections))[field.connection_of[at]]
    lacking_kvar = of_connection * np.sign(sold.sold_kvar)
    return np.clip(lacking_kvar, 0.0, np.abs(sold.sold_kvar))


def replanned(sold: Scheduled) -> FloatArray:
    """1 where communities planned anew at the start of an interval, shape (steps,)."""
    found = np.zeros(len(sold.planned_at))
    found[np.unique(sold.planned_at[sold.planned_at >= 0])] = 1.0
    return found
