"""Prices over time."""

from __future__ import annotations

from dataclasses import dataclass

from gridcommons.model.grid import FloatArray


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices of an interval, each of shape (steps,); NaN where the study gives none.

    Parameters
    ----------
    import_price_per_kwh, export_price_per_kwh : (steps,)
        Energy bought from and sold to the supplier.
    network_fee_per_kwh : (steps,)
        On top of imported energy.
    heat_price_per_kwh : (steps,)
        Heat from a district network.
    """

    import_price_per_kwh: FloatArray
    export_price_per_kwh: FloatArray
    network_fee_per_kwh: FloatArray
    heat_price_per_kwh: FloatArray
