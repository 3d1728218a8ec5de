"""Who can move load: the flexible devices behind the aggregators, and the load that stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gridcommons.flexibility.settings import Settings
from gridcommons.flexibility.settlement import CUSTOMERS_OF, DSO, FIXED_LOAD
from gridcommons.model.assets import HOUSE_COLUMNS, EvCharger, HeatPump
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.model.profiles import Profiles, reactive_per_active, room_cop
from gridcommons.model.study import Study
from gridcommons.optimisation.chain_plans import plan_devices
from gridcommons.optimisation.devices.chain import Chains, join
from gridcommons.optimisation.devices.ev_charger import charging_chains
from gridcommons.optimisation.devices.heat_pump import OUTDOOR, heating_chains

FILE = "assets.csv"
REPROFILING = "reprofiling"


@dataclass(frozen=True, eq=False)
class Fleet:
    """Flexible devices, one row each, and the fixed load beneath them.

    Parameters
    ----------
    chains : Chains
        What each device can do.
    member, aggregator, supplier : tuple of str
        Whose each device is.
    bus : (devices,)
        Bus index of each device.
    reprofiling : (devices,)
        Whether it is under contract for scheduled re-profiling instead of answering prices.
    tan : (devices,)
        Reactive per active power.
    discomfort_per_kw2h : (devices,)
        Cost of moving it from its plan [currency/(kW²·h)].
    fixed_kw, fixed_kvar : (buses, steps)
        Load that nobody moves, the grid file's own aside [kW], [kvar].
    spot_per_kwh : (steps,)
        What a kWh costs without any tariff: import price and network fee.
    load_points : (load points,)
        Bus indices at which anyone has a device or fixed load, ascending.
    step_hours, curvature_per_kw2h : float
        Length of an interval [h]; B of every device.
    """

    chains: Chains
    member: Names
    aggregator: Names
    supplier: Names
    bus: IntArray
    reprofiling: BoolArray
    tan: FloatArray
    discomfort_per_kw2h: FloatArray
    fixed_kw: FloatArray
    fixed_kvar: FloatArray
    spot_per_kwh: FloatArray
    load_points: IntArray
    step_hours: float
    curvature_per_kw2h: float

    def __len__(self) -> int:
        """Number of devices."""
        return len(self.chains)

    @cached_property
    def load_point(self) -> IntArray:
        """Position of each device's bus in ``load_points``, shape (devices,)."""
        return np.searchsorted(self.load_points, self.bus).astype(np.int64)

    @cached_property
    def tan_at_load_points(self) -> FloatArray:
        """Reactive per active power of all devices at each load point at their most, (load points,)."""
        most_kw, most_kvar = np.zeros((2, len(self.load_points)))
        power_kw = self.chains.power_high.max(axis=1, initial=0.0)
        np.add.at(most_kw, self.load_point, power_kw)
        np.add.at(most_kvar, self.load_point, self.tan * power_kw)
        return np.divide(most_kvar, most_kw, out=np.zeros_like(most_kw), where=most_kw > 0.0)

    def at_load_points(self, power_kw: FloatArray, which: BoolArray | None = None) -> FloatArray:
        """Load of (some of) the devices by load point, shape (load points, steps) [kW]."""
        total = np.zeros((len(self.load_points), power_kw.shape[1]))
        chosen = slice(None) if which is None else which
        np.add.at(total, self.load_point[chosen], power_kw[chosen])
        return total

    def take(self, devices: IntArray) -> Fleet:
        """Some of the devices alone: nobody else's, and no fixed load."""
        member, aggregator, supplier = (
            tuple(names[device] for device in devices)
            for names in (self.member, self.aggregator, self.supplier)
        )
        return replace(
            self,
            chains=self.chains.take(devices),
            member=member,
            aggregator=aggregator,
            supplier=supplier,
            bus=self.bus[devices],
            reprofiling=self.reprofiling[devices],
            tan=self.tan[devices],
            discomfort_per_kw2h=self.discomfort_per_kw2h[devices],
            fixed_kw=np.zeros_like(self.fixed_kw),
            fixed_kvar=np.zeros_like(self.fixed_kvar),
        )

    def bus_load(self, power_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Load of every bus, fixed load included, (buses, steps) each [kW], [kvar]."""
        load_kw, load_kvar = self.fixed_kw.copy(), self.fixed_kvar.copy()
        np.add.at(load_kw, self.bus, power_kw)
        np.add.at(load_kvar, self.bus, self.tan[:, None] * power_kw)
        return load_kw, load_kvar

    def plan(self, price_per_kwh: FloatArray, which: Sequence[int] | IntArray | None = None) -> FloatArray:
        """Cheapest plan of (some of) the devices at prices of their own, shape (devices, steps) [kW].

        Parameters
        ----------
        price_per_kwh : (devices, steps)
            Price of each device.
        which : sequence of int, optional
            Devices; all by default.
        """
        chains = self.chains if which is None else self.chains.take(which)
        return plan_devices(chains, self.curvature(len(chains)), price_per_kwh * self.step_hours)

    def curvature(self, count: int) -> FloatArray:
        """B of so many devices for one interval, shape (count,) [currency/kW²]."""
        return np.full(count, self.curvature_per_kw2h * self.step_hours)


def make_fleet(study: Study, settings: Settings) -> Fleet:
    """The flexible devices of members with an aggregator; everything else is fixed load by its profile.

    Raises
    ------
    StudyError
        With everything that keeps the devices from being planned.
    """
    of_member = study.community.member_by_id
    assets = [study.community.assets[index] for index in study.community.controllable]
    chosen = [asset for asset in assets if of_member[asset.member].aggregator]
    cars = [asset for asset in chosen if isinstance(asset, EvCharger)]
    pumps = [asset for asset in chosen if isinstance(asset, HeatPump)]
    devices: list[EvCharger | HeatPump] = [*cars, *pumps]
    _refuse(study, devices)
    members = [of_member[asset.member] for asset in devices]
    fixed_kw, fixed_kvar = _fixed_load(study, {asset.asset for asset in devices})
    bus = np.array([study.grid.bus_index[member.bus] for member in members], dtype=np.int64)
    return Fleet(
        chains=join([charging_chains(cars, study.profiles), heating_chains(pumps, study.profiles)]),
        member=tuple(member.member for member in members),
        aggregator=tuple(member.aggregator for member in members),
        supplier=tuple(member.supplier for member in members),
        bus=bus,
        reprofiling=np.array([member.contract == REPROFILING for member in members], dtype=bool),
        tan=np.array([reactive_per_active(asset) for asset in devices]),
        discomfort_per_kw2h=np.array([_discomfort(asset, settings) for asset in devices]),
        fixed_kw=fixed_kw,
        fixed_kvar=fixed_kvar,
        spot_per_kwh=_spot(study),
        load_points=np.union1d(bus, np.flatnonzero(fixed_kw.any(axis=1))).astype(np.int64),
        step_hours=study.time.step_hours,
        curvature_per_kw2h=settings.plan_curvature_per_kw2h,
    )


def _discomfort(asset: EvCharger | HeatPump, settings: Settings) -> float:
    given = asset.discomfort_per_kw2h
    return settings.discomfort_per_kw2h if np.isnan(given) else given


def _spot(study: Study) -> FloatArray:
    prices = study.prices
    assert prices is not None
    return prices.import_price_per_kwh + np.nan_to_num(prices.network_fee_per_kwh)


def _fixed_load(study: Study, planned: set[str]) -> tuple[FloatArray, FloatArray]:
    """Load of everything that is not planned, hot water of planned heat pumps included."""
    shape = (len(study.grid.buses), study.time.steps)
    load_kw, load_kvar = np.zeros(shape), np.zeros(shape)
    profiles, buses = study.profiles, study.community.asset_buses(study.grid)
    for asset, bus in zip(study.community.assets, buses, strict=True):
        if asset.asset not in planned:
            net_kw = asset.net_kw(profiles.signals(asset))
            load_kvar[bus] += profiles.net_kvar(asset, net_kw)
        elif isinstance(asset, HeatPump):
            net_kw = water_kw(asset, profiles)
            load_kvar[bus] += reactive_per_active(asset) * net_kw
        else:
            continue
        load_kw[bus] += net_kw
    return load_kw, load_kvar


def water_kw(pump: HeatPump, profiles: Profiles) -> FloatArray:
    """What a heat pump draws for hot water, which no plan moves, shape (steps,) [kW]."""
    return profiles.of(f"{pump.asset}.water_kw")


def _refuse(study: Study, devices: Sequence[EvCharger | HeatPump]) -> None:
    """Everything that keeps the devices from being planned, at once."""
    problems: list[Problem] = []
    if study.prices is None or np.isnan(study.prices.import_price_per_kwh).any():
        expected = "import_price_per_kwh for every interval: devices are planned by it"
        problems.append(Problem("prices.csv", "no price", expected))
    if not devices:
        expected = "flexible cars or heat pumps of members with an aggregator"
        problems.append(Problem(FILE, "nothing that can be planned", expected))
    columns = study.profiles.columns
    if OUTDOOR not in columns and any(isinstance(asset, HeatPump) for asset in devices):
        problems.append(Problem("profiles", f"no column {OUTDOOR}", "the outdoor temperature of the houses"))
    for device in devices:
        problems += _missing(device, study.profiles)
    problems += _reserved_names(study)
    planned = {device.asset for device in devices}
    for asset in study.community.assets:
        if asset.needs_profile and asset.asset not in columns and asset.asset not in planned:
            expected = "a profile, or flexible = true and a member with an aggregator, which plans it"
            problems.append(Problem(FILE, f"{asset.asset!r} without a profile", expected))
    if problems:
        raise StudyError(problems)


def _reserved_names(study: Study) -> list[Problem]:
    """Aggregators that are called as an account of the books is."""
    names = dict.fromkeys(member.aggregator for member in study.community.members)
    expected = f"a name other than {DSO}, {FIXED_LOAD} and those that begin with {CUSTOMERS_OF!r}"
    return [
        Problem("members.csv", repr(name), expected, column="aggregator")
        for name in names
        if name in (DSO, FIXED_LOAD) or name.startswith(CUSTOMERS_OF)
    ]


def _missing(asset: EvCharger | HeatPump, profiles: Profiles) -> list[Problem]:
    """A problem where columns that planning a device needs are blank."""
    needed: tuple[str, ...] = ("energy_kwh", "soc_min_share", "soc_max_share")
    if isinstance(asset, HeatPump):
        has_cop = not np.isnan(room_cop(asset, profiles)).any()
        needed = HOUSE_COLUMNS if has_cop else (*HOUSE_COLUMNS, "cop")
    problems = []
    if asset.discomfort_per_kw2h == 0.0:
        found = f"{asset.asset!r} with a discomfort of 0"
        expected = "above 0: what makes the answer to a price unique, or empty for the setting"
        problems.append(Problem(FILE, found, expected, column="discomfort_per_kw2h"))
    missing = [column for column in needed if np.isnan(getattr(asset, column))]
    if missing:
        found = f"{asset.asset!r} without {', '.join(missing)}"
        problems.append(Problem(FILE, found, "what planning it needs, or flexible = false"))
    return problems
