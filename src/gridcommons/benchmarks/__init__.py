"""Side by side with what a user would pick instead, in one run on the same work.

Every figure is the median of repeats on one thread unless said; both sides include the mapping of
profiles to the load flow's input. Nothing here is asserted by a test: a machine's speed is no law.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import Any

from gridcommons.benchmarks.around_plan import envelopes_around_plan
from gridcommons.benchmarks.clearing import clearing, clearing_feeders
from gridcommons.benchmarks.control import control
from gridcommons.benchmarks.envelopes import envelopes, envelopes_year
from gridcommons.benchmarks.order_books import compare_order_books
from gridcommons.benchmarks.power_flow import power_flow
from gridcommons.benchmarks.reconfiguration import reconfiguration
from gridcommons.benchmarks.scheduling import community_schedule, reactive_round
from gridcommons.benchmarks.tariff import tariff
from gridcommons.benchmarks.trading import trading_day
from gridcommons.model.errors import GridcommonsError
from gridcommons.tasks import installed_versions

BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "power-flow": power_flow,
    "envelopes": envelopes,
    "envelopes-year": envelopes_year,
    "envelopes-around-plan": envelopes_around_plan,
    "control": control,
    "tariff": tariff,
    "clearing": clearing,
    "clearing-feeders": clearing_feeders,
    "order-books": compare_order_books,
    "trading-day": trading_day,
    "reconfiguration": reconfiguration,
    "community-schedule": community_schedule,
    "reactive-round": reactive_round,
}
"""Benchmarks by the name that the command line takes."""

NAMES = tuple(BENCHMARKS)


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
