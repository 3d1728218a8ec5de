"""SimBench grids and their year of 15-minute profiles as a study: members, assets, profiles.

Source: S. Meinecke et al., "SimBench — A Benchmark Dataset of Electric Power Systems", Energies 13
(2020) 3290. The data are under the Open Database License (ODbL) 1.0; the package carries them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from gridcommons.adapters.problems import listed
from gridcommons.adapters.studies.draft import (
    AssetRow,
    NetworkDraft,
    add_members,
    element_ids,
    local_window,
)
from gridcommons.model.errors import MissingExtraError, Problem, StudyError, did_you_mean
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.time import TimeAxis

if TYPE_CHECKING:
    import pandas as pd

TIMEZONE = "Europe/Berlin"
STEP_MINUTES = 15
TAP_POS = 0
SOC_WHERE_EMPTY_SHARE = 0.5
"""State of charge at the start where the source has 0, with which no battery could ever discharge."""
EV_PROFILE = re.compile(r"^(HLS|APLS)_")
HEAT_PUMP_PROFILE = re.compile(r"^(Air|Soil)_")
STORAGE_PROFILE = re.compile(r"^Storage_(?P<pv>[A-Za-z0-9]+)_")
_TINY_KW = 1e-3
"""Negative consumption smaller than this is the rounding of the source and becomes 0."""
_IDLE_SHARE = 1e-3
"""A wind turbine that stands still draws less than this share of its rating, which becomes 0, counted."""
_SAME_SHARE = 1e-9


@dataclass(frozen=True, eq=False)
class _Year:
    """The profiles of a network in the window: relative values by column, each of shape (steps,)."""

    load: dict[str, FloatArray]
    renewables: dict[str, FloatArray]
    powerplants: dict[str, FloatArray]


def draft_simbench(code: str, day: date | None, days: int | None) -> NetworkDraft:
    """The study that a SimBench code makes, over a local day or the first local days of 2016.

    Raises
    ------
    MissingExtraError
        If simbench is not installed.
    StudyError
        If there is no such code, or no profile in the window.
    """
    net = _open(code)
    stamps = utc_stamps(net.profiles["load"].time)
    begin, end = local_window(stamps[0].to_pydatetime(), day, days, TIMEZONE)
    inside = np.flatnonzero((stamps >= begin) & (stamps < end))
    if not len(inside) or len(inside) != (end - begin).total_seconds() / 60 / STEP_MINUTES:
        expected = f"days from {_local_date(stamps[0])} to {_local_date(stamps[-1])}"
        raise StudyError([Problem("new", f"{_local_date(begin)} to before {_local_date(end)}", expected)])
    draft = NetworkDraft(f"SimBench {code}", _axis(stamps[inside[0]], len(inside)), net=net)
    year = _Year(*(_window(net.profiles[table], inside) for table in ("load", "renewables", "powerplants")))
    _set_grid(draft)
    members = add_members(draft, [*net.load.bus, *net.sgen.bus, *net.storage.bus])
    _add_loads(draft, members, year)
    _add_generators(draft, members, year)
    _add_storages(draft, members, year)
    return draft


def utc_stamps(local: Any) -> pd.DatetimeIndex:
    """SimBench's local times of 2016 as UTC; the hour that October repeats is told apart by its order."""
    import pandas as pd

    naive = pd.DatetimeIndex(pd.to_datetime(local, format="%d.%m.%Y %H:%M"))
    return naive.tz_localize(TIMEZONE, ambiguous="infer").tz_convert("UTC")


def _open(code: str) -> Any:
    try:
        import simbench
    except ImportError as error:
        raise MissingExtraError("simbench", "simbench") from error
    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        problem = Problem("new", repr(code), "a SimBench code", did_you_mean(code, codes))
        raise StudyError([problem])
    return simbench.get_simbench_net(code)


def _local_date(at: datetime) -> date:
    return at.astimezone(ZoneInfo(TIMEZONE)).date()


