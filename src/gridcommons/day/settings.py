"""What a study may say under ``[tasks.day]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

INSTRUMENTS = ("tariff", "market", "reactive", "control", "envelopes", "switching", "trading")
"""What a day may be run without, one by one."""


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``day``.

    Parameters
    ----------
    without : list of text
        Instruments that are left out: tariff, market, reactive, control, envelopes, switching, trading.
    gates : table of text
        Local times at which a stage sees what is known, where they are others than usual: ``market =
        "12:00"``.
    load_error_share : float
        By how much reality differs from the forecast of a load, as the spread of its logarithm.
    generation_error_share : float
        The same of generation.
    temperature_error_c : float
        The spread of the outdoor temperature around its forecast.
    error_memory_hours : float
        Time in which an error fades to 1/e: what is far ahead is less well known than what is near.
    neighbour_share : float
        Part of an error that all loads, or all plants, have in common.
    battery_plan : str
        ``meter``: batteries follow the meter of their member. ``price``: they plan the day before by its
        price, where an aggregator plans.
    envelope_margin_share : float
        What envelopes leave of each limit, since the interval that begins is a forecast, too.
    sharing_key : str
        How energy that flows inside beside the trades is allocated to members.
    internal_price_share : float
        Where its price lies between feed-in (0) and import with the network fee (1).
    imbalance_price_share : float
        What a kWh costs by which a supplier's plan is missed, as a share of the import price.
    worth : list of text
        Instruments of which the table of worth tells what each brings; the day is then run again with
        each of them alone, and with all but each.
    """

    without: tuple[str, ...] = ()
    gates: Mapping[str, str] = field(default_factory=dict)
    load_error_share: float = 0.15
    generation_error_share: float = 0.2
    temperature_error_c: float = 1.0
    error_memory_hours: float = 6.0
    neighbour_share: float = 0.3
    battery_plan: Literal["meter", "price"] = "meter"
    envelope_margin_share: float = 0.02
    sharing_key: Literal["dynamic_prorata", "equal_maxmin", "virtual"] = "dynamic_prorata"
    internal_price_share: float = 0.5
    imbalance_price_share: float = 0.2
    worth: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no day."""
        known = ", ".join(INSTRUMENTS)
        wrong = [
            f"{key} {name!r}, expected {known}"
            for key in ("without", "worth")
            for name in getattr(self, key)
            if name not in INSTRUMENTS
        ]
        for name in ("load_error_share", "generation_error_share", "temperature_error_c"):
            if not getattr(self, name) >= 0.0:
                wrong.append(f"{name} {getattr(self, name):g}, expected 0 or more")
        if not self.error_memory_hours > 0.0:
            wrong.append(f"error_memory_hours {self.error_memory_hours:g}, expected above 0")
        shares = ("neighbour_share", "internal_price_share", "imbalance_price_share")
        for name in (*shares, "envelope_margin_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                wrong.append(f"{name} {getattr(self, name):g}, expected 0 to 1")
        if wrong:
            raise ValueError("; ".join(wrong))
