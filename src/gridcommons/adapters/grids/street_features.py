"""From features of a map (lines, areas, points with tags) to streets, dwellings and stations in metres.

Tags are those of OpenStreetMap: ``highway`` makes a street, ``building`` a building, ``power`` a station.
What is left out is counted by its tag.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gridcommons.adapters.grids.reading import unique_names
from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.grid import FloatArray
from gridcommons.synthesis.street_plan import Building, Point, Station, Street, StreetPlan

Role = Literal["street", "building", "station"]
STREETS = (
    "primary",
    "secondary",
    "tertiary",
    "unclassified",
    "residential",
    "living_street",
    "pedestrian",
    "service",
    "road",
    "track",
)
"""Values of ``highway`` along which a cable may lie, with their links."""
DWELLINGS = (
    "yes",
    "house",
    "detached",
    "semidetached_house",
    "terrace",
    "residential",
    "apartments",
    "bungalow",
    "farm",
    "dormitory",
)
"""Values of ``building`` that are dwellings; ``yes`` says nothing of its use and is taken for one."""
STATIONS = ("transformer", "substation")
_NO_LV_STATION = ("transmission", "distribution", "traction", "industrial", "converter", "generation")
"""Values of ``substation`` and ``transformer`` that feed no low-voltage grid of houses."""
FOOTPRINT_MIN_M2 = 40.0
"""Smaller buildings are sheds and garages whatever they are called (chosen)."""
LEVELS = 2.0
"""Storeys of a building without ``building:levels`` (chosen)."""
USABLE_SHARE = 0.75
"""Living area over gross floor area: walls, stairs and roof slopes are the rest (chosen)."""
HOUSEHOLD_M2 = 100.0
"""A building without ``building:flats`` has one household for each full 100 m² of living area (chosen)."""
SAME_STATION_M = 25.0
"""A station without rating this close to a transformer with one is the building around it [m]."""


@dataclass(frozen=True)
class Feature:
    """Something on a map.

    Parameters
    ----------
    where : str
        Its place in the file, such as ``feature 3``.
    name : str
        Its own id, or empty.
    role : {"street", "building", "station"}
        What its tags make it.
    tags : mapping
        Its tags.
    parts : tuple of tuple of (x, y)
        Lines, closed rings (the outer ones of an area), or one point.
    holes : tuple of tuple of (x, y)
        Rings cut out of an area.
    """

    where: str
    name: str
    role: Role
    tags: Mapping[str, Any]
    parts: tuple[tuple[Point, ...], ...]
    holes: tuple[tuple[Point, ...], ...] = ()


@dataclass(frozen=True)
class Plane:
    """A plane in metres around a place; ``scale`` is metres per unit of either coordinate.

    Parameters
    ----------
    origin : (x, y)
        Middle of the place in the file's coordinates.
    scale : (x, y)
        Metres per degree there, or 1 where the file is in metres.
    """

    origin: Point
    scale: Point

    def metres(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Points of the file on the plane [m]."""
        (x0, y0), (sx, sy) = self.origin, self.scale
        return tuple(((x - x0) * sx, (y - y0) * sy) for x, y in points)

    def back(self, x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Coordinates of the file from those on the plane [m], to about a centimetre."""
        digits = 7 if self.is_geographic else 2
        (x0, y0), (sx, sy) = self.origin, self.scale
        return np.round(x_m / sx + x0, digits), np.round(y_m / sy + y0, digits)

    @property
    def is_geographic(self) -> bool:
        """Whether the file is in degrees of longitude and latitude."""
        return self.scale != (1.0, 1.0)


def plane_around(features: Sequence[Feature]) -> Plane:
    """The plane of a file: degrees where all coordinates can be some, else metres.

    A degree is as long as on the ellipsoid of WGS 84 at the middle of the place (series of the NGA,
    "Length of a degree of latitude and longitude calculator").
    """
    points = np.array([p for feature in features for part in feature.parts for p in part], dtype=float)
    if not len(points):
        return Plane((0.0, 0.0), (1.0, 1.0))
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = ((low + high) / 2.0).tolist()
    if np.abs(points[:, 0]).max() > 180.0 or np.abs(points[:, 1]).max() > 90.0:
        return Plane((0.0, 0.0), (1.0, 1.0))
    phi = math.radians(y)
    x_m = 111412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    y_m = 111132.92 - 559.82 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    return Plane((x, y), (x_m, y_m))


def role_of(tags: Mapping[str, Any], left_out: Counter[str]) -> Role | None:
    """What tags make of a feature; what is left out is counted."""
    if tags.get("power") in STATIONS:
        other = next((tags[key] for key in STATIONS if tags.get(key) in _NO_LV_STATION), None)
        if other is None:
            return "station"
        left_out[f"power={other}"] += 1
    elif "building" in tags:
        if tags["building"] in DWELLINGS:
            return "building"
        left_out[f"building={tags['building']}"] += 1
    elif "highway" in tags:
        if str(tags["highway"]).removesuffix("_link") in STREETS and tags.get("area") != "yes":
            return "street"
        left_out[f"highway={tags['highway']}"] += 1
    return None


@dataclass
class PlanMaker:
    """Makes a plan of features, and notes what is wrong with them.

    Parameters
    ----------
    file : str
        For messages.
    plane : Plane
        Where the plan lies.
    station_kva : float or None
        Rated power of stations that name none [kVA].
    problems : ProblemList
        What is wrong.
    """

    file: str
    plane: Plane
    station_kva: float | None
    problems: ProblemList
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def plan(self, features: Sequence[Feature]) -> StreetPlan:
        """Streets, dwellings and stations of the features."""
        by_role: dict[Role, list[Feature]] = {"street": [], "building": [], "station": []}
        for feature in features:
            by_role[feature.role].append(feature)
        houses = [(f, area) for f in by_role["building"] if (area := self._footprint(f)) is not None]
        stations = self._real_stations(by_role["station"])
        named = [*stations, *(feature for feature, _ in houses)]
        own = [_id(str(feature.tags.get("id", "")) or feature.name) for feature in named]
        own[: len(stations)] = [_id(str(f.tags.get("name", ""))) or own[n] for n, f in enumerate(stations)]
        spare = [f"{feature.role}_{number + 1}" for number, feature in enumerate(named)]
        names = unique_names(own, spare)
        return StreetPlan(
            tuple(
                Street(self.plane.metres(part), feature.name)
                for feature in by_role["street"]
                for part in feature.parts
            ),
            self._buildings(houses, names[len(stations) :]),
            tuple(self._station(f, name) for f, name in zip(stations, names, strict=False)),
            self.file,
        )

    def _footprint(self, feature: Feature) -> float | None:
        """Area of a building [m²]; None, counted, where it is too small to live in."""
        rings = [self.plane.metres(ring) for ring in feature.parts]
        holes = [self.plane.metres(ring) for ring in feature.holes]
        if any(len(set(ring)) < 3 for ring in rings):
            self._add(
                feature, "an area of fewer than three corners", "a closed ring of three corners or more"
            )
            return None
        area_m2 = sum(abs(_area(ring)) for ring in rings) - sum(abs(_area(ring)) for ring in holes)
        if area_m2 < FOOTPRINT_MIN_M2 and "living_area_m2" not in feature.tags:
            self.left_out[f"buildings below {FOOTPRINT_MIN_M2:g} m²"] += 1
            return None
        return area_m2

    def _buildings(
        self, houses: Sequence[tuple[Feature, float]], names: Sequence[str]
    ) -> tuple[Building, ...]:
        found, without = [], 0
        for (feature, area_m2), name in zip(houses, names, strict=True):
            levels = self._above_0(feature, "building:levels")
            without += levels is None and "living_area_m2" not in feature.tags
            computed = area_m2 * (LEVELS if levels is None else levels) * USABLE_SHARE
            living_m2 = round(self._above_0(feature, "living_area_m2") or computed, 1)
            flats = self._above_0(feature, "building:flats", whole=True) or living_m2 // HOUSEHOLD_M2
            at = _middle(max((self.plane.metres(ring) for ring in feature.parts), key=_size))
            found.append(Building(name, at, living_m2, max(int(flats), 1), feature.where))
        if without:
            self.notes.append(f"{without} buildings name no building:levels: {LEVELS:g} are taken")
        return tuple(found)

    def _real_stations(self, features: Sequence[Feature]) -> list[Feature]:
        """Stations, without a substation around a transformer that has the rating."""
        at = {feature.where: _middle(self.plane.metres(feature.parts[0])) for feature in features}
        rated = [feature for feature in features if _kva(feature.tags) is not None]
        kept = []
        for feature in features:
            near = [math.dist(at[feature.where], at[other.where]) < SAME_STATION_M for other in rated]
            if feature in rated or not any(near):
                kept.append(feature)
        if len(kept) < len(features):
            self.notes.append(
                f"{len(features) - len(kept)} substations are those of the transformers in them"
            )
        return kept

    def _station(self, feature: Feature, name: str) -> Station:
        kva = _kva(feature.tags)
        if kva is None and "kva" in feature.tags:
            self._add(feature, f"kva = {feature.tags['kva']!r}", "the rating of the transformer in kVA")
        elif kva is None and self.station_kva is None:
            meant = "give it a kva, such as 400, or one for all with --station-kva"
            self._add(feature, f"station {name!r} of unknown rating", "its rating in kVA", meant)
        elif kva is None:
            self.notes.append(f"station {name} names no rating: {self.station_kva:g} kVA is taken, as asked")
        at = _middle(self.plane.metres(feature.parts[0]))
        mv_km = self._number(feature, "mv_cable_km")
        return Station(name, at, kva or self.station_kva or math.nan, mv_km, feature.where)

    def _number(self, feature: Feature, key: str) -> float | None:
        """A tag as a number from 0 up; None where it is absent, or wrong and said."""
        if key not in feature.tags:
            return None
        value = _float(feature.tags[key])
        if value is None:
            self._add(feature, f"{key} = {feature.tags[key]!r}", "a number from 0 up")
        return value

    def _above_0(self, feature: Feature, key: str, whole: bool = False) -> float | None:
        """A tag as a (whole) number above 0; None where it is absent, or wrong and said."""
        value = self._number(feature, key)
        if value is None or (value > 0.0 and not (whole and value % 1.0)):
            return value
        expected = "a whole number from 1 up" if whole else "a number above 0"
        self._add(feature, f"{key} = {feature.tags[key]!r}", expected, "leave it out where it is unknown")
        return None

    def _add(self, feature: Feature, found: str, expected: str, suggestion: str = "") -> None:
        self.problems.add(Place(self.file, table=feature.where), found, expected, suggestion)


def left_out_notes(left_out: Counter[str]) -> list[str]:
    """One line on what is left out, by its tag; none where nothing is."""
    counts = [f"{count} {what}" for what, count in sorted(left_out.items())]
    return [f"left out, since neither dwelling, street nor station: {listed(counts, 20)}"] if counts else []


def _id(name: str) -> str:
    """A name as an id: dots, blanks, slashes and other marks become underscores."""
    return re.sub(r"[^\w\-]+", "_", name).strip("_")


def _kva(tags: Mapping[str, Any]) -> float | None:
    """Rated power [kVA]: ``kva``, or OpenStreetMap's ``rating`` such as ``0.63 MVA``."""
    if "kva" in tags:
        return _float(tags["kva"]) or None
    found = re.fullmatch(r"\s*([\d.,]+)\s*([kM])VA\s*", str(tags.get("rating", "")))
    value = _float(found[1].replace(",", ".")) if found else None
    return value * (1000.0 if found and found[2] == "M" else 1.0) if value else None


def _float(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0.0 and not isinstance(value, bool) else None


def _area(ring: Sequence[Point]) -> float:
    """Signed area of a ring [m²] (shoelace formula)."""
    x, y = np.array(ring, dtype=float).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2.0)


def _size(ring: Sequence[Point]) -> float:
    return abs(_area(ring))


def _middle(ring: Sequence[Point]) -> Point:
    """Centroid of a ring; the mean of its points where it has no area."""
    x, y = np.array(ring, dtype=float).T
    area = _area(ring)
    if abs(area) < 1e-6:
        return float(x.mean()), float(y.mean())
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    return (
        float(((x + np.roll(x, -1)) * cross).sum() / (6.0 * area)),
        float(((y + np.roll(y, -1)) * cross).sum() / (6.0 * area)),
    )
