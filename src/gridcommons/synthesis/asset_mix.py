"""Who has what: shares of all households of a cluster, drawn from the study's seed.

Each kind has one seeded ranking of the households, and its owners are the first of it, so a larger share
takes from none. Batteries and heat stores have no ranking of their own: they go to the first of the solar
modules', who have these by construction, so that no draw can miss a count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from gridcommons.model.errors import Problem
from gridcommons.synthesis.draws import generator_for

KINDS = ("pv", "battery", "heat_pump", "heat_store", "ev")
"""What a mix may hold, by the names in its settings and in the ids of assets."""
NEEDS: dict[str, tuple[str, ...]] = {"battery": ("pv",), "heat_store": ("pv", "heat_pump")}
"""What a household with one has, too: so there can be no more of the one than of each of the others."""
SIZES: dict[str, tuple[str, ...]] = {
    "pv": ("pv_kw",),
    "battery": ("battery_kwh", "battery_kw"),
    "heat_store": ("heat_store_kwh",),
    "ev": ("ev_kw",),
}
"""Sizes that must be given where there is any of the kind; heat pumps are sized by their house."""


@dataclass(frozen=True)
class Mix:
    """Shares of all households of a cluster, and the size of each thing.

    Parameters
    ----------
    pv_share, battery_share, heat_pump_share, heat_store_share, ev_share : float
        Share of the households that have it, 0 to 1.
    pv_kw, ev_kw, battery_kw : float
        Modules [kWp], charging point [kW], charging and discharging power of a battery [kW].
    battery_kwh, heat_store_kwh : float
        Capacities [kWh]; that of the heat store is heat.
    battery_efficiency_share : float
        Of charging and of discharging, each.
    heat_pump_kw : float or None
        Electric rating of every heat pump [kW]; None: each by its own house.
    heat_pump_margin_share : float
        Rating of a heat pump above the highest demand of its year.
    """

    pv_share: float = 0.0
    pv_kw: float = 0.0
    battery_share: float = 0.0
    battery_kwh: float = 0.0
    battery_kw: float = 0.0
    battery_efficiency_share: float = 1.0
    heat_pump_share: float = 0.0
    heat_pump_kw: float | None = None
    heat_pump_margin_share: float = 0.2
    heat_store_share: float = 0.0
    heat_store_kwh: float = 0.0
    ev_share: float = 0.0
    ev_kw: float = 0.0

    def share_of(self, kind: str) -> float:
        """Share of the households that have this kind."""
        return float(getattr(self, f"{kind}_share"))


@dataclass(frozen=True)
class MixPlace:
    """Where the mix of a cluster stands in a study, for the place of a problem.

    Parameters
    ----------
    file, table : str
        File, and the table that holds for all clusters.
    own_table : str
        Table of the cluster alone, empty where it has none.
    own_keys : frozenset of str
        What that table says instead.
    """

    file: str
    table: str
    own_table: str = ""
    own_keys: frozenset[str] = frozenset()

    def problem(self, column: str, found: str, expected: str, suggestion: str = "") -> Problem:
        """A problem with one key, in the table that it comes from."""
        table = self.own_table if column in self.own_keys else self.table
        return Problem(self.file, found, expected, suggestion, table=table, column=column)


def mix_problems(mix: Mix, place: MixPlace) -> list[Problem]:
    """What is wrong with a mix whoever it is for: shares outside 0 to 1, sizes that are missing."""
    problems = []
    for column in fields(mix):
        value = getattr(mix, column.name)
        if value is None:
            continue
        is_share = column.name.endswith("_share") and column.name != "heat_pump_margin_share"
        low_is_open = column.name in ("battery_efficiency_share", "heat_pump_kw")
        if value < 0.0 or (low_is_open and value == 0.0) or (is_share and value > 1.0):
            above = "above 0" if low_is_open else "from 0 up"
            expected = f"a share {above}, at most 1" if is_share else f"a number {above}"
            problems.append(place.problem(column.name, f"{value:g}", expected))
    for kind, sizes in SIZES.items():
        for size in sizes:
            if mix.share_of(kind) > 0.0 and getattr(mix, size) == 0.0:
                found = f"no size for {kind}_share {mix.share_of(kind):g}"
                problems.append(place.problem(size, found, "a number above 0"))
    return problems


def wanted_count(share: float, households: int) -> int:
    """How many of these households have it: the nearest whole number, a half rounded up."""
    return int(np.floor(share * households + 0.5 + 1e-9))


def draw_mix(
    seed: int, cluster: str, members: Sequence[str], mix: Mix, place: MixPlace
) -> tuple[dict[str, frozenset[str]], list[Problem]]:
    """Who has what in one cluster: members by kind; and what cannot be, with numbers.

    Solar modules and cars go to the first of their own ranking, which depends on the seed and the
    cluster alone; batteries and heat stores to the first of the solar modules'; heat pumps to the
    households with a heat store, then to the first others of their own ranking. So a larger share adds
    households of its kind and takes it from none, and a mix is refused only where its counts cannot fit.

    Parameters
    ----------
    seed : int
        Seed of the study.
    cluster : str
        Name of the cluster.
    members : sequence of str
        Its households.
    mix : Mix
        Shares that are each within 0 to 1.
    place : MixPlace
        Where the mix stands.
    """
    count = {kind: wanted_count(mix.share_of(kind), len(members)) for kind in KINDS}
    problems = []
    for kind, needs in NEEDS.items():
        if count[kind] > min(count[need] for need in needs):
            problems.append(_too_few(kind, cluster, (count, len(members)), mix, place))
    rank = {
        kind: [members[i] for i in generator_for(seed, "mix", kind, cluster).permutation(len(members))]
        for kind in ("pv", "heat_pump", "ev")
    }
    rank["battery"] = rank["heat_store"] = rank["pv"]
    with_store = rank["pv"][: count["heat_store"]]
    rank["heat_pump"] = list(dict.fromkeys([*with_store, *rank["heat_pump"]]))
    return {kind: frozenset(rank[kind][: count[kind]]) for kind in KINDS}, problems


def shrinking_roofs(today: Mapping[str, Mix], future: Mapping[str, Mix], place: MixPlace) -> list[Problem]:
    """Clusters with fewer roofs in the future than today, of which today's could not be a part."""
    return [
        place.problem(
            "pv_share",
            f"{future[cluster].pv_share:g} in {cluster or 'the cluster without a name'}",
            f"at least today's {mix.pv_share:g}: today's roofs are among the future's",
        )
        for cluster, mix in today.items()
        if mix.pv_share > future[cluster].pv_share
    ]


def _too_few(
    kind: str, cluster: str, counts: tuple[Mapping[str, int], int], mix: Mix, place: MixPlace
) -> Problem:
    count, households = counts
    where = f" in {cluster}" if cluster else ""
    names = {"pv": "solar modules", "heat_pump": "a heat pump"}
    fit = min(count[need] for need in NEEDS[kind])
    has = " and ".join(f"{count[need]} with {names[need]}" for need in NEEDS[kind])
    return place.problem(
        f"{kind}_share",
        f"{kind}_share {mix.share_of(kind):g} of {households} households{where}: {count[kind]}, where {has} "
        f"are asked for",
        f"at most {fit / households:.4g}",
    )
