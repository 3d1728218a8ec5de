"""Names and colours of scenarios, kinds of device and items of cost, and words for a bus."""

from __future__ import annotations

from collections.abc import Iterable

from gridcommons.adapters.report import style
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.style import IMPORT, UNKNOWN, shorten

ALONE, BOUGHT = "alone", "bought"
SCENARIOS = (ALONE, BOUGHT)
SCENARIO_NAMES = {ALONE: "before: each by its own schedule", BOUGHT: "after: with what is bought"}
ONLY_NAME = "each by its own schedule"
"""The name of the one scenario where nothing is bought."""

SCENARIO_COLOURS = {ALONE: "#8a94a0", BOUGHT: "#12936a"}

_KIND_COLOURS = {
    "load": "#c3cbd3",
    "boiler": "#8c5a3c",
    "smart_boiler": "#7a5bb0",
    "heat_store": "#b0892f",
    "stirling_store": "#3d5a80",
}
_KIND_NAMES = {
    "load": "fixed demand",
    "pv": "solar plants",
    "boiler": "boilers",
    "chp": "CHP turbines",
    "smart_boiler": "electric boilers",
    "heat_store": "heat stores",
    "stirling_store": "Stirling heat stores",
    "demand_response": "flexible load",
}
_KIND_ORDER = (
    "load",
    "demand_response",
    "heat_pump",
    "smart_boiler",
    "ev_charger",
    "stirling_store",
    "heat_store",
    "battery",
    "chp",
    "boiler",
    "pv",
)

FEE_ITEM = "reactive fee"
"""Item of the fee on reactive power, which the costs of a plan leave aside."""

_ITEMS = {
    "energy": ("electricity", IMPORT),
    "network fee": ("network fee", "#8fb8de"),
    "fuel": ("fuel", "#c4501b"),
    "heat": ("district heat", "#bb5f94"),
    "heat peak": ("heat, highest draw", "#8c4a74"),
    "heat fee": ("heat connection", "#dcb3cd"),
    "wear": ("battery wear", "#3d5a80"),
    "load not served": ("load not served", "#b3125e"),
    "reactive power": ("power given up", "#e8a317"),
    "imbalance": ("leaving the schedule", "#63b7a6"),
    FEE_ITEM: ("fee on reactive power", "#a8a031"),
}


def kind_colour(kind: str) -> str:
    """Colour of a kind of device."""
    return _KIND_COLOURS.get(kind) or style.kind_colour(kind)


def kind_name(kind: str) -> str:
    """A kind of device in plain words: ``solar plants``."""
    return _KIND_NAMES.get(kind) or style.kind_words(kind)


def in_order(kinds: Iterable[str]) -> list[str]:
    """Kinds without repeats, in the order in which they are stacked."""
    found = dict.fromkeys(kinds)
    return [*(kind for kind in _KIND_ORDER if kind in found), *(k for k in found if k not in _KIND_ORDER)]


def item_name(item: str) -> str:
    """An item of cost in plain words."""
    return _ITEMS.get(item, (item, UNKNOWN))[0]


def item_colour(item: str) -> str:
    """Colour of an item of cost."""
    return _ITEMS.get(item, (item, UNKNOWN))[1]


def items_in_order(items: Iterable[str]) -> list[str]:
    """Items without repeats, in the order in which they are stacked."""
    found = dict.fromkeys(items)
    return [*(item for item in _ITEMS if item in found), *(item for item in found if item not in _ITEMS)]


def bus_name(bus: str) -> str:
    """A bus in a sentence: ``bus 7``; a name that is more than a number stands by itself."""
    return f"bus {bus}" if bus.isdigit() else bus


def short_bus(bus: str, most: int) -> str:
    """A bus for a label: the end of a long name, from where a word of it begins."""
    name = bus_name(bus)
    if len(name) <= most:
        return name
    for gaps in (" ", "_-./"):
        starts = [k + 1 for k, letter in enumerate(name[:-1]) if letter in gaps and len(name) - k <= most]
        if starts:
            return f"…{name[starts[0] :]}"
    return shorten(name, most)


def reactive(value_kvar: float) -> str:
    """Reactive power with three figures or so: ``4.27 kvar``."""
    return f"{number(value_kvar, _digits(value_kvar))} kvar"


def reactive_energy(value_kvarh: float) -> str:
    """Reactive energy with three figures or so: ``69.2 kvarh``."""
    return f"{number(value_kvarh, _digits(value_kvarh))} kvarh"


def voltage(value_pu: float) -> str:
    """A voltage as fine as bands are held: ``0.94960 pu``."""
    return f"{number(value_pu, 5)} pu"


def _digits(value: float) -> int:
    size = abs(value)
    return 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2
