"""Transformers: laws of their primitive admittances, and values computed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridcommons.model.errors import StudyError
from opendss_feeders import admittance_s, block_s, problems_of, read_text

TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
Z_PU = 0.01 + 0.04j
BODY = "kvs=[10 .4] kvas=[300 300] xhl=4 %rs=[.4 .6]"


def _three(folder: Path, conns: str, more: str = "ppm=0", body: str = BODY) -> np.ndarray:
    grid = read_text(folder, f"new transformer.t buses=[head b] conns=[{conns}] {body} {more}\n").grid
    names, y = admittance_s(grid, "t")
    assert names == ["head.a", "head.b", "head.c", "b.a", "b.b", "b.c"]
    return y


def _no_load_v(y: np.ndarray) -> np.ndarray:
    """Voltages at the low-voltage side without load, of balanced nominal ones at the other [V]."""
    high = 10e3 / np.sqrt(3.0) * TURN
    return np.linalg.lstsq(y[3:, 3:], -y[3:, :3] @ high, rcond=None)[0]


@pytest.mark.parametrize("conns", ["wye wye", "wye delta", "delta wye", "delta delta"])
@pytest.mark.parametrize("more", ["", "ppm=0", "leadlag=lead taps=[1.02 .97] %imag=2 %noloadloss=1"])
def test_primitive_admittances_are_symmetric(tmp_path: Path, conns: str, more: str) -> None:
    y = _three(tmp_path, conns, more)
    assert np.allclose(y, y.T, rtol=0, atol=1e-12 * np.abs(y).max())


@pytest.mark.parametrize(
    ("conns", "deltas"), [("delta wye", [0]), ("wye delta", [1]), ("delta delta", [0, 1])]
)
def test_a_delta_draws_no_current_to_earth(tmp_path: Path, conns: str, deltas: list[int]) -> None:
    y = _three(tmp_path, conns)
    for side in deltas:
        rows = y[3 * side : 3 * side + 3]
        # Currents into the delta sum to nothing, and lifting all of its nodes moves none.
        assert np.abs(rows.sum(axis=0)).max() < 1e-12 * np.abs(y).max()
        assert np.abs(y[:, 3 * side : 3 * side + 3].sum(axis=1)).max() < 1e-12 * np.abs(y).max()


def test_admittances_of_a_wye_wye_by_hand(tmp_path: Path) -> None:
    y = _three(tmp_path, "wye wye")
    z_high = Z_PU * 10e3**2 / 300e3
    ratio = 10.0 / 0.4
    assert np.allclose(y[:3, :3], np.eye(3) / z_high, rtol=1e-13)
    assert np.allclose(y[:3, 3:], -np.eye(3) / z_high * ratio, rtol=1e-13)
    assert np.allclose(y[3:, 3:], np.eye(3) / z_high * ratio**2, rtol=1e-13)


def test_admittances_of_a_delta_wye_by_hand(tmp_path: Path) -> None:
    y = _three(tmp_path, "delta wye")
    y_winding = 1.0 / (Z_PU * 3 * 10e3**2 / 300e3)
    delta = 3.0 * np.eye(3) - 1.0
    assert np.allclose(y[:3, :3], y_winding * delta, rtol=1e-13)
    ratio = 10.0 / (0.4 / np.sqrt(3.0))
    # The winding of phase a lies between a and c: the low-voltage side lags by 30 degrees.
    assert np.allclose(
        y[:3, 3:], -y_winding * ratio * np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1]]), rtol=1e-12
    )
    assert np.allclose(y[3:, 3:], y_winding * ratio**2 * np.eye(3), rtol=1e-13)


@pytest.mark.parametrize(
    ("conns", "more", "shift_degree"),
    [
        ("wye wye", "", 0.0),
        ("delta delta", "leadlag=lead", 0.0),
        ("delta wye", "", -30.0),
        ("wye delta", "", -30.0),
        ("delta wye", "leadlag=lead", 30.0),
        ("wye delta", "leadlag=euro", 30.0),
    ],
)
def test_the_low_voltage_side_lags_unless_it_is_said_to_lead(
    tmp_path: Path, conns: str, more: str, shift_degree: float
) -> None:
    v = _no_load_v(_three(tmp_path, conns, f"ppm=0 {more}"))
    expected = 400.0 / np.sqrt(3.0) * np.exp(1j * np.deg2rad(shift_degree)) * TURN
    assert np.allclose(v, expected, rtol=1e-9)


def test_where_winding_1_is_the_low_voltage_side_it_is_the_one_that_lags(tmp_path: Path) -> None:
    body = "kvs=[10 40] kvas=[300 300] xhl=4 %rs=[.4 .6]"
    high = _no_load_v(_three(tmp_path, "wye delta", body=body))
    assert np.rad2deg(np.angle(high[0])) == pytest.approx(30.0)


def test_taps_multiply_the_turns(tmp_path: Path) -> None:
    v = _no_load_v(_three(tmp_path, "delta wye", "ppm=0 taps=[.95 1.05]"))
    assert np.allclose(np.abs(v), 400.0 / np.sqrt(3.0) * 1.05 / 0.95, rtol=1e-12)


def test_taps_of_a_study_take_the_place_of_those_of_the_script(tmp_path: Path) -> None:
    script = f"new transformer.Reg1 buses=[head b] {BODY} ppm=0\n"
    own = admittance_s(read_text(tmp_path, script + "transformer.reg1.wdg=2 tap=1.05\n").grid, "Reg1")[1]
    told = admittance_s(read_text(tmp_path, script, reg1=1.05).grid, "Reg1")[1]
    assert np.array_equal(own, told)
    with pytest.raises(
        StudyError, match="found 'reg2', expected the name of a transformer; did you mean 'Reg1'"
    ):
        read_text(tmp_path, script, reg2=1.0)


def test_properties_of_windings_may_be_set_one_by_one(tmp_path: Path) -> None:
    one_by_one = (
        "new transformer.t windings=2 xhl=4\n~ wdg=1 bus=head conn=delta kv=10 kva=300 %r=.4\n"
        "~ wdg=2 bus=b conn=wye kv=.4 %r=.6 tap=1.02\n"
    )
    grid = read_text(tmp_path, one_by_one).grid
    assert np.array_equal(admittance_s(grid, "t")[1], _three(tmp_path, "delta wye", "tap=1 wdg=2 tap=1.02"))
    # A rating that is set for one winding is that of both.
    assert grid.branches.i_max_to_ka[-1] == pytest.approx(300.0 / 0.4 / np.sqrt(3.0) / 1e3)


def test_a_list_leaves_the_last_winding_active_and_like_the_first(tmp_path: Path) -> None:
    y = _three(tmp_path, "wye wye", "ppm=0 tap=1.05 %r=.2")
    assert np.array_equal(y, _three(tmp_path, "wye wye", "ppm=0 wdg=2 tap=1.05 %r=.2"))
    assert not np.allclose(y, _three(tmp_path, "wye wye", "ppm=0 wdg=1 tap=1.05 %r=.2"))
    both = f"new transformer.s buses=[head c] {BODY} tap=.95\n"
    grid = read_text(tmp_path, both + "new transformer.t like=s ppm=0 tap=1.1 buses=[head b]\n").grid
    assert np.array_equal(admittance_s(grid, "t")[1], _three(tmp_path, "wye wye", "ppm=0 taps=[1.1 .95]"))


def test_the_base_is_the_rating_of_winding_1_and_load_losses_are_halved(tmp_path: Path) -> None:
    y = _three(tmp_path, "wye wye", "ppm=0 kvas=[300 150] %loadloss=3")
    assert 1.0 / y[0, 0] == pytest.approx((0.03 + 0.04j) * 10e3**2 / 300e3)


def test_no_load_losses_and_magnetising_lie_at_winding_2(tmp_path: Path) -> None:
    plain, magnetised = (
        _three(tmp_path, "wye wye"),
        _three(tmp_path, "wye wye", "ppm=0 %imag=2 %noloadloss=.5"),
    )
    difference = magnetised - plain
    assert np.allclose(difference[3:, 3:], (0.005 - 0.02j) * 300e3 / 400.0**2 * np.eye(3), rtol=1e-9)
    assert np.abs(difference[:3]).max() == 0.0


@pytest.mark.parametrize(("conns", "per_node"), [("wye wye", (0.5, 0.5)), ("delta wye", (1.0 / 3.0, 0.5))])
def test_the_aid_against_floating_is_a_reactor_of_millionths_of_the_rating(
    tmp_path: Path, conns: str, per_node: tuple[float, float]
) -> None:
    # Half of a winding's at each of its nodes: a wye node has one winding, a delta node two of a third.
    aid = _three(tmp_path, conns, "ppm=700") - _three(tmp_path, conns)
    assert np.allclose(aid[:3, :3], -7e-4j * per_node[0] * 300e3 / 10e3**2 * np.eye(3), rtol=1e-6, atol=1e-15)
    assert np.allclose(
        aid[3:, 3:], -7e-4j * per_node[1] * 300e3 / 400.0**2 * np.eye(3), rtol=1e-6, atol=1e-12
    )
    usual = _three(tmp_path, conns, "") - _three(tmp_path, conns)
    assert np.allclose(usual * 700, aid, rtol=1e-3, atol=1e-12)


def test_a_neutral_off_earth_has_both_halves_of_the_aid(tmp_path: Path) -> None:
    script = "new transformer.t phases=1 buses=[head.3.2 b.3.1] conns=[wye delta] kvs=[10 4] kvas=[50 50] "
    names, with_aid = admittance_s(read_text(tmp_path, script + "ppm=1000\n").grid, "t")
    _, without = admittance_s(read_text(tmp_path, script + "ppm=0\n").grid, "t")
    aid = np.diag(with_aid - without) / -1e-3j
    assert names[:2] == ["head.b", "head.c"]
    assert np.allclose(aid, [50e3 / 10e3**2, 0.5 * 50e3 / 10e3**2, *[0.5 * 50e3 / 4e3**2] * 2], rtol=1e-6)


def test_a_single_phase_unit_joins_one_phase(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path,
        "new transformer.r phases=1 buses=[head.3 b.3] kvs=[5.8 5.8] kvas=[50 50] xhl=4 %rs=[0 0] ppm=0\n",
    ).grid
    names, y = admittance_s(grid, "r")
    assert names == ["head.c", "b.c"] and grid.branches.name[-1] == "r.c"
    assert np.allclose(y, np.array([[1, -1], [-1, 1]]) / (0.04j * 5.8e3**2 / 50e3), rtol=1e-13)
    assert grid.branches.i_max_to_ka[-1] == pytest.approx(50.0 / 5.8 / 1e3)


def test_a_unit_between_two_phases_may_feed_one(tmp_path: Path) -> None:
    grid = read_text(
        tmp_path,
        "new transformer.r phases=1 buses=[head.1.2 b.3.0] conns=[delta wye] kvs=[10 .23] kvas=[50 50] xhl=4 "
        "%rs=[0 0] ppm=0\nnew line.m phases=1 bus1=b.3 bus2=c.3\n",
    ).grid
    y_1v = 50e3 / 0.04j
    turns = np.array([1 / 10e3, -1 / 10e3, -1 / 230.0])
    found = block_s(grid, "r", ["head.a", "head.b", "b.c"], ["head.a", "head.b", "b.c"])
    assert np.allclose(found, y_1v * np.outer(turns, turns), rtol=1e-12)
    assert [name for name in grid.branches.name if name.startswith("r.")] == ["r.a", "r.b"]
    base_ohm = (10e3 / np.sqrt(3.0)) ** 2 / 1e6
    assert grid.branches.x_pu[grid.branch_index["r.a"]] == pytest.approx(0.02 * 10e3**2 / 50e3 / base_ohm)
    # Nominal between the phases of the high side, to earth at the low one.
    assert grid.buses.vn_kv[grid.bus_index["b.c"]] == pytest.approx(0.23 * np.sqrt(3.0))


def test_nominal_voltages_follow_the_ratios_and_take_the_bases_of_the_script(tmp_path: Path) -> None:
    script = f"new transformer.t buses=[head b] {BODY}\nnew line.l bus1=b bus2=c\n"
    vn_kv = {}
    for bases in ("", "set voltagebases=[10 .416]\n", "set voltagebases=[10 .5]\n"):
        grid = read_text(tmp_path, script + bases).grid
        vn_kv[bases] = grid.buses.vn_kv[grid.bus_index["c.a"]]
    assert list(vn_kv.values()) == pytest.approx([0.4, 0.416, 0.4])


def test_ratings_are_currents_of_the_windings(tmp_path: Path) -> None:
    branches = read_text(tmp_path, f"new transformer.t buses=[head b] {BODY}\n").grid.branches
    assert branches.i_max_from_ka[-1] == pytest.approx(300.0 / 10.0 / np.sqrt(3.0) / 1e3)
    assert branches.i_max_to_ka[-1] == pytest.approx(300.0 / 0.4 / np.sqrt(3.0) / 1e3)
    assert branches.kind[-3:] == ("transformer",) * 3
    base_ohm = (10e3 / np.sqrt(3.0)) ** 2 / 1e6
    assert complex(branches.r_pu[-1], branches.x_pu[-1]) == pytest.approx(Z_PU * 10e3**2 / 300e3 / base_ohm)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("windings=3", "with 3 windings"),
        ("phases=2 buses=[head b]", "of 2 phases"),
        ("buses=[head b] kvs=[10]", "2 values, one a winding"),
        ("buses=[head]", "2 values, one a winding"),
        ("wdg=3 kv=1", "a winding from 1 to 2"),
        ("buses=[head b] conns=[zig wye]", "in 'zig'"),
        ("buses=[head b] kvs=[10 0]", "with kv 0 of winding 2"),
        ("buses=[head b.1.2.3.4]", "nodes 1, 2, 3 and 0"),
        ("buses=[head b] xhl=0 %rs=[0 0]", "without a leakage impedance"),
        ("buses=[head b] xfmrcode=x", "a transformer without it"),
        ("wdg=1 bus=head", "without a bus"),
        ("phases=1 buses=[head.1 b.1] conns=[delta wye]", "with one node of a delta winding"),
        ("buses=[head.1.2.0 b]", "with a phase of 'head' at earth"),
    ],
)
def test_transformers_that_are_not_whole_are_refused(tmp_path: Path, said: str, found: str) -> None:
    assert any(found in problem for problem in problems_of(tmp_path, f"new transformer.t {said}\n"))
