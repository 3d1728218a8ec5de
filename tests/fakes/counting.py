"""A task for tests: writes rows, as many and as slowly as its settings say."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gridcommons.model.errors import GridcommonsError, InfeasibleError, MissingExtraError, NotConvergedError
from gridcommons.model.results import LazyTables, Result

ERRORS = {
    "infeasible": InfeasibleError("voltage at bus 7\nconflicts with loading"),
    "not_converged": NotConvergedError("12 iterations"),
    "missing": MissingExtraError("simbench", "simbench"),
    "other": GridcommonsError("something else"),
}


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``counting``."""

    label: str
    parts: int = 1
    wait_s: float = 0.0
    fail: Literal["", "infeasible", "not_converged", "missing", "other", "interrupt"] = ""
    classes: tuple[tuple[str, ...], ...] = ()
    weight: float | None = None
    begun: str = ""

    def __post_init__(self):
        if self.parts < 1:
            raise ValueError(f"parts = {self.parts}, but at least 1 is written")


def run(study, settings, engines):
    if settings.begun:
        Path(settings.begun).touch()
    with engines.progress("counting", settings.parts) as advance:
        for part in range(settings.parts):
            engines.sink.write("rows", {"part": np.array([part]), "label": np.array([settings.label])})
            advance(1)
            time.sleep(settings.wait_s)
    if settings.fail == "interrupt":
        signal.raise_signal(signal.SIGINT)
    if settings.fail:
        raise ERRORS[settings.fail]
    summary = {"parts": settings.parts, "method": engines.method, "nothing": float("nan")}
    return Result("counting", LazyTables(engines.sink.readers()), summary, {"extra": "told by the task"})
