"""Names and colours of scenarios, clusters and triggers."""

from __future__ import annotations

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import UNKNOWN

SCENARIO_NAMES = {
    "members": "each alone",
    "clusters": "clusters",
    "joined": "joined",
    "switched": "switched",
}
SCENARIO_WORDS = {
    "members": "each member alone with the main grid",
    "clusters": "each cluster behind its own connection",
    "joined": "all clusters joined, every switch closed",
    "switched": "all clusters joined, switches follow the market",
}
SCENARIO_COLOURS = {
    "members": "#8a94a0",
    "clusters": "#2f3b49",
    "joined": "#c4501b",
    "switched": "#12936a",
}
_TRIGGER_NAMES = {
    "periodic": "periodic",
    "send_on_delta": "send-on-delta",
    "send_on_area": "send-on-area",
}
TRIGGER_COLOURS = {"periodic": "#2f3b49", "send_on_delta": "#2a6fb0", "send_on_area": "#d9791f"}
_TRIGGER_UNITS = {"periodic": "min", "send_on_delta": "kW", "send_on_area": "kWh"}


def scenario_name(scenario: str) -> str:
    """A scenario in a word or two."""
    return SCENARIO_NAMES.get(scenario, scenario.replace("_", " "))


def scenario_colour(scenario: str) -> str:
    """Colour of a scenario."""
    return SCENARIO_COLOURS.get(scenario, UNKNOWN)


def trigger_name(trigger: str) -> str:
    """A trigger in plain words."""
    return _TRIGGER_NAMES.get(trigger, trigger.replace("_", " "))


def threshold_words(trigger: str, threshold: float) -> str:
    """A threshold with its unit: ``30 kW``, ``6 min``."""
    digits = 0 if float(threshold).is_integer() else 1
    return f"{number(threshold, digits)} {_TRIGGER_UNITS.get(trigger, '')}".rstrip()


def storage(count_bytes: float) -> str:
    """Storage: ``126.7 MB``, ``104 kB``."""
    if count_bytes >= 1e6:
        return f"{number(count_bytes / 1e6, 1)} MB"
    return f"{number(count_bytes / 1e3)} kB" if count_bytes >= 1e3 else f"{number(count_bytes)} B"
