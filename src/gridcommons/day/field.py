"""What the stages of a day share: who is connected where, what can be moved, and the load flow of it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from gridcommons.day.gates import gate_minutes
from gridcommons.day.information import Information
from gridcommons.day.settings import Settings
from gridcommons.day.uncertainty import draw_errors
from gridcommons.model.assets import Asset, Battery, EvCharger, HeatPump, Pv
from gridcommons.model.errors import NotConvergedError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.limits import Limits
from gridcommons.model.profiles import Profiles, reactive_per_active, room_cop
from gridcommons.model.study import Study
from gridcommons.model.switches import with_positions
from gridcommons.optimisation.devices.chain import Chains, join
from gridcommons.optimisation.devices.ev_charger import charging_chains
from gridcommons.optimisation.devices.heat_pump import OUTDOOR, heating_chains
from gridcommons.ports import Engines
from gridcommons.powerflow.admittance import Network, build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.solution import FlowSolution, Injections
from gridcommons.scheduling.energy_hub import communities_of, is_planned


@dataclass(frozen=True, eq=False)
class DayFlow:
    """A load flow of all intervals, whatever the topology of each.

    Parameters
    ----------
    vm_pu : (steps, buses)
        Voltages, NaN where unsupplied [pu].
    loading_percent, p_from_kw : (steps, branches)
        Loadings [%], and power into each branch [kW].
    losses_kw : (steps,)
        Losses of the grid [kW].
    """

    vm_pu: FloatArray
    loading_percent: FloatArray
    p_from_kw: FloatArray
    losses_kw: FloatArray

    @classmethod
    def of(cls, flow: FlowSolution) -> DayFlow:
        """That of one topology."""
        return cls(flow.vm_pu(), flow.loading_percent(), flow.p_from_kw(), flow.losses_kw())

    @classmethod
    def joined(cls, parts: Sequence[tuple[IntArray, DayFlow]]) -> DayFlow:
        """That of several topologies, each with its intervals."""
        order = np.argsort(np.concatenate([steps for steps, _ in parts]), kind="stable")
        arrays = (
            np.concatenate([getattr(flow, column.name) for _, flow in parts])[order] for column in fields(cls)
        )
        return cls(*arrays)


@dataclass(frozen=True, eq=False)
class Field:
    """A study on its operating day.

    Parameters
    ----------
    study, settings, engines
        What is asked, and what it is asked with.
    gates : dict of str to int
        Minutes from the start of the window to each gate of the day before.
    information : Information
        Who knows what, and when.
    """

    study: Study
    settings: Settings
    engines: Engines
    gates: dict[str, int]
    information: Information

    @cached_property
    def network(self) -> Network:
        """The grid, factorised once for all load flows."""
        return build_network(self.study.grid)

    @cached_property
    def limits(self) -> Limits:
        """Limits of every interval."""
        return self.study.limits.window(0, self.study.time.steps)

    @property
    def assets(self) -> tuple[Asset, ...]:
        """All assets, in the order of the study."""
        return self.study.community.assets

    @cached_property
    def row(self) -> dict[str, int]:
        """Column of each asset."""
        return {asset.asset: k for k, asset in enumerate(self.assets)}

    @cached_property
    def bus(self) -> IntArray:
        """Bus index of each asset, shape (assets,)."""
        return np.array(self.study.community.asset_buses(self.study.grid), dtype=np.int64)

    @cached_property
    def member_of(self) -> IntArray:
        """Member of each asset, by position, shape (assets,)."""
        place = {member.member: k for k, member in enumerate(self.study.community.members)}
        return np.array([place[asset.member] for asset in self.assets], dtype=np.int64)

    @cached_property
    def tan(self) -> FloatArray:
        """Reactive per active power of each asset, shape (assets,)."""
        return np.array([reactive_per_active(asset) for asset in self.assets])

    @cached_property
    def given_kw(self) -> tuple[FloatArray, FloatArray]:
        """Least and most net power by the envelopes that the study brings along, (steps, assets) each [kW].

        Infinite where it brings none.
        """
        endless = np.full((self.study.time.steps, len(self.assets)), np.inf)
        low_kw, high_kw, given = -endless, endless, self.study.envelopes
        if given is not None:
            at = [self.row[name] for name in given.asset]
            low_kw[:, at], high_kw[:, at] = given.p_min_kw, given.p_max_kw
        return low_kw, high_kw

    @cached_property
    def is_controllable(self) -> BoolArray:
        """Assets that may be moved, shape (assets,)."""
        chosen = np.zeros(len(self.assets), dtype=np.bool_)
        chosen[list(self.study.community.controllable)] = True
        chosen[self.scheduled] = False
        return chosen

    @cached_property
    def hubs(self) -> tuple[str, ...]:
        """Communities that plan heat and power: those of a study with a table ``[tasks.scheduling]``."""
        if "scheduling" not in self.study.tasks or self.study.grid.is_three_phase:
            return ()
        return tuple(communities_of(self.study))

    @cached_property
    def connections(self) -> tuple[tuple[str, str], ...]:
        """Community and bus of each of their connections, community by community."""
        members = communities_of(self.study)
        return tuple(
            (name, bus) for name in self.hubs for bus in dict.fromkeys(each.bus for each in members[name])
        )

    @cached_property
    def connection_of(self) -> IntArray:
        """Connection of each asset of a community, by position; -1 of all others, shape (assets,)."""
        of_member, place = self.study.community.member_by_id, {c: k for k, c in enumerate(self.connections)}
        owners = (of_member[asset.member] for asset in self.assets)
        return np.array([place.get((owner.cluster, owner.bus), -1) for owner in owners], dtype=np.int64)

    @cached_property
    def scheduled(self) -> IntArray:
        """Columns of what these communities control, community by community."""
        planned: list[int] = []
        for members in (communities_of(self.study)[name] for name in self.hubs):
            by_id = {member.member: member for member in members}
            for k, asset in enumerate(self.assets):
                if asset.member in by_id and is_planned(asset, by_id[asset.member]):
                    planned.append(k)
        return np.array(planned, dtype=np.int64)

    @cached_property
    def cars(self) -> tuple[EvCharger, ...]:
        """Charging stations whose cars have an energy that can be planned, or followed as they are used."""
        return tuple(
            asset
            for k, asset in enumerate(self.assets)
            if isinstance(asset, EvCharger) and _has_energy(asset)
            if self.is_controllable[k] or self._lives_by_itself(k, drives=True)
        )

    @cached_property
    def pumps(self) -> tuple[HeatPump, ...]:
        """Heat pumps whose houses can be planned, or are kept as warm as always."""
        known = self.study.profiles
        return tuple(
            asset
            for k, asset in enumerate(self.assets)
            if isinstance(asset, HeatPump) and asset.has_house and OUTDOOR in known.columns
            if self.is_controllable[k] or self._lives_by_itself(k, drives=False)
            if np.isfinite(room_cop(asset, known)).all()
        )

    def _lives_by_itself(self, k: int, *, drives: bool) -> bool:
        """Whether nobody plans a car or house and no profile says what it draws: its owner uses it."""
        name, profiles = self.assets[k].asset, self.study.profiles
        is_used = not drives or bool(profiles.of(f"{name}.drive_kwh").any())
        return is_used and name not in profiles.columns and k not in self.scheduled

    @cached_property
    def chained(self) -> IntArray:
        """Columns of the devices with a state that is planned or lived by: cars, then houses."""
        return np.array([self.row[asset.asset] for asset in (*self.cars, *self.pumps)], dtype=np.int64)

    @cached_property
    def by_themselves(self) -> IntArray:
        """Columns of those of them that nobody may move."""
        return self.chained[~self.is_controllable[self.chained]]

    @cached_property
    def batteries(self) -> tuple[Battery, ...]:
        """Batteries that may be moved."""
        return tuple(
            asset
            for asset, may in zip(self.assets, self.is_controllable, strict=True)
            if may and isinstance(asset, Battery)
        )

    @cached_property
    def stored(self) -> IntArray:
        """Columns of the batteries."""
        return np.array([self.row[asset.asset] for asset in self.batteries], dtype=np.int64)

    @cached_property
    def roofs(self) -> IntArray:
        """Columns of solar plants that may be held back."""
        kinds = zip(self.assets, self.is_controllable, strict=True)
        return np.array([k for k, (a, may) in enumerate(kinds) if may and isinstance(a, Pv)], dtype=np.int64)

    @cached_property
    def followers(self) -> IntArray:
        """Columns of what may be moved and has no state that is planned."""
        with_state = np.concatenate([self.chained, self.stored])
        return np.setdiff1d(np.flatnonzero(self.is_controllable), with_state)

    def chains(self, profiles: Profiles) -> Chains:
        """Laws of the devices with a state, in the order of ``chained``."""
        return join([charging_chains(self.cars, profiles), heating_chains(self.pumps, profiles)])

    def net_kw(self, profiles: Profiles) -> FloatArray:
        """What every asset draws by its profile, shape (steps, assets) [kW].

        Solar plants no more than they are rated; a planned heat pump its hot water alone.
        """
        columns = [asset.net_kw(profiles.signals(asset)) for asset in self.assets]
        p_kw = np.stack(columns, axis=1) if columns else np.zeros((profiles.time.steps, 0))
        for k, asset in enumerate(self.assets):
            if isinstance(asset, Pv):
                p_kw[:, k] = np.maximum(p_kw[:, k], -asset.rating_kw)
        for pump in self.pumps:
            p_kw[:, self.row[pump.asset]] = profiles.of(f"{pump.asset}.water_kw")
        return p_kw

    def net_kvar(self, p_kw: FloatArray, profiles: Profiles) -> FloatArray:
        """Reactive power of all assets at their net power, shape (steps, assets) [kvar]."""
        q_kvar = p_kw * self.tan
        for k, asset in enumerate(self.assets):
            given = profiles.columns.get(f"{asset.asset}.q_kvar")
            if given is not None:
                q_kvar[:, k] = given
        return q_kvar

    def flow(self, p_kw: FloatArray, q_kvar: FloatArray, closed: BoolArray | None = None) -> DayFlow:
        """Load flow of all intervals, (steps, assets) each.

        Parameters
        ----------
        closed : (steps, switches), optional
            Where the switches stand; as in the grid file if absent.

        Raises
        ------
        NotConvergedError
            An interval without operable load flow.
        """
        if closed is None or not closed.shape[1]:
            return DayFlow.of(self._solve(self.network, p_kw, q_kvar))
        distinct, which = np.unique(closed, axis=0, return_inverse=True)
        parts: list[tuple[IntArray, DayFlow]] = []
        for index, positions in enumerate(distinct):
            steps, network = np.flatnonzero(which == index), self.network_of(positions)
            parts.append((steps, DayFlow.of(self._solve(network, p_kw[steps], q_kvar[steps]))))
        return DayFlow.joined(parts)

    def network_of(self, closed: BoolArray) -> Network:
        """The grid with its switches where they are told to be, shape (switches,)."""
        key = closed.tobytes()
        if key not in self._networks:
            self._networks[key] = build_network(with_positions(self.study.grid, self.study.switches, closed))
        return self._networks[key]

    @cached_property
    def _networks(self) -> dict[bytes, Network]:
        return {}

    def _solve(self, network: Network, p_kw: FloatArray, q_kvar: FloatArray) -> FlowSolution:
        method = self.engines.method
        terminals = self.study.community.terminals(self.study.grid)
        drawn = Injections(
            terminals.bus,
            terminals.of_rows(p_kw),
            terminals.of_rows(q_kvar),
            to_bus=terminals.to_bus if self.study.grid.is_three_phase else None,
        )
        flow = solve_power_flow(network, drawn, method=method)
        if not flow.solved.all():
            step = int(np.flatnonzero(~flow.solved)[0])
            at = self.study.time.local(step)
            raise NotConvergedError(
                f"the grid cannot carry {p_kw[step].sum():,.0f} kW at {at:%Y-%m-%d %H:%M}: no operable load "
                f"flow (mismatch {flow.mismatch_pu[step]:.2g} pu)"
            )
        return flow


def _has_energy(car: EvCharger) -> bool:
    return bool(np.isfinite(car.energy_kwh + car.soc_min_share + car.soc_max_share))


def make_field(study: Study, settings: Settings, engines: Engines) -> Field:
    """The day of a study; raises StudyError where its gates are none."""
    gates = gate_minutes(study.time, settings.gates)
    errors = draw_errors(study, settings, gates["forecast"])
    return Field(study, settings, engines, gates, Information(study.profiles, errors))
