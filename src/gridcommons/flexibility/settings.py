"""What a study may say under ``[tasks.flexibility]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

INSTRUMENTS = ("tariff", "reprofiling", "market")
"""In the order in which a day-ahead process uses them."""


@dataclass(frozen=True)
class Settings:
    """How the day ahead is kept within the limits of the grid.

    Parameters
    ----------
    instruments : list of str
        Which of ``tariff``, ``reprofiling`` and ``market`` are used; always in this order.
    tariff : str
        ``plain`` (limits hold or the run says that no price can make them), ``relaxed`` (no tariff above
        ``tariff_cap_per_kwh``) or ``coordinated`` (the cap at which revenue pays for re-profiling).
    tariff_cap_per_kwh : float
        ρ: what a kWh above a limit costs in the relaxed tariff.
    tariff_cap_on : str
        What ρ caps: the price of each ``limit``, or the ``tariff`` of each load point, which sums the prices
        of all limits above it.
    plan_curvature_per_kw2h : float
        B: how much dearer each kW makes the next in a plan; what makes the answer to a price unique.
    discomfort_per_kw2h : float
        Cost of moving a device from its plan, where ``assets.csv`` gives none.
    coordination : str
        How ρ is found: ``brent``, or ``swarm`` as published.
    response_kw_per_price : float
        e: by how much a customer under re-profiling contract draws less for each unit of price per kWh.
    offers_per_load_point : int
        How many offers an aggregator makes of the devices at one load point.
    offer_price_per_kwh : float
        Mean of the prices that aggregators ask; drawn from the study's seed.
    offer_price_spread_per_kwh : float
        Their standard deviation.
    price_max_per_kwh : float
        The DSO's price cap.
    payback_max_share : float
        Energy taken back, against the energy offered.
    payback_margin_share : float
        How much of each rating stays free at a payback hour.
    voltage_margin_pu : float
        How far inside the voltage band flexibility is asked for.
    shares : str
        ``one`` share of an offer over all its hours, or ``per_hour``.
    clearing : str
        ``admm`` (the market operator sees no grid, the DSO no offer) or ``central`` (one program sees all).
    parties : str
        Whether market operator and DSO run in ``one_process`` or in ``two_processes``.
    shortage_price_per_kwh : float
        What a missing kWh is worth to the DSO; above any offer.
    payment : str
        ``as_bid``, or ``as_clear``: the market price of the load point and hour.
    customer_share : float
        Part of an aggregator's gain that it hands on to its customers, beyond their costs.
    penalty_per_kwh : float
        For each kWh that was sold and not delivered.
    answer_timeout_s : float
        How long an aggregator, or the other party of the clearing, may take to answer [s].
    """

    instruments: tuple[str, ...] = INSTRUMENTS
    tariff: Literal["plain", "relaxed", "coordinated"] = "relaxed"
    tariff_cap_per_kwh: float = 2.0
    tariff_cap_on: Literal["limit", "tariff"] = "limit"
    plan_curvature_per_kw2h: float = 0.01
    discomfort_per_kw2h: float = 0.04
    coordination: Literal["brent", "swarm"] = "brent"
    response_kw_per_price: float = 0.05
    offers_per_load_point: int = 1
    offer_price_per_kwh: float = 0.7
    offer_price_spread_per_kwh: float = 0.08
    price_max_per_kwh: float = 1.5
    payback_max_share: float = 1.5
    payback_margin_share: float = 0.02
    voltage_margin_pu: float = 0.01
    shares: Literal["one", "per_hour"] = "one"
    clearing: Literal["admm", "central"] = "admm"
    parties: Literal["one_process", "two_processes"] = "one_process"
    shortage_price_per_kwh: float = 10.0
    payment: Literal["as_bid", "as_clear"] = "as_bid"
    customer_share: float = 0.2
    penalty_per_kwh: float = 2.0
    answer_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what no type can: unknown instruments, figures without a meaning."""
        said = [f"instruments names {name!r}" for name in self.instruments if name not in INSTRUMENTS]
        if not self.instruments or len(set(self.instruments)) < len(self.instruments):
            said.append("instruments must be named, each once")
        said += self._range_problems()
        if self.shortage_price_per_kwh <= self.price_max_per_kwh:
            said.append(
                f"shortage_price_per_kwh = {self.shortage_price_per_kwh:g}, but it lies above "
                f"price_max_per_kwh = {self.price_max_per_kwh:g}, else it pays to leave a limit broken"
            )
        if said:
            raise ValueError("; ".join(said))

    def _range_problems(self) -> list[str]:
        above = (
            "tariff_cap_per_kwh",
            "plan_curvature_per_kw2h",
            "discomfort_per_kw2h",
            "response_kw_per_price",
            "offers_per_load_point",
            "price_max_per_kwh",
            "answer_timeout_s",
        )
        said = [
            f"{name} = {getattr(self, name):g}, but it is above 0"
            for name in above
            if getattr(self, name) <= 0
        ]
        from_zero = (
            "offer_price_per_kwh",
            "offer_price_spread_per_kwh",
            "payback_max_share",
            "voltage_margin_pu",
            "penalty_per_kwh",
        )
        said += [
            f"{name} = {getattr(self, name):g}, but it is 0 or more"
            for name in from_zero
            if getattr(self, name) < 0
        ]
        said += [
            f"{name} = {getattr(self, name):g}, but a share lies from 0 to 1"
            for name in ("payback_margin_share", "customer_share")
            if not 0.0 <= getattr(self, name) <= 1.0
        ]
        return said
