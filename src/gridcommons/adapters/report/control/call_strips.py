"""When each measure is called: a strip a measure and level of stress, and how often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridcommons.adapters.report.clock import dates_of
from gridcommons.adapters.report.control.counts import Counts
from gridcommons.adapters.report.control.scenario_words import (
    MEASURE_NAMES,
    measures_of,
    scenario_name,
    stress_name,
)
from gridcommons.adapters.report.control.station import Runs
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import table
from gridcommons.adapters.report.strips import Row, draw_rows
from gridcommons.adapters.report.style import MUTED, Chart, finish, make_figure, time_axis
from gridcommons.model.grid import BoolArray, IntArray

_COLOURS = {
    "CurA": "#12936a",
    "CurB": "#5a6673",
    "CurB_night": "#1d9fb0",
    "ProA": "#d99a10",
    "ProB": "#7b4fa3",
}
_OTHER = "#bb5f94"
_ROW_INCH = 0.205


def called(runs: Runs, counts: Counts) -> Iterator[tuple[str, str, IntArray, list[str]]]:
    """Measure, stress, its calls (each once) and the scenarios that call it; shape of calls (calls, 2)."""
    measures = dict.fromkeys(m for s in counts.scenarios for m in measures_of(s))
    for measure in measures:
        for stress in counts.stresses:
            scenarios = [s for s in counts.scenarios if measure in measures_of(s)]
            spans = [runs.calls[s, stress, measure] for s in scenarios if (s, stress, measure) in runs.calls]
            found = np.unique(np.concatenate(spans), axis=0) if spans else np.zeros((0, 2), dtype=np.int64)
            yield measure, stress, found, scenarios


def draw_calls(runs: Runs, counts: Counts) -> Chart:
    """The strips; of a long result the deeper the colour, the longer the measure is called that day."""
    rows = [
        Row(
            f"{MEASURE_NAMES.get(measure, measure)} · {stress_name(stress)}",
            _active(spans, runs.clock.steps),
            _COLOURS.get(measure, _OTHER),
            palest=0.5,
            note=_days_words(_days(runs, spans)),
        )
        for measure, stress, spans, _ in called(runs, counts)
    ]
    tall = _ROW_INCH * len(rows)
    high = tall + 0.62
    figure = make_figure(high)
    axes = figure.add_axes((0.205, 0.42 / high, 0.695, tall / high))
    draw_rows(axes, runs.clock, rows)
    axes.text(1.012, 1.0 + 0.06 / tall, "called on", transform=axes.transAxes, fontsize=8, color=MUTED)
    time_axis(axes, dates_of(runs.clock, np.array([0, runs.clock.steps])), runs.clock.timezone)
    said = "; ".join(f"{row.label}: {row.note}" for row in rows)
    return finish(figure, f"Days on which each measure is called. {said}", "calls")


def call_table(runs: Runs, counts: Counts) -> str:
    """Calls, days and hours of each measure by stress."""
    heads = {
        "measure": "measure",
        "stress": "stress",
        "calls#": "calls",
        "days#": "days",
        "hours#": "hours in all",
        "mean#": "hours a call",
        "where": "in",
    }
    rows = []
    for measure, stress, spans, scenarios in called(runs, counts):
        hours = float((spans[:, 1] - spans[:, 0]).sum()) * runs.clock.step_hours
        rows.append(
            {
                "measure": MEASURE_NAMES.get(measure, measure),
                "stress": stress_name(stress),
                "calls#": number(len(spans)),
                "days#": number(_days(runs, spans)),
                "hours#": number(hours, 1 if 0.0 < hours < 100.0 else 0),
                "mean#": number(hours / len(spans), 1) if len(spans) else "–",
                "where": ", ".join(scenario_name(s) for s in scenarios),
            }
        )
    return table(heads, rows)


def _active(spans: IntArray, steps: int) -> BoolArray:
    when = np.zeros(steps, dtype=bool)
    for start, stop in spans.tolist():
        when[start:stop] = True
    return when


def _days(runs: Runs, spans: IntArray) -> int:
    """Local days on which calls begin."""
    return len(np.unique(runs.day[spans[:, 0]])) if len(spans) else 0


def _days_words(days: int) -> str:
    return "never" if not days else f"{number(days)} {'day' if days == 1 else 'days'}"
