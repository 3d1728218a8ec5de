"""The members with what they have today and in the future: assets with their ratings and profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from gridcommons.model.assets import Asset, Battery, EvCharger, HeatPump, HeatStore, Load, Pv
from gridcommons.model.grid import FloatArray
from gridcommons.model.members import Community, Member
from gridcommons.synthesis.asset_mix import Mix
from gridcommons.synthesis.cars import CarYear
from gridcommons.synthesis.heat import HeatPumpYear
from gridcommons.synthesis.households import household_energy_kwh
from gridcommons.synthesis.houses import fit_house, holding_kw
from gridcommons.synthesis.profiles import ProfileSource
from gridcommons.synthesis.settings import SynthesisSettings

SOC_INITIAL_SHARE = 0.5
"""State of charge of every battery and heat store at the start."""


@dataclass(frozen=True, eq=False)
class Holdings:
    """One mix as drawn: its sizes by cluster, and who has what.

    Parameters
    ----------
    mixes : mapping of str to Mix
        By cluster.
    owners : mapping of str to mapping of str to set of str
        Members by kind, by cluster.
    suffix : str
        Behind the ids of its assets, so that two mixes can share one set of profiles.
    """

    mixes: Mapping[str, Mix]
    owners: Mapping[str, Mapping[str, frozenset[str]]]
    suffix: str = ""

    def mix_of(self, member: Member, kind: str) -> Mix | None:
        """The mix of a member's cluster where the member has this kind, else None."""
        has = member.member in self.owners[member.cluster][kind]
        return self.mixes[member.cluster] if has else None


@dataclass(eq=False)
class Builder:
    """Makes assets one by one, and collects their profiles cut to the study's window.

    Parameters
    ----------
    source : ProfileSource
        Where profiles come from.
    settings : SynthesisSettings
        Of the study.
    step_hours : float
        Length of an interval [h].
    outdoor_c : (steps of the source,)
        Temperature outside [°C].
    window : slice
        The study's intervals among those of the source.
    columns : dict of str to (steps,)
        Profiles so far.
    too_small : list of str
        Heat pumps so far that cannot hold the middle of the comfort band of their house all year.
    """

    source: ProfileSource
    settings: SynthesisSettings
    step_hours: float
    outdoor_c: FloatArray
    window: slice
    columns: dict[str, FloatArray] = field(default_factory=dict)
    too_small: list[str] = field(default_factory=list)

    def build(self, members: Sequence[Member], holdings: Holdings) -> Community:
        """The community of one mix; its profiles go to ``columns``."""
        assets: list[Asset] = []
        for member in members:
            assets.append(self._load(member))
            for make in (self._pv, self._battery, self._heat_pump, self._heat_store, self._car):
                asset = make(member, holdings)
                if asset is not None:
                    assets.append(asset)
        return Community(tuple(members), tuple(assets))

    def _keep(self, column: str, values: FloatArray) -> None:
        if column not in self.columns:
            self.columns[column] = np.ascontiguousarray(values[self.window])

    def _load(self, member: Member) -> Asset:
        name = f"{member.member}_load"
        if name not in self.columns:
            settings = self.settings
            area_m2 = np.array([member.living_area_m2])
            energy = household_energy_kwh(area_m2, settings.household_kwh, settings.living_area_mean_m2)
            self._keep(name, self.source.load_kw(member.member, float(energy[0])))
        return Load(asset=name, member=member.member)

    def _pv(self, member: Member, holdings: Holdings) -> Asset | None:
        mix = holdings.mix_of(member, "pv")
        if mix is None:
            return None
        name = f"{member.member}_pv{holdings.suffix}"
        self._keep(name, mix.pv_kw * self.source.pv_per_kwp(member.member))
        return Pv(asset=name, member=member.member, generation_max_kw=mix.pv_kw)

    def _battery(self, member: Member, holdings: Holdings) -> Asset | None:
        mix = holdings.mix_of(member, "battery")
        if mix is None:
            return None
        return Battery(
            asset=f"{member.member}_battery{holdings.suffix}",
            member=member.member,
            flexible=True,
            charge_max_kw=mix.battery_kw,
            discharge_max_kw=mix.battery_kw,
            energy_kwh=mix.battery_kwh,
            charge_efficiency_share=mix.battery_efficiency_share,
            discharge_efficiency_share=mix.battery_efficiency_share,
            soc_initial_share=SOC_INITIAL_SHARE,
            soc_min_share=0.0,
            soc_max_share=1.0,
        )

    def _heat_pump(self, member: Member, holdings: Holdings) -> Asset | None:
        mix = holdings.mix_of(member, "heat_pump")
        if mix is None:
            return None
        name = f"{member.member}_heat_pump{holdings.suffix}"
        heat_kwh = self.settings.heat_kwh_per_m2 * member.living_area_m2
        year = self.source.heat_pump(member.member, heat_kwh)
        self._keep(name, year.electric_kw)
        self._keep(f"{name}.cop", year.cop)
        house, least_kw = self._house(name, year) if self.settings.houses else ({}, 0.0)
        sized_kw = (1.0 + mix.heat_pump_margin_share) * max(float(year.electric_kw.max()), least_kw)
        rating_kw = sized_kw if mix.heat_pump_kw is None else mix.heat_pump_kw
        if rating_kw < least_kw:
            self.too_small.append(name)
        return HeatPump(
            asset=name, member=member.member, flexible=True, consumption_max_kw=rating_kw, **house
        )

    def _house(self, name: str, year: HeatPumpYear) -> tuple[dict[str, float], float]:
        """The columns of the house behind a heat pump, and the rating that holds it all year [kW]."""
        self._keep(f"{name}.room_cop", year.room_cop)
        self._keep(f"{name}.water_kw", year.water_kw)
        house = fit_house(year, self.outdoor_c)
        return asdict(house), float(holding_kw(house, year, self.outdoor_c).max())

    def _heat_store(self, member: Member, holdings: Holdings) -> Asset | None:
        mix = holdings.mix_of(member, "heat_store")
        if mix is None:
            return None
        return HeatStore(
            asset=f"{member.member}_heat_store{holdings.suffix}",
            member=member.member,
            energy_kwh=mix.heat_store_kwh,
            soc_initial_share=SOC_INITIAL_SHARE,
        )

    def _car(self, member: Member, holdings: Holdings) -> Asset | None:
        mix = holdings.mix_of(member, "ev")
        if mix is None:
            return None
        name = f"{member.member}_ev{holdings.suffix}"
        car = self.source.car(member.member, mix.ev_kw)
        self._keep(name, car.charge_kw)
        for suffix, values in (("plugged_in", car.plugged_in), ("drive_kwh", car.drive_kwh)):
            if values is not None:
                self._keep(f"{name}.{suffix}", values)
        return EvCharger(
            asset=name,
            member=member.member,
            flexible=True,
            charge_max_kw=mix.ev_kw,
            energy_kwh=car.energy_kwh,
            soc_min_share=0.0,
            soc_max_share=1.0,
            departure_soc_share=self._share_at_start(car),
        )

    def _share_at_start(self, car: CarYear) -> float:
        """State of charge where the window begins, so that the profile fits the battery; NaN if unknown."""
        if car.drive_kwh is None:
            return float("nan")
        before = slice(0, self.window.start)
        charged_kwh = float(car.charge_kw[before].sum()) * self.step_hours
        share = (car.start_kwh + charged_kwh - float(car.drive_kwh[before].sum())) / car.energy_kwh
        return float(np.clip(share, 0.0, 1.0))
