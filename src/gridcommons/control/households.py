"""From a study to the arrays of the compiled rule: one household a member."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from gridcommons.control.plant import Plant, State
from gridcommons.model.assets import Asset, Battery, EvCharger, HeatPump, HeatStore
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.members import Community
from gridcommons.model.profiles import Profiles, reactive_per_active
from gridcommons.model.study import Study

FILE = "assets.csv"
GENERATING = ("pv", "chp")
STORES = ("battery", "heat_store")
CONTROLLED = ("battery", "ev_charger", "heat_pump", "heat_store")


@dataclass(frozen=True, eq=False)
class Households:
    """The members of one asset mix.

    Parameters
    ----------
    member : tuple of str
        Ids, in the order of the study.
    bus : (households,)
        Bus index of each.
    plant : Plant
        What stands behind their meters.
    start : State
        Energies at the first interval.
    """

    member: tuple[str, ...]
    bus: IntArray
    plant: Plant
    start: State

    def __len__(self) -> int:
        """Number of households."""
        return len(self.member)


def make_households(study: Study, community: Community, *, with_stores: bool) -> Households:
    """The members of a community, with their batteries and tanks or without.

    A battery, car or heat pump that is not flexible, or whose member opted out, follows its profile.
    Several cars or pumps of one member act as one of their summed rating; so do batteries of one
    efficiency.

    Raises
    ------
    StudyError
        With everything that keeps the mix from being controlled.
    """
    _refuse(study, community)
    rows = _Rows(study, community, with_stores)
    index = {member.member: place for place, member in enumerate(community.members)}
    bus = np.array([study.grid.bus_index[member.bus] for member in community.members], dtype=np.int64)
    plant = _plant(rows, study.profiles)
    return Households(tuple(index), bus, plant, _start(rows))


class _Rows:
    """The assets of a community by kind and household."""

    def __init__(self, study: Study, community: Community, with_stores: bool) -> None:
        self.profiles = study.profiles
        self.count = len(community.members)
        self.steps = study.time.steps
        place = {member.member: index for index, member in enumerate(community.members)}
        controlled = {id(community.assets[index]) for index in community.controllable}
        self.of_kind: dict[str, list[tuple[int, Asset]]] = {kind: [] for kind in (*CONTROLLED, "generation")}
        self.fixed: list[tuple[int, Asset]] = []
        for asset in community.assets:
            member = community.member_by_id[asset.member]
            row = (place[asset.member], asset)
            may = id(asset) in controlled or (asset.kind == "heat_store" and member.opted_in)
            if asset.kind in GENERATING:
                self.of_kind["generation"].append(row)
            elif asset.kind in CONTROLLED and may:
                if with_stores or asset.kind not in STORES:
                    self.of_kind[asset.kind].append(row)
            elif asset.kind not in STORES or with_stores:
                self.fixed.append(row)

    def households(self, kind: str) -> IntArray:
        """Households that have a kind, ascending."""
        return np.unique(np.array([place for place, _ in self.of_kind[kind]], dtype=np.int64))

    def index(self, kind: str) -> IntArray:
        """Column of each household among those that have a kind, −1 where it has none."""
        column = np.full(self.count, -1, dtype=np.int64)
        having = self.households(kind)
        column[having] = np.arange(len(having))
        return column

    def total(self, kind: str, values: Callable[[Asset], float]) -> FloatArray:
        """Sum of a rating over the assets of a kind, shape (households,)."""
        total = np.zeros(self.count)
        for place, asset in self.of_kind[kind]:
            total[place] += values(asset)
        return total

    def first(self, kind: str, values: Callable[[Asset], float], otherwise: float) -> FloatArray:
        """A property that the assets of a kind share, shape (households,)."""
        found = np.full(self.count, otherwise)
        for place, asset in reversed(self.of_kind[kind]):
            found[place] = values(asset)
        return found

    def profile(self, kind: str, values: Callable[[Asset], FloatArray]) -> FloatArray:
        """Sum of series over the assets of a kind, shape (households that have it, steps)."""
        column = self.index(kind)
        total = np.zeros((len(self.households(kind)), self.steps))
        for place, asset in self.of_kind[kind]:
            total[column[place]] += values(asset)
        return total

    def tan(self, kind: str) -> FloatArray:
        """Reactive per active power of a kind, (households,); 0 where the study gives the kvar themselves."""

        def tan(asset: Asset) -> float:
            given = f"{asset.asset}.q_kvar" in self.profiles.columns
            return 0.0 if given else reactive_per_active(asset)

        return self.first(kind, tan, 0.0)


def _plant(rows: _Rows, profiles: Profiles) -> Plant:
    load_kw, load_kvar = _fixed(rows, profiles)
    cop, heat_kw = _heat(rows, profiles)
    battery = "battery"
    return Plant(
        step_hours=profiles.time.step_hours,
        load_kw=load_kw,
        load_kvar=load_kvar,
        generation_kw=rows.profile("generation", lambda a: profiles.of(a.asset)),
        generation_of=rows.index("generation"),
        car_kw=rows.profile("ev_charger", lambda a: profiles.of(a.asset)),
        car_plugged=rows.profile("ev_charger", lambda a: profiles.of(f"{a.asset}.plugged_in", otherwise=1.0)),
        car_of=rows.index("ev_charger"),
        car_max_kw=rows.total("ev_charger", lambda a: cast(EvCharger, a).charge_max_kw),
        car_count=rows.total("ev_charger", lambda _: 1.0),
        car_tan=rows.tan("ev_charger"),
        heat_kw=heat_kw,
        cop=cop,
        pump_of=rows.index("heat_pump"),
        pump_max_kw=rows.total("heat_pump", lambda a: cast(HeatPump, a).consumption_max_kw),
        pump_tan=rows.tan("heat_pump"),
        battery_charge_kw=rows.total(battery, lambda a: cast(Battery, a).charge_max_kw),
        battery_discharge_kw=rows.total(battery, lambda a: cast(Battery, a).discharge_max_kw),
        battery_low_kwh=rows.total(battery, lambda a: _energy_kwh(a, "soc_min_share")),
        battery_high_kwh=rows.total(battery, lambda a: _energy_kwh(a, "soc_max_share")),
        charge_share=rows.first(battery, lambda a: cast(Battery, a).charge_efficiency_share, 1.0),
        discharge_share=rows.first(battery, lambda a: cast(Battery, a).discharge_efficiency_share, 1.0),
        battery_tan=rows.tan(battery),
        tank_kwh=rows.total("heat_store", lambda a: cast(HeatStore, a).energy_kwh),
    )


def _start(rows: _Rows) -> State:
    tank_kwh = rows.total("heat_store", lambda a: _energy_kwh(a, "soc_initial_share"))
    battery_kwh = rows.total("battery", lambda a: _energy_kwh(a, "soc_initial_share"))
    return State(battery_kwh, tank_kwh, *(np.zeros(rows.count) for _ in range(4)))


def copy_state(state: State) -> State:
    """The same state in memory of its own."""
    return State(*(values.copy() for values in state))


def _energy_kwh(asset: Asset, share: str) -> float:
    return float(getattr(asset, share)) * cast(Battery, asset).energy_kwh


def _fixed(rows: _Rows, profiles: Profiles) -> tuple[FloatArray, FloatArray]:
    """Net power that nobody controls, and all reactive power that does not follow a controlled device."""
    load_kw = np.zeros((rows.count, rows.steps))
    load_kvar = np.zeros((rows.count, rows.steps))
    for place, asset in rows.fixed:
        net_kw = asset.net_kw(profiles.signals(asset))
        load_kw[place] += net_kw
        load_kvar[place] += profiles.net_kvar(asset, net_kw)
    for place, asset in rows.of_kind["generation"]:
        load_kvar[place] += profiles.net_kvar(asset, -profiles.of(asset.asset))
    for place, asset in (row for kind in CONTROLLED for row in rows.of_kind[kind]):
        load_kvar[place] += profiles.of(f"{asset.asset}.q_kvar")
    return load_kw, load_kvar if load_kvar.any() else load_kvar[:, :1]


def _heat(rows: _Rows, profiles: Profiles) -> tuple[FloatArray, FloatArray]:
    """COP and heat demand of the pumps, shape (pumps, steps): a pump's profile is what it consumes."""

    def heat_kw(asset: Asset) -> FloatArray:
        return profiles.of(asset.asset) * _cop(cast(HeatPump, asset), profiles)

    heat = rows.profile("heat_pump", heat_kw)
    electric = rows.profile("heat_pump", lambda a: profiles.of(a.asset))
    given = rows.profile("heat_pump", lambda a: _cop(cast(HeatPump, a), profiles))
    count = rows.total("heat_pump", lambda _: 1.0)[rows.households("heat_pump")]
    works = electric > 0.0
    return np.where(works, heat / np.where(works, electric, 1.0), given / count[:, None]), heat


