"""Makes examples/streets_village: a made-up village of streets, buildings and stations as GeoJSON.

    python examples/make_streets_village.py

Every coordinate is drawn by a seeded generator; no map was used.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SEED = 2030
LON, LAT = 7.9, 48.5
"""Where the village is put: somewhere in the Upper Rhine plain [degree]."""
FOLDER = Path(__file__).parent / "streets_village"
X_M, Y_M = 111320.0 * math.cos(math.radians(LAT)), 111195.0
"""Metres per degree there."""
STATIONS = (("Mill", (-236.0, 24.0), 400), ("Church", (92.0, -32.0), 250), ("Orchard", (330.0, 196.0), 250))
README = """\
# streets_village

A made-up village for `gridcommons new --streets`: {streets} streets, {houses} houses with one
dwelling or several, {others} other
buildings (garages, barns, a church) and {stations} stations, in `village.geojson`. **No real place and no
map data are in it**: `examples/make_streets_village.py` draws everything with a seeded generator, so the
file is under the licence of the program.

    gridcommons new my_village --streets examples/streets_village/village.geojson

`my_village/map.svg` then shows streets, cables, houses and stations. How the grid is made:
[streets](../../docs/streets.md).
"""

Point = tuple[float, float]


@dataclass
class Village:
    """What has been drawn so far, in metres around the middle of the village."""

    rng: np.random.Generator
    streets: list[tuple[str, str, list[Point]]] = field(default_factory=list)
    buildings: list[tuple[dict[str, Any], list[Point]]] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)


def curve(points: list[Point], step_m: float = 28.0) -> list[Point]:
    """A smooth line through points (Catmull-Rom), with a bend every ``step_m``; the points stay in it."""
    p = np.array([points[0], *points, points[-1]], dtype=float)
    found: list[Point] = []
    for k in range(1, len(p) - 2):
        count = max(round(float(np.hypot(*(p[k + 1] - p[k]))) / step_m), 1)
        for t in np.arange(count) / count:
            a, b = 2 * p[k], p[k + 1] - p[k - 1]
            c = 2 * p[k - 1] - 5 * p[k] + 4 * p[k + 1] - p[k + 2]
            d = -p[k - 1] + 3 * p[k] - 3 * p[k + 1] + p[k + 2]
            x, y = 0.5 * (a + b * t + c * t**2 + d * t**3)
            found.append((float(x), float(y)))
    return [*found, points[-1]]


def draw_streets(village: Village) -> None:
    """A main street, two streets across, a loop, side streets, a cul-de-sac and a farm track."""
    main = [(-420.0, -40.0), (-250.0, 10.0), (-110.0, -20.0), (40.0, 10.0), (180.0, -10.0), (400.0, 60.0)]
    ways = [
        ("Main Street", "tertiary", main),
        ("Mill Lane", "residential", [(-250.0, 10.0), (-275.0, 120.0), (-235.0, 235.0)]),
        ("Church Street", "residential", [(40.0, 10.0), (70.0, -95.0), (40.0, -215.0)]),
        (
            "Orchard Ring",
            "residential",
            [(180.0, -10.0), (225.0, 105.0), (300.0, 205.0), (395.0, 180.0), (400.0, 60.0)],
        ),
        ("North Street", "residential", [(-235.0, 235.0), (-90.0, 215.0), (60.0, 240.0), (300.0, 205.0)]),
        ("School Lane", "residential", [(-110.0, -20.0), (-80.0, 95.0), (-90.0, 215.0)]),
        ("Garden Close", "living_street", [(60.0, 240.0), (85.0, 165.0), (75.0, 105.0)]),
        ("South Street", "residential", [(40.0, -215.0), (-90.0, -190.0), (-210.0, -150.0), (-250.0, 10.0)]),
        ("Meadow Way", "residential", [(-90.0, -190.0), (-105.0, -290.0), (-60.0, -345.0)]),
        ("Field Track", "track", [(400.0, 60.0), (470.0, 5.0), (520.0, -80.0)]),
        ("Brook Path", "footway", [(-235.0, 235.0), (-330.0, 150.0), (-420.0, -40.0)]),
    ]
    village.streets = [(name, kind, curve(points)) for name, kind, points in ways]


def line_house(village: Village, where: tuple[Point, Point, float], side: float) -> bool:
    """Put a dwelling beside a piece of street, if there is room; whether it did."""
    (x0, y0), (x1, y1), along = where
    rng, length = village.rng, math.hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    wide, deep = float(rng.uniform(9.0, 13.0)), float(rng.uniform(8.5, 11.5))
    off = side * float(rng.uniform(13.0, 19.0))
    x, y = x0 + along * ux - off * uy, y0 + along * uy + off * ux
    if not has_room(village, (x, y), 9.5):
        return False
    kind, levels = (
        str(rng.choice(["house", "detached", "yes"], p=[0.5, 0.3, 0.2])),
        int(rng.choice([1, 2, 2])),
    )
    tags: dict[str, Any] = {"building": kind, "building:levels": levels}
    if rng.random() < 0.06:
        wide, deep, tags = 20.0, 12.0, {"building": "apartments", "building:levels": 3, "building:flats": 6}
    elif rng.random() < 0.15:
        del tags["building:levels"]
    village.buildings.append((tags, rectangle((x, y), (ux, uy), (wide, deep))))
    village.taken.append((x, y, 9.5 if wide < 15.0 else 13.0))
    back = (x - side * 14.0 * uy + 4.0 * ux, y + side * 14.0 * ux + 4.0 * uy)
    if rng.random() < 0.2 and has_room(village, back, 4.5):
        village.buildings.append(({"building": "garage"}, rectangle(back, (ux, uy), (6.0, 3.5))))
        village.taken.append((*back, 4.5))
    return True


def has_room(village: Village, at: Point, radius_m: float) -> bool:
    """Whether a place is clear of other buildings and of every street."""
    if any(math.dist(at, (x, y)) < radius_m + r for x, y, r in village.taken):
        return False
    for _, _, points in village.streets:
        for a, b in zip(points, points[1:], strict=False):
            if distance_m(at, a, b) < radius_m + 2.0:
                return False
    return True


def distance_m(at: Point, a: Point, b: Point) -> float:
    """Distance of a point from a piece of street."""
    way = np.subtract(b, a)
    share = float(np.clip(np.dot(np.subtract(at, a), way) / np.dot(way, way), 0.0, 1.0))
    return float(np.hypot(*(np.subtract(at, a) - share * way)))


def rectangle(at: Point, along: Point, size: tuple[float, float]) -> list[Point]:
    """Corners of a building, its long side along the street."""
    (x, y), (ux, uy), (w, d) = at, along, (size[0] / 2.0, size[1] / 2.0)
    return [
        (x + a * w * ux - b * d * uy, y + a * w * uy + b * d * ux)
        for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))
    ]


def settle(village: Village) -> None:
    """Houses along every street but the footway, some gaps between; a church, barns."""
    village.buildings.append(({"building": "church"}, rectangle((120.0, -60.0), (1.0, 0.0), (28.0, 13.0))))
    village.taken.append((120.0, -60.0, 16.0))
    village.taken += [(*station, 4.0) for _, station, _ in STATIONS]
    for _, kind, points in village.streets:
        if kind != "footway":
            for side in (1.0, -1.0):
                line_street(village, points, side, 60.0 if kind == "track" else 19.0)
    barn = rectangle((500.0, -20.0), (0.8, -0.6), (24.0, 12.0))
    village.buildings.append(({"building": "barn"}, barn))


def line_street(village: Village, points: list[Point], side: float, pitch_m: float) -> None:
    """Dwellings along one side of a street, ``pitch_m`` or a little more apart."""
    rest = 9.0
    for a, b in zip(points, points[1:], strict=False):
        length = math.dist(a, b)
        while rest < length:
            if village.rng.random() < 0.88:
                line_house(village, (a, b, rest), side)
            rest += pitch_m * float(village.rng.uniform(0.95, 1.25))
        rest -= length


def feature(name: str, kind: str, coordinates: Any, tags: dict[str, Any]) -> dict[str, Any]:
    """A GeoJSON feature."""
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "id": name, "properties": tags, "geometry": geometry}


def degrees(points: list[Point]) -> list[list[float]]:
    """Metres around the middle as longitude and latitude, to a centimetre."""
    return [[round(LON + x / X_M, 7), round(LAT + y / Y_M, 7)] for x, y in points]


def features(village: Village) -> list[dict[str, Any]]:
    """Streets, buildings and stations as GeoJSON."""
    found = [
        feature(f"street_{n}", "LineString", degrees(points), {"highway": kind, "name": name})
        for n, (name, kind, points) in enumerate(village.streets, start=1)
    ]
    for number, (tags, ring) in enumerate(village.buildings, start=1):
        found.append(feature(f"b{number}", "Polygon", [degrees([*ring, ring[0]])], tags))
    for name, at, kva in STATIONS:
        tags = {"power": "transformer", "name": name, "kva": kva}
        found.append(feature(f"station_{name.lower()}", "Point", degrees([at])[0], tags))
    return found


def main() -> None:
    """Make the folder anew."""
    village = Village(np.random.default_rng(SEED))
    draw_streets(village)
    settle(village)
    FOLDER.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in features(village))
    head = '{"type":"FeatureCollection","name":"a made-up village, no real place","features":[\n'
    (FOLDER / "village.geojson").write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")
    others = sum(tags["building"] in ("garage", "barn", "church") for tags, _ in village.buildings)
    counts = {"streets": len(village.streets), "others": others, "stations": len(STATIONS)}
    text = README.format(houses=len(village.buildings) - others, **counts)
    (FOLDER / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
