"""The dynamic tariff: without a cap and as published, the prices of the limits, and how the cap was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number, power
from gridcommons.adapters.report.flexibility.coordination_chart import coordination_part
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import bus_group, stage_colour
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.panels import NO_PRICE, Cells, draw_cells
from gridcommons.adapters.report.strips import limit_words
from gridcommons.adapters.report.style import Chart, finish
from gridcommons.adapters.report.tables import Names, Part
from gridcommons.model.grid import FloatArray

PLAIN = "plain"
"""The scheme without a cap."""

CEILING_PER_KWH = 1e4
"""What a limit costs that no price holds: the run looks no farther."""

SHORT_KW = 0.05
"""What a limit that no tariff holds lacks at least; less is the solver's."""

_LEAST_PER_KWH = 1e-6
_MOST_GROUPS, _MOST_HOURS = 14, 10
_SCHEMES = {PLAIN: "Without a cap", "relaxed": "Published: relaxed", "coordinated": "Published: coordinated"}


@dataclass(frozen=True, eq=False)
class Tariffs:
    """Tariffs of all buses that have one in some scheme.

    Parameters
    ----------
    schemes : list of str
        ``plain`` first, then the one that is published where it is another.
    group : list of tuple of str
        Buses with the same tariffs in all schemes.
    value : (schemes, groups, steps)
        Price beside the spot price [per kWh]; infinite where no price holds the limits.
    """

    schemes: list[str]
    group: list[tuple[str, ...]]
    value: FloatArray


def read_tariffs(found: Material) -> Tariffs:
    """The tariffs, buses that pay the same taken together."""
    names: dict[str, Names] = {}
    rows = found.tables.whole("dynamic_tariffs", ("time", "scheme", "bus", "tariff_per_kwh"), names)
    schemes, buses = names.get("scheme", Names()), names.get("bus", Names())
    value = np.zeros((len(schemes), len(buses), found.clock.steps))
    if len(buses):
        value[rows["scheme"], rows["bus"], found.clock.step_of(rows["time"])] = rows["tariff_per_kwh"]
    value[np.abs(value) < _LEAST_PER_KWH] = 0.0
    value[value >= CEILING_PER_KWH * (1.0 - 1e-6)] = NO_PRICE
    groups: dict[bytes, list[int]] = {}
    for bus in range(len(buses)):
        if value[:, bus].any():
            groups.setdefault(np.round(value[:, bus], 6).tobytes(), []).append(bus)
    first = [members[0] for members in groups.values()]
    return Tariffs(
        schemes.names,
        [tuple(buses.names[bus] for bus in members) for members in groups.values()],
        value[:, first],
    )


def read_shortfalls(found: Material) -> list[tuple[str, Any, float]]:
    """What no tariff can hold: element, time, and what is lacking [kW], the most first."""
    rows = read_prices(found)
    short = [
        (str(rows["element"][place]), rows["time"][place], float(rows["slack_kw"][place]))
        for place in np.flatnonzero((rows["scheme"] == PLAIN) & (rows["slack_kw"] > SHORT_KW))
    ]
    return sorted(short, key=lambda each: (-each[2], each[0], each[1]))


def read_prices(found: Material) -> Part:
    """Rows of ``limit_prices``."""
    columns = ("time", "scheme", "element", "kind", "price_per_kwh", "limit_kw", "slack_kw")
    return found.tables.whole("limit_prices", columns)


def tariff_section(found: Material) -> Section | None:
    """Tariffs by bus group and hour; None where the instrument was not used."""
    if "dynamic_tariffs" not in found.tables:
        return None
    tariffs = read_tariffs(found)
    body = html.text(_said(found, tariffs))
    if tariffs.group:
        body += html.figure(_draw(found, tariffs))
        hidden = len(tariffs.group) - _MOST_GROUPS
        body += html.text(f"{number(hidden)} more groups of buses are not shown.") if hidden > 0 else ""
        body += _table(found, tariffs)
    else:
        body += html.nothing("No limit binds: the tariff is 0 everywhere.")
    body += "<h3>What the limits cost</h3>" + _price_table(found)
    body += coordination_part(found)
    return Section("tariff", "Dynamic tariff", body)


