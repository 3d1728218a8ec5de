"""MATPOWER cases: known answers, the arithmetic at their end, and what is refused by its line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from dense_load_flow import losses_kw, solve
from gridcommons.adapters.grids.matpower import read_case, read_matpower
from gridcommons.adapters.grids.matpower_code import read_code
from gridcommons.known_answers import BARAN_WU_FILE
from gridcommons.model.errors import StudyError

BARAN_WU = Path(__file__).parents[2] / "reference" / "baran_wu_33"

CASE = """function mpc = little
mpc.version = '2';
mpc.baseMVA = 50/2;   % 25
mpc.bus = [
    10 3 0   0    0   0    1 1 5 110 1 1.1 0.9;
    20 1 4.0 1.0  0.1 2.0  1 1 0 20  1 1.1 0.9;
    30 1 2.0 0.5  0   0    1 1 0 20  1 1.1 0.9;
    40 4 9.0 9.0  0   0    1 1 0 20  1 1.1 0.9;
];
mpc.gen = [
    10 0   0    9 -9 1.02 100 1 9 0;
    30 0.7 -0.2 9 -9 1.00 100 1 9 0;
    30 5.0 0    9 -9 1.00 100 0 9 0;
];
mpc.branch = [
    10 20 0.004 0.1  0.02 30 0 0 1.025 -30 1 -360 360;
    20 30 0.05  0.04 0.01 5  0 0 0     0   1 -360 360;
    20 30 0.10  0.08 0    0  0 0 0     0   0 -360 360;
    30 40 0.10  0.08 0    0  0 0 0     0   1 -360 360;
];
mpc.gencost = [2 0 0 3 0 20 0];
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "little.m"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str = CASE, **overrides):
    return read_matpower(written(folder, text), **overrides)


# ---- known answers ---------------------------------------------------------------------------------


def test_baran_wu_33_bus_feeder_has_its_published_losses_and_lowest_voltage():
    expected = tomllib.loads((BARAN_WU / "expected.toml").read_text(encoding="utf-8"))
    grid = read_matpower(BARAN_WU_FILE).grid
    v = solve(grid)
    assert losses_kw(grid, v) == pytest.approx(expected["losses_kw"], abs=expected["losses_tolerance_kw"])
    assert np.abs(v).min() == pytest.approx(expected["vm_min_pu"], abs=expected["vm_tolerance_pu"])
    assert grid.buses.name[int(np.abs(v).argmin())] == expected["vm_min_bus"]
    assert grid.fixed.p_kw.sum() == pytest.approx(expected["load_kw"])
    assert grid.fixed.q_kvar.sum() == pytest.approx(expected["load_kvar"])
    assert (~grid.branches.in_service).sum() == 5


def test_case33bw_of_pandapower_is_the_same_feeder():
    networks = pytest.importorskip("pandapower.networks")
    from gridcommons.adapters.grids.pandapower_grids import read_grid

    ours = solve(read_matpower(BARAN_WU_FILE).grid)
    np.testing.assert_allclose(ours, solve(read_grid(networks.case33bw()).grid), atol=1e-6)


# ---- columns ---------------------------------------------------------------------------------------


def test_columns_become_the_grid_that_matpower_describes(tmp_path):
    grid = read(tmp_path).grid
    assert grid.buses.name == ("10", "20", "30")
    assert grid.branches.name == ("10-20", "branch 2", "branch 3")
    assert grid.branches.kind == ("transformer", "line", "line")
    np.testing.assert_allclose(grid.branches.r_pu, np.array([0.004, 0.05, 0.1]) / 25)
    np.testing.assert_allclose(grid.branches.b_from_pu, np.array([0.01, 0.005, 0.0]) * 25)
    np.testing.assert_allclose(grid.branches.ratio, [1.025, 1, 1])
    np.testing.assert_allclose(grid.branches.shift_degree, [-30, 0, 0])
    np.testing.assert_allclose(grid.branches.i_max_from_ka[:2], np.array([30 / 110, 5 / 20]) / np.sqrt(3))
    assert np.isinf(grid.branches.i_max_to_ka[2])
    assert grid.branches.in_service.tolist() == [True, True, False]
    assert grid.sources.vm_pu.tolist() == [1.02]
    assert grid.sources.va_degree.tolist() == [5.0]
    assert (grid.shunts.p_kw.tolist(), grid.shunts.q_kvar.tolist()) == ([100.0], [-2000.0])
    fixed = dict(zip(grid.fixed.name, zip(grid.fixed.p_kw, grid.fixed.q_kvar, strict=True), strict=True))
    assert fixed == {"load 20": (4000, 1000), "load 30": (2000, 500), "generator 30": (-700, 200)}


