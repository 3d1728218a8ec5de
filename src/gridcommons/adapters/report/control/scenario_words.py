"""Scenarios, measures and levels of stress in plain words, and the colour of each scenario."""

from __future__ import annotations

BASE_WORDS = {"status_quo": "Today", "base_2030": "2030 without storage", "storage": "Storage"}
MEASURE_NAMES = {
    "CurB_night": "CurB at night",
    "law14a": "§ 14a",
    "law14a_manager": "§ 14a by energy manager",
}
MEASURE_WORDS = {
    "CurA": "cars charge at less power from the onset of congestion to midnight, and catch up after it",
    "CurB": "heat pumps are throttled for some hours from the onset; the heat put off comes back after them",
    "CurB_night": "as CurB, but only late in the evening and at night",
    "ProA": "stores charge ahead from a cheap grid, hours before the onset",
    "ProB": "stores are held back until the onset, so that they are full when needed",
    "law14a": "each device draws no more than § 14a EnWG leaves it while the grid is congested",
    "law14a_manager": "the devices of a home share what § 14a EnWG leaves them while the grid is congested",
}
_COLOURS = {
    "status_quo": "#8a94a0",
    "base_2030": "#c4501b",
    "storage": "#2a6fb0",
    "storage+CurA": "#12936a",
    "storage+CurB": "#5a6673",
    "storage+ProA": "#d99a10",
    "storage+ProA+ProB": "#7b4fa3",
    "storage+ProA+ProB+CurB_night": "#1d9fb0",
}
_MORE_COLOURS = ("#bb5f94", "#58a6d8", "#6b4c1e", "#9aa83a", "#a33a4a", "#3c5a78")


def scenario_name(scenario: str) -> str:
    """A scenario by its own name in plain words: ``Storage + ProA + ProB``."""
    base, *measures = scenario.split("+")
    names = [MEASURE_NAMES.get(measure, measure) for measure in measures]
    return " + ".join([BASE_WORDS.get(base, base.replace("_", " ")), *names])


def short_name(scenario: str) -> str:
    """A scenario for a label; what stands on top of storage is named alone: ``+ ProA + ProB``."""
    name = scenario_name(scenario)
    if scenario.startswith("storage+"):
        return name.removeprefix(BASE_WORDS["storage"]).strip()
    return name


def measure_names(scenario: str) -> str:
    """The measures of a scenario: ``ProA + ProB``; its name where it has none."""
    names = [MEASURE_NAMES.get(measure, measure) for measure in measures_of(scenario)]
    return " + ".join(names) or scenario_name(scenario)


def measures_of(scenario: str) -> list[str]:
    """Names of the measures on top of a scenario's mix."""
    return scenario.split("+")[1:]


def reference_of(scenario: str) -> str:
    """What a scenario is held against: the same mix without measures; storage against 2030 without it."""
    base, *measures = scenario.split("+")
    return base if measures else {"storage": "base_2030"}.get(base, "")


def stress_name(stress: str) -> str:
    """A level of stress in words: ``near-critical``."""
    return stress.replace("_", "-")


def scenario_colours(scenarios: tuple[str, ...]) -> dict[str, str]:
    """A colour for each scenario; those of the source keep theirs."""
    others = [scenario for scenario in scenarios if scenario not in _COLOURS]
    more = {s: _MORE_COLOURS[k % len(_MORE_COLOURS)] for k, s in enumerate(others)}
    return {scenario: (_COLOURS | more)[scenario] for scenario in scenarios}
