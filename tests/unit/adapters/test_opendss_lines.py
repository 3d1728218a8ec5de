"""Lines and sources: matrices against values computed by hand, units, phases, switches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridcommons.adapters.grids.opendss_branches import positive_sequence, sequence_matrix
from opendss_feeders import HEAD, admittance_s, block_s, problems_of, read_text

OMEGA = 2.0 * np.pi * 60.0
CODE = (
    "new linecode.k nphases=2 units=km rmatrix=[.5 | .1 .6] xmatrix=[.4 | .12 .45] cmatrix=[8 | -2 9] "
    "normamps=150\n"
)
Z_KM = np.array([[0.5 + 0.4j, 0.1 + 0.12j], [0.1 + 0.12j, 0.6 + 0.45j]])
C_KM = np.array([[8.0, -2.0], [-2.0, 9.0]]) * 1e-9


def test_matrices_of_a_linecode_become_a_pi_of_coupled_conductors(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path, CODE + "new line.l phases=2 bus1=head.1.3 bus2=b.1.3 linecode=k length=2 units=km\n"
    ).grid
    names, y = admittance_s(grid, "l")
    series, half = np.linalg.inv(2 * Z_KM), 0.5j * OMEGA * 2 * C_KM
    assert names == ["head.a", "head.c", "b.a", "b.c"]
    assert np.allclose(y, np.block([[series + half, -series], [-series, series + half]]), rtol=1e-13, atol=0)
    rows = [grid.branch_index["l.a"], grid.branch_index["l.c"]]
    assert np.allclose(grid.branches.i_max_from_ka[rows], 0.15) and np.allclose(
        grid.branches.i_max_to_ka[rows], 0.15
    )
    assert np.allclose(grid.branches.length_km[rows], 2.0)


@pytest.mark.parametrize(
    ("line", "factor", "length_km"),
    [
        ("length=2 units=km", 2.0, 2.0),
        ("units=m length=700", 0.7, 0.7),
        ("length=1 units=mi", 1.609344, 1.609344),
        ("length=2 units=kft", 0.6096, 0.6096),
        ("length=500 units=ft", 0.1524, 0.1524),
        ("length=3", 3.0, 3.0),
        ("length=3 units=none", 3.0, 3.0),
    ],
)
def test_the_length_is_turned_into_the_unit_of_the_linecode(
    tmp_path: Path, line: str, factor: float, length_km: float
) -> None:
    grid = read_text(
        tmp_path, CODE + f"new line.l phases=2 bus1=head.1.2 bus2=b.1.2 linecode=k {line}\n"
    ).grid
    _, y = admittance_s(grid, "l")
    assert np.allclose(np.linalg.inv(-y[:2, 2:]), factor * Z_KM, rtol=1e-12)
    assert np.allclose((y[:2, :2] + y[:2, 2:]).imag, 0.5 * OMEGA * factor * C_KM, rtol=1e-6)
    assert grid.branches.length_km[-1] == pytest.approx(length_km)


def test_without_a_unit_anywhere_a_line_has_no_length_on_the_map(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path, "new line.l bus1=head bus2=b length=7\nnew line.m bus1=b bus2=c units=m length=7\n"
    ).grid
    assert grid.branches.length_km[grid.branch_index["l.a"]] == 0.0
    assert grid.branches.length_km[grid.branch_index["m.a"]] == pytest.approx(0.007)
    # Its own impedances are per its own unit, whatever that is.
    assert np.allclose(admittance_s(grid, "l")[1], admittance_s(grid, "m")[1])


def test_sequence_values_make_matrices_of_conductors_that_are_alike(tmp_path: Path) -> None:
    script = "new line.l bus1=head bus2=b r1=.1 x1=.2 r0=.4 x0=.8 c1=30 c0=12 length=2\n"
    _, y = admittance_s(read_text(tmp_path, script).grid, "l")
    z = np.linalg.inv(-y[:3, 3:])
    assert z[0, 0] == pytest.approx(2 * (0.6 + 1.2j) / 3)
    assert z[0, 1] == pytest.approx(2 * (0.3 + 0.6j) / 3)
    shunt = (y[:3, :3] + y[:3, 3:]).imag / (0.5 * OMEGA * 2e-9)
    assert np.allclose(shunt, np.full((3, 3), -6.0) + np.diag([30.0] * 3), rtol=1e-6)
    _, y = admittance_s(read_text(tmp_path, script.replace("bus2=b", "bus2=b.1 phases=1")).grid, "l")
    assert 1.0 / -y[0, 1] == pytest.approx(0.2 + 0.4j)


def test_sequence_and_matrix_are_each_other_s_inverse() -> None:
    matrix = sequence_matrix(0.1 + 0.2j, 0.4 + 0.8j, 3)
    assert positive_sequence(matrix) == pytest.approx(0.1 + 0.2j)
    assert complex(matrix.sum(axis=1)[0]) == pytest.approx(0.4 + 0.8j)


def test_matrices_that_are_not_given_are_those_of_a_usual_line(tmp_path: Path) -> None:
    # Of OpenDSS: a line with rmatrix alone keeps the reactance and the capacitance of a line without values.
    _, y = admittance_s(
        read_text(tmp_path, "new line.l phases=2 bus1=head bus2=b rmatrix=[1 | .1 1]\n").grid, "l"
    )
    assert np.allclose(
        np.linalg.inv(-y[:2, 2:]), [[1 + 0.2153j, 0.1 + 0.0947j], [0.1 + 0.0947j, 1 + 0.2153j]]
    )
    shunt = (y[:2, :2] + y[:2, 2:]).imag / (0.5 * OMEGA * 1e-9)
    assert np.allclose(shunt, [[2.8, -0.6], [-0.6, 2.8]], rtol=1e-6)


def test_conductors_follow_the_nodes_in_their_order(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path,
        CODE + "new line.l phases=2 bus1=head.3.1 bus2=b.2.3 linecode=k\n",
    ).grid
    assert np.allclose(
        block_s(grid, "l", ["head.c", "head.a"], ["b.b", "b.c"]), -np.linalg.inv(Z_KM), rtol=1e-13
    )
    at = grid.branch_index
    assert grid.buses.name[grid.branches.to_bus[at["l.c"]]] == "b.b"
    assert grid.buses.name[grid.branches.to_bus[at["l.a"]]] == "b.c"


def test_a_switch_is_a_short_branch_that_what_is_said_after_it_changes(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path,
        "new line.s phases=1 bus1=head.1 bus2=b.1 switch=y\n"
        "new line.t phases=1 bus1=head.1 bus2=b.1 switch=y r1=5 x1=0 length=2\n"
        "new line.u phases=1 bus1=head.1 bus2=b.1 r1=5 length=2 switch=y\n"
        "new line.v phases=1 bus1=head.1 bus2=b.1 r1=5 x1=0 length=2 switch=n\n",
    ).grid
    z = {name: 1.0 / -admittance_s(grid, name)[1][0, 1] for name in "stuv"}
    assert z["s"] == pytest.approx(0.001 * (1 + 1j))
    assert z["t"] == z["v"] == pytest.approx(10.0)
    assert z["u"] == pytest.approx(z["s"])
    charge = admittance_s(grid, "s")[1][0].sum().imag
    assert charge == pytest.approx(0.5 * OMEGA * 1.1e-12, rel=1e-4)


def test_the_pu_of_a_conductor_is_that_of_the_coupling(tmp_path: Path) -> None:
    grid = read_text(tmp_path, "new line.l phases=1 bus1=head.2 bus2=b.2 r1=3 x1=4 c1=0\n").grid
    base_ohm = (10e3 / np.sqrt(3.0)) ** 2 / 1e6
    at = grid.branch_index["l.b"]
    assert complex(grid.branches.r_pu[at], grid.branches.x_pu[at]) == pytest.approx((3 + 4j) / base_ohm)
    c = grid.coupling
    assert c is not None
    own = (c.row_branch == at) & (c.column_branch == at) & (c.row_end == 0) & (c.column_end == 1)
    assert complex(c.g_pu[own][0], c.b_pu[own][0]) == pytest.approx(-base_ohm / (3 + 4j))


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (CODE + "new line.l bus1=head bus2=b linecode=k", "of 3 phases with the linecode 'k' of 2"),
        (
            CODE + "new line.l phases=2 bus1=head bus2=b linecode=k r1=2",
            "an impedance of its own or a linecode",
        ),
        ("new line.l bus1=head bus2=b linecode=none", "a linecode of the script"),
        ("new line.l phases=1 bus1=head bus2=b rmatrix=[1] r1=2", "with sequence values and matrices"),
        ("new line.l phases=1 bus1=head bus2=b switch=y cmatrix=[1]", "with sequence values and matrices"),
        ("new line.l bus1=head bus2=b rmatrix=[1|0 1]", "a symmetric matrix of 3 rows"),
        ("new line.l bus1=head bus2=b r1=0 x1=0", "without an impedance"),
        ("new line.l bus1=head bus2=b r1=1 x1=1 units=km", "units before the values"),
        ("new line.l bus1=head bus2=b switch=y units=km", "units before the values"),
        ("new line.l bus1=head bus2=b r1=1 c1=2 units=km", "units before the values"),
        ("new line.l bus1=head bus2=b c1=1 c0=1 units=km units=m", "units before the values"),
        ("new line.l bus1=head", "without a bus"),
        ("new line.l bus1=head.1.2.4 bus2=b", "nodes 1, 2, 3 and 0"),
        ("new line.l bus1=head.1.1.2 bus2=b", "each node once"),
        ("new line.l phases=1 bus1=head.0 bus2=b.1", "with a conductor at earth"),
        ("new line.l bus1=head bus2=b units=furlong", "one of none, mi"),
        ("new line.l bus1=head bus2=b basefreq=50", "with values at 50 Hz"),
        ("new line.l bus1=head bus2=b phases=0", "a whole number from 1 up"),
        ("new linecode.k nphases=3 kron=y\nnew line.l bus1=head bus2=b linecode=k", "reduced already"),
    ],
)
def test_lines_that_are_not_whole_are_refused(tmp_path: Path, script: str, found: str) -> None:
    problems = problems_of(tmp_path, script)
    assert len(problems) == 1 and found in problems[0]
    assert problems[0].startswith("feeder.dss row ")


def _source_z(folder: Path, head: str) -> tuple[complex, complex]:
    _, y = admittance_s(read_text(folder, "new line.l bus1=head bus2=b\n", head).grid, "source")
    z = np.linalg.inv(-y[:3, 3:])
    return complex(z[0, 0] - z[0, 1]), complex(z[0, 0] + 2 * z[0, 1])


@pytest.mark.parametrize(
    ("said", "z1", "z0"),
    [
        # Values of OpenDSS itself.
        ("basekv=11 isc3=3000 isc1=5", 0.5134360308 + 2.0537441232j, 1203.6546884558 + 3610.9640653675j),
        ("basekv=115", 1.6037668206 + 6.4150672822j, 1.7960358301 + 5.3881074904j),
        (
            "basekv=11 mvasc3=20 mvasc1=18 x1r1=5 x0r0=2",
            1.1865026176 + 5.9325130879j,
            3.6850986454 + 7.3701972909j,
        ),
        ("basekv=11 r1=.5 x1=.7 r0=2 x0=3", 0.5 + 0.7j, 2 + 3j),
        ("basekv=11 z1=[.5 .7] z0=(2, 3)", 0.5 + 0.7j, 2 + 3j),
    ],
)
def test_a_source_is_a_held_voltage_behind_its_short_circuit_impedance(
    tmp_path: Path, said: str, z1: complex, z0: complex
) -> None:
    found = _source_z(tmp_path, f"new circuit.c bus1=head {said}\n")
    assert found[0] == pytest.approx(z1, rel=1e-9)
    assert found[1] == pytest.approx(z0, rel=1e-9)


def test_short_circuit_currents_come_back_from_the_impedances(tmp_path: Path) -> None:
    z1, z0 = _source_z(tmp_path, "new circuit.c bus1=head basekv=20 mvasc3=300 mvasc1=200\n")
    assert 20.0**2 / abs(z1) == pytest.approx(300.0)
    assert 3.0 * 20.0**2 / abs(2.0 * z1 + z0) == pytest.approx(200.0)


def test_sources_hold_their_voltage_inside(tmp_path: Path) -> None:
    head = "new circuit.c bus1=head basekv=10.5 pu=1.02 angle=100\nset voltagebases=[10 .4]\n"
    grid = read_text(tmp_path, "new line.l bus1=head bus2=b\n", head).grid
    assert grid.sources.name == ("source.a", "source.b", "source.c")
    assert [grid.buses.name[bus] for bus in grid.sources.bus] == [f"head source.{phase}" for phase in "abc"]
    assert np.allclose(grid.sources.vm_pu, 1.02 * 10.5 / 10.0)
    assert np.allclose(grid.sources.va_degree, [100.0, -20.0, -140.0])
    assert set(grid.buses.vn_kv) == {10.0}
    assert grid.branches.kind[:3] == ("impedance",) * 3


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("r1=1 x1=2", "with r1, x1"),
        ("r1=1 x1=2 r0=1 x0=2 mvasc3=5 mvasc1=5", "with r1, x1, r0, x0, mvasc3, mvasc1"),
        ("mvasc3=5", "with mvasc3"),
        ("mvasc3=20 mvasc1=90", "no zero sequence fits"),
        ("phases=1", "of other than 3 phases"),
        ("z1=[1 2 3] z0=[1 2]", "resistance and reactance"),
        ("r1=0 x1=0 r0=0 x0=0", "without an impedance"),
        ("bus2=x", "bus2"),
        ("model=ideal", "with model 'ideal'"),
        ("frequency=50", "of another frequency"),
        ("bus1=head.2.3.1", "with its phases in another order"),
    ],
)
def test_sources_that_are_not_whole_are_refused(tmp_path: Path, said: str, found: str) -> None:
    problems = problems_of(
        tmp_path, "new line.l bus1=head bus2=b", f"new circuit.c basekv=10 bus1=head {said}\n"
    )
    assert any(found in problem for problem in problems)


def test_a_second_source_holds_its_own_bus(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path, HEAD.replace("circuit.c bus1=head", "vsource.two bus1=b") + "new line.l head b\n"
    ).grid
    assert grid.sources.name[3:] == ("two.a", "two.b", "two.c")
    assert grid.buses.name[grid.sources.bus[3]] == "b source.a"
