"""Streets from GeoJSON, OSM XML and Overpass answers: the same place, and everything that may be wrong."""

from __future__ import annotations

import json
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from gridcommons.adapters.grids.overpass import Box, fetch_streets, street_query
from gridcommons.adapters.grids.street_features import LEVELS, USABLE_SHARE
from gridcommons.adapters.grids.street_files import read_streets
from gridcommons.model.errors import StudyError

# A street along a parallel at 48.5 degrees north, two houses, a garage and a station.
STREET = [(7.9, 48.5), (7.901, 48.5), (7.902, 48.5)]
STATION = (7.9, 48.5001)
X_M = 73871.0
Y_M = 111202.0


def ring(lon, lat, wide_m=10.0, deep_m=10.0):
    w, d = wide_m / X_M / 2, deep_m / Y_M / 2
    corners = [(lon - w, lat - d), (lon + w, lat - d), (lon + w, lat + d), (lon - w, lat + d)]
    return [*corners, corners[0]]


HOUSES = {
    "101": ({"building": "house", "building:levels": "2"}, ring(7.9005, 48.5002)),
    "102": ({"building": "apartments", "building:levels": "3", "building:flats": "4"}, ring(7.9015, 48.4998)),
    "103": ({"building": "garage"}, ring(7.9010, 48.5002)),
    "104": ({"building": "yes"}, ring(7.9012, 48.5002, 3.0, 3.0)),
}


