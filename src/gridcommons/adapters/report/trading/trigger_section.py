"""Triggers and delays: how few rounds will do, what they cost in energy fed in, and what they store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import energy, number, percent
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.style import INK, MUTED, RULE, Chart, finish, make_figure
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.scenario_words import (
    TRIGGER_COLOURS,
    storage,
    threshold_words,
    trigger_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LABEL_AT = {"periodic": (-2, 8), "send_on_delta": (5, 5), "send_on_area": (-12, -3)}
"""Where a threshold stands beside its dot: of each trigger on a side of its own [points]."""


@dataclass(frozen=True)
class Case:
    """A trigger, its threshold and its delay (None: drawn), with what a day with it comes to."""

    trigger: str
    threshold: float
    delay_minutes: float | None
    figures: dict[str, Any]

    @property
    def excess_kwh(self) -> float:
        """Fed in beyond what no topology could have kept [kWh]."""
        return float(self.figures["fed_in_kwh"] - self.figures["least_fed_in_kwh"])

    @property
    def name(self) -> str:
        """Trigger and threshold."""
        words = f"{trigger_name(self.trigger)} {threshold_words(self.trigger, self.threshold)}"
        return words.replace(" ", "\u00a0").replace("-", "\u2011")


def trigger_section(found: Material) -> Section | None:
    """Triggers and delays that the switched scenario was compared with; None where there are none."""
    cases = read_cases(found)
    if len(cases) < 2:
        return None
    triggers = [case for case in cases if case.delay_minutes is None]
    delays = sorted(
        (case for case in cases if case.delay_minutes is not None), key=lambda case: case.delay_minutes or 0.0
    )
    body = html.text(_said(cases[0], triggers, delays)) + html.figure(draw_cases(triggers, delays))
    if len(triggers) > 1:
        body += trigger_table(triggers)
    if delays:
        body += "<h3>Later decisions</h3>" + delay_table(delays)
    return Section("triggers", "How few rounds will do", body)


def read_cases(found: Material) -> list[Case]:
    """The switched scenario as the study has it, then what it was compared with."""
    cases = []
    for row in found.comparison:
        if row["scenario"] == "switched":
            delay = row["delay_minutes"]
            delay = None if delay is None or not np.isfinite(delay) else float(delay)
            cases.append(Case(str(row["trigger"]), float(row["threshold"]), delay, row))
    return cases


def _said(own: Case, triggers: Sequence[Case], delays: Sequence[Case]) -> str:
    said = (
        f"The study's own trigger, {own.name}, needs {number(own.figures['community_rounds'])} rounds and "
        f"feeds in {energy(own.excess_kwh)} more than any topology must (the excess)."
    )
    others = [
        case for case in triggers[1:] if case.figures["community_rounds"] < own.figures["community_rounds"]
    ]
    if others:
        best = min(others, key=lambda case: case.excess_kwh)
        fewer = 1.0 - best.figures["community_rounds"] / own.figures["community_rounds"]
        said += (
            f" Of those with fewer rounds, {best.name} has the least excess: {percent(fewer)} fewer rounds, "
            f"{energy(best.excess_kwh)} of excess."
        )
    if delays:
        last = delays[-1]
        said += (
            f" Decisions that come {number(last.delay_minutes or 0.0)} minutes late let "
            f"{energy(last.excess_kwh)} of excess slip."
        )
    return said


def draw_cases(triggers: Sequence[Case], delays: Sequence[Case]) -> Chart:
    """Rounds against excess, storage, and delays against excess, as far as there are any."""
    has_triggers, has_delays = len(triggers) > 1, len(delays) > 0
    figure = make_figure(3.05)
    if has_triggers:
        _draw_triggers(figure.add_axes((0.05, 0.17, 0.32, 0.68)), triggers)
        _draw_storage(figure.add_axes((0.535, 0.17, 0.095, 0.68)), triggers)
    if has_delays:
        left = 0.745 if has_triggers else 0.05
        _draw_delays(figure.add_axes((left, 0.17, 0.985 - left, 0.68)), delays)
    told = [
        f"{c.name}: {c.figures['community_rounds']} rounds, excess {energy(c.excess_kwh)}" for c in triggers
    ]
    told += [f"{number(c.delay_minutes or 0.0)} min late: excess {energy(c.excess_kwh)}" for c in delays]
    return finish(figure, "; ".join(told), "triggers")


def _draw_triggers(axes: Axes, triggers: Sequence[Case]) -> None:
    for trigger in dict.fromkeys(case.trigger for case in triggers):
        mine = [case for case in triggers if case.trigger == trigger]
        rounds = [case.figures["community_rounds"] for case in mine]
        excess = [case.excess_kwh for case in mine]
        colour = TRIGGER_COLOURS.get(trigger, MUTED)
        axes.plot(rounds, excess, color=colour, linewidth=1.0, marker="o", markersize=5, markeredgewidth=0)
        for case, x, y in zip(mine, rounds, excess, strict=True):
            axes.annotate(
                number(case.threshold, 0 if case.threshold.is_integer() else 1),
                (x, y),
                xytext=_LABEL_AT.get(trigger, (6, 5)),
                textcoords="offset points",
                fontsize=7.8,
                color=colour,
                annotation_clip=False,
            )
    _finish_axes(
        axes, "Excess fed in [kWh], by rounds; at each dot its threshold", "rounds of the community's market"
    )


def _draw_storage(axes: Axes, triggers: Sequence[Case]) -> None:
    sizes = [float(case.figures["storage_bytes"]) for case in triggers]
    most = max([*sizes, 1.0])
    for place, (case, size) in enumerate(zip(triggers, sizes, strict=True)):
        y = len(triggers) - 1 - place
        axes.barh(y, size, height=0.6, color=TRIGGER_COLOURS.get(case.trigger, MUTED), linewidth=0)
        axes.text(-0.06 * most, y, case.name, ha="right", va="center", fontsize=7.9)
        axes.text(size + 0.05 * most, y, storage(size), va="center", fontsize=7.9, color=INK)
    axes.set_xlim(0.0, most)
    axes.set_ylim(-0.6, len(triggers) - 0.4)
    axes.set_axis_off()
    axes.set_title("Storage on the ledger", pad=8)


def _draw_delays(axes: Axes, delays: Sequence[Case]) -> None:
    at = [case.delay_minutes or 0.0 for case in delays]
    excess = [case.excess_kwh for case in delays]
    axes.plot(at, excess, color="#12936a", linewidth=1.4, marker="o", markersize=5, markeredgewidth=0)
    _finish_axes(axes, "Excess fed in [kWh], by delay", "decisions take effect so much later [min]")


def _finish_axes(axes: Axes, heading: str, below: str) -> None:
    axes.grid(True, color=RULE, linewidth=0.6)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.14, y=0.14)
    axes.autoscale_view()
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    axes.set_title(heading, pad=8)
    axes.set_xlabel(below, fontsize=8, color=MUTED, loc="right")


def trigger_table(triggers: Sequence[Case]) -> str:
    """The numbers of Tables 4 and 5 of the source."""
    heads = {
        "name": "trigger (energy in kWh)",
        "fed#": "fed in",
        "absorbed#": "absorbed",
        "losses#": "losses",
        "exchange#": "exchanged",
        "excess#": "excess",
        "rounds#": "rounds",
        "cluster#": "of one cluster",
        "changes#": "topologies",
        "storage#": "storage",
    }
    rows = []
    for case in triggers:
        figures = case.figures
        row = {"name": case.name, "excess#": number(case.excess_kwh, 1)}
        for key in ("fed_in", "absorbed", "losses", "exchange"):
            row[f"{key.partition('_')[0]}#"] = number(float(figures[f"{key}_kwh"]), 1)
        row["rounds#"] = number(int(figures["community_rounds"]))
        row["cluster#"] = number(int(figures["cluster_rounds"]))
        row["changes#"] = number(int(figures["topology_changes"]))
        row["storage#"] = storage(float(figures["storage_bytes"]))
        rows.append(row)
    return html.table(heads, rows, [True])


def delay_table(delays: Sequence[Case]) -> str:
    """The numbers of Table 6 of the source."""
    heads = {
        "delay#": "delay [min]",
        "excess#": "excess [kWh]",
        "fed#": "fed in [kWh]",
        "changes#": "changes of topology",
        "rest": "",
    }
    rows = [
        {
            "delay#": number(
                case.delay_minutes or 0.0, 0 if float(case.delay_minutes or 0).is_integer() else 1
            ),
            "excess#": number(case.excess_kwh, 1),
            "fed#": number(float(case.figures["fed_in_kwh"]), 1),
            "changes#": number(int(case.figures["topology_changes"])),
            "rest": "",
        }
        for case in delays
    ]
    return html.table(heads, rows)
