"""What commands make of elements, and what is refused because it would change the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridcommons.model.errors import StudyError
from opendss_feeders import admittance_s, problems_of, read_text

LINE = "new line.l bus1=head bus2=b r1=1 x1=2 r0=1 x0=2 c1=0 c0=0\n"


def _z_ohm(folder: Path, script: str) -> complex:
    """Impedance of phase a of line l [ohm]."""
    _, y = admittance_s(read_text(folder, script).grid, "l")
    half = len(y) // 2
    return complex(np.linalg.inv(-y[:half, half:])[0, 0])


def test_names_have_no_case_and_keep_the_one_they_were_made_with(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path, "NEW LINE.Lx BUS1=HEAD Bus2=Bb R1=1 X1=2 R0=1 X0=2\nEdit line.LX length=3\n"
    ).grid
    assert grid.branches.name[3:] == ("Lx.a", "Lx.b", "Lx.c")
    assert [name for name in grid.buses.name if name.startswith("B")] == ["Bb.a", "Bb.b", "Bb.c"]
    assert "HEAD.a" not in grid.buses.name and "head.a" in grid.buses.name


def test_a_property_may_be_abbreviated_and_the_first_that_begins_so_counts(tmp_path: Path) -> None:
    # "len" is length; "r" is r1, the first of r1, r0, rmatrix, rg, rho.
    assert _z_ohm(tmp_path, LINE + "line.l.len=2\nline.l.r=3") == pytest.approx(2 * (7 / 3 + 2j))


def test_values_without_name_follow_the_last_one(tmp_path: Path) -> None:
    script = "new linecode.k nphases=3 r1=1 x1=2 r0=1 x0=2 c1=0 c0=0\nnew line.l head b k 4\n"
    assert _z_ohm(tmp_path, script) == pytest.approx(4 * (1 + 2j))
    assert _z_ohm(tmp_path, "new line.l bus2=b bus1=head b r1=1 2 1 2 0 0 length=5 3\n") == pytest.approx(
        5 + 10j
    )


def test_the_last_value_counts_in_whatever_way_it_is_set(tmp_path: Path) -> None:
    assert _z_ohm(tmp_path, LINE + "~ length=2\nedit line.l length=3\nline.L.length=4\n") == pytest.approx(
        4 + 8j
    )
    assert _z_ohm(tmp_path, LINE + "batchedit line..* length=5\n") == pytest.approx(5 + 10j)
    assert _z_ohm(tmp_path, LINE + "batchedit line.^k length=5\n") == pytest.approx(1 + 2j)


def test_clear_forgets_all_but_the_frequency(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path, "new line.old bus1=head bus2=x\nclear\nnew circuit.d bus1=q basekv=20\nnew line.l q b\n"
    ).grid
    assert {name.rpartition(".")[0] for name in grid.branches.name} == {"source", "l"}
    assert set(grid.buses.vn_kv) == {20.0}


def test_like_takes_over_what_opendss_takes_over(tmp_path: Path) -> None:
    feeder = read_text(
        tmp_path,
        LINE
        + "new transformer.a phases=1 buses=[head.1 b2.1] kvs=[5.7 .24] kvas=[50 50] taps=[1 1.05] xhl=3 "
        "%imag=5 ppm=900 enabled=no\n"
        "new transformer.b like=a buses=[head.2 b2.2] \n"
        "new transformer.c phases=1 buses=[head.3 b2.3] kvs=[5.7 .24] kvas=[50 50] taps=[1 1.05] xhl=3\n",
    )
    # Not %imag, ppm_antifloat, leadlag, the buses, and whether it is enabled.
    assert np.allclose(admittance_s(feeder.grid, "b")[1], admittance_s(feeder.grid, "c")[1], rtol=1e-14)
    assert not np.allclose(admittance_s(feeder.grid, "a")[1], admittance_s(feeder.grid, "b")[1], rtol=1e-4)
    assert feeder.grid.branches.in_service[list(feeder.grid.branches.name).index("b.b")]
    assert not feeder.grid.branches.in_service[list(feeder.grid.branches.name).index("a.a")]


def test_disabled_and_opened_branches_are_open(tmp_path: Path) -> None:
    feeder = read_text(
        tmp_path,
        LINE
        + "new line.off bus1=head bus2=b enabled=no\n"
        + "".join(f"new line.{name} bus1=b bus2={name}\n" for name in ("end", "start", "one", "back", "far"))
        + "open line.end 2\nopen line.start\nopen line.one term=1 cond=2\nopen line.back 2\n"
        "close line.back 2\ndisable line.far\nenable line.far\nnew switchless.x enabled=n\n",
    )
    branches = feeder.grid.branches
    state = {
        name: (bool(start), bool(end))
        for name, start, end in zip(branches.name, branches.from_closed, branches.to_closed, strict=True)
    }
    assert state["off.a"] == (False, False)
    assert state["end.b"] == (True, False)
    assert state["start.c"] == (False, True)
    assert [state[f"one.{phase}"] for phase in "abc"] == [(True, True), (False, True), (True, True)]
    assert state["back.a"] == state["far.a"] == state["l.a"] == (True, True)
    assert feeder.switches == ("off", "end", "start", "one")
    assert "open branches: off, end, start, one" in feeder.notes


def test_coordinates_come_with_the_buses(tmp_path: Path) -> None:
    (tmp_path / "xy.csv").write_text("HEAD, 1, 2\nb 3\t4 ! there\nnowhere;5;6\n")
    buses = read_text(
        tmp_path, LINE + "new line.m bus1=b bus2=c\nnew line.n d b\nbuscoords XY.csv\n"
    ).grid.buses
    at = dict(zip(buses.name, zip(buses.x_map, buses.y_map, strict=True), strict=True))
    assert at["head.a"] == at["head source.b"] == (1.0, 2.0)
    assert at["b.c"] == (3.0, 4.0)
    assert np.isnan(at["c.a"]).all() and np.isnan(at["d.a"]).all()


def test_what_has_no_part_in_the_answer_is_passed_over(tmp_path: Path) -> None:
    feeder = read_text(
        tmp_path,
        LINE + "new monitor.m line.l 1 mode=0\n~ ppolar=no\nnew energymeter.e line.l\n"
        "new regcontrol.r transformer=t\nregcontrol.r.maxtapchange=0\nsolve\nshow voltages\nplot profile\n"
        "set mode=yearly number= 10\nhelp\n"
        "new pvsystem.p bus1=b kva=5 enabled=no\nset loadmult=1 frequency=60\n",
    )
    assert "1 of class regcontrol do not act: taps stay as they are set" in feeder.notes


def test_options_of_solve_count_as_those_of_set_and_loads_neither_scale_nor_grow(tmp_path: Path) -> None:
    read_text(tmp_path, "solve mode=snap year=0 loadmult=1\nset year=0\n")
    script = LINE + "solve mode=snap loadmult=0.5\nset year=3\nsolve year=2\n"
    found = [line.split(": found ")[1].split(",")[0] for line in problems_of(tmp_path, script)]
    assert found == ["loadmult = '0.5'", "year = '3'", "year = '2'"]


def test_everything_that_would_change_the_answer_is_refused_at_once_by_file_and_line(tmp_path: Path) -> None:
    script = (
        "new circuit.c basekv=10\n"
        "new generator.g bus1=sourcebus kw=5\n"
        "new line.l bus1=sourcebus bus2=b geometry=g lenght=2\n"
        "wonder about\n"
        "set loadmult=1.2 cktmodel=positive frequency=50\n"
        "edit line.none length=2\n"
        "new line.l bus1=b bus2=c\n"
        "new line\n"
        "new lod.x bus1=b\n"
        "new line.k like=l bus1=b bus2=c\n"
        "batchedit line.*( length=2\n"
        "buscoords missing.csv\n"
        "open load.x\n"
        "new load.m bus1=b kw=ten model=4 zzz=1\n"
    )
    found = problems_of(tmp_path, script, head="")
    rows = [line.split(":")[0] for line in found]
    assert rows == [
        f"feeder.dss row {row}" for row in (2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 3, 14, 14)
    ]
    text = dict(zip(range(len(found)), found, strict=True))
    assert "the generator 'g'" in text[0] and "transformer" in text[0]
    assert "lenght = '2', expected a property of a line; did you mean 'length'?" in text[1]
    assert "the command 'wonder'" in text[2]
    assert "loadmult = '1.2'" in text[3] and "cktmodel" in text[4] and "frequency = '50'" in text[5]
    assert "no line 'none'" in text[6]
    assert "line 'l' again" in text[7]
    assert "did you mean 'load'?" in text[9]
    assert "like no other" in text[10]
    assert "zzz" in text[14]
    assert "geometry" in text[15]


def test_a_script_without_a_circuit_is_refused(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "new line.l bus1=a bus2=b\n", head="") == [
        "feeder.dss: found no circuit, expected a script with New Circuit"
    ]


def test_a_missing_script_is_a_study_error(tmp_path: Path) -> None:
    from gridcommons.adapters.grids.opendss_grids import read_opendss

    with pytest.raises(StudyError, match="cannot be read"):
        read_opendss(tmp_path / "none.dss")


def test_what_no_branch_leads_to_is_refused(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path, LINE + "new line.m phases=1 bus1=p.1 bus2=q.1\n", head="new circuit.c bus1=head basekv=10\n"
    )
    assert found == [
        f"feeder.dss row 3: found line 'm' at {bus!r}, to which no branch leads, "
        "expected a bus that a source reaches"
        for bus in "pq"
    ]
    found = problems_of(
        tmp_path, LINE + "new line.m phases=1 bus1=b.2 bus2=q.2\nnew load.x phases=1 bus1=q.1 kv=6\n"
    )
    assert found == ["feeder.dss row 4: found load 'x' on phase a of bus 'q', expected one of the phases b"]
    found = problems_of(tmp_path, LINE + "new load.x phases=1 bus1=zz.1 kv=6\n")
    assert found == [
        "feeder.dss row 3: found load 'x' on phase a of bus 'zz', expected a bus that a branch leads to"
    ]
