"""Reads a study folder, checks everything in it, and says all that is wrong at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gridcommons.adapters.grids.plain_json import grid_text
from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.studies.connections import check_connections
from gridcommons.adapters.studies.envelopes import ENVELOPE_FILES, read_envelopes
from gridcommons.adapters.studies.grid import read_study_grid
from gridcommons.adapters.studies.limits import LIMITS_FILE, read_limits
from gridcommons.adapters.studies.members import (
    ASSETS_FILE,
    MEMBERS_FILE,
    AssetTable,
    MemberTable,
    read_assets,
    read_members,
)
from gridcommons.adapters.studies.offers import OFFERS_FILE, read_offers
from gridcommons.adapters.studies.orders import ORDERS_FILE, read_orders
from gridcommons.adapters.studies.profiles import PRICES_FILE, profiles_path, read_prices, read_profiles
from gridcommons.adapters.studies.switches import SWITCHES_FILE, read_switches
from gridcommons.adapters.studies.synthesis import refuse_given_assets, synthesise
from gridcommons.adapters.studies.synthesis_table import SynthesisTable
from gridcommons.adapters.studies.toml_file import FILE, StudySettings, read_study_toml
from gridcommons.model.assets import Asset
from gridcommons.model.envelopes import Envelopes
from gridcommons.model.flexibility import Offer
from gridcommons.model.grid import FloatArray, Grid
from gridcommons.model.limits import Limits
from gridcommons.model.members import Community
from gridcommons.model.orders import StandingOrder
from gridcommons.model.profiles import Profiles
from gridcommons.model.storage import energy_path_kwh
from gridcommons.model.study import Study
from gridcommons.model.switches import Switch, with_positions
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis

_ABOVE_RATING = 1e-6
"""A profile may exceed its rating by this share before it is worth a word: files are rounded."""


@dataclass
class _Pieces:
    """What has been read so far; None where it could not be."""

    settings: StudySettings
    members: MemberTable
    assets: AssetTable
    grid: Grid | None = None
    limits: Limits | None = None
    prices: Prices | None = None
    today: Community | None = None
    offers: tuple[Offer, ...] = ()
    switches: tuple[Switch, ...] = ()
    orders: tuple[StandingOrder, ...] = ()
    envelopes: Envelopes | None = None
    reference_files: Sequence[Path] = ()
    columns: dict[str, FloatArray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def load_study(path: str | Path) -> Study:
    """The study in a folder, fully checked.

    Parameters
    ----------
    path : str or Path
        The folder, or the ``study.toml`` in it.

    Raises
    ------
    StudyError
        With every problem of every file: file, table, row (1 is the header), column, what was found
        and what was expected.

    Notes
    -----
    A departure from a plain folder of pandapower JSON: ``grid.json`` may also be in the format of
    `gridcommons.adapters.grids.plain_json`, recognised by its content, which loads in milliseconds.
    """
    folder = Path(path)
    if folder.name == FILE:
        folder = folder.parent
    problems = ProblemList()
    if not folder.is_dir():
        problems.add(Place(str(folder)), "no such folder", "a study folder with a study.toml")
        problems.raise_if_any()
    pieces = _read(folder, problems)
    problems.raise_if_any()
    return _assemble(folder, pieces)


def _read(folder: Path, problems: ProblemList) -> _Pieces:
    settings = read_study_toml(folder / FILE, problems)
    members = read_members(folder, problems)
    is_made = settings.synthesis is not None
    assets = AssetTable() if is_made else read_assets(folder, members, problems)
    pieces = _Pieces(settings, members, assets)
    pieces.notes += settings.notes
    if settings.grid is not None:
        pieces.grid = read_study_grid(folder, settings.grid, problems, pieces.notes)
    if pieces.grid is not None and settings.grid is not None:
        pieces.switches = read_switches(folder, pieces.grid, problems)
        # Whoever a closed switch would supply is connected: moving it is what a task may be asked.
        every = np.ones(len(pieces.switches), dtype=np.bool_)
        joined = with_positions(pieces.grid, pieces.switches, every)
        pieces.notes += check_connections(joined, members, settings.grid.phases, problems)
    if is_made:
        refuse_given_assets(folder, members, problems)
    else:
        _read_profiles(folder, pieces, problems)
    if settings.time is not None:
        pieces.prices = read_prices(folder, settings.time, problems, pieces.notes)
        pieces.offers = read_offers(folder, settings.time, problems)
        pieces.orders = read_orders(folder, settings.time, problems)
        pieces.envelopes = read_envelopes(folder, assets, settings.time, problems)
        if pieces.grid is not None:
            pieces.limits = read_limits(folder, settings.limits, pieces.grid, settings.time, problems)
    if settings.synthesis is not None and settings.time is not None and members.is_read:
        _synthesise(pieces, settings.synthesis, settings.time, problems)
    return pieces


def _read_profiles(folder: Path, pieces: _Pieces, problems: ProblemList) -> None:
    path, time = profiles_path(folder, problems), pieces.settings.time
    if time is not None:
        pieces.columns = read_profiles(path, pieces.assets, time, problems, pieces.notes)


def _synthesise(pieces: _Pieces, table: SynthesisTable, time: TimeAxis, problems: ProblemList) -> None:
    if not table.is_whole:
        return
    made = synthesise(table, pieces.members.members, time, pieces.settings.seed, problems)
    if made is not None:
        pieces.assets.assets = list(made.future.assets)
        pieces.today, pieces.columns, pieces.reference_files = made.today, made.columns, made.files
        pieces.notes += made.notes


def _assemble(folder: Path, pieces: _Pieces) -> Study:
    settings = pieces.settings
    if settings.time is None or pieces.grid is None or pieces.limits is None:
        raise AssertionError("a study without problems has a time axis, a grid and limits")
    community = Community(tuple(pieces.members.members), tuple(pieces.assets.assets))
    profiles = Profiles(settings.time, pieces.columns)
    return Study(
        name=settings.name,
        currency=settings.currency,
        seed=settings.seed,
        grid=pieces.grid,
        community=community,
        profiles=profiles,
        limits=pieces.limits,
        prices=pieces.prices,
        today=pieces.today,
        offers=pieces.offers,
        switches=pieces.switches,
        orders=pieces.orders,
        envelopes=pieces.envelopes,
        tasks=settings.tasks,
        notes=(*pieces.notes, *_asset_notes(community, profiles)),
        inputs_sha256=_hash(folder, settings, pieces.reference_files, pieces.grid),
    )


def _hash(folder: Path, settings: StudySettings, reference_files: Sequence[Path], grid: Grid) -> str:
    """Hash over names and bytes of all files that were read, the same on every machine.

    A script of OpenDSS leads to others: of these, what counts is the grid that they make.
    """
    names = {
        FILE,
        MEMBERS_FILE,
        ASSETS_FILE,
        PRICES_FILE,
        LIMITS_FILE,
        OFFERS_FILE,
        SWITCHES_FILE,
        ORDERS_FILE,
        *ENVELOPE_FILES,
        "profiles.parquet",
        "profiles.csv",
    }
    if settings.grid is not None:
        kind, _, name = settings.grid.source.partition(":")
        names.add(settings.grid.file or (name if kind == "matpower" else FILE))
    total = hashlib.sha256()
    paths = {name: folder / name for name in sorted(names)}
    for name, path in [*paths.items(), *((path.name, path) for path in sorted(reference_files))]:
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{name} {digest}\n".encode())
    if settings.grid is not None and settings.grid.source.startswith("opendss:"):
        total.update(grid_text(grid).encode())
    return total.hexdigest()


_PLANNED_KINDS = ("chp", "smart_boiler", "stirling_store")
"""Kinds that a community's plan tells what to do."""