def _axis(start: pd.Timestamp, steps: int) -> TimeAxis:
    return TimeAxis(start.to_pydatetime(), STEP_MINUTES, steps, TIMEZONE)


def _window(frame: pd.DataFrame, inside: IntArray) -> dict[str, FloatArray]:
    rows = frame.iloc[inside]
    return {name: rows[name].to_numpy(np.float64) for name in frame.columns if name != "time"}


def _set_grid(draft: NetworkDraft) -> None:
    """Write the tap position and the source voltage down, so that nothing depends on a quiet rule."""
    net = draft.net
    taps = sorted({int(tap) for tap in net.trafo.tap_pos.dropna()})
    draft.grid_settings["tap_pos"] = TAP_POS
    draft.said.append(
        f"tap_pos = {TAP_POS} is written: the source has {listed(map(str, taps))}, which its own load flow "
        "leaves out, since no tap changer is named"
    )
    held_pu = sorted(set(net.ext_grid.vm_pu))
    if len(held_pu) == 1:
        draft.grid_settings["slack_vm_pu"] = float(held_pu[0])


def _kw(value_mw: float) -> float:
    """Kilowatts, without the noise of the conversion."""
    return round(float(value_mw) * 1e3, 9)


def _add_loads(draft: NetworkDraft, members: dict[int, str], year: _Year) -> None:
    ids = element_ids(draft.net, "load")
    tiny: list[str] = []
    for index, row in draft.net.load.iterrows():
        scale = float(row.scaling) * float(row.in_service)
        p_kw = scale * _kw(row.p_mw) * year.load[f"{row.profile}_pload"]
        q_kvar = scale * _kw(row.q_mvar) * year.load[f"{row.profile}_qload"]
        name, kind = ids[index], _load_kind(str(row.profile))
        draft.columns[name] = _without_tiny(p_kw, name, tiny)
        values = _load_ratings(kind, scale * _kw(row.p_mw))
        power_factor = _power_factor(p_kw, q_kvar)
        if power_factor is None:
            draft.columns[f"{name}.q_kvar"] = q_kvar
        else:
            values["power_factor"] = power_factor
        draft.assets.append(AssetRow(name, members[int(row.bus)], kind, kind != "load", values))
    if tiny:
        places = listed(dict.fromkeys(tiny), 4)
        draft.said.append(f"{len(tiny)} consumptions between -{_TINY_KW:g} kW and 0 are set to 0 ({places})")


def _load_kind(profile: str) -> str:
    if EV_PROFILE.match(profile):
        return "ev_charger"
    return "heat_pump" if HEAT_PUMP_PROFILE.match(profile) else "load"


def _load_ratings(kind: str, rated_kw: float) -> dict[str, float]:
    return {"ev_charger": {"charge_max_kw": rated_kw}, "heat_pump": {"consumption_max_kw": rated_kw}}.get(
        kind, {}
    )


def _without_tiny(p_kw: FloatArray, name: str, tiny: list[str], below_kw: float = _TINY_KW) -> FloatArray:
    """Magnitudes without the source's tiny negative values; real ones stay, for the check to refuse."""
    small = (p_kw < 0.0) & (p_kw > -below_kw)
    tiny += [name] * int(small.sum())
    return np.where(small, 0.0, p_kw)


def _power_factor(p_kw: FloatArray, q_kvar: FloatArray) -> float | None:
    """The power factor where Q is one share of P throughout, None where it goes its own way.

    A controlled asset needs it: a column of Q would not follow when P is changed.
    """
    if not q_kvar.any():
        return 1.0
    top = int(np.argmax(p_kw))
    share = q_kvar[top] / p_kw[top] if p_kw[top] > 0.0 else -1.0
    if share < 0.0 or np.abs(q_kvar - share * p_kw).max() > _SAME_SHARE * np.abs(q_kvar).max():
        return None
    return round(float(1.0 / np.hypot(1.0, share)), 12)


