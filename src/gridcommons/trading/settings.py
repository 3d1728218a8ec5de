"""What a study may say under ``[tasks.trading]``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gridcommons.trading.mechanisms import MECHANISMS
from gridcommons.trading.rounds import TRANSACTION_BYTES
from gridcommons.trading.triggers import TRIGGERS

Scenario = Literal["members", "clusters", "joined", "switched"]
LimitPriceRule = Literal["drawn", "band"]
SwitchingMethod = Literal["heuristic", "optimal"]

SCENARIOS: tuple[Scenario, ...] = ("members", "clusters", "joined", "switched")
"""The four scenarios of the source, §4.2, in its order."""


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``trading``.

    Parameters
    ----------
    scenarios : list of str
        Which of the four are run: each member alone with the main grid; clusters alone; all clusters joined
        with every switch closed; all joined and switched after each community round.
    mechanism : str
        Market of a cluster that does not choose its own.
    mechanisms : table of str
        Mechanism by cluster.
    community_mechanism : str
        Market between clusters.
    limit_prices : str
        ``drawn``: each member's limit prices are drawn once, what it pays at most from the upper half of
        the band between feed-in and retail price, what it takes at least from the lower. ``band``: the
        band's ends.
    trigger : str
        What starts rounds: ``periodic``, ``send_on_delta`` or ``send_on_area``.
    threshold : float
        Its threshold: minutes, kW or kWh, by trigger; the cluster's, whose passing starts a community
        round.
    member_threshold_share : float
        A member's own threshold as a share of its cluster's; periodic rounds have one for all.
    triggers_compared : list of [str, float]
        Other triggers and thresholds that the switched scenario is run with beside the chosen one.
    idle_minutes : int
        Meters are read after so many minutes without a round or a reading.
    delay_mean_s : float
        Mean of the normal distribution of the delay between measurement and effect of a community round
        [s].
    delay_sd_s : float
        Its standard deviation [s]; what falls below 0 is drawn again.
    delays_compared_minutes : list of float
        Fixed delays that the switched scenario is run with beside the drawn one [min].
    transaction_bytes : int
        Storage of one transaction on the ledger.
    switching : str
        How positions are found in the switched scenario.
    parallel_allowed : bool
        Whether two connections to the main grid may stay closed in one switched group. Scenario ``joined``
        runs them in parallel by definition, and operations pass through it for a moment.
    worth_minutes : float
        An operation must pay back within so long: what it costs against the exchange that it saves [min].
    """

    scenarios: tuple[Scenario, ...] = SCENARIOS
    mechanism: str = "merit_order"
    mechanisms: Mapping[str, str] = field(default_factory=dict)
    community_mechanism: str = "merit_order"
    limit_prices: LimitPriceRule = "drawn"
    trigger: str = "periodic"
    threshold: float = 6.0
    member_threshold_share: float = 0.3
    triggers_compared: tuple[tuple[str, float], ...] = ()
    idle_minutes: int = 60
    delay_mean_s: float = 120.0
    delay_sd_s: float = 60.0
    delays_compared_minutes: tuple[float, ...] = ()
    transaction_bytes: int = TRANSACTION_BYTES
    switching: SwitchingMethod = "heuristic"
    parallel_allowed: bool = False
    worth_minutes: float = 15.0

    def __post_init__(self) -> None:
        """Refuse what makes no day of trading."""
        for name in (self.mechanism, self.community_mechanism, *self.mechanisms.values()):
            _refuse_unknown(name, MECHANISMS, "market mechanism")
        for name, threshold in ((self.trigger, self.threshold), *self.triggers_compared):
            _check_threshold(name, threshold)
        if "switched" not in self.scenarios and (self.triggers_compared or self.delays_compared_minutes):
            raise ValueError("triggers_compared or delays_compared_minutes without the scenario switched")
        share = self.member_threshold_share
        if not 0.0 < share <= 1.0:
            raise ValueError(f"member_threshold_share {share:g}, expected above 0, up to 1")
        durations = (self.delay_mean_s, self.delay_sd_s, self.worth_minutes, *self.delays_compared_minutes)
        if not all(0.0 <= duration < math.inf for duration in durations):
            names = "delay_mean_s, delay_sd_s, worth_minutes or delays_compared_minutes"
            raise ValueError(f"{names} negative or endless")
        if self.idle_minutes < 1 or self.transaction_bytes < 0 or not self.scenarios:
            raise ValueError("no scenario, idle_minutes below 1 or transaction_bytes below 0")


def _check_threshold(name: str, threshold: float) -> None:
    _refuse_unknown(name, TRIGGERS, "trigger")
    if name == "periodic" and not (threshold >= 1.0 and float(threshold).is_integer()):
        raise ValueError(f"a period of {threshold:g} minutes, where whole minutes from 1 up are expected")
    if not threshold > 0.0:
        raise ValueError(f"threshold {threshold:g} of {name}, where a number above 0 is expected")


def _refuse_unknown(name: str, known: Mapping[str, object], what: str) -> None:
    if name not in known:
        raise ValueError(f"{what} {name!r}, known are {', '.join(known)}")
