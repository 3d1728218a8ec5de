"""A day of a two-tier market by the minute, with the grid simulated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gridcommons.benchmarks.timing import load_example, measure
from gridcommons.model.study import Study
from gridcommons.tasks import run
from gridcommons.trading.settings import SCENARIOS


def trading_day(repeats: int = 3) -> dict[str, Any]:
    """The weekday of the IEEE 123-node feeder: the switched scenario alone, and all four."""
    study = load_example("ieee123_weekday")
    alone, all_four = _asked(study, ("switched",)), _asked(study, SCENARIOS)
    switched = measure(lambda: run(alone, "trading"), repeats)
    every = measure(lambda: run(all_four, "trading"), repeats)
    return {
        "members": len(study.community.members),
        "minutes": study.time.steps * study.time.step_minutes,
        "bus_phases": len(study.grid.buses),
        "switched_s": switched.median,
        "four_scenarios_s": every.median,
        "goal": "a two-tier day of 114 members at one-minute steps in at most 20 s",
    }


def _asked(study: Study, scenarios: tuple[str, ...]) -> Study:
    """The same study with some scenarios, and without comparison of triggers and delays."""
    table = dict(study.tasks["trading"]) | {"scenarios": scenarios}
    table |= {"triggers_compared": (), "delays_compared_minutes": ()}
    return replace(study, tasks={"trading": table})
