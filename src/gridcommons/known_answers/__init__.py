"""Known answers: closed forms, published figures and independent methods, each with its tolerance.

``gridcommons verify`` prints them all; the tests hold every one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gridcommons.adapters.grids.matpower import read_matpower
from gridcommons.control.congestion import GridProgram, Monitored
from gridcommons.control.dispatch import look_at_all
from gridcommons.control.households import make_households
from gridcommons.control.measures import Asked, make_signals, manager_limit_kw
from gridcommons.control.settings import Costs, Settings
from gridcommons.known_answers.answer import KnownAnswer as KnownAnswer
from gridcommons.known_answers.chains import chain_grid as chain_grid
from gridcommons.known_answers.chains import voltage_band as voltage_band
from gridcommons.known_answers.communities import community_answers
from gridcommons.known_answers.flexibility import flexibility_answers
from gridcommons.known_answers.games import games_answers
from gridcommons.known_answers.scheduling import scheduling_answers
from gridcommons.known_answers.settlement import settlement_answers
from gridcommons.known_answers.switching import switching_answers
from gridcommons.model.assets import Battery, EvCharger, Load
from gridcommons.model.grid import S_BASE_KVA, FloatArray
from gridcommons.model.members import Community, Member
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.time import TimeAxis
from gridcommons.powerflow.admittance import ComplexArray, Network, build_network
from gridcommons.powerflow.flow import TOLERANCE_PU, make_demand, solve_power_flow
from gridcommons.powerflow.helm import HelmKernel, continue_series
from gridcommons.powerflow.polish import mismatch_pu
from gridcommons.powerflow.solution import Found, Injections
from gridcommons.synthesis.heat import cop, room_sink_c
from gridcommons.tasks import run

BARAN_WU_FILE = Path(__file__).parents[1] / "reference" / "case33bw.m"

CHAIN_ROWS_KW = {
    1.0: (22.0, 10.0983, 14.8568),
    2.0: (22.0, 8.4493, 13.8674),
    3.0: (22.0, 6.7980, 12.8767),
    5.0: (22.0, 3.4882, 10.8914),
    8.0: (19.7703, 0.0, 7.9032),
    10.0: (14.7880, 0.0, 5.9044),
}
"""Chain of four lines: load at both ends -> (CS01, CS02) by ``max_total``, common value by ``equal`` [kW]."""


def check_all() -> list[KnownAnswer]:
    """All known answers, computed now."""
    return [
        *_two_bus(),
        *_baran_wu(),
        *_chain(),
        *_helm_against_newton(),
        *_control(),
        *flexibility_answers(),
        *community_answers(),
        *switching_answers(),
        *scheduling_answers(),
        *settlement_answers(),
        *games_answers(),
    ]


def chain_study(objective: str) -> Study:
    """The chain slack–UL01–CS01–CS02–UL02 with one step a row of ``CHAIN_ROWS_KW``."""
    grid, load_kw = chain_grid(), np.array(list(CHAIN_ROWS_KW))
    time = TimeAxis(datetime(2024, 1, 1, tzinfo=UTC), 60, len(load_kw))
    members = tuple(Member(member=f"at bus {k}", bus=f"bus {k}") for k in range(1, 5))
    assets = (
        Load(asset="UL01", member="at bus 1"),
        EvCharger(asset="CS01", member="at bus 2", flexible=True, charge_max_kw=22.0),
        EvCharger(asset="CS02", member="at bus 3", flexible=True, charge_max_kw=22.0),
        Load(asset="UL02", member="at bus 4"),
    )
    settings = {"objective": objective, "objectives_compared": [], "draws": 100}
    return Study(
        name="Chain of five buses",
        currency="EUR",
        seed=1,
        grid=grid,
        community=Community(members, assets),
        profiles=Profiles(time, {"UL01": load_kw, "UL02": load_kw}),
        limits=voltage_band(grid, 0.95, 1.05),
        tasks={"envelopes": settings},
    )


def two_bus_closed_form_pu(load_pu: FloatArray, z_pu: complex) -> FloatArray:
    """|V| behind one impedance at unity power factor: |V|² = ((1−2PR) + √((1−2PR)² − 4P²|z|²))/2 [pu]."""
    linear = 1.0 - 2.0 * load_pu * z_pu.real
    return np.asarray(np.sqrt((linear + np.sqrt(linear**2 - 4.0 * load_pu**2 * abs(z_pu) ** 2)) / 2.0))


def _two_bus() -> Iterator[KnownAnswer]:
    network = build_network(chain_grid(1))
    branches = network.grid.branches
    z_pu = complex(branches.r_pu[0], branches.x_pu[0])
    critical_pu = 1.0 / (2.0 * (z_pu.real + abs(z_pu)))
    share = np.array([0.1, 0.5, 0.9, 0.97])
    expected = two_bus_closed_form_pu(share * critical_pu, z_pu)
    solution = solve_power_flow(network, _at_bus(1, share * critical_pu * S_BASE_KVA))
    for part, vm, closed in zip(share, solution.vm_pu()[:, 1], expected, strict=True):
        yield KnownAnswer(
            f"two buses, {part:.0%} of critical load, |V|", vm, closed, 1e-8, "pu", "closed form"
        )
    values, errors = _by_series(network, 0.9 * critical_pu)
    best = float(np.abs(values[int(np.argmin(errors))]))
    yield KnownAnswer("two buses, 90 %, 60 terms by Padé, |V|", best, expected[2], 1e-10, "pu", "closed form")
    _, errors = _by_series(network, 0.97 * critical_pu)
    alone = float(errors.min() < TOLERANCE_PU)
    yield KnownAnswer(
        "two buses, 97 %: the series alone reaches 1e-8", alone, 0.0, 0.0, "", "stalls near 1e-6"
    )
    beyond = solve_power_flow(network, _at_bus(1, np.array([1.05 * critical_pu * S_BASE_KVA])))
    yield KnownAnswer(
        "two buses, 105 %: solutions found", float(beyond.solved[0]), 0.0, 0.0, "", "none exists"
    )


def _by_series(network: Network, load_pu: float) -> tuple[ComplexArray, FloatArray]:
    """Padé approximants of the far voltage from 60 terms, and the mismatch of each."""
    injections = _at_bus(1, np.array([load_pu * S_BASE_KVA]))
    series = HelmKernel(network).coefficients(make_demand(network, injections), 0, 60)
    values = continue_series(series)
    return values[:, 0], np.abs(mismatch_pu(network, injections.at_nodes(network)[0], values)).max(axis=1)


def _at_bus(bus: int, p_kw: FloatArray) -> Injections:
    return Injections(np.array([bus]), p_kw[:, None], np.zeros((len(p_kw), 1)))


def _baran_wu() -> Iterator[KnownAnswer]:
    network = build_network(read_matpower(BARAN_WU_FILE).grid)
    nothing = Injections(np.zeros(0, dtype=np.int64), np.zeros((1, 0)), np.zeros((1, 0)))
    solution = solve_power_flow(network, nothing)
    source = "M. E. Baran, F. F. Wu, IEEE Trans. Power Deliv. 4(2), 1989"
    yield KnownAnswer("33 buses, losses", float(solution.losses_kw()[0]), 202.677, 0.005, "kW", source)
    yield KnownAnswer("33 buses, least |V|", float(solution.vm_pu().min()), 0.91309, 5e-6, "pu", source)


def _chain() -> Iterator[KnownAnswer]:
    answers = {
        name: run(chain_study(name), "envelopes").tables["envelopes"] for name in ("max_total", "equal")
    }
    for row, (load_kw, (first, second, common)) in enumerate(CHAIN_ROWS_KW.items()):
        expected = {("max_total", "CS01"): first, ("max_total", "CS02"): second}
        expected |= {("equal", "CS01"): common, ("equal", "CS02"): common}
        for (objective, asset), value in expected.items():
            table = answers[objective]
            computed = float(table[table["asset"] == asset]["p_max_kw"].iloc[row])
            name = f"chain, {load_kw:g} kW loads, {asset} by {objective}"
            yield KnownAnswer(name, computed, value, 0.01, "kW", "exact corner of the box, derived")


def _helm_against_newton() -> Iterator[KnownAnswer]:
    """The 33-bus feeder under 1,000 random loads, some of them injections, by two methods."""
    network = build_network(read_matpower(BARAN_WU_FILE).grid)
    generator = np.random.default_rng(33)
    bus = np.arange(1, 33)
    p_kw = generator.uniform(-60.0, 90.0, (1000, 32))
    injections = Injections(bus, p_kw, generator.uniform(-30.0, 40.0, p_kw.shape))
    helm = solve_power_flow(network, injections)
    newton = solve_power_flow(network, injections, method="newton")
    both = (helm.found != Found.NONE) & (newton.found != Found.NONE)
    worst = float(np.abs(helm.v_pq - newton.v_pq)[both].max())
    source = "power-grid-model, batch Newton"
    yield KnownAnswer("HELM against Newton, worst |ΔV| of 1,000 states", worst, 0.0, 1e-8, "pu", source)
    yield KnownAnswer(
        "HELM against Newton, states solved by both", float(both.sum()), 1000.0, 0.0, "", source
    )


def _control() -> Iterator[KnownAnswer]:
    """Laws of control that have a closed form: the COP, §14a, a battery's day, and two homes at a limit."""
    floor_c = room_sink_c(np.zeros(1), "floor")
    yield KnownAnswer(
        "heat pump, air to floor heating at 0 °C: COP",
        float(cop(floor_c, "air")[0]),
        0.85 * (6.08 - 0.0941 * 30.0 + 0.000464 * 900.0),
        1e-12,
        "",
        "Ruhnau et al. 2019, 3.12 as printed",
    )
    for devices, pump_kw, limit_kw in ((1, 0.0, 4.2), (3, 5.0, 10.5), (2, 20.0, 11.36)):
        yield KnownAnswer(
            f"14a, {devices} devices behind an energy manager, heat pump of {pump_kw:g} kW",
            manager_limit_kw(devices, pump_kw),
            limit_kw,
            1e-9,
            "kW",
            "BNetzA BK6-22-300, 4.2 + (n - 1) g 4.2 kW",
        )
    battery_kw, station_kw = _two_homes_at_a_limit()
    source = "closed form: the battery serves its own 1 kW and sends 1 kW to its neighbour"
    yield KnownAnswer("two homes of 4 and 1 kW behind 3 kW: battery", battery_kw, -2.0, 1e-6, "kW", source)
    yield KnownAnswer("two homes of 4 and 1 kW behind 3 kW: station", station_kw, 3.0, 1e-6, "kW", source)


