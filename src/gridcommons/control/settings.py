"""What a study may say under ``[tasks.control]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gridcommons.control.scenarios import SOURCE_SCENARIOS, scenario_problem

MOST_COST = 1000.0
"""Largest cost of dispatch: what breaks a limit is a hundred times as dear."""

LEAST_DISTANCE = 0.1
"""Least distance of two costs that follow each other: what breaks ties is a hundredth of it."""


@dataclass(frozen=True)
class Costs:
    """Costs that decide the order of dispatch; they are no money. Source 3, table 2 (its figures are lost).

    Parameters
    ----------
    feed_in, charge_tank, charge_battery, discharge_tank, discharge_battery, grid : float
        In this order; charging is worth its cost, discharging and the grid cost theirs.
    cheap_grid : float
        The grid under ProA: above ``feed_in``, below ``charge_tank``.
    dear_discharge : float
        Discharging under ProB: above ``grid``.
    """

    feed_in: float = 0.0
    charge_tank: float = 10.0
    charge_battery: float = 20.0
    discharge_tank: float = 30.0
    discharge_battery: float = 40.0
    grid: float = 50.0
    cheap_grid: float = 5.0
    dear_discharge: float = 60.0


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``control``.

    Parameters
    ----------
    scenarios : list of str
        ``status_quo``, ``base_2030``, ``storage``, and any of them followed by ``+`` and measures.
    stress : table of float
        How much of the allowed limit today's peak reaches, by name: 1 is a grid at its limit.
    station_limit_kw : float
        The station's limit at stress 1; by default the peak of ``status_quo``.
    station_limit : str
        ``count`` (violations are counted, as in the source) or ``hold`` (the dispatch avoids them).
    grid_limits : bool
        Whether the dispatch holds lines and transformers at their ratings (by the DC load flow).
    forecast : str
        ``pseudo`` (perfect, as in the source), ``persistence`` or ``statistical``.
    forecast_quantile : float
        Which quantile of a statistical forecast counts as congestion.
    car_cap_kw : float
        CurA: what a station may draw [kW].
    heat_cap_share : float
        CurB: share of the heat pump's maximum that it may give.
    heat_cap_hours : float
        CurB: for how long [h].
    heat_return_hours : float
        CurB and §14a: over which time the heat put off comes back [h].
    night_from_hour : float
        From when on CurB_night may act, on the study's own clock [h].
    night_to_hour : float
        Until when [h].
    law_kw : float
        §14a EnWG: what each device may draw from the grid at least [kW].
    precharge : str
        ProA: ``staggered`` (as many stores at a time as the forecast leaves room for) or ``at_once``.
    precharge_hours : float
        ProA: length of the window in which the grid is cheap [h].
    precharge_room_share : float
        How much of the room below the limit ``staggered`` uses.
    costs : table of float
        The order of dispatch, see ``Costs``.
    """

    scenarios: tuple[str, ...] = SOURCE_SCENARIOS
    stress: Mapping[str, float] = field(
        default_factory=lambda: {"safe": 0.90, "near_critical": 0.95, "critical": 1.0}
    )
    station_limit_kw: float | None = None
    station_limit: Literal["count", "hold"] = "count"
    grid_limits: bool = True
    forecast: Literal["pseudo", "persistence", "statistical"] = "pseudo"
    forecast_quantile: float = 0.5
    car_cap_kw: float = 3.7
    heat_cap_share: float = 0.3
    heat_cap_hours: float = 2.0
    heat_return_hours: float = 6.0
    night_from_hour: float = 23.0
    night_to_hour: float = 5.0
    law_kw: float = 4.2
    precharge: Literal["staggered", "at_once"] = "staggered"
    precharge_hours: float = 6.0
    precharge_room_share: float = 0.9
    costs: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no type can: unknown measures, an order of costs that means something else."""
        said = [scenario_problem(name) for name in self.scenarios]
        said += [self._cost_problem(), *self._number_problems()]
        if not self.scenarios or len(set(self.scenarios)) < len(self.scenarios):
            said.append("scenarios must be named, each once")
        if not self.stress or any(not 0.0 < share <= 1.0 for share in self.stress.values()):
            said.append(f"stress = {dict(self.stress)}, but a share lies above 0, up to 1")
        if any(said):
            raise ValueError("; ".join(problem for problem in said if problem))

    def _number_problems(self) -> list[str]:
        shares = ("heat_cap_share", "precharge_room_share", "forecast_quantile")
        said = [
            f"{name} = {getattr(self, name):g}, but a share lies from 0 to 1"
            for name in shares
            if not 0.0 <= getattr(self, name) <= 1.0
        ]
        said += [
            f"{name} = {getattr(self, name):g}, but it is 0 or more"
            for name in ("car_cap_kw", "law_kw", "heat_cap_hours", "precharge_hours")
            if getattr(self, name) < 0.0
        ]
        if self.heat_return_hours <= 0.0:
            said.append(f"heat_return_hours = {self.heat_return_hours:g}, but it is above 0")
        if self.station_limit_kw is not None and self.station_limit_kw <= 0.0:
            said.append(f"station_limit_kw = {self.station_limit_kw:g}, but it is above 0")
        said += [
            f"{name} = {getattr(self, name):g}, but an hour of the day lies from 0 to 24"
            for name in ("night_from_hour", "night_to_hour")
            if not 0.0 <= getattr(self, name) <= 24.0
        ]
        return said

    def _cost_problem(self) -> str:
        known = Costs().__dict__
        unknown = sorted(set(self.costs) - set(known))
        if unknown:
            return f"costs names {', '.join(unknown)}, but known are {', '.join(known)}"
        costs = self.order
        usual = [*costs.__dict__.values()][:6]
        if not _rises(usual):
            return "costs must rise from feed_in over charging and discharging to grid" + _BY
        if not _rises([costs.feed_in, costs.cheap_grid, costs.charge_tank]):
            return "costs.cheap_grid lies between feed_in and charge_tank, else import for export pays" + _BY
        if not _rises([costs.grid, costs.dear_discharge]):
            return "costs.dear_discharge lies above grid" + _BY
        if max(abs(cost) for cost in costs.__dict__.values()) > MOST_COST:
            return f"costs lie from -{MOST_COST:g} to {MOST_COST:g}: what breaks a limit must be dearer"
        return ""

    @property
    def order(self) -> Costs:
        """The costs as given, the rest by default."""
        return Costs(**self.costs)


_BY = f", each by at least {LEAST_DISTANCE:g}"


def _rises(costs: list[float]) -> bool:
    return all(high - low >= LEAST_DISTANCE for low, high in zip(costs[:-1], costs[1:], strict=True))
