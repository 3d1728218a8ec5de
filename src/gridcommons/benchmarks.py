"""Side by side with what a user would pick instead, in one run on the same work.

Every figure is the median of repeats on one thread unless said; both sides include the mapping of
profiles to the load flow's input. Nothing here is asserted by a test: a machine's speed is no law.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.writer import new_study
from gridcommons.envelopes.allocate import allocate
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.envelopes.capability import share_and_check
from gridcommons.envelopes.genetic import Budget, search
from gridcommons.envelopes.problem import Window, make_plan, priority_classes
from gridcommons.envelopes.settings import Settings
from gridcommons.envelopes.sharing import share_window
from gridcommons.model.errors import GridcommonsError, MissingExtraError
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.powerflow.admittance import Network, build_network
from gridcommons.powerflow.flow import solve_power_flow
from gridcommons.powerflow.newton import prepare_model, solve_batch, update_data
from gridcommons.powerflow.solution import Injections
from gridcommons.tasks import default_engines, installed_versions
from gridcommons.tasks import run as run_task

YEAR_STEPS = 35_040
"""A year of 15-minute steps."""

GENETIC_STEPS = 3
"""Steps on which the search is compared: each takes it minutes at a fair budget."""


BUDGETS = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
"""Load flows a side that the search is given, until it is within 0.5 % of the linear method."""


@dataclass(frozen=True)
class Timing:
    """Seconds of the repeats of one side."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the repeats [s]."""
        return statistics.median(self.seconds)


def measure(work: Callable[[], object], repeats: int) -> Timing:
    """Wall time of each repeat, after one run that is not counted (compilation, first touch of memory)."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return Timing(tuple(seconds))


def run(name: str) -> dict[str, Any]:
    """One benchmark's figures, with versions and the machine's word for itself.

    Raises
    ------
    GridcommonsError
        If there is no benchmark of this name.
    """
    if name not in BENCHMARKS:
        raise GridcommonsError(f"unknown benchmark {name!r}; known are {', '.join(NAMES)}")
    return {"benchmark": name, **BENCHMARKS[name](), "environment": _environment()}


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": installed_versions(),
    }


def _example(name: str) -> Study:
    """An example of the source checkout or of the installed package."""
    here = Path(__file__).parent
    for folder in (here / "examples" / name, here.parents[1] / "examples" / name):
        if folder.is_dir():
            return load_study(folder)
    raise GridcommonsError(f"the example {name} is not installed; run from a source checkout")


def year_of_the_rural_feeder() -> tuple[Study, str]:
    """A year of the 97-bus rural feeder with SimBench's profiles; the example's day without SimBench."""
    with TemporaryDirectory() as folder:
        try:
            new_study(Path(folder) / "year", "simbench", "1-LV-rural2--2-sw", days=365)
        except MissingExtraError:
            return _example("rural_day"), "the example's day, repeated: SimBench is not installed"
        return load_study(Path(folder) / "year"), "SimBench, 2016"


def year_of_injections(study: Study, steps: int = YEAR_STEPS) -> Injections:
    """Net power of every asset of a study in ``steps`` steps, its own profiles repeated where they end."""
    assets, profiles = study.community.assets, study.profiles
    net_kw = np.stack([a.net_kw(profiles.signals(a)) for a in assets], axis=1)
    q_kvar = np.stack([profiles.net_kvar(a, net_kw[:, k]) for k, a in enumerate(assets)], axis=1)
    rows = np.arange(steps) % len(net_kw)
    return Injections(study.community.asset_buses(study.grid), net_kw[rows], q_kvar[rows])


def power_flow(repeats: int = 5) -> dict[str, Any]:
    """A year of load flows on the 97-bus rural feeder: HELM against power-grid-model's batch Newton."""
    study, origin = year_of_the_rural_feeder()
    network, injections = build_network(study.grid), year_of_injections(study)
    rows = {f"{threads}_threads": _flow_row(network, injections, threads, repeats) for threads in (1, 2)}
    ours = solve_power_flow(network, injections)
    theirs = solve_power_flow(network, injections, method="newton")
    return {
        "buses": len(study.grid.buses),
        "steps": len(injections),
        "columns": injections.p_kw.shape[1],
        "profiles": origin,
        **rows,
        "worst_voltage_difference_pu": float(np.abs(ours.v_pq - theirs.v_pq).max()),
        "worst_mismatch_pu": float(ours.mismatch_pu.max()),
        "goal": "ratio at least 10 on one and on two threads, difference below 1e-8 pu",
    }