def _two_homes_at_a_limit() -> tuple[float, float]:
    """Battery and station of two homes, one with a battery, by the grid-wide program [kW]."""
    grid, time = chain_grid(), TimeAxis(datetime(2030, 1, 1, tzinfo=UTC), 15, 1)
    assets = (
        Load(asset="load_1", member="home_1"),
        Load(asset="load_2", member="home_2"),
        Battery(
            asset="battery",
            member="home_2",
            flexible=True,
            charge_max_kw=5.0,
            discharge_max_kw=5.0,
            energy_kwh=10.0,
            charge_efficiency_share=1.0,
            discharge_efficiency_share=1.0,
            soc_initial_share=0.5,
            soc_min_share=0.0,
            soc_max_share=1.0,
        ),
    )
    members = (Member(member="home_1", bus="bus 1"), Member(member="home_2", bus="bus 2"))
    profiles = Profiles(time, {"load_1": np.array([4.0]), "load_2": np.array([1.0])})
    study = Study(
        "two homes", "EUR", 1, grid, Community(members, assets), profiles, voltage_band(grid, 0.9, 1.1)
    )
    homes = make_households(study, study.community, with_stores=True)
    asked = Asked(1, len(homes))
    at = look_at_all(homes.plant, make_signals(asked, homes, Settings(), 0.25), homes.start, 0)
    station = Monitored(("station",), np.ones((1, 2)), np.zeros(1), np.array([[3.0]]))
    program = GridProgram(homes, station, Costs(), 1)
    battery_kw, _, _ = program.dispatch(at, asked.cheap[:, 0], 0, 0)
    return float(battery_kw[1]), float((at.residual_kw + battery_kw).sum())