def feature(name, kind, coordinates, /, **tags):
    return {
        "type": "Feature",
        "id": name,
        "properties": tags,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def geojson():
    features = [feature("way/100", "LineString", STREET, highway="residential", name="Street")]
    features += [
        feature(f"way/{n}", "Polygon", [list(points)], **tags) for n, (tags, points) in HOUSES.items()
    ]
    features.append(feature("node/9", "Point", STATION, power="transformer", kva=250))
    features.append(feature("way/110", "LineString", STREET, highway="motorway"))
    return {"type": "FeatureCollection", "features": features}


def osm_ways():
    return [("100", {"highway": "residential"}, STREET), ("110", {"highway": "motorway"}, STREET)] + [
        (name, tags, points) for name, (tags, points) in HOUSES.items()
    ]


def osm_xml(rating="250 kVA"):
    nodes, lines, ids = [], [], {}
    for name, tags, points in osm_ways():
        for lon, lat in points:
            if (lon, lat) not in ids:
                ids[lon, lat] = len(ids) + 1000
                nodes.append(f'<node id="{ids[lon, lat]}" lat="{lat!r}" lon="{lon!r}"/>')
        refs = "".join(f'<nd ref="{ids[lon, lat]}"/>' for lon, lat in points)
        marks = "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())
        lines.append(f'<way id="{name}">{refs}{marks}</way>')
    lon, lat = STATION
    tags = f'<tag k="power" v="transformer"/><tag k="rating" v="{rating}"/>'
    nodes.append(f'<node id="9" lat="{lat}" lon="{lon}">{tags}</node>')
    return f'<?xml version="1.0"?><osm version="0.6">{"".join(nodes + lines)}</osm>'


def overpass():
    elements = [
        {"type": "way", "id": int(n), "tags": tags, "geometry": [{"lon": x, "lat": y} for x, y in points]}
        for n, tags, points in osm_ways()
    ]
    tags = {"power": "transformer", "rating": "0.25 MVA"}
    elements.append({"type": "node", "id": 9, "lon": STATION[0], "lat": STATION[1], "tags": tags})
    return {"version": 0.6, "elements": elements}


def write(folder, content, name="place.geojson"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def problems(path, **options):
    with pytest.raises(StudyError) as caught:
        read_streets(path, **options)
    return [str(problem) for problem in caught.value.problems]


def test_the_three_formats_give_the_same_place(tmp_path):
    one = read_streets(write(tmp_path, geojson()))
    two = read_streets(write(tmp_path, osm_xml(), "place.osm"))
    three = read_streets(write(tmp_path, overpass(), "place.json"))
    for reading in (one, two, three):
        assert [b.name for b in reading.plan.buildings] == ["way_101", "way_102"]
        assert [s.kva for s in reading.plan.stations] == [250.0]
        assert len(reading.plan.streets) == 1 and len(reading.plan.streets[0].points) == 3
        for ours, theirs in zip(reading.plan.things, one.plan.things, strict=True):
            assert ours.at == pytest.approx(theirs.at, abs=1e-6)
        (left_out,) = [note for note in reading.notes if note.startswith("left out")]
        assert "1 building=garage, 1 buildings below 40 m²" in left_out and "1 highway=motorway" in left_out


def test_living_area_is_footprint_times_levels_times_the_usable_share(tmp_path):
    content = geojson()
    del content["features"][1]["properties"]["building:levels"]
    content["features"].append(
        feature("x", "Polygon", [ring(7.9011, 48.4998)], building="yes", living_area_m2=77)
    )
    reading = read_streets(write(tmp_path, content))
    area = {b.name: b.living_area_m2 for b in reading.plan.buildings}
    assert area["way_101"] == pytest.approx(100.0 * LEVELS * USABLE_SHARE, rel=1e-3)
    assert area["way_102"] == pytest.approx(100.0 * 3 * USABLE_SHARE, rel=1e-3)
    assert area["x"] == 77.0
    assert [b.households for b in reading.plan.buildings] == [1, 4, 1]
    assert "1 buildings name no building:levels: 2 are taken" in reading.notes


def test_a_courtyard_is_no_living_area_and_the_parts_of_a_building_are(tmp_path):
    content = geojson()
    whole, hole = ring(7.9005, 48.5002, 20.0, 20.0), ring(7.9005, 48.5002, 10.0, 10.0)
    geometry = {"type": "MultiPolygon", "coordinates": [[whole, hole], [ring(7.9008, 48.5002)]]}
    content["features"][1]["geometry"] = geometry
    house = read_streets(write(tmp_path, content)).plan.buildings[0]
    assert house.living_area_m2 == pytest.approx((400.0 - 100.0 + 100.0) * 2 * USABLE_SHARE, rel=1e-3)


def test_degrees_become_metres_and_come_back(tmp_path):
    reading = read_streets(write(tmp_path, geojson()))
    (x0, y0), _, (x2, _) = reading.plan.streets[0].points
    assert x2 - x0 == pytest.approx(0.002 * X_M, rel=1e-3)
    assert reading.plan.stations[0].at[1] - y0 == pytest.approx(0.0001 * Y_M, rel=1e-3)
    lon, lat = reading.plane.back(np.array([x0, x2]), np.array([y0, y0]))
    assert lon.tolist() == [7.9, 7.902] and lat.tolist() == [48.5, 48.5]


def test_metres_stay_metres(tmp_path):
    content = json.loads(json.dumps(geojson()))

    def moved(nested):
        if isinstance(nested[0], float):
            return [3_400_000.0 + (nested[0] - 7.9) * X_M, 5_370_000.0 + (nested[1] - 48.5) * Y_M]
        return [moved(each) for each in nested]

    for each in content["features"]:
        each["geometry"]["coordinates"] = moved(each["geometry"]["coordinates"])
    plan = read_streets(write(tmp_path, content)).plan
    assert plan.streets[0].points[0] == (3_400_000.0, 5_370_000.0)
    assert plan.buildings[0].living_area_m2 == pytest.approx(150.0, rel=1e-3)


def test_every_broken_geometry_is_said_at_once(tmp_path):
    content = geojson()
    first = content["features"]
    first[0]["geometry"]["coordinates"] = [[7.9, 48.5]]
    first[1]["geometry"]["coordinates"][0].pop()
    first[2]["geometry"] = {"type": "Point", "coordinates": [7.9, 48.5]}
    first[5]["geometry"]["coordinates"] = ["east", 48.5]
    first.append(feature("y", "LineString", [[7.9, float("nan")], [7.9, 48.5]], highway="service"))
    first.append(feature("z", "LineString", None, highway="service"))
    first.append({"type": "Feature", "properties": {"highway": "service"}, "geometry": None})
    said = problems(write(tmp_path, content))
    assert said[0] == (
        "place.geojson [feature 1]: found a broken LineString: 1 positions, fewer than 2, "
        "expected two positions or more of two finite numbers each"
    )
    assert "[feature 2]: found a broken Polygon: a ring that is not closed, expected closed rings" in said[1]
    assert "[feature 3]: found a building as Point, expected Polygon or MultiPolygon" in said[2]
    assert "[feature 6]: found a broken Point" in said[3]
    assert "[feature 8]: found a broken LineString: a position that is not finite" in said[4]
    assert "[feature 9]" in said[5] and "[feature 10]: found a street as nothing" in said[6]
    assert len(said) == 7


def test_a_station_of_unknown_rating_is_an_error_or_what_was_asked_for(tmp_path):
    content = geojson()
    del content["features"][5]["properties"]["kva"]
    path = write(tmp_path, content)
    (said,) = problems(path)
    assert "[feature 6]: found station 'node_9' of unknown rating" in said and "--station-kva" in said
    reading = read_streets(path, station_kva=400.0)
    assert reading.plan.stations[0].kva == 400.0
    assert "station node_9 names no rating: 400 kVA is taken, as asked" in reading.notes
    content["features"][5]["properties"]["kva"] = "big"
    (said,) = problems(write(tmp_path, content), station_kva=400.0)
    assert "kva = 'big'" in said


def test_wrong_numbers_are_said_with_their_feature(tmp_path):
    content = geojson()
    content["features"][1]["properties"]["building:levels"] = "two"
    content["features"][2]["properties"]["building:flats"] = -4
    said = problems(write(tmp_path, content))
    assert "[feature 2]: found building:levels = 'two'" in said[0]
    assert "[feature 3]: found building:flats = -4" in said[1]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("living_area_m2", 0, "a number above 0"),
        ("building:levels", "0", "a number above 0"),
        ("building:flats", 0, "a whole number from 1 up"),
        ("building:flats", "0.5", "a whole number from 1 up"),
        ("building:flats", 2.5, "a whole number from 1 up"),
    ],
)
def test_no_area_no_storey_and_no_flat_are_said_and_not_replaced(tmp_path, key, value, expected):
    content = geojson()
    content["features"][2]["properties"][key] = value
    (said,) = problems(write(tmp_path, content))
    assert f"[feature 3]: found {key} = {value!r}, expected {expected}" in said


