"""What a study may say under ``[tasks.day]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    interval_minutes : int
        Longest interval: those of a study with longer ones are divided, each part with the same forecast.
    redispatch_share : float
        By how much a forecast must be off for communities to plan the rest of their horizon anew, as a share
        of the most that they draw or feed in.
    reactive_ahead_minutes : int
        How far ahead the grid operator buys reactive power within the day; what is later is left to later
        rounds.
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
    interval_minutes: int = 15
    redispatch_share: float = 0.2
    reactive_ahead_minutes: int = 60
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
        for names, holds, expected in _BOUNDS:
            values = {name: getattr(self, name) for name in names}
            wrong += [
                f"{name} {value:g}, expected {expected}" for name, value in values.items() if not holds(value)
            ]
        if wrong:
            raise ValueError("; ".join(wrong))


_BOUNDS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("load_error_share", "generation_error_share", "temperature_error_c", "redispatch_share"),
        lambda value: value >= 0.0,
        "0 or more",
    ),
    (("error_memory_hours",), lambda value: value > 0.0, "above 0"),
    (("interval_minutes", "reactive_ahead_minutes"), lambda value: value >= 1, "1 or more"),
    (
        ("neighbour_share", "internal_price_share", "imbalance_price_share", "envelope_margin_share"),
        lambda value: 0.0 <= value <= 1.0,
        "0 to 1",
    ),
)
"""What numbers must be."""
