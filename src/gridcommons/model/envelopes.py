"""Operating envelopes: the band in which each controllable asset may move at each step."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.grid import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Envelopes:
    """Bands ``p_min_kw <= p_kw <= p_max_kw``; net power, positive when the grid delivers.

    Parameters
    ----------
    asset : tuple of str
        Ids of the controllable assets.
    p_min_kw, p_max_kw : (steps, controllable assets)
        The band [kW]; the export limit is ``-p_min_kw``.
    min_resolved, max_resolved : (steps,)
        False where the grid is outside its limits on that side with everyone at rest.
    """

    asset: tuple[str, ...]
    p_min_kw: FloatArray
    p_max_kw: FloatArray
    min_resolved: BoolArray
    max_resolved: BoolArray