def _add_generators(draft: NetworkDraft, members: dict[int, str], year: _Year) -> None:
    ids = element_ids(draft.net, "sgen")
    dispatched: list[str] = []
    idle: list[str] = []
    for index, row in draft.net.sgen.iterrows():
        name, rated_kw = ids[index], _kw(row.p_mw) * float(row.scaling) * float(row.in_service)
        weather = str(row.profile) in year.renewables
        made_kw = rated_kw * (year.renewables if weather else year.powerplants)[str(row.profile)]
        draft.columns[name] = _without_tiny(made_kw, name, idle, _IDLE_SHARE * rated_kw)
        values = {"generation_max_kw": rated_kw}
        solar = str(row.profile).startswith("PV")
        if solar:
            values["inverter_kva"] = _kw(row.sn_mva)
        else:
            dispatched.append(name)
        kind = "pv" if solar else "chp"
        draft.assets.append(AssetRow(name, members[int(row.bus)], kind, solar, values))
    if idle:
        places = listed(dict.fromkeys(idle), 4)
        draft.said.append(
            f"{len(idle)} values of generators that stand still and draw up to {_IDLE_SHARE:.1%} of their "
            f"rating are set to 0 ({places})"
        )
    if dispatched:
        draft.said.append(
            f"{len(dispatched)} generators other than solar are of kind chp and not flexible "
            f"({listed(dispatched, 4)})"
        )


def _add_storages(draft: NetworkDraft, members: dict[int, str], year: _Year) -> None:
    """A storage element of SimBench is solar generation and a battery in one; make both of it."""
    ids = element_ids(draft.net, "storage")
    for index, row in draft.net.storage.iterrows():
        name, member, rated_kw = ids[index], members[int(row.bus)], _kw(row.sn_mva)
        solar = {"generation_max_kw": rated_kw, "inverter_kva": rated_kw}
        draft.columns[f"{name}_pv"] = rated_kw * year.renewables[_solar_profile(str(row.profile), year)]
        draft.assets.append(AssetRow(f"{name}_pv", member, "pv", True, solar))
        draft.assets.append(AssetRow(name, member, "battery", True, _battery(row, rated_kw)))
    count, empty = len(draft.net.storage), int((draft.net.storage.soc_percent == 0.0).sum())
    if count:
        draft.said.append(
            f"{count} storage elements are each a pv of its rating with its PV profile and a battery without "
            "a profile; the efficiency of the source holds for either way"
        )
    if empty:
        draft.said.append(
            f"soc_initial_share = {SOC_WHERE_EMPTY_SHARE} is written for {empty} batteries: the source has 0"
        )


def _solar_profile(profile: str, year: _Year) -> str:
    """The solar profile behind a storage profile: named in it, or the low-voltage grid it stands for."""
    match = STORAGE_PROFILE.match(profile)
    name = match["pv"] if match else profile
    if name not in year.renewables:
        expected = "Storage_PV<number>_<load>, or the name of a low-voltage grid with a generation profile"
        raise StudyError([Problem("simbench", f"storage profile {profile!r}", expected)])
    return name


def _battery(row: Any, rated_kw: float) -> dict[str, float]:
    energy_kwh = _kw(row.max_e_mwh)
    return {
        "charge_max_kw": rated_kw,
        "discharge_max_kw": rated_kw,
        "energy_kwh": energy_kwh,
        # Called percent in the source, and a share there; it holds for either way.
        "charge_efficiency_share": float(row.efficiency_percent),
        "discharge_efficiency_share": float(row.efficiency_percent),
        "soc_initial_share": float(row.soc_percent) / 100.0 or SOC_WHERE_EMPTY_SHARE,
        "soc_min_share": _kw(row.min_e_mwh) / energy_kwh,
        "soc_max_share": 1.0,
    }
