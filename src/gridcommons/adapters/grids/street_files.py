"""Reads streets, buildings and stations from GeoJSON, an OpenStreetMap extract or an Overpass answer."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcommons.adapters.grids.street_features import (
    Feature,
    Plane,
    PlanMaker,
    Role,
    left_out_notes,
    plane_around,
    role_of,
)
from gridcommons.adapters.grids.street_osm import OsmContent, features_of_osm, parse_overpass, parse_xml
from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.synthesis.street_plan import Point, StreetPlan

_SHAPES: dict[Role, tuple[str, ...]] = {
    "street": ("LineString", "MultiLineString"),
    "building": ("Polygon", "MultiPolygon"),
    "station": ("Point", "Polygon"),
}
"""Geometries of GeoJSON that each role may have."""
_EXPECTED = {
    "Point": "a position of two finite numbers",
    "LineString": "two positions or more of two finite numbers each",
    "Polygon": "closed rings of four positions or more, of two finite numbers each",
}


@dataclass(frozen=True)
class StreetReading:
    """A plan as read from a file.

    Parameters
    ----------
    plan : StreetPlan
        Streets, buildings and stations [m].
    plane : Plane
        How to get back to the coordinates of the file.
    notes : tuple of str
        What was left out and assumed, a line each.
    """

    plan: StreetPlan
    plane: Plane
    notes: tuple[str, ...]


def read_streets(path: Path, station_kva: float | None = None) -> StreetReading:
    """The streets, dwellings and stations of a file.

    Parameters
    ----------
    path : Path
        GeoJSON (a FeatureCollection), the JSON of an Overpass server, or an ``.osm`` file in XML.
    station_kva : float, optional
        Rated power of stations that name none [kVA]; without it such a station is an error.

    Raises
    ------
    StudyError
        With everything that is wrong: what cannot be read, broken geometries, ratings that are missing.
    """
    problems = ProblemList()
    left_out: Counter[str] = Counter()
    features = _features(path, problems, left_out)
    problems.raise_if_any()
    maker = PlanMaker(path.name, plane_around(features), station_kva, problems, left_out)
    plan = maker.plan(features)
    problems.raise_if_any()
    return StreetReading(plan, maker.plane, (*left_out_notes(left_out), *maker.notes))


def _features(path: Path, problems: ProblemList, left_out: Counter[str]) -> list[Feature]:
    place = Place(path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.add(Place(str(path)), f"no file ({error.strerror})", "a readable file of streets")
        return []
    if path.suffix in (".osm", ".xml"):
        return _of_osm(parse_xml(content, place, problems), left_out)
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        problems.add(place, "bytes that are not UTF-8", "GeoJSON or an Overpass answer in UTF-8")
        return []
    except json.JSONDecodeError as error:
        at = place.at(row=error.lineno, column=str(error.colno))
        problems.add(at, f"not JSON: {error.msg}", "GeoJSON or an Overpass answer (OSM XML ends in .osm)")
        return []
    if isinstance(document, dict) and isinstance(document.get("elements"), list):
        if document.get("remark"):
            # A server that runs out of time or memory says so here, and hands out what it has so far.
            found = f"an answer that may lack a part: {document['remark']}"
            problems.add(place, found, "a whole Overpass answer", "ask again later, or for a smaller box")
        return _of_osm(parse_overpass(document["elements"], place, problems), left_out)
    if isinstance(document, dict) and isinstance(document.get("features"), list):
        return _of_geojson(document["features"], place, problems, left_out)
    problems.add(place, "JSON of another kind", "a GeoJSON FeatureCollection, or an Overpass answer")
    return []


def _of_osm(content: OsmContent, left_out: Counter[str]) -> list[Feature]:
    return features_of_osm(content, left_out)


def _of_geojson(
    features: list[Any], place: Place, problems: ProblemList, left_out: Counter[str]
) -> list[Feature]:
    found = []
    for number, feature in enumerate(features, start=1):
        here = Place(place.file, table=f"feature {number}")
        if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
            problems.add(here, "no feature with properties", "a GeoJSON Feature")
            continue
        tags = feature.get("properties") or {}
        role = role_of(tags, left_out)
        if role is None:
            continue
        shape = _geometry(feature.get("geometry"), role, here, problems)
        if shape is not None:
            name = str(feature.get("id") or tags.get("@id") or "")
            found.append(Feature(here.table, name, role, tags, *shape))
    return found


_Parts = tuple[tuple[Point, ...], ...]


def _geometry(geometry: Any, role: Role, place: Place, problems: ProblemList) -> tuple[_Parts, _Parts] | None:
    """Parts and holes of a geometry; None and a problem where it is broken."""
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind not in _SHAPES[role]:
        problems.add(place, f"a {role} as {kind or 'nothing'}", f"{' or '.join(_SHAPES[role])}")
        return None
    nested = geometry.get("coordinates")
    try:
        if kind == "Point":
            return ((_point(nested),),), ()
        if role == "street":
            lines = [nested] if kind == "LineString" else nested
            return _checked(tuple(_line(line, 2) for line in lines)), ()
        polygons = [nested] if kind == "Polygon" else nested
        outer = tuple(_ring(polygon[0]) for polygon in polygons)
        return _checked(outer), tuple(_ring(ring) for polygon in polygons for ring in polygon[1:])
    except (TypeError, ValueError, IndexError, KeyError) as error:
        why = str(error) if isinstance(error, ValueError) else "coordinates that are no numbers"
        problems.add(place, f"a broken {kind}: {why}", _EXPECTED[kind.removeprefix("Multi")])
        return None


def _checked(parts: _Parts) -> _Parts:
    if not parts:
        raise ValueError("no position at all")
    return parts


def _point(position: Any) -> Point:
    x, y = float(position[0]), float(position[1])
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError("a position that is not finite")
    return x, y


def _line(positions: Any, least: int) -> tuple[Point, ...]:
    points = tuple(_point(position) for position in positions)
    if len(points) < least:
        raise ValueError(f"{len(points)} positions, fewer than {least}")
    return points


def _ring(positions: Any) -> tuple[Point, ...]:
    """A closed ring without its last position, which repeats the first."""
    points = _line(positions, 4)
    if points[0] != points[-1]:
        raise ValueError("a ring that is not closed")
    return points[:-1]
