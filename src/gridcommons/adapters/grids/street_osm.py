"""OpenStreetMap's nodes and ways, from an extract in XML or the JSON of an Overpass server.

Formats: OpenStreetMap wiki, "OSM XML" and "Overpass API/Overpass QL" (output ``[out:json]``, with
``out geom`` or with nodes of their own). Relations are not read; buildings among them are counted.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gridcommons.adapters.grids.street_features import Feature, Role, role_of
from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.synthesis.street_plan import Point

CUT = "ways cut at the edge of the extract"


@dataclass
class OsmContent:
    """Nodes and ways of a file.

    Parameters
    ----------
    nodes : dict of str to (lon, lat)
        Places by id [degree].
    node_tags : dict of str to dict
        Tags of the nodes that have some.
    ways : list of (id, tags, points)
        A point is None where its node is not in the file.
    relations : list of dict
        Tags of the relations.
    """

    nodes: dict[str, Point] = field(default_factory=dict)
    node_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    ways: list[tuple[str, dict[str, str], list[Point | None]]] = field(default_factory=list)
    relations: list[dict[str, str]] = field(default_factory=list)


def parse_xml(content: bytes, place: Place, problems: ProblemList) -> OsmContent:
    """What an extract in OSM XML holds."""
    found = OsmContent()
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        line, column = error.position
        problems.add(place.at(row=line, column=str(column)), f"not XML: {error.msg}", "OSM XML")
        return found
    if root.tag != "osm":
        problems.add(place, f"XML with the root <{root.tag}>", "OSM XML, whose root is <osm>")
        return found
    for node in root.iter("node"):
        name, at = node.get("id", ""), _lon_lat(node.attrib)
        if at is None:
            problems.add(Place(place.file, table=f"node {name}"), "no place", "lon and lat as numbers")
            continue
        found.nodes[name] = at
        if len(node):
            found.node_tags[name] = _tags(node)
    for way in root.iter("way"):
        points = [found.nodes.get(nd.get("ref", "")) for nd in way.iter("nd")]
        found.ways.append((way.get("id", ""), _tags(way), points))
    found.relations = [_tags(relation) for relation in root.iter("relation")]
    return found


def parse_overpass(elements: Sequence[Any], place: Place, problems: ProblemList) -> OsmContent:
    """What the elements of an Overpass answer hold."""
    found = OsmContent()
    wanted = [element for element in elements if isinstance(element, dict)]
    if len(wanted) < len(elements):
        problems.add(place, "elements that are no objects", "the elements of an Overpass answer")
    for node in (element for element in wanted if element.get("type") == "node"):
        name, at = str(node.get("id", "")), _lon_lat(node)
        if at is None:
            problems.add(Place(place.file, table=f"node {name}"), "no place", "lon and lat as numbers")
            continue
        found.nodes[name] = at
        if node.get("tags"):
            found.node_tags[name] = dict(node["tags"])
    for way in (element for element in wanted if element.get("type") == "way"):
        geometry, refs = way.get("geometry"), way.get("nodes") or []
        points = [_lon_lat(p) for p in geometry] if geometry else [found.nodes.get(str(r)) for r in refs]
        found.ways.append((str(way.get("id", "")), dict(way.get("tags") or {}), points))
    found.relations = [dict(each.get("tags") or {}) for each in wanted if each.get("type") == "relation"]
    return found


def features_of_osm(content: OsmContent, left_out: Counter[str]) -> list[Feature]:
    """The streets, buildings and stations among nodes and ways; what is left out is counted."""
    found = []
    for name, tags in content.node_tags.items():
        if role_of(tags, Counter()) == "station":
            found.append(Feature(f"node {name}", f"node_{name}", "station", tags, ((content.nodes[name],),)))
    for name, tags, points in content.ways:
        role = role_of(tags, left_out)
        parts = _parts(points, role, left_out) if role else ()
        if role and parts:
            found.append(Feature(f"way {name}", f"way_{name}", role, tags, parts))
    for tags in content.relations:
        if role_of(tags, Counter()) in ("building", "station"):
            left_out["buildings and stations as relations"] += 1
    return found


def _parts(points: list[Point | None], role: Role, left_out: Counter[str]) -> tuple[tuple[Point, ...], ...]:
    """The known runs of a street, or the ring of an area if all of it is known; the rest is counted."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    if None in points:
        left_out[CUT] += 1
    if role == "street":
        return tuple(tuple(run) for run in runs if len(run) >= 2)
    if None in points or not runs[0]:
        return ()
    ring = runs[0]
    return (tuple(ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring),)


def _tags(element: ElementTree.Element) -> dict[str, str]:
    return {tag.get("k", ""): tag.get("v", "") for tag in element.iter("tag")}


def _lon_lat(element: Any) -> Point | None:
    try:
        return float(element["lon"]), float(element["lat"])
    except (KeyError, TypeError, ValueError):
        return None
