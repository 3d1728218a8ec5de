"""Reads ``profiles.parquet`` or ``profiles.csv`` and ``prices.csv`` onto the time axis of the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.axis import Fit, fit_to_axis
from gridcommons.adapters.studies.members import ASSETS_FILE, AssetTable
from gridcommons.adapters.studies.series import TIME, Series, column_names, read_series
from gridcommons.model.assets import ASSET_KINDS, Asset
from gridcommons.model.errors import did_you_mean
from gridcommons.model.grid import FloatArray
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis

PROFILE_FILES = ("profiles.parquet", "profiles.csv")
PRICES_FILE = "prices.csv"
PRICE_COLUMNS = (
    "import_price_per_kwh",
    "export_price_per_kwh",
    "network_fee_per_kwh",
    "heat_price_per_kwh",
)
OUTDOOR = "outdoor.temp_c"
SUFFIX_KINDS: dict[str, tuple[str, ...]] = {
    "q_kvar": tuple(ASSET_KINDS),
    "plugged_in": ("ev_charger",),
    "drive_kwh": ("ev_charger",),
    "cop": ("heat_pump",),
    "room_cop": ("heat_pump",),
    "water_kw": ("heat_pump",),
    "heat_kw": ("load",),
    "draw_m3": ("smart_boiler",),
    "metered_kw": tuple(ASSET_KINDS),
}
"""What may stand behind the dot of a profile column, and for which kinds."""
_PROFILE_NEEDED_BY = {
    "heat_pump": "a heat_pump that is not flexible and has no house",
    "chp": "a chp that is not flexible",
}
_MANY = 20
_ROUNDING = 1e-6
"""Share by which a part may exceed its whole: files are rounded."""


def profiles_path(folder: Path, problems: ProblemList) -> Path | None:
    """The profile file of a study folder, None where it has none."""
    there = [folder / name for name in PROFILE_FILES if (folder / name).exists()]
    if len(there) > 1:
        problems.add(Place(PROFILE_FILES[1]), f"beside {PROFILE_FILES[0]}", "one profile file", "remove one")
    return there[0] if there else None


def read_profiles(
    path: Path | None, table: AssetTable, time: TimeAxis, problems: ProblemList, notes: list[str]
) -> dict[str, FloatArray]:
    """Profile columns by name, each of shape (steps,); whatever is wrong goes to ``problems``."""
    if path is None:
        _miss_file(table, problems)
        return {}
    names = column_names(path, problems)
    if not names:
        return {}
    place = Place(path.name)
    wanted = _known_columns(place, names, table, problems)
    _miss_columns(place, names, table, problems)
    if not _has_time(place, names, problems):
        return {}
    fit = Fit(time, summed=[name for name in wanted if name.endswith((".drive_kwh", ".draw_m3"))])
    series = read_series(path, wanted, fit.window, problems)
    if series is None:
        return {}
    _check_values(series, table, problems)
    return fit_to_axis(series, fit, problems, notes) or {}


def read_prices(folder: Path, time: TimeAxis, problems: ProblemList, notes: list[str]) -> Prices | None:
    """The prices of the study, None where it has no ``prices.csv``."""
    path = folder / PRICES_FILE
    if not path.exists():
        return None
    names = column_names(path, problems)
    place = Place(PRICES_FILE)
    for name in names:
        if name not in (TIME, *PRICE_COLUMNS):
            meant = did_you_mean(name, PRICE_COLUMNS) or f"known columns: {listed(PRICE_COLUMNS)}"
            problems.add(place.at(row=1, column=name), "an unknown column", "a known column", meant)
    if not names or not _has_time(place, names, problems):
        return None
    fit = Fit(time, may_be_coarser=True)
    series = read_series(path, [name for name in PRICE_COLUMNS if name in names], fit.window, problems)
    if series is None:
        return None
    for name in series.values:
        _check_finite(series, name, problems)
    columns = fit_to_axis(series, fit, problems, notes) or {}
    return Prices(*(columns.get(name, np.full(time.steps, np.nan)) for name in PRICE_COLUMNS))


def _has_time(place: Place, names: Sequence[str], problems: ProblemList) -> bool:
    if names.count(TIME) == 1:
        return True
    found = "the column twice" if TIME in names else "no such column"
    problems.add(place.at(row=1, column=TIME), found, "one column of times")
    return False


def _miss_file(table: AssetTable, problems: ProblemList) -> None:
    needy = [asset.asset for asset in table.assets if not asset.may_lack_profile]
    if needy:
        found = f"no such file, nor {PROFILE_FILES[1]}"
        problems.add(Place(PROFILE_FILES[0]), found, f"profiles of {listed(needy)}")


def _miss_columns(place: Place, names: Sequence[str], table: AssetTable, problems: ProblemList) -> None:
    given = set(names)
    missing = [asset for asset in table.assets if not asset.may_lack_profile and asset.asset not in given]
    for asset in missing[:_MANY]:
        row = Place(ASSETS_FILE, row=table.rows[asset.asset].place.row, column="asset")
        whose = _PROFILE_NEEDED_BY.get(asset.kind, f"every {asset.kind}")
        expected = f"a column {asset.asset!r} in {place.file}: {whose} needs its profile"
        problems.add(row, f"{asset.asset!r} without a profile", expected, did_you_mean(asset.asset, names))
    if len(missing) > _MANY:
        rest = listed(asset.asset for asset in missing[_MANY:])
        problems.add(place, f"no columns for {rest}", "a profile of each")


def _known_columns(place: Place, names: Sequence[str], table: AssetTable, problems: ProblemList) -> list[str]:
    kinds = {name: row.text("kind") for name, row in table.rows.items()}
    wanted: list[str] = []
    unknown: list[str] = []
    for name in dict.fromkeys(names):
        if name == TIME:
            continue
        if names.count(name) > 1:
            problems.add(place.at(column=name), "the column twice", "each column once")
        elif _is_known(name, kinds):
            wanted.append(name)
        else:
            unknown.append(name)
    for name in unknown[:_MANY]:
        problems.add(place.at(column=name), *_why_unknown(name, kinds))
    if len(unknown) > _MANY:
        problems.add(place, f"columns that belong to no asset: {listed(unknown[_MANY:])}", "none such")
    return wanted


def _is_known(name: str, kinds: dict[str, str]) -> bool:
    asset, _, suffix = name.partition(".")
    if name == OUTDOOR:
        return True
    if asset not in kinds:
        return False
    # The kind itself may be wrong; then its row says so, and not each of its columns again.
    return not suffix or kinds[asset] in SUFFIX_KINDS.get(suffix, ()) or kinds[asset] not in ASSET_KINDS


def _why_unknown(name: str, kinds: dict[str, str]) -> tuple[str, str, str]:
    asset, _, suffix = name.partition(".")
    if asset not in kinds:
        expected = f"the id of an asset of {ASSETS_FILE}"
        return "a profile that belongs to no asset", expected, did_you_mean(asset, kinds)
    suffixes = [known for known, fitting in SUFFIX_KINDS.items() if kinds[asset] in fitting]
    expected = f"{asset} or {asset}. followed by {' or '.join(suffixes)}"
    return f"{suffix!r} for a {kinds[asset]}", expected, did_you_mean(suffix, suffixes)


def _check_values(series: Series, table: AssetTable, problems: ProblemList) -> None:
    assets = {asset.asset: asset for asset in table.assets}
    for name, values in series.values.items():
        if not _check_finite(series, name, problems):
            continue
        low, high, expected = _range(name, assets.get(name.partition(".")[0]))
        wrong = np.flatnonzero((values < low) | (values > high))
        if len(wrong):
            count = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            place = series.place.at(row=int(series.rows[wrong[0]]), column=name)
            problems.add(place, f"{values[wrong[0]]:g}{count}", expected)
    for name in series.values:
        if name.endswith(".water_kw"):
            _check_part(series, name, problems)


def _check_part(series: Series, name: str, problems: ProblemList) -> None:
    """Electricity for hot water is a part of the profile, where that is given."""
    whole = name.removesuffix(".water_kw")
    part_kw, whole_kw = series.values[name], series.values.get(whole)
    if whole_kw is None:
        return
    wrong = np.flatnonzero(part_kw > whole_kw * (1.0 + _ROUNDING))
    if len(wrong):
        first = wrong[0]
        place = series.place.at(row=int(series.rows[first]), column=name)
        count = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        found = f"{part_kw[first]:g} with {whole_kw[first]:g} in {whole}{count}"
        problems.add(place, found, f"at most {whole}, of which it is a part")


def _check_finite(series: Series, name: str, problems: ProblemList) -> bool:
    values = series.values[name]
    wrong = np.flatnonzero(~np.isfinite(values))
    if not len(wrong):
        return True
    found = "an empty cell or NaN" if np.isnan(values[wrong[0]]) else f"{values[wrong[0]]}"
    count = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    place = series.place.at(row=int(series.rows[wrong[0]]), column=name)
    problems.add(place, found + count, "a finite number")
    return False


def _range(name: str, asset: Asset | None) -> tuple[float, float, str]:
    suffix = name.partition(".")[2]
    unbounded = (-np.inf, np.inf, "")
    if suffix == "plugged_in":
        return 0.0, 1.0, "a share from 0 to 1"
    if suffix in ("drive_kwh", "cop", "room_cop", "water_kw", "heat_kw", "draw_m3"):
        return 0.0, np.inf, "a magnitude from 0 up"
    if suffix or asset is None:
        return unbounded
    if not asset.signed_profile:
        return 0.0, np.inf, f"a magnitude from 0 up: a {asset.kind} has its own direction"
    if getattr(asset, "discharge_max_kw", 0.0) > 0.0:
        return unbounded
    return 0.0, np.inf, f"0 or more: {asset.asset} has no discharge_max_kw"
