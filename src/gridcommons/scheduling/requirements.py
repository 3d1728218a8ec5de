"""What a study must say so that its communities can be scheduled: all that is missing at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridcommons.model.assets import (
    Asset,
    Chp,
    DemandResponse,
    EvCharger,
    HeatPump,
    Pv,
    SmartBoiler,
)
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.members import refuse_three_phase
from gridcommons.model.profiles import Profiles, room_cop
from gridcommons.model.study import Study
from gridcommons.optimisation.devices.heat_pump import OUTDOOR
from gridcommons.optimisation.devices.smart_boiler import WATER_KWH_PER_M3K
from gridcommons.scheduling.energy_hub import communities_of, is_planned
from gridcommons.scheduling.settings import Settings

ASSETS, PRICES, PROFILES, STUDY = "assets.csv", "prices.csv", "profiles", "study.toml"

OPERATOR = "DSO"
"""What the grid operator is called where money moves."""

CAR_COLUMNS = ("energy_kwh", "soc_min_share", "soc_max_share")


def require_scheduling(study: Study, settings: Settings) -> None:
    """Do nothing for a study that can be scheduled.

    Raises
    ------
    StudyError
        Everything that is missing or contradicts itself.
    """
    refuse_three_phase(study.grid, "scheduling")
    problems = [
        *_communities(study),
        *_operator_name(study),
        *_horizon(study, settings),
        *_prices(study),
        *_assets(study),
    ]
    if problems:
        raise StudyError(problems)


def _communities(study: Study) -> Iterator[Problem]:
    if not communities_of(study):
        yield Problem(
            "members.csv", "no member with a cluster", "communities: members of one cluster", column="cluster"
        )


def _operator_name(study: Study) -> Iterator[Problem]:
    if OPERATOR in communities_of(study):
        expected = f"another name: {OPERATOR} is the grid operator in all settlements"
        yield Problem("members.csv", f"a community {OPERATOR!r}", expected, column="cluster")


def _horizon(study: Study, settings: Settings) -> Iterator[Problem]:
    if (settings.horizon_hours * 60) % study.time.step_minutes:
        yield Problem(
            STUDY,
            f"horizon_hours {settings.horizon_hours} with step_minutes {study.time.step_minutes}",
            "whole intervals in a horizon",
            table="tasks.scheduling",
        )


def _prices(study: Study) -> Iterator[Problem]:
    prices = study.prices
    if prices is None:
        yield Problem(PRICES, "no such file", "import_price_per_kwh and export_price_per_kwh")
        return
    missing = False
    for column in ("import_price_per_kwh", "export_price_per_kwh"):
        if np.isnan(getattr(prices, column)).any():
            missing = True
            yield Problem(PRICES, "no such column", "a price of every interval", column=column)
    if missing:
        return
    paid = prices.import_price_per_kwh + np.nan_to_num(prices.network_fee_per_kwh)
    wrong = np.flatnonzero(prices.export_price_per_kwh > paid + 1e-12)
    if len(wrong):
        step = int(wrong[0])
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        yield Problem(
            PRICES,
            f"{prices.export_price_per_kwh[step]:g} with {paid[step]:g} for import and network fee at "
            f"{study.time.local(step).isoformat(timespec='minutes')}{more}",
            "no more than import and network fee: else buying and selling at once earns without end",
            column="export_price_per_kwh",
        )


def _assets(study: Study) -> Iterator[Problem]:
    for members in communities_of(study).values():
        by_id = {member.member: member for member in members}
        assets = [asset for asset in study.community.assets if asset.member in by_id]
        planned = [asset for asset in assets if is_planned(asset, by_id[asset.member])]
        with_boiler = {asset.member for asset in planned if asset.kind == "boiler"}
        for asset in planned:
            for column, expected in _lacks(asset, study.profiles, asset.member in with_boiler):
                place = PROFILES if column == OUTDOOR else ASSETS
                yield Problem(place, "nothing", expected, row=asset.asset, column=column)
            yield from _draws(asset, study.profiles)
    yield from _unheard(study)


def _unheard(study: Study) -> Iterator[Problem]:
    """Assets that follow a profile and have none."""
    members, profiles = study.community.member_by_id, study.profiles
    for asset in study.community.assets:
        member = members[asset.member]
        follows = not (member.cluster and is_planned(asset, member))
        if follows and asset.needs_profile and asset.asset not in profiles.columns:
            expected = f"the profile that {asset.asset} follows"
            yield Problem(PROFILES, "no such column", expected, column=asset.asset)
        draw = f"{asset.asset}.draw_m3"
        is_cold = follows and isinstance(asset, SmartBoiler) and asset.asset not in profiles.columns
        if is_cold and profiles.of(draw).any():
            expected = f"what {asset.asset} draws for the hot water of {draw}, or flexible and opted in"
            yield Problem(PROFILES, "no such column", expected, column=asset.asset)


Lacks = Iterator[tuple[str, str]]
"""Columns that an asset lacks, and what is expected there."""


def _lacks(asset: Asset, profiles: Profiles, has_boiler: bool) -> Lacks:
    if isinstance(asset, Pv | SmartBoiler) and asset.q_share > 0.0 and np.isnan(asset.inverter_kva):
        yield "inverter_kva", "the inverter behind the reactive power of q_share"
    if isinstance(asset, Chp):
        yield from _chp_lacks(asset, has_boiler)
    if isinstance(asset, DemandResponse) and np.isnan(asset.power_to_energy_per_h):
        yield "power_to_energy_per_h", "how fast consumption is put off: a planned demand_response needs it"
    if isinstance(asset, EvCharger):
        missing = [column for column in CAR_COLUMNS if np.isnan(getattr(asset, column))]
        yield from ((column, "a value: a planned ev_charger needs it") for column in missing)
    if isinstance(asset, HeatPump):
        yield from _pump_lacks(asset, profiles)


def _pump_lacks(asset: HeatPump, profiles: Profiles) -> Lacks:
    if not (room_cop(asset, profiles) > 0.0).all():
        given = f"here or as {asset.asset}.cop in the profiles"
        yield "cop", f"a COP above 0, {given}: a planned heat_pump needs it"
    if asset.has_house and OUTDOOR not in profiles.columns:
        yield OUTDOOR, "the temperature outside: houses are heated against it"


def _chp_lacks(asset: Chp, has_boiler: bool) -> Lacks:
    if not asset.electric_share > 0.0:
        yield "electric_share", "the electric part of its heat, above 0: a planned chp needs it"
    if np.isnan(asset.heat_cost_per_kwh) and not has_boiler:
        yield (
            "heat_cost_per_kwh",
            "what its heat costs: a planned chp without a boiler at its member needs it",
        )


def _draws(asset: Asset, profiles: Profiles) -> Iterator[Problem]:
    """No more hot water in an interval than a device has."""
    if isinstance(asset, SmartBoiler):
        column, finer = f"{asset.asset}.draw_m3", "use a finer step"
        # The tank's law steps over an interval at once: draw and loss of it are no more than the tank holds.
        lost_m3 = asset.loss_kw_per_k * profiles.time.step_hours / WATER_KWH_PER_M3K
        most, room = float(profiles.of(column).max(initial=0.0)), asset.tank_m3 - lost_m3
        expected = f"at most {max(room, 0.0):g} in an interval: tank_m3 less what loss_kw_per_k takes"
    elif isinstance(asset, HeatPump):
        column, finer = f"{asset.asset}.water_kw", ""
        most, room = float(profiles.of(column).max(initial=0.0)), asset.consumption_max_kw
        expected = f"at most consumption_max_kw {room:g}"
    else:
        return
    if most > room:
        yield Problem(PROFILES, f"{most:g}", expected, finer, column=column)
