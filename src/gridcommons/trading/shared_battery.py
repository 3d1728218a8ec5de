"""Batteries that members own together: what the market asks of them, and what that is worth to the owners.

After each community round a shared battery takes what the members have too much of, or gives what they lack,
as far as its power, its envelope and its energy go. It does so at the main grid's prices: what it charges
would have been fed in, what it discharges would have been bought. Its owners pay and get that by their
shares, so that nobody else is better or worse off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.assets import Battery
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.storage import charge_bounds_kw
from gridcommons.model.study import Study
from gridcommons.trading.community_day import CommunityDay
from gridcommons.trading.rounds import Rounds

MINUTE_HOURS = 1.0 / 60.0
"""Length of a minute [h]."""


@dataclass(frozen=True, eq=False)
class SharedBatteries:
    """The batteries of a community.

    Parameters
    ----------
    battery : tuple of Battery
        Ratings and energy of each.
    column : (batteries,)
        Its place among the assets of the study.
    cluster : (batteries,)
        Cluster that it stands in, by position.
    owner_share : (batteries, members)
        What part of each belongs to whom; what nobody has a share of belongs to its own member.
    envelope_kw : (2, minutes, batteries)
        Least and most net power that its operating envelope allows; infinite where it has none [kW].
    """

    battery: tuple[Battery, ...]
    column: IntArray
    cluster: IntArray
    owner_share: FloatArray
    envelope_kw: FloatArray

    def __len__(self) -> int:
        """Number of batteries."""
        return len(self.battery)


@dataclass(frozen=True, eq=False)
class BatteryDay:
    """What shared batteries did.

    Parameters
    ----------
    p_kw : (minutes, batteries)
        Net power, positive when charging [kW].
    energy_kwh : (minutes, batteries)
        Energy at the start of each minute [kWh].
    asked_kw : (rounds, clusters)
        Net power that each round asked of the batteries of each cluster [kW].
    """

    p_kw: FloatArray
    energy_kwh: FloatArray
    asked_kw: FloatArray


def find_shared_batteries(study: Study, day: CommunityDay) -> SharedBatteries:
    """The flexible batteries of a study whose members have shares of a battery; none without shares.

    Raises
    ------
    StudyError
        A shared battery has a profile: it follows the market.
    """
    shares = np.array([member.battery_share for member in study.community.members])
    assets = study.community.assets
    chosen = [k for k in study.community.controllable if isinstance(assets[k], Battery) and shares.any()]
    given = [assets[k].asset for k in chosen if assets[k].asset in study.profiles.columns]
    if given:
        found = f"a profile of the shared battery {', '.join(given)}"
        raise StudyError([Problem("profiles", found, "none: it follows the market", "remove its column")])
    home = [day.member.index(assets[k].member) for k in chosen]
    owners = np.tile(shares, (len(chosen), 1))
    owners[np.arange(len(chosen)), home] += 1.0 - shares.sum()
    return SharedBatteries(
        tuple(battery for k in chosen if isinstance(battery := assets[k], Battery)),
        np.array(chosen, dtype=np.int64),
        day.cluster_of[home],
        owners,
        _envelopes_kw(study, day, [assets[k].asset for k in chosen]),
    )


def _envelopes_kw(study: Study, day: CommunityDay, names: list[str]) -> FloatArray:
    envelope_kw = np.empty((2, day.minutes, len(names)))
    envelope_kw[0], envelope_kw[1] = -np.inf, np.inf
    if study.envelopes is not None:
        for k, name in enumerate(names):
            if name in study.envelopes.asset:
                at = study.envelopes.asset.index(name)
                ends = (study.envelopes.p_min_kw[:, at], study.envelopes.p_max_kw[:, at])
                envelope_kw[:, :, k] = [np.repeat(end, day.step_minutes) for end in ends]
    return envelope_kw


def follow_market(
    batteries: SharedBatteries, day: CommunityDay, rounds: Rounds, group_of: IntArray
) -> BatteryDay:
    """What the batteries do over a day, from one community round's effect to the next.

    Parameters
    ----------
    group_of : (clusters,)
        Clusters of one number share their surplus.
    """
    held_kw = np.zeros((day.minutes, len(batteries)))
    asked_kw = np.zeros((len(rounds), len(day.clusters)))
    ruling = rounds.is_kind("community") & rounds.takes_effect & (rounds.effect_minute < day.minutes)
    for index in np.flatnonzero(ruling).tolist():
        surplus_kw = np.bincount(group_of, day.balance_kw[rounds.minute[index]])
        for k, battery in enumerate(batteries.battery):
            group = group_of[batteries.cluster[k]]
            asked = float(np.clip(surplus_kw[group], -battery.discharge_max_kw, battery.charge_max_kw))
            surplus_kw[group] -= asked
            asked_kw[index, batteries.cluster[k]] += asked
            held_kw[rounds.effect_minute[index] :, k] = asked
    p_kw, energy_kwh = _within_energy(batteries, held_kw)
    return BatteryDay(p_kw, energy_kwh, asked_kw)


def _within_energy(batteries: SharedBatteries, held_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What is asked, minute by minute as far as envelope and energy go, and the energy that it leaves."""
    p_kw, energy_kwh = np.zeros_like(held_kw), np.zeros_like(held_kw)
    for k, battery in enumerate(batteries.battery):
        low_kw, high_kw = batteries.envelope_kw[:, :, k]
        energy = battery.soc_initial_share * battery.energy_kwh
        for minute, asked in enumerate(held_kw[:, k].tolist()):
            least, most = (float(end) for end in charge_bounds_kw(battery, np.array(energy), MINUTE_HOURS))
            # The envelope is a limit of the grid: it comes last.
            power = min(max(min(max(asked, least), most), low_kw[minute]), high_kw[minute])
            p_kw[minute, k], energy_kwh[minute, k] = power, energy
            stored = battery.charge_efficiency_share * max(power, 0.0)
            taken = max(-power, 0.0) / battery.discharge_efficiency_share
            energy += (stored - taken) * MINUTE_HOURS
    return p_kw, energy_kwh


def owners_amount(batteries: SharedBatteries, day: CommunityDay, p_kw: FloatArray) -> FloatArray:
    """What each member pays for its share of the batteries' energy, shape (members,) [currency].

    Charged at the feed-in price, discharged at the retail price: negative where the share earns.
    """
    price = np.where(p_kw > 0.0, day.feed_in_price_per_kwh[:, None], day.retail_price_per_kwh[:, None])
    amount = (p_kw * price).sum(axis=0) * MINUTE_HOURS
    return np.asarray(amount @ batteries.owner_share)
