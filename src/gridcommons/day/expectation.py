"""What everybody is expected to draw in an interval, at its start: set-points, and forecasts of the rest."""

from __future__ import annotations

import numpy as np

from gridcommons.day.community_powers import community_powers
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned, Realised
from gridcommons.model.grid import FloatArray


def expected_power(field: Field, planned: Planned, done: Realised) -> tuple[FloatArray, FloatArray]:
    """Net and reactive power of all assets as they are known when each interval begins, (steps, assets) each.

    Cars, houses and batteries do what they are told then. What follows its profile within its envelope, and
    what the sun gives, is not known before the interval is over.
    """
    known = field.information.nowcast()
    p_kw = np.clip(field.net_kw(known), done.p_min_kw, done.p_max_kw)
    told = np.concatenate([field.chained, field.stored])
    p_kw[:, told] = done.p_kw[:, told]
    q_kvar = field.net_kvar(p_kw, known)
    p_kw[:, field.scheduled], q_kvar[:, field.scheduled] = community_powers(field, planned, known)
    return p_kw, q_kvar
