"""Reads the ``[synthesis]`` table of a study: how assets and profiles are made, and who is to have what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.model.errors import Problem
from gridcommons.model.settings import FILE, read_settings, settings_problems, suggest
from gridcommons.synthesis.asset_mix import Mix, MixPlace, mix_problems
from gridcommons.synthesis.settings import SynthesisSettings

TABLE = "synthesis"
MIXES = ("today", "future")
CLUSTERS = "clusters"
SYNTHESIS_KEYS: dict[str, tuple[str, ...]] = {
    TABLE: (*(column.name for column in fields(SynthesisSettings)), *MIXES),
    **dict.fromkeys(
        (f"{TABLE}.{name}" for name in MIXES), (*(column.name for column in fields(Mix)), CLUSTERS)
    ),
}
"""Which keys the table and its mixes may have."""


@dataclass(frozen=True)
class MixTable:
    """One mix as written: for all clusters, and what single clusters have instead."""

    name: str
    content: Mapping[str, Any]
    clusters: Mapping[str, Mapping[str, Any]]

    @property
    def table(self) -> str:
        """Heading of the table."""
        return f"{TABLE}.{self.name}"

    def table_of(self, cluster: str) -> str:
        """Heading of the table of one cluster."""
        return f"{self.table}.{CLUSTERS}.{cluster}"

    def place(self, cluster: str) -> MixPlace:
        """Where the mix of a cluster stands."""
        if cluster not in self.clusters:
            return MixPlace(FILE, self.table)
        return MixPlace(FILE, self.table, self.table_of(cluster), frozenset(self.clusters[cluster]))

    def of(self, cluster: str) -> Mix:
        """The mix of a cluster, from content that looks like its types."""
        return read_settings(Mix, {**self.content, **self.clusters.get(cluster, {})}, self.table, within="")


@dataclass
class SynthesisTable:
    """What ``[synthesis]`` says; ``today`` is None where the study asks for the future alone.

    ``is_whole`` is False where something is wrong with it that is noted already.
    """

    settings: SynthesisSettings = field(default_factory=SynthesisSettings)
    today: MixTable | None = None
    future: MixTable | None = None
    is_whole: bool = True


def read_synthesis_table(content: Mapping[str, Any], problems: ProblemList) -> SynthesisTable:
    """What the table says; whatever is wrong with it goes to ``problems``."""
    before = len(problems.found)
    own = {key: value for key, value in content.items() if key not in MIXES}
    found = settings_problems(SynthesisSettings, own, TABLE, within="")
    problems.found += found
    table = SynthesisTable()
    if not found:
        table.settings = read_settings(SynthesisSettings, own, TABLE, within="")
    table.today, table.future = (_read_mix(content, name, problems) for name in MIXES)
    table.is_whole = len(problems.found) == before
    return table


def mixes_by_cluster(table: MixTable, clusters: Iterable[str], problems: ProblemList) -> dict[str, Mix]:
    """The mix of every cluster that the members have; whatever is wrong goes to ``problems``."""
    known = list(dict.fromkeys(clusters))
    for name in table.clusters:
        if name not in known:
            place = Place(FILE, table=f"{TABLE}.{table.name}.{CLUSTERS}", column=name)
            problems.add(place, "an unknown cluster", "a cluster of members.csv", suggest(name, known))
    mixes = {}
    for cluster in known:
        mixes[cluster] = table.of(cluster)
        found = mix_problems(mixes[cluster], table.place(cluster))
        problems.found += [problem for problem in found if problem not in problems.found]
    return mixes


def _read_mix(content: Mapping[str, Any], name: str, problems: ProblemList) -> MixTable | None:
    place = Place(FILE, table=f"{TABLE}.{name}")
    if name not in content:
        if name == "future":
            problems.add(place, "no such table", "the shares of what households will have")
        return None
    if not isinstance(content[name], Mapping):
        problems.add(Place(FILE, table=TABLE, column=name), repr(content[name]), f"a table [{TABLE}.{name}]")
        return None
    mix = {key: value for key, value in content[name].items() if key != CLUSTERS}
    clusters = content[name].get(CLUSTERS, {})
    if not isinstance(clusters, Mapping) or not all(isinstance(own, Mapping) for own in clusters.values()):
        expected = f"a table for each cluster, such as [{TABLE}.{name}.{CLUSTERS}.NAME]"
        problems.add(Place(FILE, table=f"{TABLE}.{name}", column=CLUSTERS), "something else", expected)
        return None
    table = MixTable(name, mix, clusters)
    problems.found += _type_problems(table)
    return table


def _type_problems(table: MixTable) -> list[Problem]:
    found = settings_problems(Mix, table.content, table.table, within="")
    for cluster, content in table.clusters.items():
        found += settings_problems(Mix, content, table.table_of(cluster), within="")
    return found