def _asset_notes(community: Community, profiles: Profiles) -> list[str]:
    given = profiles.columns
    stores = [asset for asset in community.assets if asset.kind == "battery" and asset.asset not in given]
    cars = [asset for asset in community.assets if asset.kind == "ev_charger"]
    said = {
        "assets at unity power factor, with no q_kvar column": [
            asset
            for asset in community.assets
            if asset.power_factor == 1.0 and f"{asset.asset}.q_kvar" not in given
        ],
        "batteries without a profile, so idle when nobody controls them": stores,
        "heat pumps without a profile, so idle when nobody plans them": [
            asset for asset in community.assets if asset.kind == "heat_pump" and asset.asset not in given
        ],
        "heat and power plants and electric heat stores without a profile, so idle when nobody plans them": [
            asset for asset in community.assets if asset.kind in _PLANNED_KINDS and asset.asset not in given
        ],
        "charging stations without a profile, so idle when nobody controls them": [
            car for car in cars if car.asset not in given
        ],
        "charging stations without plugged_in, so with a car always plugged in": [
            car for car in cars if f"{car.asset}.plugged_in" not in given
        ],
        "assets with a profile above their rating somewhere": _above_rating(community.assets, profiles),
        "stores whose profile leads their energy out of its band": _out_of_band(community.assets, profiles),
        "flexible assets of members that opted out, so fixed to their profile": [
            asset
            for asset in community.assets
            if asset.flexible and not community.member_by_id[asset.member].opted_in
        ],
    }
    return [
        f"{len(assets)} {text} ({listed([asset.asset for asset in assets], 4)})"
        for text, assets in said.items()
        if assets
    ]


def _above_rating(assets: Sequence[Asset], profiles: Profiles) -> list[Asset]:
    above = []
    for asset in assets:
        column = profiles.columns.get(asset.asset)
        limit_kw = asset.rating_kw * (1.0 + _ABOVE_RATING)
        if column is not None and np.abs(column).max(initial=0.0) > limit_kw:
            above.append(asset)
    return above


def _out_of_band(assets: Sequence[Asset], profiles: Profiles) -> list[Asset]:
    outside = []
    for asset in assets:
        if asset.kind != "battery" or asset.asset not in profiles.columns:
            continue
        power_kw = profiles.columns[asset.asset]
        # One zero more, so that the energy after the last interval is looked at too.
        path_kwh = energy_path_kwh(asset, np.append(power_kw, 0.0), profiles.time.step_hours)  # type: ignore[arg-type]
        low_kwh, high_kwh = (share * asset.energy_kwh for share in (asset.soc_min_share, asset.soc_max_share))  # type: ignore[attr-defined]
        slack_kwh = 1e-6 * asset.energy_kwh  # type: ignore[attr-defined]
        if path_kwh.min() < low_kwh - slack_kwh or path_kwh.max() > high_kwh + slack_kwh:
            outside.append(asset)
    return outside