def _said(found: Material, tariffs: Tariffs) -> str:
    said = f"What a kWh costs beside the spot price [{found.per_kwh}], positive = paid by who draws."
    short = read_shortfalls(found)
    if short:
        places = "; ".join(f"{e} at {found.brief(t)} lacks {power(kw)}" for e, t, kw in short[:4])
        more = f"; and {number(len(short) - 4)} more" if len(short) > 4 else ""
        said += f" No tariff can hold the limits: {places}{more}."
    cap = found.summary.get("tariff_cap_per_kwh")
    if cap is not None and len(tariffs.schemes) > 1:
        on = (
            "each load point's tariff" if found.setting("tariff_cap_on") == "tariff" else "each limit's price"
        )
        said += f" The published one is capped at ρ = {number(cap, 4)} on {on}."
    return said


def _draw(found: Material, tariffs: Tariffs) -> Chart:
    names = [bus_group(group) for group in tariffs.group[:_MOST_GROUPS]]
    blocks = [
        Cells(_SCHEMES.get(scheme, scheme), names, values[:_MOST_GROUPS])
        for scheme, values in zip(tariffs.schemes, tariffs.value, strict=True)
    ]
    figure = draw_cells(found.clock, blocks, stage_colour("tariff"), price_words)
    words = [
        f"{block.heading}: "
        + ", ".join(_most(found, name, row) for name, row in zip(names, block.values, strict=True))
        for block in blocks
    ]
    if np.isinf(tariffs.value).any():
        high = float(figure.get_figheight())
        figure.text(0.0, 0.10 / high, "none: no price holds the limits", fontsize=8, color="#b3125e")
    return finish(figure, f"Tariff by bus and hour [{found.per_kwh}]. {'; '.join(words)}", "tariffs")


def _most(found: Material, name: str, row: FloatArray) -> str:
    step = int(np.argmax(row))
    return f"{name} at most {price_words(float(row[step]))} at {found.clock.brief(step)}"


def price_words(value: float) -> str:
    """A price in few figures: ``0.716``, ``2.00``, ``12.4``."""
    if np.isinf(value):
        return "no price"
    return number(value, 3 if value < 1.0 else 2 if value < 10.0 else 1)


def _table(found: Material, tariffs: Tariffs) -> str:
    """Groups of buses against the hours with a tariff, scheme by scheme."""
    hours = np.flatnonzero(tariffs.value.any(axis=(0, 1)))
    if len(hours) > _MOST_HOURS:
        return html.text(
            f"{number(len(hours))} intervals have a tariff; the table dynamic_tariffs holds them all."
        )
    heads = {"bus": "buses", "scheme": "scheme"} | {
        f"{step}#": found.clock.brief(int(step)) for step in hours
    }
    rows = []
    for place, scheme in enumerate(tariffs.schemes):
        for group, values in zip(tariffs.group[:_MOST_GROUPS], tariffs.value[place], strict=False):
            figures = {f"{step}#": _exact(float(values[step])) for step in hours}
            rows.append({"bus": bus_group(group), "scheme": scheme, **figures})
    return html.table(heads, rows)


def _exact(value: float) -> str:
    return "–" if value == 0.0 else "no price" if np.isinf(value) else number(value, 5)


def _price_table(found: Material) -> str:
    rows = read_prices(found)
    if not len(rows["element"]):
        return html.nothing("No limit has a price.")
    heads = {
        "element": "branch or bus", "kind": "what", "when": "at", "scheme": "scheme",
        "mu#": f"price μ [{found.per_kwh}]", "f#": "limit F [kW]", "s#": "left to others s [kW]",
    }  # fmt: skip
    order = np.lexsort((rows["scheme"].astype(str), rows["time"], rows["element"].astype(str)))
    lines = [_price_row(found, rows, int(place)) for place in order]
    said = html.text(
        "F is what all planned load together may use of the limit, losses and reactive power taken off; "
        "s is by how much the plan goes beyond it. A bus pays the sum of the prices of the limits above it."
    )
    chosen = [line["s#"] != "0" for line in lines]
    return said + long_table(heads, lines, "limit_prices", chosen)


def _price_row(found: Material, rows: Part, place: int) -> dict[str, str]:
    slack, price = float(rows["slack_kw"][place]), float(rows["price_per_kwh"][place])
    return {
        "element": str(rows["element"][place]),
        "kind": _kind(str(rows["kind"][place])),
        "when": found.brief(rows["time"][place]),
        "scheme": str(rows["scheme"][place]),
        "mu#": "no price holds it" if price >= CEILING_PER_KWH * (1.0 - 1e-6) else number(price, 5),
        "f#": number(float(rows["limit_kw"][place]), 1),
        "s#": number(slack, 1) if slack > SHORT_KW else "0",
    }


def _kind(kind: str) -> str:
    return {"loading_max_percent": "loading", "vm_min_pu": "low voltage", "vm_max_pu": "high voltage"}.get(
        kind, limit_words(kind)
    )