def _flow_row(network: Network, injections: Injections, threads: int, repeats: int) -> dict[str, float]:
    """Microseconds a load flow of each, both with their input mapping, and the ratio pair by pair."""
    model = prepare_model(network, injections)
    v = np.empty((len(injections), network.pq_count), dtype=np.complex128)

    def newton() -> None:
        solve_batch(model, update_data(network, injections), threads, v)

    ours = measure(lambda: solve_power_flow(network, injections, threads=threads), repeats)
    theirs = measure(newton, repeats)
    return {
        "helm_us": ours.median / len(injections) * 1e6,
        "newton_us": theirs.median / len(injections) * 1e6,
        "ratio": theirs.median / ours.median,
    }


def envelopes(genetic_steps: int = GENETIC_STEPS) -> dict[str, Any]:
    """One sample with proof on the 97-bus feeder, and the published search at a fair budget beside it."""
    study = _example("rural_day")
    settings, network = Settings(objectives_compared=()), build_network(study.grid)
    plan = make_plan(study, network, settings)
    classes = priority_classes(settings, study, plan.asset)
    windows = [plan.window(k, k + 1) for k in range(study.time.steps)]
    _sample(windows[0], classes, settings)
    seconds = [measure_once(partial(_sample, window, classes, settings)) for window in windows]
    chosen = np.linspace(0, study.time.steps - 1, genetic_steps + 2).astype(int)[1:-1]
    rows = [_against_search(windows[step], int(step), classes) for step in chosen]
    return {
        "buses": len(study.grid.buses),
        "assets": len(windows[0].asset),
        "sample_with_proof_ms": {
            "median": 1e3 * statistics.median(seconds),
            "worst": 1e3 * max(seconds),
            "samples": len(seconds),
            "points_tried": settings.draws + 2,
        },
        "against_genetic": rows,
        "median_ratio": statistics.median(row["ratio"] for row in rows),
        "goal": "sample below 100 ms; linear at least 100 times faster, its total never lower, "
        "at a budget that brings the search within 0.5 %",
    }


def envelopes_year(days: int = 365) -> dict[str, Any]:
    """A year of envelopes streamed to Parquet: wall time, and the peak memory of the whole process."""
    study, origin = year_of_the_rural_feeder()
    steps = min(96 * days, study.time.steps)
    time_axis = replace(study.time, steps=steps)
    columns = {name: values[:steps] for name, values in study.profiles.columns.items()}
    study = replace(
        study,
        profiles=Profiles(time_axis, columns),
        tasks={"envelopes": {"objectives_compared": []}},
    )
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        with ParquetTables(Path(folder) / "out") as sink:
            sink.finish(run_task(study, "envelopes", default_engines(sink)))
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in (Path(folder) / "out").glob("*.parquet"))
    return {
        "buses": len(study.grid.buses),
        "steps": steps,
        "profiles": origin,
        "seconds": seconds,
        "ms_a_step": 1e3 * seconds / steps,
        "tables_mb": size / 1e6,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        "goal": "peak memory below 2,000 MB",
    }


def measure_once(work: Callable[[], object]) -> float:
    """Wall time of one run [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _sample(window: Window, classes: list[Any], settings: Settings) -> object:
    rest = settle_at_rest(window, np.zeros(len(window.asset), dtype=bool))
    how = ("max_total", allocate)
    return share_and_check(window, rest, classes, how, (settings.draws, (1,)))


def _against_search(window: Window, step: int, classes: list[Any]) -> dict[str, Any]:
    """Both methods on one step, the search at the least budget that is within 0.5 % of linear."""
    rest = settle_at_rest(window, np.zeros(len(window.asset), dtype=bool))
    linear = measure(lambda: share_window(window, rest, classes, "max_total"), 3)
    best = share_window(window, rest, classes, "max_total")
    total = float((best.up_kw + best.down_kw).sum())
    row: dict[str, Any] = {}
    for evaluations in BUDGETS:
        method = search(1, Budget(population=200, evaluations=evaluations))
        start = time.perf_counter()
        found = share_window(window, rest, classes, "max_total", method)
        seconds = time.perf_counter() - start
        reached = float((found.up_kw + found.down_kw).sum())
        row = {
            "step": step,
            "linear_ms": 1e3 * linear.median,
            "genetic_ms": 1e3 * seconds,
            "genetic_evaluations_a_side": evaluations,
            "linear_total_kw": total,
            "genetic_total_kw": reached,
            "genetic_gap_share": 1.0 - reached / total,
            "ratio": seconds / linear.median,
        }
        if row["genetic_gap_share"] <= 0.005:
            break
    return row


BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "power-flow": power_flow,
    "envelopes": envelopes,
    "envelopes-year": envelopes_year,
}
"""Benchmarks by the name that the command line takes."""

NAMES = tuple(BENCHMARKS)
