"""What each instrument is worth: the same day without any, with each alone, and with all but each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import capital, unbroken
from gridcommons.adapters.report.day.scenario_words import (
    INSTRUMENT_COLOURS,
    instrument_name,
)
from gridcommons.adapters.report.day.wide_and_narrow import both
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import title
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    MUTED,
    UNKNOWN,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    quiet_grid,
)
from gridcommons.model.grid import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NONE, ALL = "none", "all"
_ALONE, _BUT = " alone", "all but "
_NAME_INCH, _GAP_INCH, _RIGHT_INCH = 1.75, 0.22, 0.10
_HEAD_INCH, _ROW_INCH, _FOOT_INCH = 0.50, 0.24, 0.16
_NOTHING = 0.05


@dataclass(frozen=True, eq=False)
class Measure:
    """A figure of each day: its head, what it means, and values, shape (days,)."""

    head: str
    remark: str
    value: FloatArray
    digits: int = 0


def worth_section(found: Material) -> Section | None:
    """Bars and a table; None where the study does not ask for the comparison."""
    days = [str(day) for day in found.worth["day"]]
    if NONE not in days or ALL not in days:
        return None
    measures = read_measures(found)
    said = f"{_said(found, days)} {_left_in_batteries(found, days)}".strip()
    body = html.text(unbroken(said, found.currency))
    body += both(lambda width, prefix: _draw(days, measures, width, prefix))
    body += _table(found, days)
    return Section("worth", "What each instrument is worth", body)


def read_measures(found: Material) -> list[Measure]:
    """What is drawn; what is nothing in all days is left out."""
    rows, unit = found.worth, found.money_unit
    none = [str(day) for day in rows["day"]].index(NONE)
    pay = rows["members_pay"] - rows["members_pay"][none]
    made = [
        Measure("Limits broken", "by element and interval", rows["broken"].astype(np.float64)),
        Measure("Held back [kWh]", "by envelopes", rows["held_back_kwh"]),
        Measure("Cars lack [kWh]", "at the end of the day", rows["missing_kwh"]),
        Measure("Cold houses [K h]", "below their band", rows["cold_kelvin_hours"]),
        Measure(f"Members pay{unit}", "beside no instrument", pay, 2),
    ]
    shown = [each for each in made if np.abs(np.nan_to_num(each.value)).max(initial=0.0) > _NOTHING]
    return shown or made[:1]


def day_name(day: str) -> str:
    """A day of the comparison in words: ``only control``, ``all but control``."""
    if day.endswith(_ALONE):
        return f"only {instrument_name(day.removesuffix(_ALONE))}"
    if day.startswith(_BUT):
        return f"all but {instrument_name(day.removeprefix(_BUT))}"
    return {NONE: "no instrument", ALL: "all instruments"}.get(day, day)


def _colour(day: str) -> str:
    """The colour of the instrument that makes the difference."""
    name = day.removesuffix(_ALONE) if day.endswith(_ALONE) else day.removeprefix(_BUT)
    return INSTRUMENT_COLOURS.get(name, INK if day == ALL else UNKNOWN)


def _said(found: Material, days: list[str]) -> str:
    """What none leaves broken, which one mends it alone, and which one is missed most."""
    broken = dict(zip(days, found.worth["broken"].tolist(), strict=True))
    first = (
        "In all these days everybody plans by price, in the same weather. With no instrument "
        f"{times(int(broken[NONE]), 'limit is', 'limits are')} broken, with all {number(broken[ALL])}."
    )
    if not broken[NONE]:
        return first
    but = {day.removeprefix(_BUT): count for day, count in broken.items() if day.startswith(_BUT)}
    missed = [name for name, count in but.items() if count > broken[ALL]]
    needed = (
        f"Without {_either(found, but, missed)}."
        if missed
        else "Any one of them can be left out: the others do its work."
        if but
        else ""
    )
    alone = [day for day in days if day.endswith(_ALONE) and broken[day] <= broken[ALL]]
    said = (first, needed, *(_price(found, days, day) for day in alone), _warmth(found, days))
    return " ".join(words for words in said if words)


def _left_in_batteries(found: Material, days: list[str]) -> str:
    """What bills of the days do not count, where there are batteries."""
    if not _has_batteries(found):
        return ""
    left_kwh = found.worth["batteries_kwh"]
    with_all, with_none = (energy(float(left_kwh[days.index(day)])) for day in (ALL, NONE))
    least, most = energy(float(left_kwh.min())), energy(float(left_kwh.max()))
    said = "What is left in batteries at the end is in no bill:"
    if least == most:
        return f"{said} {most} in each of these days."
    span = f"from {least} to {most} in all these days"
    return f"{said} {with_all} with all instruments, {with_none} with none, {span}."


def _has_batteries(found: Material) -> bool:
    return float(np.nan_to_num(found.worth["batteries_kwh"]).max(initial=0.0)) > _NOTHING


def _warmth(found: Material, days: list[str]) -> str:
    """The instrument that keeps houses warm, where one does."""
    cold = dict(zip(days, found.worth["cold_kelvin_hours"].tolist(), strict=True))
    single = [day for day in days if day.endswith(_ALONE)]
    if not cold[NONE] > 1.0 or not single:
        return ""
    best = min(single, key=lambda day: cold[day])
    if cold[best] > 0.5 * cold[NONE]:
        return ""
    name = capital(instrument_name(best.removesuffix(_ALONE)))
    return (
        f"{name} keeps houses warm: below their band by {number(cold[best], 1)} instead of "
        f"{number(cold[NONE], 1)} kelvin hours."
    )


def _either(found: Material, but: dict[str, int], missed: list[str]) -> str:
    said = [f"{instrument_name(name)} {number(but[name])}" for name in missed]
    return f"{listed(said)} would be; each of the others can be left out" if len(missed) < len(but) else (
        f"{listed(said)} would be"
    )  # fmt: skip


def _price(found: Material, days: list[str], day: str) -> str:
    """What an instrument that mends all by itself costs in comfort, beside all together."""
    rows, all_ = found.worth, days.index(ALL)
    at = days.index(day)
    costs = []
    for column, words in (
        ("held_back_kwh", "held back"),
        ("missing_kwh", "missing in cars at the end of the day"),
    ):
        mine, together = (float(rows[column][place]) for place in (at, all_))
        if mine > together + _NOTHING:
            costs.append(f"{energy(mine)} are {words} (all together: {energy(together)})")
    said = f"{capital(instrument_name(day.removesuffix(_ALONE)))} can do it without the others"
    return f"{said}, but {listed(costs)}." if costs else f"{said}."


def _draw(days: list[str], measures: list[Measure], width: float, prefix: str) -> Chart:
    """A row a day, a column a measure; below each other where there is little room."""
    columns = len(measures) if width > WIDTH_INCH - 1.0 else 1
    rows, high = -(-len(measures) // columns), _ROW_INCH * len(days)
    total = rows * (_HEAD_INCH + high + _FOOT_INCH)
    figure = make_figure(total, width)
    inch = (width - _NAME_INCH - _RIGHT_INCH - (columns - 1) * _GAP_INCH) / columns
    for place, measure in enumerate(measures):
        row, column = divmod(place, columns)
        left = _NAME_INCH + column * (inch + _GAP_INCH)
        bottom = total - row * (_HEAD_INCH + high + _FOOT_INCH) - _HEAD_INCH - high
        axes = figure.add_axes((left / width, bottom / total, inch / width, high / total))
        _draw_measure(axes, days, measure)
        if column == 0:
            _name_days(figure, axes, days)
    return finish(figure, _words(days, measures), f"worth{prefix}")


def _draw_measure(axes: Axes, days: list[str], measure: Measure) -> None:
    value = np.nan_to_num(measure.value)
    at = np.arange(len(days))
    axes.barh(at, value, height=0.66, color=[_colour(day) for day in days], linewidth=0, zorder=3)
    low, high = min(float(value.min()), 0.0), max(float(value.max()), 0.0)
    span = max(high - low, 1e-9)
    axes.set_xlim(low - (0.34 * span if low < 0.0 else 0.0), high + 0.34 * span)
    for y, each in zip(at, measure.value, strict=True):
        ends = (4, "left") if not each < 0.0 else (-4, "right")
        axes.annotate(
            number(float(np.round(each, measure.digits)), measure.digits), (np.nan_to_num(each), y),
            xytext=(ends[0], 0), textcoords="offset points", ha=ends[1], va="center", fontsize=7.8,
            color=BROKEN if measure.head == "Limits broken" and each > 0 else INK,
        )  # fmt: skip
    axes.set_ylim(len(days) - 0.5, -0.5)
    axes.axvline(0.0, color=MUTED, linewidth=0.7, zorder=4)
    quiet_grid(axes, "x")
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    title(axes, measure.head, measure.remark)


def _name_days(figure: Figure, axes: Axes, days: list[str]) -> None:
    for y, day in enumerate(days):
        axes.annotate(
            day_name(day), (0.0, y), xycoords=("axes fraction", "data"), xytext=(-8, 0),
            textcoords="offset points", ha="right", va="center", fontsize=8.2, annotation_clip=False,
            fontweight="bold" if day in (NONE, ALL) else "normal",
        )  # fmt: skip


def _words(days: list[str], measures: list[Measure]) -> str:
    told = []
    for place, day in enumerate(days):
        said = [f"{m.head.lower()} {number(float(m.value[place]), m.digits)}" for m in measures]
        told.append(f"{day_name(day)}: {', '.join(said)}")
    return f"The day with and without each instrument. {'; '.join(told)}."


def _table(found: Material, days: list[str]) -> str:
    heads, rows = {"day": "day with"}, [{"day": day_name(day)} for day in days]
    for column, head, digits in _columns(found):
        heads[f"{column}#"] = head
        for row, value in zip(rows, found.worth[column], strict=True):
            row[f"{column}#"] = number(float(np.round(value, digits)), digits)
    table = html.table(heads, rows, [day in (NONE, ALL) for day in days])
    return html.folded(f"All figures of the {number(len(days))} days", table)


def _columns(found: Material) -> list[tuple[str, str, int]]:
    """What the table of all figures has: column, head and digits of each."""
    left = [("batteries_kwh", "left in batteries [kWh]", 1)] * _has_batteries(found)
    return [
        ("broken", "limits broken", 0),
        ("intervals", "intervals with any", 0),
        ("worst_loading_percent", "highest loading [%]", 1),
        ("lowest_vm_pu", "lowest voltage [pu]", 3),
        ("held_back_kwh", "held back [kWh]", 1),
        ("missing_kwh", "missing [kWh]", 1),
        ("cold_kelvin_hours", "cold [K h]", 1),
        *left,
        ("members_pay", f"members pay{found.money_unit}", 2),
        ("operator_gets", f"grid operator is left with{found.money_unit}", 2),
    ]


def pay_with_none(found: Material) -> float:
    """What members would pay with no instrument; NaN where it is not known."""
    pays = dict(zip(map(str, found.worth["day"]), found.worth["members_pay"], strict=True))
    return float(pays.get(NONE, np.nan))
