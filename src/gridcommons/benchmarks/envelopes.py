"""Envelopes: a sample beside the published genetic search, and a year streamed to files."""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.benchmarks.timing import load_example, measure, measure_once, year_of_the_rural_feeder
from gridcommons.envelopes.allocate import allocate
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.envelopes.capability import share_and_check
from gridcommons.envelopes.genetic import Budget, search
from gridcommons.envelopes.problem import Window, make_plan, priority_classes
from gridcommons.envelopes.settings import Settings
from gridcommons.envelopes.sharing import share_window
from gridcommons.model.profiles import Profiles
from gridcommons.powerflow.admittance import build_network
from gridcommons.tasks import default_engines
from gridcommons.tasks import run as run_task

GENETIC_STEPS = 3
"""Steps on which the search is compared: each takes it minutes at a fair budget."""

BUDGETS = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
"""Load flows a side that the search is given, until it is within 0.5 % of the linear method."""


def envelopes(genetic_steps: int = GENETIC_STEPS) -> dict[str, Any]:
    """One sample with proof on the 97-bus feeder, and the published search at a fair budget beside it."""
    study = load_example("rural_day")
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
