"""From a file of streets to a study, as a user would call it, and to a map."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree

import pytest

import gridcommons as gc
from command_line import gridcommons
from gridcommons.model.topology import is_radial, supplied_buses

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def village(examples, tmp_path_factory):
    study = tmp_path_factory.mktemp("streets") / "village"
    source = examples / "streets_village" / "village.geojson"
    return study, gridcommons("new", study, "--streets", source, "--day", "2030-06-20")


def test_streets_become_a_study_that_checks(village):
    study, said = village
    assert "96 steps from 2030-06-20T00:00:00+02:00, 282 members, assets and profiles as [synthesis]" in said
    assert "28 building=garage" in said and "map.svg shows the grid" in said
    checked = gridcommons("check", study)
    assert "3 transformers" in checked and "radial" in checked and "without supply" not in checked
    assert "members: 282" in checked and "assets: 282 load" in checked
    assert "inside all limits in all 96 steps" in checked


def test_the_study_holds_what_the_streets_say(village):
    study, said = village
    loaded = gc.load_study(study)
    assert is_radial(loaded.grid) and supplied_buses(loaded.grid).all()
    with (study / "members.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["member", "bus", "cluster", "living_area_m2"]
    assert {row["cluster"] for row in rows} == {"Mill", "Church", "Orchard"}
    assert all(row["bus"] in loaded.grid.bus_index for row in rows)
    for station in ("Mill", "Church", "Orchard"):
        own = [row["bus"] for row in rows if row["cluster"] == station]
        assert f"station {station}: {len(set(own))} houses with {len(own)} households" in said
    # The buses stand where the file has them, in degrees, so that a map may lie under them.
    x, y = loaded.grid.buses.x_map, loaded.grid.buses.y_map
    assert 7.89 < x.min() < x.max() < 7.91 and 48.49 < y.min() < y.max() < 48.51


def test_the_map_is_a_picture_of_its_own(village):
    study, _ = village
    text = (study / "map.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = {node.text.strip() for node in root.iter("{http://www.w3.org/2000/svg}text") if node.text}
    assert {"street", "house", "station", "NAYY 4x150 SE", "Mill", "100 m"} <= words


def test_the_same_streets_give_the_same_bytes(village, examples, tmp_path):
    source = examples / "streets_village" / "village.geojson"
    gridcommons("new", tmp_path / "village", "--streets", source, "--day", "2030-06-20")
    for path in village[0].iterdir():
        assert (tmp_path / "village" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_house_that_no_street_reaches_stops_it_and_leaves_nothing(examples, tmp_path):
    content = json.loads((examples / "streets_village" / "village.geojson").read_text(encoding="utf-8"))
    ring = [[7.93, 48.5], [7.9302, 48.5], [7.9302, 48.5002], [7.93, 48.5002], [7.93, 48.5]]
    far = {"type": "Feature", "id": "hermit", "properties": {"building": "house"}}
    content["features"].append({**far, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    for each in content["features"]:
        each["properties"].pop("kva", None)
    (tmp_path / "place.geojson").write_text(json.dumps(content), encoding="utf-8")
    study = tmp_path / "study"
    said = gridcommons("new", study, "--streets", tmp_path / "place.geojson", code=2)
    assert said.count("of unknown rating") == 3
    said = gridcommons("new", study, "--streets", tmp_path / "place.geojson", "--station-kva", "400", code=2)
    assert "'hermit'" in said and "draw the missing way to it" in said
    assert [path.name for path in tmp_path.iterdir()] == ["place.geojson"]


def test_the_example_is_what_its_maker_makes(examples, tmp_path, monkeypatch):
    import importlib.util

    spec = importlib.util.spec_from_file_location("maker", examples / "make_streets_village.py")
    maker = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "maker", maker)
    spec.loader.exec_module(maker)
    monkeypatch.setattr(maker, "FOLDER", tmp_path / "village")
    maker.main()
    for name in ("village.geojson", "README.md"):
        assert (tmp_path / "village" / name).read_text() == (examples / "streets_village" / name).read_text()