def test_a_substation_around_its_transformer_is_one_station_and_others_feed_no_houses(tmp_path):
    content = geojson()
    around = ring(7.9, 48.5001, 4.0, 3.0)
    content["features"].append(feature("hut", "Polygon", [around], power="substation", building="service"))
    content["features"].append(
        feature("hv", "Point", [7.95, 48.5], power="substation", substation="transmission")
    )
    reading = read_streets(write(tmp_path, content))
    assert [s.name for s in reading.plan.stations] == ["node_9"]
    assert "1 substations are those of the transformers in them" in reading.notes
    assert any("1 power=transmission" in note for note in reading.notes)


def test_ways_cut_at_the_edge_keep_what_is_known(tmp_path):
    text = osm_xml()
    (cut,) = [line for line in text.split("<node ") if f'lat="48.5" lon="{STREET[2][0]!r}"' in line]
    reading = read_streets(write(tmp_path, text.replace(f"<node {cut}", ""), "place.osm"))
    assert [len(street.points) for street in reading.plan.streets] == [2]
    assert any("1 ways cut at the edge of the extract" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.geojson", "{", "not JSON"),
        ("a.geojson", "[]", "JSON of another kind"),
        ("a.osm", "<osm>", "not XML"),
        ("a.osm", "<gpx/>", "XML with the root <gpx>"),
        ("a.osm", '<osm><node id="4" lat="x" lon="7"/></osm>', "[node 4]: found no place"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, name, content, found):
    (said,) = problems(write(tmp_path, content, name))
    assert found in said


def test_a_missing_file_is_named(tmp_path):
    (said,) = problems(tmp_path / "nowhere.geojson")
    assert "nowhere.geojson: found no file" in said


def test_the_question_names_the_box_and_a_box_has_an_inside():
    query = street_query(Box(48.4, 7.8, 48.5, 7.9))
    assert "[bbox:48.4,7.8,48.5,7.9]" in query and 'way["building"]' in query and query.endswith("out geom;")
    with pytest.raises(StudyError, match="south below north"):
        Box(48.5, 7.8, 48.4, 7.9)


class Recorded(BaseHTTPRequestHandler):
    """Answers with what was recorded, and keeps what it was asked."""

    answer, status, asked, length = b"", 200, "", None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        Recorded.asked = urllib.parse.parse_qs(body)["data"][0]
        self.send_response(Recorded.status)
        if Recorded.length is not None:
            self.send_header("Content-Length", str(Recorded.length))
        self.end_headers()
        self.wfile.write(Recorded.answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Recorded.answer, Recorded.status = json.dumps(overpass()).encode(), 200
    Recorded.asked, Recorded.length = "", None
    with HTTPServer(("127.0.0.1", 0), Recorded) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/api/interpreter"
        running.shutdown()
        thread.join()


BOX = Box(48.49, 7.89, 48.51, 7.91)


def test_an_answer_of_a_server_is_kept_and_read(server, tmp_path):
    path = fetch_streets(server, BOX, tmp_path / "answer.json")
    assert Recorded.asked == street_query(BOX)
    assert path.read_bytes() == Recorded.answer
    assert [b.name for b in read_streets(path).plan.buildings] == ["way_101", "way_102"]


@pytest.mark.parametrize(
    ("status", "answer", "found"),
    [
        (429, b"", "status 429"),
        (200, b"<html>", "not Overpass JSON"),
        (200, b'{"elements": []}', "an empty answer"),
        (200, b'{"elements": 3}', "not Overpass JSON"),
        (200, b"[]", "not Overpass JSON"),
    ],
)
def test_a_server_that_does_not_answer_leaves_no_file(server, tmp_path, status, answer, found):
    Recorded.status, Recorded.answer = status, answer
    with pytest.raises(StudyError, match=found):
        fetch_streets(server, BOX, tmp_path / "answer.json")
    assert list(tmp_path.iterdir()) == []


OUT_OF_TIME = 'runtime error: Query timed out in "query" at line 2 after 91 seconds.'


def test_a_part_of_an_answer_is_refused_with_what_the_server_said(server, tmp_path):
    Recorded.answer = json.dumps({**overpass(), "remark": OUT_OF_TIME}).encode()
    with pytest.raises(StudyError) as caught:
        fetch_streets(server, BOX, tmp_path / "answer.json")
    assert OUT_OF_TIME in str(caught.value) and "a smaller box" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    # The same answer, kept by other means.
    (said,) = problems(write(tmp_path, {**overpass(), "remark": OUT_OF_TIME}, "place.json"))
    assert OUT_OF_TIME in said and "a smaller box" in said


def test_an_answer_that_breaks_off_leaves_no_file(server, tmp_path):
    Recorded.length = len(Recorded.answer) + 1000
    with pytest.raises(StudyError, match="breaks off.*1000 more expected"):
        fetch_streets(server, BOX, tmp_path / "answer.json")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_http_is_said(tmp_path):
    def answer_and_close():
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"220 mail ready\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_and_close)
        thread.start()
        with pytest.raises(StudyError, match="is not HTTP"):
            fetch_streets(f"http://127.0.0.1:{listener.getsockname()[1]}/", BOX, tmp_path / "answer.json")
        thread.join()


def test_a_place_for_the_answer_is_there_before_the_server_is_asked(server, tmp_path):
    with pytest.raises(StudyError, match="no folder .*nowhere"):
        fetch_streets(server, BOX, tmp_path / "nowhere" / "answer.json")
    assert Recorded.asked == ""
    with pytest.raises(StudyError, match="expected a file that can be written"):
        fetch_streets(server, BOX, tmp_path)


@pytest.mark.parametrize("url", ["", "http://[", "http://a b/", "http://127.0.0.1:port/", "ftp://a/"])
def test_what_is_no_address_is_said(tmp_path, url):
    with pytest.raises(StudyError, match="no address of a server"):
        fetch_streets(url, BOX, tmp_path / "answer.json")


def test_only_an_address_is_asked(tmp_path):
    with pytest.raises(StudyError, match="no address of a server"):
        fetch_streets("file:///etc/hosts", BOX, tmp_path / "answer.json")
    with pytest.raises(StudyError, match="no answer"):
        fetch_streets("http://127.0.0.1:9/", BOX, tmp_path / "answer.json")
