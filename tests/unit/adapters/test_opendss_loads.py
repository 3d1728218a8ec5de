"""Loads, capacitors and load shapes of a script."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridcommons.adapters.grids.opendss_shapes import read_shape
from opendss_feeders import HEAD, problems_of, read_text

BUS = "new line.l bus1=head bus2=b\n"
ROOT3 = np.sqrt(3.0)


def _power(folder: Path, *commands: str) -> tuple[float, float]:
    load = read_text(folder, BUS + "new load.x bus1=b kv=10 " + "\nedit load.x ".join(commands)).loads[0]
    return load.p_kw, load.q_kvar


@pytest.mark.parametrize(
    ("commands", "p_kw", "q_kvar"),
    [
        # What OpenDSS itself makes of them.
        (("kw=40 kvar=20",), 40.0, 20.0),
        (("kvar=20 kw=40",), 40.0, 21.5897128855),
        (("kw=40 pf=.9",), 40.0, 19.3728841935),
        (("pf=.9 kw=40",), 40.0, 19.3728841935),
        (("kw=40 kvar=20 pf=.9",), 40.0, 20.0),
        (("kva=50 pf=.8",), 40.0, 30.0),
        (("kva=50 pf=-.8",), 40.0, -30.0),
        (("kw=40 kvar=20 kw=80",), 80.0, 43.1794257710),
        (("kva=50 kvar=30",), 10.0, 30.0),
        (("kw=40 pf=-.9",), 40.0, -19.3728841935),
        (("kw=40 kva=50",), 44.0, 23.7486841741),
        (("kvar=20",), 10.0, 20.0),
        (("",), 10.0, 5.3974282214),
        (("kw=40 kvar=20", "kw=80"), 80.0, 40.0),
        (("kw=40 kvar=20", "pf=.9"), 40.0, 20.0),
        (("kva=50 pf=.8", "kw=30"), 30.0, 22.5),
        (("kw=40 kvar=-20", "kw=50"), 50.0, -25.0),
        (("kw=-40 kvar=-20", "kw=-50"), -50.0, 25.0),
        (("kw=40 kvar=20", "kw=50 pf=.9"), 50.0, 24.2161052419),
    ],
)
def test_what_is_set_last_says_how_a_load_is_given(
    tmp_path: Path, commands: tuple[str, ...], p_kw: float, q_kvar: float
) -> None:
    assert _power(tmp_path, *commands) == pytest.approx((p_kw, q_kvar), rel=1e-10)


@pytest.mark.parametrize(
    ("said", "pairs", "rated_kv"),
    [
        ("phases=1 bus1=b.2 kv=6", [("b", "")], 6.0),
        ("phases=1 bus1=b.2.0 kv=6", [("b", "")], 6.0),
        ("phases=1 bus1=b.2.3 kv=10", [("b", "c")], 10.0),
        ("phases=1 bus1=b.3.1 kv=10 conn=delta", [("c", "a")], 10.0),
        ("phases=2 bus1=b.1.3 kv=10", [("a", ""), ("c", "")], 10.0 / ROOT3),
        ("bus1=b kv=10", [("a", ""), ("b", ""), ("c", "")], 10.0 / ROOT3),
        ("bus1=b.1.2.3 kv=10 conn=ll", [("a", "b"), ("b", "c"), ("c", "a")], 10.0),
    ],
)
def test_a_load_lies_where_its_phases_and_connection_say(
    tmp_path: Path, said: str, pairs: list[tuple[str, str]], rated_kv: float
) -> None:
    feeder = read_text(tmp_path, BUS + f"new load.x {said} kw=6 kvar=3\n")
    assert list(feeder.loads[0].pairs) == pairs
    assert feeder.loads[0].rated_kv == pytest.approx(rated_kv)
    loads, name = feeder.grid.phase_loads, feeder.grid.buses.name
    assert [name[row] for row in loads.bus] == [f"b.{first}" for first, _ in pairs]
    assert [name[row] if row >= 0 else "" for row in loads.to_bus] == [
        f"b.{to}" if to else "" for _, to in pairs
    ]
    assert loads.name == ("x",) * len(pairs)
    assert np.allclose(loads.p_kw, 6.0 / len(pairs)) and np.allclose(loads.q_kvar, 3.0 / len(pairs))


@pytest.mark.parametrize(
    ("model", "name", "power"), [(1, "power", 0), (5, "current", 1), (2, "impedance", 2)]
)
def test_power_is_turned_from_the_rated_to_the_nominal_voltage(
    tmp_path: Path, model: int, name: str, power: int
) -> None:
    loads = read_text(
        tmp_path,
        BUS + f"new load.x phases=1 bus1=b.1 kv=5.5 kw=6 kvar=3 model={model}\n"
        f"new load.y phases=1 bus1=b.1.2 kv=9.5 kw=6 kvar=3 model={model} conn=delta\n"
        f"new load.z bus1=b kv=9.5 kw=6 kvar=3 model={model}\n",
    ).grid.phase_loads
    assert loads.model == (name,) * 5
    assert loads.p_kw[:2] == pytest.approx([6.0 * (10 / ROOT3 / 5.5) ** power, 6.0 * (10 / 9.5) ** power])
    assert loads.q_kvar[2] == pytest.approx(1.0 * (10 / 9.5) ** power)


def test_disabled_loads_and_open_capacitors_are_left_out(tmp_path: Path) -> None:
    feeder = read_text(
        tmp_path,
        BUS
        + "new load.x bus1=b enabled=no\nnew capacitor.c bus1=b enabled=f\n"
        + "new capacitor.d bus1=b states=[0]\n",
    )
    assert feeder.loads == () and len(feeder.grid.shunts.bus) == 0
    assert "not enabled, and left out: load x, capacitor c" in feeder.notes


def test_notes_say_what_the_loads_are_and_that_they_keep_their_model(tmp_path: Path) -> None:
    notes = read_text(
        tmp_path,
        BUS + "new load.x bus1=b kw=6 kvar=3 model=5\nnew load.y bus1=b kw=4 kvar=-1 vminpu=.8 vmaxpu=1.1\n",
    ).notes
    assert notes[0] == "2 loads, together 10.0 kW and 2.0 kvar: 1 of constant power, 1 of constant current"
    assert "0.8 to 1.1, 0.95 to 1.05 of the rated voltage" in notes[1]


def test_a_capacitor_is_a_shunt_of_its_power_at_nominal_voltage(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path,
        BUS + "new capacitor.c bus1=b kvar=600 kv=9.5\nnew capacitor.d bus1=b.2 phases=1 kvar=[50] kv=5.5\n",
    ).grid
    assert [grid.buses.name[row] for row in grid.shunts.bus] == ["b.a", "b.b", "b.c", "b.b"]
    assert grid.shunts.q_kvar[:3] == pytest.approx(-200.0 * (10 / 9.5) ** 2)
    assert grid.shunts.q_kvar[3] == pytest.approx(-50.0 * (10 / ROOT3 / 5.5) ** 2)
    assert not grid.shunts.p_kw.any()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("load.x bus1=b model=4", "of model 4"),
        ("load.x bus1=b status=fixed", "with status fixed"),
        ("load.x bus1=b pf=1.2", "with pf 1.2"),
        ("load.x bus1=b kv=0", "with kv 0"),
        ("load.x bus1=b conn=star", "of 3 phases in star"),
        ("load.x phases=2 bus1=b conn=delta", "of 2 phases in delta"),
        ("load.x phases=1 bus1=b.1 conn=delta", "with a phase at earth"),
        ("load.x bus1=b.1.2.3.4", "nodes 1, 2, 3 and 0"),
        ("load.x bus1=b xfkva=50", "a load without it"),
        ("load.x", "without a bus"),
        ("capacitor.x bus1=b conn=delta", "in delta"),
        ("capacitor.x bus1=b bus2=c", "a capacitor without it"),
        ("capacitor.x bus1=b numsteps=2", "of 2 steps"),
        ("capacitor.x bus1=b xl=.1", "without a resistor or reactor"),
        ("capacitor.x bus1=b kvar=[1 2]", "one kvar"),
    ],
)
def test_loads_and_capacitors_that_are_not_modelled_are_refused(
    tmp_path: Path, said: str, found: str
) -> None:
    problems = problems_of(tmp_path, BUS + f"new {said}\n")
    assert any(found in problem and problem.startswith("feeder.dss row 3") for problem in problems)


def _shape(folder: Path, shape: str, load: str = "kw=10 kvar=5") -> tuple[list[float], list[float], float]:
    feeder = read_text(folder, f"new loadshape.s {shape}\n" + BUS + f"new load.x bus1=b daily=s {load}\n")
    read = read_shape(feeder.circuit, feeder.loads[0])
    feeder.circuit.problems.raise_if_any()
    assert read is not None
    p_kw, q_kvar = read.powers(feeder.loads[0])
    return p_kw.tolist(), q_kvar.tolist(), read.step_minutes


def test_a_shape_multiplies_or_is_the_power(tmp_path: Path) -> None:
    values = "npts=3 mult=[.1 .2 .3]"
    assert _shape(tmp_path, values)[0] == pytest.approx([1.0, 2.0, 3.0])
    assert _shape(tmp_path, values)[1] == pytest.approx([0.5, 1.0, 1.5])
    assert _shape(tmp_path, values + " qmult=[1 0 -1]")[1] == pytest.approx([5.0, 0.0, -5.0])
    # As OpenDSS: without reactive values, none for a load of kvar, by the power factor for one of that.
    assert _shape(tmp_path, values + " useactual=y")[:2] == ([0.1, 0.2, 0.3], [0.0, 0.0, 0.0])
    assert _shape(tmp_path, values + " useactual=y", "kw=10 pf=.8")[1] == pytest.approx([0.075, 0.15, 0.225])
    assert _shape(tmp_path, values + " useactual=y qmult=[1 2 3]")[1] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("said", "minutes"), [("", 60.0), ("interval=.5", 30.0), ("minterval=15", 15.0), ("sinterval=120", 2.0)]
)
def test_the_interval_of_a_shape(tmp_path: Path, said: str, minutes: float) -> None:
    assert _shape(tmp_path, f"npts=2 mult=[1 2] {said}")[2] == pytest.approx(minutes)


def test_a_shape_is_read_from_a_column_of_a_file_beside_the_script_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "values.csv").write_text("kW, other\n 1, 4\n\n 2, 5\n3, 6\n")
    (tmp_path / "parts" / "s.dss").write_text(
        "new loadshape.s npts=2 mult=(file=VALUES.csv, col=2, header=yes)\nnew loadshape.t pmult=[1]\n"
    )
    feeder = read_text(tmp_path, "redirect parts/s.dss\n" + BUS + "new load.x bus1=b kw=1 daily=t yearly=S\n")
    shape = read_shape(feeder.circuit, feeder.loads[0])
    assert shape is not None and shape.p.tolist() == [4.0, 5.0]


def test_every_circuit_has_the_default_shape(tmp_path: Path) -> None:
    feeder = read_text(tmp_path, BUS + "new load.x bus1=b daily=Default\n")
    shape = read_shape(feeder.circuit, feeder.loads[0])
    assert shape is not None and len(shape.p) == 24 and shape.step_minutes == 60.0
    # Mean and standard deviation as OpenDSS gives them.
    assert shape.p.mean() == pytest.approx(0.825828333333334)
    assert shape.p.std(ddof=1) == pytest.approx(0.15309160814381)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ("loadshape.t mult=[1 2]", "load 'x' with the shape 's', expected a loadshape of the script"),
        ("loadshape.s npts=2", "without values"),
        ("loadshape.s mult=[1 2] hour=[1 5]", "a loadshape without it"),
        ("loadshape.s mult=[1 2] qmult=[1]", "with 2 and 1 values"),
        ("loadshape.s interval=0 mult=[1 2]", "with steps of 0 min"),
        ("loadshape.s mult=(file=none.csv)", "none.csv"),
        ("loadshape.s mult=(file=bad.csv)", "bad.csv row 2: found 'x', expected a number in column 1"),
        ("loadshape.s mult=[1 2] action=normalize", "a loadshape without it"),
    ],
)
def test_shapes_that_cannot_be_followed_are_refused(tmp_path: Path, shape: str, found: str) -> None:
    (tmp_path / "bad.csv").write_text("1\nx\n3\n")
    feeder = read_text(tmp_path, f"new {shape}\n" + BUS + "new load.x bus1=b daily=s\n", HEAD)
    read_shape(feeder.circuit, feeder.loads[0])
    assert any(found in str(problem) for problem in feeder.circuit.problems.found)
