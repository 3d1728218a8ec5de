"""Operating envelopes of the day: around what is planned, on the topology of each interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridcommons.day.community_powers import community_powers
from gridcommons.day.field import Field
from gridcommons.day.outcomes import Planned
from gridcommons.envelopes.around_plan import PlanEnvelopes, Surroundings, envelopes_around
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.profiles import Profiles
from gridcommons.powerflow.admittance import Network


def device_bounds_kw(field: Field, profiles: Profiles) -> tuple[FloatArray, FloatArray]:
    """Least and most net power that each asset is rated for, shape (steps, assets) each [kW].

    What cannot be moved is at its profile. Energy is no part of it: an envelope is a promise of the grid.
    """
    low_kw = field.net_kw(profiles)
    high_kw = low_kw.copy()
    for k in np.flatnonzero(field.is_controllable):
        asset = field.assets[k]
        ends = asset.range_kw(profiles.signals(asset, soc_path="initial"))
        low_kw[:, k], high_kw[:, k] = (np.broadcast_to(end, len(low_kw)) for end in ends)
    law, water_kw = field.chains(profiles), field.net_kw(profiles)[:, field.chained]
    water_kw[:, : len(field.cars)] = 0.0
    low_kw[:, field.chained] = law.power_low.T + water_kw
    high_kw[:, field.chained] = law.power_high.T + water_kw
    low_kw[:, field.stored] = [-battery.discharge_max_kw for battery in field.batteries]
    high_kw[:, field.stored] = [battery.charge_max_kw for battery in field.batteries]
    return low_kw, high_kw


@dataclass(frozen=True, eq=False)
class Issuer:
    """Who issues envelopes.

    Parameters
    ----------
    field : Field
        The day.
    planned : Planned
        Plans of everybody.
    expected : Profiles
        Each interval as it is expected at its own start.
    """

    field: Field
    planned: Planned
    expected: Profiles

    @cached_property
    def devices(self) -> IntArray:
        """Columns of what can be moved."""
        return np.flatnonzero(self.field.is_controllable)

    def surroundings(self, network: Network) -> Surroundings:
        """The grid around them, everybody else as the profiles say, communities as they have planned."""
        field, profiles = self.field, self.expected
        p_kw = field.net_kw(profiles)
        p_kw[:, field.by_themselves] = self.planned.plan_kw[:, field.by_themselves]
        q_kvar = field.net_kvar(p_kw, profiles)
        p_kw[:, field.scheduled], q_kvar[:, field.scheduled] = community_powers(field, self.planned, profiles)
        others = np.setdiff1d(np.arange(len(field.assets)), self.devices)
        return Surroundings(
            network=network,
            limits=field.limits.with_margin(field.settings.envelope_margin_share),
            bus=field.bus[self.devices],
            tan=field.tan[self.devices],
            fixed_kw=p_kw[:, others],
            fixed_kvar=q_kvar[:, others],
            fixed_bus=field.bus[others],
            method=field.engines.method,
        )

    def of_devices(self, network: Network) -> PlanEnvelopes:
        """Envelopes of what can be moved, in all intervals on one topology."""
        bounds_kw = device_bounds_kw(self.field, self.expected)
        low_kw, high_kw = (end[:, self.devices] for end in bounds_kw)
        plan_kw = self.planned.plan_kw[:, self.devices]
        return envelopes_around(self.surroundings(network), plan_kw, (low_kw, high_kw))

    @cached_property
    def usual(self) -> PlanEnvelopes:
        """Envelopes of all assets on the grid as it is in its file; endless where nothing can be moved."""
        return self._of_all(self.field.network)

    def on(self, closed: BoolArray) -> PlanEnvelopes:
        """Envelopes of all assets, each interval on its own topology, shape (steps, switches)."""
        distinct, which = np.unique(closed, axis=0, return_inverse=True)
        found = no_envelopes(self.planned)
        for index, positions in enumerate(distinct):
            rows, issued = which == index, self._on_one(positions)
            for end, theirs in ((found.p_min_kw, issued.p_min_kw), (found.p_max_kw, issued.p_max_kw)):
                end[rows] = theirs[rows]
        return found

    def _on_one(self, positions: BoolArray) -> PlanEnvelopes:
        key = positions.tobytes()
        if key not in self._known:
            self._known[key] = self._of_all(self.field.network_of(positions))
        return self._known[key]

    @cached_property
    def _known(self) -> dict[bytes, PlanEnvelopes]:
        return {}

    def _of_all(self, network: Network) -> PlanEnvelopes:
        free = no_envelopes(self.planned)
        if len(self.devices):
            issued = self.of_devices(network)
            free.p_min_kw[:, self.devices] = issued.p_min_kw
            free.p_max_kw[:, self.devices] = issued.p_max_kw
        return free


def within_given(
    field: Field, expected: Profiles, ends_kw: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Both ends of envelopes within those that the study brings along, (steps, assets) each [kW].

    What cannot be moved has none, and what a device draws or gives at least it does whatever it is allowed.
    """
    low_kw, high_kw = (end.copy() for end in ends_kw)
    if field.study.envelopes is None:
        return low_kw, high_kw
    may, (given_low_kw, given_high_kw) = field.is_controllable, field.given_kw
    least_kw, most_kw = device_bounds_kw(field, expected)
    low_kw[:, may] = np.minimum(np.maximum(low_kw, given_low_kw), most_kw)[:, may]
    high_kw[:, may] = np.maximum(np.minimum(high_kw, given_high_kw), least_kw)[:, may]
    return low_kw, high_kw


def no_envelopes(planned: Planned) -> PlanEnvelopes:
    """Envelopes without an end."""
    endless, nothing = np.full(planned.plan_kw.shape, np.inf), np.zeros(len(planned.plan_kw))
    return PlanEnvelopes(-endless, endless.copy(), nothing, nothing)
