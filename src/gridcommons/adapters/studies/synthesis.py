"""Makes the assets and profiles of a study that has a ``[synthesis]`` table instead of their files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.adapters.simbench_shapes import read_simbench_shapes
from gridcommons.adapters.standard_profiles import profile_paths, read_heat_tables, read_household_table
from gridcommons.adapters.studies.members import ASSETS_FILE, MemberTable, miss_living_areas
from gridcommons.adapters.studies.profiles import OUTDOOR, PROFILE_FILES
from gridcommons.adapters.studies.synthesis_table import MixTable, SynthesisTable, mixes_by_cluster
from gridcommons.adapters.weather import read_reference_year, reference_year_path, weather_on_axis
from gridcommons.model.assets import Asset, HeatPump
from gridcommons.model.errors import StudyError
from gridcommons.model.grid import FloatArray
from gridcommons.model.members import Community, Member
from gridcommons.model.settings import FILE
from gridcommons.model.time import TimeAxis
from gridcommons.synthesis.asset_mix import Mix, MixPlace, draw_mix, shrinking_roofs
from gridcommons.synthesis.communities import SOC_INITIAL_SHARE, Builder, Holdings
from gridcommons.synthesis.local_time import LocalTime, read_clock, whole_years
from gridcommons.synthesis.profiles import ProfileSource, StandardSource
from gridcommons.synthesis.sampled import SampledSource
from gridcommons.synthesis.weather import Weather

_LONGEST_MINUTES = 60
TODAY = "_today"
"""Behind the ids of what households have today; their loads are the same in both."""


@dataclass(frozen=True, eq=False)
class Synthesised:
    """What was made: both communities, one set of profile columns, what to say of them, files read."""

    future: Community
    today: Community | None
    columns: dict[str, FloatArray]
    notes: list[str]
    files: list[Path]


def refuse_given_assets(folder: Path, members: MemberTable, problems: ProblemList) -> None:
    """Note files that would say again what is made, and members of whom too little is known."""
    for name in (ASSETS_FILE, *PROFILE_FILES):
        if (folder / name).exists():
            expected = "no such file: [synthesis] makes assets and profiles"
            problems.add(Place(name), "a file beside [synthesis]", expected, "remove one of the two")
    miss_living_areas(members)


def synthesise(
    table: SynthesisTable, members: Sequence[Member], time: TimeAxis, seed: int, problems: ProblemList
) -> Synthesised | None:
    """Assets and profiles of today and of the future; None (and problems) where they cannot be.

    Parameters
    ----------
    table : SynthesisTable
        What the study asks for.
    members : sequence of Member
        The households, each with its living area.
    time : TimeAxis
        Window of the study; profiles are made for the calendar years around it, and cut.
    seed : int
        Seed of the study.
    problems : ProblemList
        Where problems go.
    """
    if time.step_minutes > _LONGEST_MINUTES or _LONGEST_MINUTES % time.step_minutes:
        place = Place(FILE, table="time", column="step_minutes")
        problems.add(place, f"{time.step_minutes}", "a step that divides 60 min: [synthesis] needs it")
    holdings = _draw(table, members, seed, problems)
    try:
        path = reference_year_path(table.settings.weather)
    except StudyError as error:
        problems.found.extend(error.problems)
    if problems.found or holdings is None:
        return None
    years, window = whole_years(time)
    local = read_clock(years)
    weather = weather_on_axis(read_reference_year(path), years)
    source, files = _source(table, seed, (years, local), weather)
    builder = Builder(source, table.settings, time.step_hours, weather.temp_c, window)
    builder.columns[OUTDOOR] = weather.temp_c[window].copy()
    future = builder.build(members, holdings["future"])
    today = builder.build(members, holdings["today"]) if "today" in holdings else None
    notes = _notes(table, {"today": today, "future": future}, builder.columns, time)
    if table.settings.houses:
        notes += _house_notes(future, builder.too_small)
    return Synthesised(future, today, builder.columns, notes, [path, *files])


def _draw(
    table: SynthesisTable, members: Sequence[Member], seed: int, problems: ProblemList
) -> dict[str, Holdings] | None:
    """Who has what today and in the future, None where that cannot be."""
    by_cluster: dict[str, list[str]] = {}
    for member in members:
        by_cluster.setdefault(member.cluster, []).append(member.member)
    tables = {mix.name: mix for mix in (table.today, table.future) if mix is not None}
    before = len(problems.found)
    mixes = {name: mixes_by_cluster(mix, by_cluster, problems) for name, mix in tables.items()}
    if len(problems.found) > before or table.future is None:
        return None
    if "today" in mixes:
        problems.found += shrinking_roofs(
            mixes["today"], mixes["future"], MixPlace("study.toml", table.future.table)
        )
    return {name: _draw_one(tables[name], mixes[name], by_cluster, seed, problems) for name in tables}


def _draw_one(
    table: MixTable,
    mixes: Mapping[str, Mix],
    by_cluster: Mapping[str, Sequence[str]],
    seed: int,
    problems: ProblemList,
) -> Holdings:
    owners = {}
    for cluster, members in by_cluster.items():
        place = table.place(cluster)
        owners[cluster], found = draw_mix(seed, cluster, members, mixes[cluster], place)
        problems.found += found
    return Holdings(mixes, owners, TODAY if table.name == "today" else "")


def _source(
    table: SynthesisTable, seed: int, axis: tuple[TimeAxis, LocalTime], weather: Weather
) -> tuple[ProfileSource, list[Path]]:
    """Where profiles come from, and the files that were read for it."""
    years, local = axis
    standard = StandardSource(
        seed, years, local, weather, table.settings, read_household_table(), read_heat_tables()
    )
    if table.settings.profiles == "standard":
        return standard, profile_paths()
    shapes, paths = read_simbench_shapes()
    return SampledSource(standard, shapes), [*profile_paths(), *paths]


def _notes(
    table: SynthesisTable,
    communities: Mapping[str, Community | None],
    columns: Mapping[str, FloatArray],
    time: TimeAxis,
) -> list[str]:
    settings = table.settings
    notes = [
        f"synthesis: profiles are made ({settings.profiles}, weather {settings.weather}), not measured; "
        f"every battery and heat store starts {SOC_INITIAL_SHARE:.0%} full"
    ]
    if settings.remark:
        notes.append(f"synthesis: {settings.remark}")
    for name, community in communities.items():
        if community is None:
            continue
        notes.append(f"synthesis: {name}: {_counts(community)}")
        notes.append(f"synthesis: {name}: {_energies(community.assets, columns, time)}")
    return notes


def _house_notes(community: Community, too_small: Sequence[str]) -> list[str]:
    houses = [asset.k1_kw_per_k for asset in community.assets if isinstance(asset, HeatPump)]
    if not houses:
        return ["synthesis: houses are asked for, and no household has a heat pump"]
    notes = [
        f"synthesis: {len(houses)} houses of k1 {min(houses):.3g} to {max(houses):.3g} kW/K for plans; their "
        f"heat capacities are chosen"
    ]
    if too_small:
        notes.append(
            f"synthesis: {len(too_small)} heat pumps cannot hold the middle of their comfort band all year "
            f"({listed(too_small, 4)})"
        )
    return notes


def _counts(community: Community) -> str:
    """Assets by kind, and by cluster in brackets."""
    total = Counter(asset.kind for asset in community.assets)
    cluster = {member.member: member.cluster for member in community.members}
    by_cluster = Counter((asset.kind, cluster[asset.member]) for asset in community.assets)
    names = sorted(set(cluster.values()))
    parts = []
    for kind, count in total.items():
        split = ", ".join(f"{name} {by_cluster[kind, name]}" for name in names if by_cluster[kind, name])
        parts.append(f"{count} {kind} ({split})" if any(names) else f"{count} {kind}")
    return "; ".join(parts)


def _energies(assets: Sequence[Asset], columns: Mapping[str, FloatArray], time: TimeAxis) -> str:
    """Energy of the window by kind."""
    sums_kwh: dict[str, float] = {}
    for asset in assets:
        if asset.asset in columns:
            energy_kwh = float(np.sum(columns[asset.asset])) * time.step_hours
            sums_kwh[asset.kind] = sums_kwh.get(asset.kind, 0.0) + energy_kwh
    return "energy in the window: " + ", ".join(
        f"{kind} {energy_kwh / 1e3:.4g} MWh" for kind, energy_kwh in sums_kwh.items()
    )
