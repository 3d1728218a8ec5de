"""What every benchmark measures with: repeats, the examples, a year of injections."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.writer import new_study
from gridcommons.model.errors import GridcommonsError, MissingExtraError
from gridcommons.model.study import Study
from gridcommons.powerflow.solution import Injections

YEAR_STEPS = 35_040
"""A year of 15-minute steps."""


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


def measure_once(work: Callable[[], object]) -> float:
    """Wall time of one run [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def load_example(name: str) -> Study:
    """An example of the source checkout or of the installed package."""
    here = Path(__file__).parents[1]
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
            return load_example("rural_day"), "the example's day, repeated: SimBench is not installed"
        return load_study(Path(folder) / "year"), "SimBench, 2016"


def year_of_injections(study: Study, steps: int = YEAR_STEPS) -> Injections:
    """Net power of every asset of a study in ``steps`` steps, its own profiles repeated where they end."""
    assets, profiles = study.community.assets, study.profiles
    net_kw = np.stack([a.net_kw(profiles.signals(a)) for a in assets], axis=1)
    q_kvar = np.stack([profiles.net_kvar(a, net_kw[:, k]) for k, a in enumerate(assets)], axis=1)
    rows = np.arange(steps) % len(net_kw)
    return Injections(study.community.asset_buses(study.grid), net_kw[rows], q_kvar[rows])
