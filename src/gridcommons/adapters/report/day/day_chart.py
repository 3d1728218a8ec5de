"""The day of the most strained element, and below it, on the same clock, what each instrument did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.clock import Bins
from gridcommons.adapters.report.clusters.lines import thin_bins
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.scenario_words import (
    BASELINE,
    CONTROL,
    ENVELOPES,
    INSTRUMENT_COLOURS,
    LOADING,
    MARKET,
    PLANNED,
    REACTIVE,
    REALISED,
    SCENARIO_COLOURS,
    SWITCHING,
    TARIFF,
    TRADING,
    measure,
    scenario_name,
)
from gridcommons.adapters.report.day.stress import Stressed
from gridcommons.adapters.report.figures import energy, number, power
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    MUTED,
    PALE,
    RULE,
    WIDTH_INCH,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    time_axis,
)
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT_INCH, _RIGHT_INCH = 0.45, 0.24
_HEAD_INCH, _HIGH_INCH, _LANE_INCH, _GAP_INCH, _FOOT_INCH = 0.34, 2.5, 0.34, 0.27, 0.46
_LETTER_INCH, _WORD_INCH = 0.084, 0.6
_SIDES = (("center", 0.0), ("right", -26.0), ("left", 26.0))
_NOTHING_KW, _NOTHING_PER_KWH = 5e-3, 1e-5


@dataclass(frozen=True, eq=False)
class Lane:
    """What an instrument did over the day.

    Parameters
    ----------
    instrument : str
        Which.
    words, told : str
        What is drawn, and how much of it there is; ``told`` is empty where it did nothing.
    value, wanted : (steps,)
        What is drawn, and an outline of what was asked for.
    anew : (steps,)
        Where something was planned anew.
    """

    instrument: str
    words: str
    told: str
    value: FloatArray
    wanted: FloatArray | None = None
    anew: BoolArray | None = None


def read_lanes(found: Material) -> list[Lane]:
    """A lane for each instrument that took part and leaves a trace in time."""
    if not found.done:
        return []
    tariff = found.did("tariff_max_per_kwh")
    highest = float(tariff.max())
    lanes = [
        Lane(
            TARIFF,
            "Tariff, beside the energy price",
            f"up to {number(highest, 3)} {found.per_kwh}" if highest > _NOTHING_PER_KWH else "",
            np.where(tariff > _NOTHING_PER_KWH, tariff, 0.0),
        ),
        _market_lane(found),
        _reactive_lane(found) if REACTIVE in found.instruments else _anew_lane(found),
        _lane(found, ENVELOPES, "Held back by envelopes", "held_back_kw"),
        _switching_lane(found),
        _lane(found, TRADING, "Traded between neighbours", "traded_kw"),
    ]
    return [lane for lane in lanes if lane is not None and lane.instrument in found.instruments]


def _lane(found: Material, instrument: str, words: str, column: str) -> Lane:
    value = found.did(column)
    most = float(value.max())
    told = f"up to {power(most)}, {energy(found.did_kwh(column))} in all" if most > _NOTHING_KW else ""
    return Lane(instrument, words, told, np.where(value > _NOTHING_KW, value, 0.0))


def _market_lane(found: Material) -> Lane:
    lane = _lane(found, MARKET, "Flexibility bought", "flexibility_bought_kw")
    needed, missing = found.did("flexibility_needed_kw"), float(found.did("flexibility_missing_kw").max())
    told = lane.told + (f"; up to {power(missing)} not to be had" if missing > _NOTHING_KW else "")
    return Lane(MARKET, lane.words, told, lane.value, needed if needed.any() else None)


def _reactive_lane(found: Material) -> Lane:
    value = np.abs(found.did("reactive_bought_kvar"))
    most, missed = float(value.max()), float(found.did("reactive_missed_kvar").max())
    said = [f"up to {number(most, 1)} kvar"] * (most > _NOTHING_KW)
    said += [f"up to {number(missed, 1)} kvar of it not given"] * (missed > _NOTHING_KW)
    anew = _anew(found)
    said += [f"planned anew {times(int(anew.sum()), 'time')}"] * bool(anew.any())
    shown = np.where(value > _NOTHING_KW, value, 0.0)
    return Lane(REACTIVE, "Reactive power bought", "; ".join(said), shown, anew=anew)


def _anew_lane(found: Material) -> Lane | None:
    """Communities that plan anew where no reactive power is bought."""
    anew = _anew(found)
    if not anew.any():
        return None
    told = f"{times(int(anew.sum()), 'time')} in all"
    return Lane(CONTROL, "Communities planned anew", told, np.zeros(len(anew)), anew=anew)


def _anew(found: Material) -> BoolArray:
    return np.asarray(found.did("communities_replanned") > 0.0)


def _switching_lane(found: Material) -> Lane:
    value = found.did("switches_moved")
    told = f"{times(int(value.sum()), 'move')} in all" if value.any() else ""
    return Lane(SWITCHING, "Switches moved", told, value)


def entries(stressed: Stressed) -> list[tuple[str, str, str]]:
    """What the colours of the upper panel mean."""
    shown = [("━", SCENARIO_COLOURS[name], scenario_name(name)) for name in _drawn(stressed)]
    return [*shown, ("╌", BROKEN, "limit"), ("■", "#e8bfd3", "beyond the limit")]


def _drawn(stressed: Stressed) -> list[str]:
    """Scenarios, without schedules that are the plans by price alone."""
    same = np.array_equal(stressed.of(PLANNED), stressed.of(BASELINE), equal_nan=True)
    return [name for name in stressed.scenarios if name != PLANNED or not same]


def draw_day(found: Material, stressed: Stressed, moments: Sequence[int], width: float, prefix: str) -> Chart:
    """The element above, the instruments below, and thin lines through all at some moments."""
    lanes, bins = read_lanes(found), thin_bins(found.clock)
    total = _HEAD_INCH + _HIGH_INCH + len(lanes) * (_GAP_INCH + _LANE_INCH) + _FOOT_INCH
    figure = make_figure(total, width)
    top = total - _HEAD_INCH
    axes = _panel(figure, top, _HIGH_INCH)
    _draw_element(axes, stressed, bins)
    _write_peaks(axes, found, bins, stressed)
    _draw_moments(axes, found, bins, moments)
    _name_moments(axes, found, bins, moments)
    top -= _HIGH_INCH
    for place, lane in enumerate(lanes):
        top -= _GAP_INCH
        panel = _panel(figure, top, _LANE_INCH)
        _draw_lane(panel, lane, bins)
        _mark_anew(panel, found, bins, lane)
        _draw_moments(panel, found, bins, moments)
        _clock(panel, found, bins, is_last=place == len(lanes) - 1)
        top -= _LANE_INCH
    _clock(axes, found, bins, is_last=not lanes)
    return finish(figure, _words(found, stressed, lanes), f"day{prefix}")


def _panel(figure: Figure, top: float, high: float) -> Axes:
    width, tall = (float(size) for size in figure.get_size_inches())
    left = _LEFT_INCH / width
    return figure.add_axes((left, (top - high) / tall, 1.0 - left - _RIGHT_INCH / width, high / tall))


def _clock(axes: Axes, found: Material, bins: Bins, *, is_last: bool) -> None:
    """Ticks on every panel, hours written on the last."""
    inch = float(axes.figure.get_figwidth())  # type: ignore[union-attr]
    time_axis(axes, bins.dates, found.clock.timezone, label=is_last, most_ticks=9 if inch > 8.0 else 6)
    axes.grid(True, axis="x", color=RULE, linewidth=0.6)
    if not is_last:
        axes.tick_params(labelbottom=False, length=0)


def worst_of_bins(bins: Bins, values: FloatArray, sign: float) -> FloatArray:
    """The worst value of each bin: the highest where more is worse, else the lowest."""
    return np.asarray(sign * np.fmax.reduceat(sign * values, bins.first[:-1]))


def _step(axes: Axes, bins: Bins, values: FloatArray, colour: str, width: float) -> None:
    axes.step(bins.dates, np.append(values, values[-1:]), where="post", color=colour, linewidth=width)


def _draw_element(axes: Axes, stressed: Stressed, bins: Bins) -> None:
    limit = worst_of_bins(bins, stressed.limit, -stressed.sign)
    closed = np.append(limit, limit[-1:])
    for scenario in _drawn(stressed):
        values = worst_of_bins(bins, stressed.of(scenario), stressed.sign)
        beyond = stressed.sign * np.fmax(stressed.sign * values, stressed.sign * limit)
        axes.fill_between(
            bins.dates, closed, np.append(beyond, beyond[-1:]), step="post", color=BROKEN, alpha=0.22,
            linewidth=0,
        )  # fmt: skip
        _step(axes, bins, values, SCENARIO_COLOURS[scenario], 2.4 if scenario == REALISED else 1.3)
    axes.step(bins.dates, closed, where="post", color=BROKEN, linewidth=1.1, linestyle=(0, (4, 2)))
    if stressed.kind == LOADING:
        axes.set_ylim(0.0, 1.32 * max(float(np.nanmax(stressed.value)), float(limit.max())))
    else:
        axes.margins(y=0.22)
    quiet_grid(axes)
    unit = "loading [% of its rating]" if stressed.kind == LOADING else "voltage [pu]"
    axes.annotate(
        f"{stressed.name}: {unit}", (0.0, 1.0), xycoords="axes fraction", xytext=(-26, 9),
        textcoords="offset points", fontsize=9.2, fontweight="bold", annotation_clip=False,
    )  # fmt: skip


def _write_peaks(axes: Axes, found: Material, bins: Bins, stressed: Stressed) -> None:
    """The worst value of each scenario that breaks the limit, beside its line."""
    broken = [name for name in _drawn(stressed) if name != PLANNED and stressed.is_broken(name)]
    near = _WORD_INCH / _inch(axes) * float(bins.dates[-1] - bins.dates[0])
    taken = list[float]()
    for scenario in broken:
        step = stressed.worst_step(scenario)
        date, value = _date(found, bins, step), float(stressed.of(scenario)[step])
        # Of several at the same hour one stands over its point, the others to its sides.
        across, shift = _SIDES[sum(abs(date - other) < near for other in taken) % len(_SIDES)]
        taken.append(date)
        axes.annotate(
            measure(value, stressed.kind, float(stressed.limit[step])), (date, value), ha=across,
            xytext=(shift, 4.0 * stressed.sign), textcoords="offset points", fontsize=9.0,
            fontweight="bold", va="bottom" if stressed.sign > 0.0 else "top",
            color=SCENARIO_COLOURS[scenario], zorder=8,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.6},
        )  # fmt: skip


def _inch(axes: Axes) -> float:
    """Width of a panel [inch]."""
    return axes.get_position().width * float(axes.figure.get_figwidth())  # type: ignore[union-attr]


def _date(found: Material, bins: Bins, step: int) -> float:
    """The middle of an interval, as a date."""
    return float(bins.dates[0]) + (step + 0.5) * found.clock.step_minutes / 1440.0


def _draw_moments(axes: Axes, found: Material, bins: Bins, moments: Sequence[int]) -> None:
    """Thin lines that lead the eye down from a moment."""
    for step in moments:
        date = _date(found, bins, step)
        axes.axvline(date, color=INK, linewidth=0.7, linestyle=(0, (1, 2)), zorder=6)


def _name_moments(axes: Axes, found: Material, bins: Bins, moments: Sequence[int]) -> None:
    """Times at the upper ends of the lines; one that would cover another stands lower."""
    span, last, level = float(bins.dates[-1] - bins.dates[0]), -np.inf, 0
    for step in moments:
        date, words = _date(found, bins, step), found.clock.brief(step)
        room = _LETTER_INCH * len(words) / _inch(axes) * span
        level = level + 1 if date - last < room else 0
        last = date
        axes.annotate(
            words, (date, 1.0), xycoords=("data", "axes fraction"),
            xytext=(0, -2 - 12 * level), textcoords="offset points", ha="center", va="top", fontsize=8.4,
            color=INK, zorder=7, bbox={"facecolor": "white", "alpha": 0.9, "linewidth": 0, "pad": 1.0},
        )  # fmt: skip


def _mark_anew(axes: Axes, found: Material, bins: Bins, lane: Lane) -> None:
    """Small triangles at the upper edge of a lane, at the starts of intervals."""
    if lane.anew is None or not lane.anew.any():
        return
    dates = float(bins.dates[0]) + np.flatnonzero(lane.anew) * found.clock.step_minutes / 1440.0
    axes.plot(
        dates, np.full(len(dates), 0.90), transform=axes.get_xaxis_transform(), marker="v", markersize=4.0,
        markeredgewidth=0.0, color=INK, linestyle="none", clip_on=False, zorder=7,
    )  # fmt: skip


def _draw_lane(axes: Axes, lane: Lane, bins: Bins) -> None:
    colour, value = INSTRUMENT_COLOURS[lane.instrument], bins.mean(lane.value)
    nought = np.zeros(len(bins.dates))
    most = float(value.max(initial=0.0))
    axes.set_facecolor(PALE)
    if lane.told:
        axes.fill_between(
            bins.dates, nought, np.append(value, value[-1:]), step="post", color=colour, linewidth=0
        )
    if lane.wanted is not None:
        wanted = bins.mean(lane.wanted)
        most = max(most, float(wanted.max(initial=0.0)))
        _step(axes, bins, wanted, INK, 0.9)
    axes.set_ylim(0.0, 1.08 * most if most > 0.0 else 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    wide = float(axes.figure.get_figwidth()) > WIDTH_INCH - 1.0  # type: ignore[union-attr]
    line = " (black line: what was asked for)" if lane.wanted is not None and wide else ""
    line = " (▾: communities planned anew)" if lane.anew is not None and lane.anew.any() and wide else line
    axes.annotate(
        f"{lane.words}{line}", (0.0, 1.0), xycoords="axes fraction", xytext=(0, 3.5),
        textcoords="offset points", fontsize=8.4, fontweight="bold", color=colour, annotation_clip=False,
    )  # fmt: skip
    if lane.told:
        axes.annotate(
            lane.told if wide else re.split("[,;]", lane.told)[0], (1.0, 1.0), xycoords="axes fraction",
            xytext=(0, 3.5), textcoords="offset points", ha="right", fontsize=8.2, color=INK,
            annotation_clip=False,
        )  # fmt: skip
        return
    axes.annotate(
        "nothing all day", (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", fontsize=8.0,
        color=MUTED,
    )  # fmt: skip


def _words(found: Material, stressed: Stressed, lanes: Sequence[Lane]) -> str:
    told = []
    for scenario in _drawn(stressed):
        step = stressed.worst_step(scenario)
        value = measure(float(stressed.of(scenario)[step]), stressed.kind, float(stressed.limit[step]))
        told.append(f"{scenario_name(scenario)}: at worst {value} at {found.clock.brief(step)}")
    limit = measure(float(stressed.limit[stressed.worst_step(stressed.scenarios[0])]), stressed.kind)
    acted = [f"{lane.words}: {lane.told or 'nothing all day'}" for lane in lanes]
    return f"The day of {stressed.name}, limit {limit}. {'; '.join([*told, *acted])}."