def _cop(pump: HeatPump, profiles: Profiles) -> FloatArray:
    """COP by its own profile, else its constant, else 1: heat is then counted in electric kWh."""
    return profiles.of(f"{pump.asset}.cop", otherwise=1.0 if np.isnan(pump.cop) else pump.cop)


def _refuse(study: Study, community: Community) -> None:
    """Everything that keeps a mix from being controlled, at once."""
    by_member: dict[str, list[Asset]] = {}
    for asset in community.assets:
        by_member.setdefault(asset.member, []).append(asset)
    problems: list[Problem] = []
    for member in community.members:
        problems += _member_problems(member.member, by_member.get(member.member, []), study.profiles)
    for asset in community.assets:
        if asset.kind == "heat_pump":
            problems += _pump_problems(cast(HeatPump, asset), study.profiles)
    if not community.members:
        problems.append(Problem("members.csv", "no member", "at least one household"))
    if problems:
        raise StudyError(problems)


def _member_problems(member: str, assets: Sequence[Asset], profiles: Profiles) -> list[Problem]:
    problems = []
    unheard = [asset.asset for asset in assets if asset.needs_profile and asset.asset not in profiles.columns]
    if unheard:
        expected = f"a profile of {', '.join(unheard)}: what it draws or makes over time"
        problems.append(Problem(FILE, f"member {member!r} with an asset without profile", expected))
    problems += _store_problems(member, assets)
    for asset in assets:
        if isinstance(asset, EvCharger) and (profiles.of(asset.asset) < 0.0).any():
            expected = "charging alone: control plans no discharge of cars"
            problems.append(Problem(FILE, f"{asset.asset!r} with a discharging profile", expected))
    for kind in CONTROLLED:
        factors = {
            ("q_kvar",) if f"{asset.asset}.q_kvar" in profiles.columns else asset.power_factor
            for asset in assets
            if asset.kind == kind
        }
        if len(factors) > 1:
            expected = "one power factor for all of a kind behind one meter, or q_kvar for all of them"
            problems.append(Problem(FILE, f"{kind}s of {member!r} with several power factors", expected))
    return problems


def _store_problems(member: str, assets: Sequence[Asset]) -> list[Problem]:
    problems = []
    pumps = [asset for asset in assets if asset.kind == "heat_pump"]
    if any(asset.kind == "heat_store" for asset in assets):
        if not pumps:
            expected = "a heat pump of the same member, which charges it"
            problems.append(Problem(FILE, f"a heat_store of {member!r} without one", expected))
        elif not any(pump.flexible for pump in pumps):
            expected = "a flexible heat pump: one that follows its profile charges no store"
            problems.append(Problem(FILE, f"a heat_store of {member!r} beside a fixed heat pump", expected))
    shares = {
        (a.charge_efficiency_share, a.discharge_efficiency_share) for a in assets if isinstance(a, Battery)
    }
    if len(shares) > 1:
        expected = "batteries of one efficiency behind one meter, which act as one"
        problems.append(Problem(FILE, f"batteries of {member!r} with different efficiencies", expected))
    return problems


def _pump_problems(pump: HeatPump, profiles: Profiles) -> list[Problem]:
    cop = _cop(pump, profiles)
    if (cop > 0.0).all():
        return []
    return [Problem(FILE, f"{pump.asset!r} with a COP of 0", "a COP above 0", column="cop")]
