"""How figures are written: thin groups of thousands, a true minus, no share rounded to all or nothing."""

from __future__ import annotations

import math


def number(value: float, digits: int = 0) -> str:
    """A number with thin groups of thousands: ``96 192``; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value + 0.0:,.{digits}f}".replace(",", "\u202f").replace("-", "\u2212")


def power(value_kw: float) -> str:
    """A power with three figures or so: ``4.27 kW``, ``352 kW``."""
    size = abs(value_kw)
    return f"{number(value_kw, 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2)} kW"


def energy(value_kwh: float) -> str:
    """An energy: whole kWh from 100 on, a digit more below."""
    return f"{number(value_kwh, 0 if abs(value_kwh) >= 99.95 or value_kwh == 0.0 else 1)} kWh"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent; never rounded to all or nothing unless it is."""
    if share is None or not math.isfinite(share):
        return "–"
    if 0.0 < share < 1.0 and round(100 * share, digits) in (0.0, 100.0):
        return "<1 %" if share < 0.5 else ">99 %"
    return f"{number(100 * share, digits)} %"


def fine_percent(share: float) -> str:
    """A share in percent, with a digit after the point where it is below one percent."""
    return percent(share, 1 if abs(share) < 0.01 else 0)
