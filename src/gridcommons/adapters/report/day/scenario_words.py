"""Names and colours of the scenarios and instruments of an operating day, and words for its figures."""

from __future__ import annotations

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.stage_words import stage_colour
from gridcommons.adapters.report.style import EXPORT, UNKNOWN

ALONE, BASELINE, PLANNED, REALISED = "alone", "baseline", "planned", "realised"
SCENARIOS = (ALONE, BASELINE, PLANNED, REALISED)
SCENARIO_NAMES = {
    ALONE: "nobody plans",
    BASELINE: "everybody plans by price alone",
    PLANNED: "schedules of the day before",
    REALISED: "what happened",
}
SCENARIO_COLOURS = {ALONE: UNKNOWN, BASELINE: EXPORT, PLANNED: "#58a6d8", REALISED: "#0f5b50"}

TARIFF, MARKET, REACTIVE, CONTROL = "tariff", "market", "reactive", "control"
ENVELOPES, SWITCHING, TRADING = "envelopes", "switching", "trading"
INSTRUMENT_NAMES = {
    TARIFF: "dynamic tariff",
    MARKET: "flexibility market",
    REACTIVE: "reactive power market",
    CONTROL: "control",
    ENVELOPES: "operating envelopes",
    SWITCHING: "switching",
    TRADING: "local trading",
}
INSTRUMENT_COLOURS = {
    TARIFF: stage_colour("tariff"),
    MARKET: stage_colour("market"),
    REACTIVE: "#c98b5e",
    CONTROL: "#8464b0",
    ENVELOPES: "#c9608f",
    SWITCHING: "#3d5a80",
    TRADING: "#a8892f",
}

LOADING = "loading_max_percent"
"""The kind of limit that a branch has."""

NAMED_PU, NAMED_PERCENT = 1e-3, 0.5
"""Excess from which a limit counts as broken, as the run counts."""

LEAST_AMOUNT = 0.005
"""Half a cent: less is the rounding of an amount."""

ROUNDING = 0.025
"""What a bill of several rounded lines may differ by from another and is as dear, as the run counts."""

_LIMIT_NAMES = {LOADING: "overloaded", "vm_min_pu": "voltage too low", "vm_max_pu": "voltage too high"}


def scenario_name(scenario: str) -> str:
    """A scenario in plain words."""
    return SCENARIO_NAMES.get(scenario, scenario)


def instrument_name(name: str) -> str:
    """An instrument in plain words."""
    return INSTRUMENT_NAMES.get(name, name.replace("_", " "))


def limit_name(kind: str) -> str:
    """What a broken limit means: ``voltage too high``."""
    return _LIMIT_NAMES.get(kind, kind.replace("_", " "))


def element_name(name: str, kind: str) -> str:
    """A branch or bus in a sentence: ``transformer T1``, ``bus 7``."""
    return f"{kind} {name}".strip()


def measure(value: float, kind: str, limit: float = float("nan")) -> str:
    """A loading or voltage with its unit; a digit more where it would round to its limit."""
    is_loading = kind == LOADING
    digits, unit = (0, "%") if is_loading else (3, "pu")
    if round(value, digits) == round(limit, digits) and value != limit:
        digits += 1
    return f"{number(value, digits)} {unit}"


def measure_exactly(value: float, kind: str) -> str:
    """A loading or voltage for a table."""
    return f"{number(value, 1)} %" if kind == LOADING else f"{number(value, 4)} pu"
