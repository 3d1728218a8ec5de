"""A study from the loads, generators and storages of a network: constant profiles over the window."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.adapters.studies.draft import (
    INJECTION_TABLES,
    AssetRow,
    NetworkDraft,
    add_members,
    element_ids,
    local_window,
)
from gridcommons.model.time import TimeAxis

TIMEZONE = "UTC"
STEP_MINUTES = 15
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
"""Start of the window where no day is asked for; a network knows no date."""
_IMPEDANCE_SHARES = ("const_z_p_percent", "const_z_q_percent", "const_i_p_percent", "const_i_q_percent")


def draft_from_net(name: str, net: Any, day: date | None, days: int | None) -> NetworkDraft:
    """The study that a network makes, over a day or the first days of 2024.

    Raises
    ------
    StudyError
        If a load depends on voltage, which a member's profile cannot say.
    """
    _refuse_voltage_dependence(net)
    begin, end = local_window(FIRST_DAY, day, days, TIMEZONE)
    steps = int((end - begin).total_seconds() / 60 / STEP_MINUTES)
    draft = NetworkDraft(name, TimeAxis(begin.astimezone(UTC), STEP_MINUTES, steps, TIMEZONE), net=net)
    rows = {table: net[table][net[table].in_service.astype(bool)] for table in INJECTION_TABLES}
    members = add_members(draft, [bus for frame in rows.values() for bus in frame.bus])
    for table, frame in rows.items():
        ids = element_ids(net, table)
        for index, row in frame.iterrows():
            _add(draft, table, (ids[index], members[int(row.bus)]), row)
    left = sum(len(net[table]) - len(frame) for table, frame in rows.items())
    if left:
        draft.said.append(f"{left} loads, generators and storages out of service are left out")
    if rows["storage"].size:
        draft.said.append("batteries: efficiencies of 1 are written, since the network gives none")
    draft.said.append(f"profiles are constant over {steps} steps: the network has one operating point")
    return draft


def _refuse_voltage_dependence(net: Any) -> None:
    problems = ProblemList()
    for column in _IMPEDANCE_SHARES:
        if column in net.load:
            for index in net.load.index[net.load[column].fillna(0.0) != 0.0]:
                found = f"{net.load.at[index, column]:g} %"
                place = Place("network", table="load", row=int(index), column=column)
                problems.add(place, found, "0: the profile of a member is constant power")
    problems.raise_if_any()


def _add(draft: NetworkDraft, table: str, ids: tuple[str, str], row: Any) -> None:
    name, member = ids
    p_kw = round(float(row.p_mw) * float(row.scaling) * 1e3, 9)
    q_kvar = round(float(row.q_mvar) * float(row.scaling) * 1e3, 9)
    into_grid = -1.0 if table == "sgen" else 1.0
    if table == "storage":
        draft.assets.append(AssetRow(name, member, "battery", True, _battery(row, p_kw)))
        _constant(draft, name, p_kw)
    else:
        drawn_kw = into_grid * p_kw
        kind = _kind(table, drawn_kw, row)
        values = {"generation_max_kw": _rated_kw(row, abs(p_kw))} if kind != "load" else {}
        draft.assets.append(AssetRow(name, member, kind, kind == "pv", values))
        _constant(draft, name, abs(p_kw))
    if q_kvar:
        _constant(draft, f"{name}.q_kvar", into_grid * q_kvar)


def _constant(draft: NetworkDraft, column: str, value: float) -> None:
    draft.columns[column] = np.full(draft.time.steps, value)


def _kind(table: str, drawn_kw: float, row: Any) -> str:
    if drawn_kw > 0.0 or (table == "load" and drawn_kw == 0.0):
        return "load"
    return "pv" if table == "sgen" and str(row.get("type")).upper() == "PV" else "chp"


def _rated_kw(row: Any, p_kw: float) -> float:
    rated = row.get("sn_mva")
    return p_kw if rated is None or np.isnan(rated) else max(p_kw, round(float(rated) * 1e3, 9))


def _battery(row: Any, p_kw: float) -> dict[str, float]:
    rated_kw = _rated_kw(row, abs(p_kw))
    energy_kwh = round(float(row.max_e_mwh) * 1e3, 9)
    share = float(row.soc_percent) / 100.0 if not np.isnan(row.soc_percent) else 0.0
    lowest = 0.0 if np.isnan(row.min_e_mwh) or not energy_kwh else float(row.min_e_mwh) * 1e3 / energy_kwh
    return {
        "charge_max_kw": rated_kw,
        "discharge_max_kw": rated_kw,
        "energy_kwh": energy_kwh,
        "charge_efficiency_share": 1.0,
        "discharge_efficiency_share": 1.0,
        "soc_initial_share": max(share, lowest),
        "soc_min_share": lowest,
        "soc_max_share": 1.0,
    }