def test_isolated_buses_and_generators_out_of_service_are_left_out_and_said(tmp_path):
    notes = "\n".join(read(tmp_path).notes)
    assert "mpc.bus rows 4" in notes
    assert "mpc.gen rows 3" in notes
    assert "mpc.branch rows 4" in notes
    assert "1 branches are out of service" in notes


def test_case_agrees_with_pandapowers_load_flow_of_the_network_made_from_it(tmp_path):
    pp = pytest.importorskip("pandapower")
    from gridcommons.adapters.grids.pandapower_grids import open_net, read_grid

    written(tmp_path, CASE)
    net = open_net("matpower:little.m", folder=tmp_path)
    pp.runpp(net, calculate_voltage_angles=True, trafo_model="t", tolerance_mva=1e-10)
    direct = solve(read(tmp_path).grid)
    theirs = net.res_bus.vm_pu.to_numpy() * np.exp(1j * np.deg2rad(net.res_bus.va_degree.to_numpy()))
    np.testing.assert_allclose(direct, theirs, atol=1e-8)
    through = read_grid(net).grid
    np.testing.assert_allclose(direct, solve(through), atol=1e-10)
    assert sorted(through.fixed.p_kw) == sorted(read(tmp_path).grid.fixed.p_kw)
    assert through.branches.i_max_from_ka[0] == pytest.approx(5 / 20 / np.sqrt(3))


def test_own_bus_names_are_used_where_unique(tmp_path):
    text = CASE + "mpc.bus_name = {'Station'; 'Weir d''Or'; 'School'; 'Mill'};\n"
    assert read(tmp_path, text).grid.buses.name == ("Station", "Weir d'Or", "School")
    assert read(tmp_path, text.replace("School", "Station")).grid.buses.name == ("10", "20", "30")


def test_slack_voltage_override_is_applied_and_said(tmp_path):
    reading = read(tmp_path, slack_vm_pu=1.05)
    assert reading.grid.sources.vm_pu.tolist() == [1.05]
    assert any("1.05 pu" in note for note in reading.notes)


# ---- the language ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("-2^2", -4),
        ("2^-1", 0.5),
        ("(1 + 2) * 3 / 9", 1),
        ("50/3", 50 / 3),
        ("1.5e-3", 0.0015),
        ("sin(acos(0.8))", 0.6),
        ("sqrt(16) - pi + pi", 4),
        ("mpc.m(2, 1) * 10", 30),
    ],
)
def test_arithmetic(text, value):
    code = read_code(f"mpc.m = [1 2; 3 4];\nmpc.x = {text};")
    assert code.not_understood == []
    assert code.fields["x"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "matrix"),
    [
        ("[1 2; 3 4]", [[1, 2], [3, 4]]),
        ("[1, 2\n 3, 4\n]", [[1, 2], [3, 4]]),
        ("[1 -2; 3 - 4 5]", [[1, -2], [-1, 5]]),
        ("[1 2 ... more\n 3]", [[1, 2, 3]]),
        ("[ % said\n1\t2;% and\n\n%{\n9 9;\n%}\n3 4; ]", [[1, 2], [3, 4]]),
        ("[1/2 2*3]", [[0.5, 6]]),
        ("[Inf -Inf]", [[np.inf, -np.inf]]),
    ],
)
def test_matrices(text, matrix):
    code = read_code(f"mpc.m = {text};")
    assert code.not_understood == []
    assert code.fields["m"].tolist() == matrix


