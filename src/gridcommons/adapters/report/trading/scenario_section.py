"""The scenarios side by side: fed in, absorbed, losses, exchange, and what all members pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import energy, number, percent
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.style import INK, MUTED, Chart, finish, make_figure
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.scenario_words import SCENARIO_WORDS, scenario_colour, scenario_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = (
    ("fed_in_kwh", "fed into the main grid"),
    ("absorbed_kwh", "absorbed from it"),
    ("losses_kwh", "losses of the community"),
)
_LEAST_SHARE = 5e-4
"""A smaller difference is written as none: the load flow's last digits."""


def scenario_section(found: Material) -> Section | None:
    """Bars and the table under them; None where no scenario was run."""
    if not found.scenarios:
        return None
    said = (
        "Energy of the whole window in kWh. Where each member is alone, losses are the grid operator's; from "
        "there on they are the community's. Absorbed less fed in less losses is the same in all: what the "
        "members draw."
    )
    body = html.text(said) + html.figure(draw_scenarios(found)) + scenario_table(found)
    return Section("scenarios", "The scenarios side by side", body)


def draw_scenarios(found: Material) -> Chart:
    """Bars of each scenario, a panel a figure, each on a scale of its own."""
    count = len(found.scenarios)
    high = 0.55 + 0.27 * count
    figure = make_figure(high)
    told = []
    for place, (key, words) in enumerate(_PANELS):
        axes = figure.add_axes((0.085 + 0.315 * place, 0.04, 0.215, 1.0 - 0.42 / high - 0.04))
        values = [found.figure_in(name, key) for name in found.scenarios]
        _draw_bars(axes, found.scenarios, values, is_named=place == 0)
        axes.set_title(f"{words} [kWh]", pad=7)
        told += [
            f"{scenario_name(n)} {words} {energy(v)}" for n, v in zip(found.scenarios, values, strict=True)
        ]
    return finish(figure, "; ".join(told), "scenarios")


def _draw_bars(axes: Axes, names: tuple[str, ...], values: list[float], *, is_named: bool) -> None:
    most = max([value for value in values if np.isfinite(value)] + [1e-9])
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        y = len(names) - 1 - place
        is_operators = name == "members" and value == 0.0
        axes.barh(y, value, height=0.62, color=scenario_colour(name), linewidth=0)
        words = number(value, 0 if value >= 99.95 else 1)
        axes.text(
            value / most + 0.02,
            y,
            "the grid operator's" if is_operators else words,
            va="center",
            transform=axes.get_yaxis_transform(),
            color=MUTED if is_operators else INK,
        )
        if is_named:
            axes.text(
                -0.03, y, scenario_name(name), ha="right", va="center", transform=axes.get_yaxis_transform()
            )
    axes.set_xlim(0.0, most)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_axis_off()


def scenario_table(found: Material) -> str:
    """The numbers of Tables 2 and 3 of the source, and what all pay."""
    unit = f" [{found.currency}]" if found.currency else ""
    heads = {
        "name": "scenario",
        "words": "",
        "fed_in_kwh#": "fed in [kWh]",
        "absorbed_kwh#": "absorbed [kWh]",
        "losses_kwh#": "losses [kWh]",
        "exchange_kwh#": "exchanged [kWh]",
        "less#": "less than before",
        "traded_kwh#": "traded [kWh]",
        "bill_amount#": f"all pay{unit}",
    }
    rows, before = [], float("nan")
    for name in found.scenarios:
        row: dict[str, Any] = {
            "name": scenario_name(name).replace(" ", "\u00a0"),
            "words": SCENARIO_WORDS.get(name, ""),
        }
        for key in ("fed_in_kwh", "absorbed_kwh", "losses_kwh", "exchange_kwh", "traded_kwh"):
            value = found.figure_in(name, key)
            row[f"{key}#"] = "–" if name == "members" and key == "losses_kwh" else number(value, 1)
        row["bill_amount#"] = number(found.figure_in(name, "bill_amount"), 2)
        exchange = found.figure_in(name, "exchange_kwh")
        less = 1.0 - exchange / before if before > 0.0 else float("nan")
        row["less#"] = percent(0.0 if abs(less) < _LEAST_SHARE else less, 1)
        before = exchange
        rows.append(row)
    return html.table(heads, rows, [name == found.last for name in found.scenarios])
