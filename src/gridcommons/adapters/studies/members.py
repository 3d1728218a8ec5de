"""Reads ``members.csv`` and ``assets.csv`` and checks every row on its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.tables import Columns, Row, read_table
from gridcommons.model.assets import ASSET_KINDS, HOUSE_COLUMNS, Asset, rating_columns
from gridcommons.model.errors import did_you_mean
from gridcommons.model.members import CONNECTIONS, Contract, Member

MEMBERS_FILE = "members.csv"
ASSETS_FILE = "assets.csv"
MEMBER_COLUMNS = Columns(
    ("member", "bus"),
    ("cluster", "aggregator", "supplier", "phase", "opted_in", "living_area_m2", "battery_share", "contract"),
)
ASSET_COLUMNS = Columns(
    ("asset", "member", "kind"),
    (
        "flexible",
        "power_factor",
        *dict.fromkeys(name for kind in ASSET_KINDS.values() for name in rating_columns(kind)),
    ),
)
RESERVED_IDS = ("time", "outdoor")
NEVER_ZERO = ("cop", "tank_m3")
"""Ratings without which a device is none."""

NEEDED_TO_DISCHARGE = ("energy_kwh", "soc_min_share", "soc_max_share")


@dataclass
class MemberTable:
    """The members, and the row in which each id stands; ``is_read`` is False where the file is no table."""

    members: list[Member] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    is_read: bool = True


@dataclass
class AssetTable:
    """The assets whose rows are right, and the row in which each id stands (right or wrong)."""

    assets: list[Asset] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)


def read_members(folder: Path, problems: ProblemList) -> MemberTable:
    """The members of ``members.csv``; whatever is wrong goes to ``problems``."""
    table = MemberTable()
    before = len(problems.found)
    rows = read_table(folder / MEMBERS_FILE, MEMBER_COLUMNS, problems)
    # Without a single member, every asset would be told that its member is unknown.
    table.is_read = bool(rows) or len(problems.found) == before
    for row in rows:
        name = _new_id(row, "member", table.rows)
        if name:
            table.members.append(_member(row, name))
    shared = sum(member.battery_share for member in table.members)
    if shared > 1.0 + 1e-9:
        place = Place(MEMBERS_FILE, column="battery_share")
        problems.add(place, f"shares that sum to {shared:g}", "a sum of at most 1")
    return table


def miss_living_areas(members: MemberTable) -> None:
    """Note a problem for every member whose living area is needed and not given."""
    for member in members.members:
        if not member.living_area_m2 > 0.0:
            found = "0" if member.living_area_m2 == 0.0 else "an empty cell"
            row = members.rows[member.member]
            if math.isnan(member.living_area_m2) and row.text("living_area_m2"):
                continue  # its own problem is noted already
            row.add("living_area_m2", found, "an area above 0: [synthesis] makes profiles of it")


def read_assets(folder: Path, members: MemberTable, problems: ProblemList) -> AssetTable:
    """The assets of ``assets.csv``; whatever is wrong goes to ``problems``."""
    table = AssetTable()
    for row in read_table(folder / ASSETS_FILE, ASSET_COLUMNS, problems):
        before = len(problems.found)
        name = _new_id(row, "asset", table.rows)
        _check_member(row, members)
        asset = _asset(row, name)
        if name and asset is not None and len(problems.found) == before:
            table.assets.append(asset)
    return table


def _new_id(row: Row, column: str, rows: dict[str, Row]) -> str:
    name = row.needed_text(column)
    if "." in name:
        row.add(column, repr(name), "an id without a dot", f"write {name.replace('.', '_')!r}")
    if name in RESERVED_IDS and column == "asset":
        row.add(column, repr(name), f"an id other than {listed(RESERVED_IDS)}, which name profile columns")
    if name in rows:
        row.add(column, f"{name!r} again", f"unique ids; row {rows[name].place.row} has it first")
        return ""
    if name:
        rows[name] = row
    return name


def _member(row: Row, name: str) -> Member:
    phase = row.text("phase")
    if phase not in CONNECTIONS:
        row.add("phase", repr(phase), f"{listed(filter(None, CONNECTIONS))} or empty")
    share = row.number("battery_share", high=1.0)
    return Member(
        member=name,
        bus=row.needed_text("bus"),
        cluster=row.text("cluster"),
        aggregator=row.text("aggregator"),
        supplier=row.text("supplier"),
        phase=phase,
        opted_in=row.flag("opted_in", otherwise=True),
        living_area_m2=row.number("living_area_m2"),
        battery_share=0.0 if math.isnan(share) else share,
        contract=_contract(row),
    )


def _contract(row: Row) -> Contract:
    known = get_args(Contract)
    text = row.text("contract") or Member.contract
    if text not in known:
        row.add("contract", repr(text), f"{', '.join(known)} or empty", did_you_mean(text, known))
        return Member.contract
    return cast(Contract, text)


def _check_member(row: Row, members: MemberTable) -> None:
    name = row.needed_text("member")
    if name and members.is_read and name not in members.rows:
        meant = did_you_mean(name, members.rows)
        row.add("member", repr(name), f"a member of {MEMBERS_FILE}", meant)


def _asset(row: Row, name: str) -> Asset | None:
    kind_name = row.needed_text("kind")
    kind = ASSET_KINDS.get(kind_name)
    if kind is None:
        if kind_name:
            meant = did_you_mean(kind_name, ASSET_KINDS) or f"known kinds: {listed(ASSET_KINDS, 20)}"
            row.add("kind", repr(kind_name), "a known kind", meant)
        return None
    before = len(row.problems.found)
    _refuse_foreign_columns(row, kind)
    values: dict[str, Any] = _ratings(row, kind)
    power_factor = row.number("power_factor", high=1.0)
    if power_factor == 0.0:
        row.add("power_factor", "0", "a share above 0, up to 1")
    flexible = row.flag("flexible", otherwise=False)
    if flexible and not kind.may_be_flexible:
        row.add("flexible", f"true for a {kind_name}", "false or empty", "use the kind 'demand_response'")
    _check_store(row, values, kind)
    _check_temperatures(row, values)
    _check_least(row, values)
    _check_engine(row, values)
    if kind.kind == "heat_pump":
        _check_house(row, values)
    if len(row.problems.found) > before:
        return None
    values["power_factor"] = 1.0 if math.isnan(power_factor) else power_factor
    return kind(asset=name, member=row.text("member"), flexible=flexible, **values)


def _refuse_foreign_columns(row: Row, kind: type[Asset]) -> None:
    own = (*ASSET_COLUMNS.required, "flexible", "power_factor", *rating_columns(kind))
    for column, cell in row.cells.items():
        if cell and column in ASSET_COLUMNS.every and column not in own:
            row.add(column, repr(cell), f"an empty cell: a {kind.kind} has no {column}")


def _ratings(row: Row, kind: type[Asset]) -> dict[str, float]:
    values: dict[str, float] = {}
    for column, rule in rating_columns(kind).items():
        before = len(row.problems.found)
        low = -math.inf if column.endswith("_c") else 0.0
        value = row.number(column, low=low, high=rule["below"])
        if not math.isnan(value):
            values[column] = value
        elif rule["required"] and len(row.problems.found) == before:
            row.add(column, "an empty cell", f"a value: every {kind.kind} needs it")
        if value == 0.0 and column.endswith("_efficiency_share"):
            row.add(column, "0", "a share above 0, up to 1")
        if value == 0.0 and column in NEVER_ZERO:
            row.add(column, "0", "a number above 0")
    return values


def _check_store(row: Row, values: dict[str, float], kind: type[Asset]) -> None:
    """The state of charge of whatever can discharge lies in a band that makes sense."""
    if values.get("discharge_max_kw", 0.0) > 0.0:
        for column in NEEDED_TO_DISCHARGE:
            is_asked_already = rating_columns(kind)[column]["required"]
            if not is_asked_already and not row.text(column):
                row.add(column, "an empty cell", "a value: what discharges needs it")
    low, high = values.get("soc_min_share"), values.get("soc_max_share")
    if low is None or high is None:
        return
    if low > high:
        row.add("soc_min_share", f"{low:g} with soc_max_share {high:g}", "soc_min_share up to soc_max_share")
        return
    for column in ("soc_initial_share", "departure_soc_share"):
        value = values.get(column)
        if value is not None and not low <= value <= high:
            row.add(column, f"{value:g}", f"a share from soc_min_share {low:g} to soc_max_share {high:g}")


def _check_temperatures(row: Row, values: dict[str, float]) -> None:
    low, high = values.get("temp_min_c"), values.get("temp_max_c")
    if low is None or high is None:
        return
    if low >= high:
        row.add("temp_min_c", f"{low:g} with temp_max_c {high:g}", "temp_min_c below temp_max_c")
        return
    cold = values.get("cold_temp_c")
    if cold is not None and cold > low:
        row.add("cold_temp_c", f"{cold:g} with temp_min_c {low:g}", "cold water no warmer than temp_min_c")
    start = values.get("temp_initial_c")
    if start is not None and not low <= start <= high:
        row.add("temp_initial_c", f"{start:g}", f"from temp_min_c {low:g} to temp_max_c {high:g}")


def _check_least(row: Row, values: dict[str, float]) -> None:
    """The least that a generator or boiler can run at is no more than its most."""
    for what in ("generation", "heat"):
        low, high = values.get(f"{what}_min_kw", 0.0), values.get(f"{what}_max_kw", math.inf)
        if low > high:
            found = f"{low:g} with {what}_max_kw {high:g}"
            row.add(f"{what}_min_kw", found, f"{what}_min_kw up to {what}_max_kw")


def _check_engine(row: Row, values: dict[str, float]) -> None:
    """A Stirling engine gives no more electricity and heat than it takes heat."""
    columns = ("stirling_efficiency_share", "generator_efficiency_share", "exchanger_share")
    engine, generator, exchanger = (values.get(column, 0.0) for column in columns)
    if engine * generator + exchanger > 1.0 + 1e-9:
        found = f"{exchanger:g} with {engine * generator:g} of the heat as electricity"
        row.add("exchanger_share", found, "no more than 1 together")


def _check_house(row: Row, values: dict[str, float]) -> None:
    """A house is given whole or not at all, and loses and stores heat."""
    missing = [column for column in HOUSE_COLUMNS if not row.text(column)]
    if missing and len(missing) < len(HOUSE_COLUMNS):
        expected = f"a whole house or none: {', '.join(HOUSE_COLUMNS)}"
        row.add(missing[0], f"a house without {', '.join(missing)}", expected)
    for column in HOUSE_COLUMNS:
        if not column.endswith("_c") and values.get(column) == 0.0:
            row.add(column, "0", "a number above 0")
