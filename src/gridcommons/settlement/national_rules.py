"""The rules of sharing that are in force on a day, and what they say of participation and premiums.

The profiles themselves are data, in ``national_profiles``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np

from gridcommons.model.errors import GridcommonsError, did_you_mean
from gridcommons.model.grid import FloatArray
from gridcommons.settlement.national_profiles import RULES as RULES
from gridcommons.settlement.national_profiles import NationalRules as NationalRules
from gridcommons.settlement.national_profiles import Participation as Participation
from gridcommons.settlement.sharing_keys import Registers


def rules_of(country: str, name: str, on: date) -> NationalRules:
    """The rules of a kind of community that are in force on a day.

    Parameters
    ----------
    country, name : str
        A country's name in English, and a kind of community, as in ``RULES``.
    on : date
        A day.

    Raises
    ------
    GridcommonsError
        None are known: the message lists those that are, with their dates.

    Examples
    --------
    >>> from datetime import date
    >>> from gridcommons.settlement.national_rules import rules_of
    >>> round(rules_of("Austria", "EEG local", date(2025, 7, 1)).reduced_fee_per_kwh(0.10), 6)
    0.043
    """
    for rules in RULES:
        if (rules.country, rules.name) == (country, name) and rules.holds_on(on):
            return rules
    of_country = [rules for rules in RULES if rules.country == country]
    hint = did_you_mean(name, {rules.name for rules in of_country} - {name}) or did_you_mean(
        country, {rules.country for rules in RULES} - {country}
    )
    known = "; ".join(str(rules) for rules in of_country or RULES)
    raise GridcommonsError(
        f"national rules: found {country!r}, {name!r} on {on.isoformat()}, expected one of: {known}"
        + (f"; {hint}" if hint else "")
    )


ITALIAN_CLASSES = ((200.0, 0.080, 0.120), (600.0, 0.070, 0.110), (np.inf, 0.060, 0.100))
"""Largest plant of a class [kW], fixed part and cap per kWh: 80/120, 70/110 and 60/100 EUR/MWh."""
ITALIAN_ZONES_PER_KWH = {"none": 0.0, "south": 0.0, "centre": 0.004, "north": 0.010}
"""Added for a solar plant in a zone; ``none`` for plants of another kind."""
ITALIAN_REFERENCE_PER_KWH = 0.180
"""Zonal price below which the variable part begins."""


def italian_premium_per_kwh(
    plant_kw: float, zonal_price_per_kwh: float | FloatArray, zone: str = "none"
) -> FloatArray:
    """Premium on shared energy, min(cap, fix + max(0, 0.180 − Pz)) and what the zone adds, per kWh.

    DM 414/2023, as given by Regione Emilia-Romagna.

    Parameters
    ----------
    plant_kw : float
        Power of the plant [kW], which fixes its class.
    zonal_price_per_kwh : float or (steps,)
        Pz; may be negative.
    zone : str
        A name in ``ITALIAN_ZONES_PER_KWH``.

    Raises
    ------
    GridcommonsError
        The plant has no power, or there is no such zone.
    """
    if not plant_kw > 0.0:
        raise GridcommonsError(f"Italian premium: found a plant of {plant_kw:g} kW, expected more than 0")
    if zone not in ITALIAN_ZONES_PER_KWH:
        raise GridcommonsError(
            f"Italian premium: found zone {zone!r}, expected one of {', '.join(ITALIAN_ZONES_PER_KWH)}"
        )
    fixed, cap = next((fixed, cap) for most_kw, fixed, cap in ITALIAN_CLASSES if plant_kw <= most_kw)
    variable = np.maximum(0.0, ITALIAN_REFERENCE_PER_KWH - np.asarray(zonal_price_per_kwh, dtype=np.float64))
    return np.asarray(np.minimum(cap, fixed + variable) + ITALIAN_ZONES_PER_KWH[zone])


PREMIUMS: dict[str, Callable[[float, float | FloatArray, str], FloatArray]] = {
    "italian_premium": italian_premium_per_kwh,
}
"""Premiums on shared energy by name, of the plant's power, the price and the zone."""


def with_participation(registers: Registers, factors_percent: FloatArray) -> Registers:
    """The part of the registers that counts in one of several communities, c_i f_i and g_i f_i.

    Parameters
    ----------
    registers : Registers
        Of the metering points in full.
    factors_percent : (members,)
        Each one's factor in this community, 0 to 100; 0 where it is not in it.

    Raises
    ------
    GridcommonsError
        There is not one factor a member, or one is below 0 or above 100.
    """
    factors = np.asarray(factors_percent, dtype=np.float64)
    if factors.shape != (registers.members,) or not ((factors >= 0.0) & (factors <= 100.0)).all():
        raise GridcommonsError(
            f"participation: found factors {factors.tolist()}, expected {registers.members} from 0 to 100"
        )
    share = factors / 100.0
    return Registers(registers.withdrawal_kwh * share, registers.injection_kwh * share)


def check_participation(rules: NationalRules, factors_percent: FloatArray) -> None:
    """Refuse factors of several communities that the rules do not allow.

    Parameters
    ----------
    rules : NationalRules
        In force.
    factors_percent : (communities, members)
        Factor of each metering point in each community; 0 where it is not in it.

    Raises
    ------
    GridcommonsError
        All that is wrong, with the first metering point it concerns.
    """
    allowed = rules.participation or Participation(1, 100, 100, 100)
    factors = np.asarray(factors_percent, dtype=np.float64)
    within = (factors >= allowed.percent_min) & (factors <= allowed.percent_max)
    whole = within & (factors == np.round(factors))
    laws = {
        f"whole factors from {allowed.percent_min} to {allowed.percent_max}": (whole | (factors == 0.0)).all(
            axis=0
        ),
        f"at most {allowed.communities_max} communities": (factors != 0.0).sum(axis=0)
        <= allowed.communities_max,
        f"factors of at most {allowed.percent_sum_max} together": factors.sum(axis=0)
        <= allowed.percent_sum_max,
    }
    broken = [
        f"metering point {int(np.argmin(holds))} breaks: {law}"
        for law, holds in laws.items()
        if not holds.all()
    ]
    if broken:
        raise GridcommonsError(f"{rules}: {'; '.join(broken)}")