def test_columns_are_assigned_by_name_and_by_number():
    code = read_code(
        "mpc.bus = [1 1 100 60; 2 1 90 40];\n"
        "[PQ, PV, ...\n  PD, QD] = idx_bus;\n"
        "pf = 0.8;\n"
        "mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;\n"
        "mpc.bus(:, QD) = mpc.bus(:, PD) * sin(acos(pf));\n"
        "mpc.bus(:, 1) = 7;\n"
    )
    assert code.not_understood == []
    np.testing.assert_allclose(code.fields["bus"], [[7, 1, 0.1, 0.06], [7, 1, 0.09, 0.054]])


@pytest.mark.parametrize(
    "statement",
    [
        "mpc = loadcase('other');",
        "mpc.bus(1, 3) = 5;",
        "mpc.bus(:, 99) = 5;",
        "mpc.bus(:, [3 4]) = mpc.bus(:, [3 4 5]);",
        "for k = 1:3, mpc.bus(k, 3) = 0; end",
        "if fixed",
        "mpc.bus = mpc.bus';",
        "mpc.bus = mpc.bus * mpc.bus;",
        "mpc.x = unknown + 1;",
        "mpc.x = [1 2; 3];",
        "scale_load(2, mpc);",
        "mpc.x = 3 $ 4;",
    ],
)
def test_statement_that_is_not_understood_is_refused_with_its_line(statement, tmp_path):
    lines = CASE.count("\n")
    with pytest.raises(StudyError, match=rf"row line {lines + 1}: found") as caught:
        read(tmp_path, CASE + statement + "\n")
    assert statement.split("=")[0].strip() in str(caught.value)


def test_matrix_that_does_not_end_is_refused_where_it_starts(tmp_path):
    start = CASE[: CASE.index("mpc.branch")].count("\n") + 1
    with pytest.raises(StudyError, match=rf"row line {start}: .*a matrix that does not end"):
        read(tmp_path, CASE[: CASE.rindex("];\nmpc.gencost")])


# ---- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("30 1 2.0", "30 2 2.0", r"at bus 30: found a generator that holds its voltage \(PV\)"),
        ("20 30 0.05  0.04", "20 30 0 0", "20-30: found zero impedance"),
        ("20 30 0.05", "20 20 0.05", "both ends at one bus"),
        ("20 30 0.05", "20 31 0.05", r"mpc.branch\] row 2: found bus 31"),
        ("30 1 2.0", "20 1 2.0", "20 twice"),
        ("10 3 0 ", "10 1 0 ", "no reference bus"),
        ("1.02 100 1", "1.02 100 0", "reference bus without a generator"),
        ("5 110", "5 0", "nominal voltage above zero"),
        ("20 1 4.0", "20 1 Inf", "row 2, column PD: found no number"),
        ("20 1 4.0", "20 5 4.0", "found 5, expected 1, 2, 3 or 4"),
        ("mpc.version = '2';", "", "version '2'"),
        ("50/2", "-1", "mpc.baseMVA"),
        (
            "0     0   1 -360 360;\n    20 30 0.10",
            "0 0 0 -360 360;\n    20 30 0.10",
            "2000 kW that no reference bus reaches",
        ),
        ("mpc.gencost =", "mpc.dcline =", "a field that is not modelled"),
        ("mpc.gen = [", "mpc.generators = [", "mpc.gen"),
        (
            "30 0.7 -0.2 9 -9 1.00 100 1",
            "10 0.7 -0.2 9 -9 1.00 100 1",
            "another voltage than",
        ),
    ],
)
def test_what_is_wrong_or_not_modelled_is_refused_by_name(old, new, said, tmp_path):
    assert CASE.count(old) == 1
    with pytest.raises(StudyError, match=said):
        read(tmp_path, CASE.replace(old, new))


def test_all_problems_come_at_once(tmp_path):
    text = CASE.replace("20 30 0.05  0.04", "20 30 0 0").replace("30 1 2.0", "30 2 2.0")
    with pytest.raises(StudyError, match="2 problems"):
        read(tmp_path, text)


def test_tap_position_is_refused(tmp_path):
    with pytest.raises(StudyError, match="turns ratios, not tap positions"):
        read(tmp_path, tap_pos=0)


def test_missing_file_is_said(tmp_path):
    with pytest.raises(StudyError, match="no such file"):
        read_case(tmp_path / "nowhere.m")
