"""How sure the forecast of the day before was: its band, and what loads and generation turned out to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.lines import draw_line, fill_between, thin_bins
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import capital, unbroken
from gridcommons.adapters.report.day.scenario_words import PLANNED, REALISED, SCENARIO_COLOURS, scenario_name
from gridcommons.adapters.report.day.wide_and_narrow import both, key
from gridcommons.adapters.report.figures import number, power
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.style import WIDTH_INCH, Chart, finish, make_figure, quiet_grid, time_axis
from gridcommons.model.grid import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("low_kw", "middle_kw", "high_kw", "realised_kw")
_NAMES = {"load": "loads", "generation": "generation"}
_NOTHING_KW = 5e-3
_BAND, _MIDDLE, _REAL = "#bfdcf0", SCENARIO_COLOURS[PLANNED], SCENARIO_COLOURS[REALISED]
_LEFT_INCH, _GAP_INCH, _RIGHT_INCH = 0.45, 0.70, 0.24
_HEAD_INCH, _HIGH_INCH, _FOOT_INCH = 0.36, 1.5, 0.46


@dataclass(frozen=True, eq=False)
class Forecast:
    """A band and what it was a forecast of, each of shape (steps,) [kW].

    Parameters
    ----------
    kind : str
        ``load`` or ``generation``.
    low_kw, middle_kw, high_kw : FloatArray
        Quantiles of 10, 50 and 90 %.
    realised_kw : FloatArray
        What it was.
    """

    kind: str
    low_kw: FloatArray
    middle_kw: FloatArray
    high_kw: FloatArray
    realised_kw: FloatArray

    @property
    def name(self) -> str:
        """What it is a forecast of, in plain words."""
        return _NAMES.get(self.kind, self.kind)

    @property
    def is_open(self) -> BoolArray:
        """Where anything was uncertain: at night nobody doubts that roofs give nothing."""
        return np.asarray(self.high_kw - self.low_kw > _NOTHING_KW)

    @property
    def beyond_kw(self) -> FloatArray:
        """By how much reality was above the band, negative where it was below [kW]."""
        above_kw = np.maximum(self.realised_kw - self.high_kw, 0.0)
        return np.asarray(above_kw - np.maximum(self.low_kw - self.realised_kw, 0.0))


def forecast_section(found: Material) -> Section | None:
    """A small band each for loads and generation; None where nothing was uncertain."""
    forecasts = read_forecasts(found)
    if not forecasts:
        return None
    told = _told(found, forecasts)
    body = html.text(unbroken(f"{capital(told)}.", found.currency))
    shown = [("■", _BAND, "forecast: four of five should lie in it")]
    shown += [("━", _MIDDLE, "its middle"), ("━", _REAL, scenario_name(REALISED))]
    body += key(shown) + both(lambda width, prefix: draw_forecasts(found, forecasts, width, prefix))
    return Section("forecast", "How sure the forecast was", body)


def read_forecasts(found: Material) -> list[Forecast]:
    """Rows of ``day_forecast`` by kind; without those in which everything was known before."""
    rows = found.tables.whole("day_forecast", ("time", "kind", *_COLUMNS))
    step, made = found.steps_of(rows), list[Forecast]()
    for kind in dict.fromkeys(map(str, rows["kind"])):
        mine, columns = rows["kind"] == kind, dict[str, FloatArray]()
        for column in _COLUMNS:
            columns[column] = np.zeros(found.clock.steps)
            columns[column][step[mine]] = rows[column][mine]
        made.append(Forecast(kind, **columns))
    return [each for each in made if each.is_open.any()]


def _told(found: Material, forecasts: Sequence[Forecast]) -> str:
    bands = ["the band of the day before", *["the band"] * (len(forecasts) - 1)]
    return "; ".join(_said(found, each, band) for each, band in zip(forecasts, bands, strict=True))


def _said(found: Material, forecast: Forecast, band: str) -> str:
    """How often reality stayed inside, and where it left the band most."""
    beyond_kw, count = forecast.beyond_kw, int(forecast.is_open.sum())
    is_out = np.abs(beyond_kw) > _NOTHING_KW
    inside = count - int((is_out & forecast.is_open).sum())
    of = f"{number(count)} intervals" + (" with any" if count < found.clock.steps else "")
    if not is_out.any():
        return f"{forecast.name} stayed inside {band} in all {of}"
    step = int(np.argmax(np.abs(beyond_kw)))
    side = "above" if beyond_kw[step] > 0.0 else "below"
    return (
        f"{forecast.name} stayed inside {band} in {number(inside)} of {of} and left it most at "
        f"{found.clock.brief(step)}, {power(float(abs(beyond_kw[step])))} {side} it"
    )


def draw_forecasts(found: Material, forecasts: Sequence[Forecast], width: float, prefix: str) -> Chart:
    """Side by side where there is room, else below each other; each on a scale of its own."""
    columns = len(forecasts) if width > WIDTH_INCH - 1.0 else 1
    rows = -(-len(forecasts) // columns)
    row_inch = _HEAD_INCH + _HIGH_INCH + _FOOT_INCH
    total, most_ticks = rows * row_inch, 6 if width < WIDTH_INCH - 1.0 else 7 if columns > 1 else 9
    figure = make_figure(total, width)
    inch = (width - _LEFT_INCH - _RIGHT_INCH - (columns - 1) * _GAP_INCH) / columns
    for place, forecast in enumerate(forecasts):
        row, column = divmod(place, columns)
        left, bottom = (
            _LEFT_INCH + column * (inch + _GAP_INCH),
            total - row * row_inch - row_inch + _FOOT_INCH,
        )
        axes = figure.add_axes((left / width, bottom / total, inch / width, _HIGH_INCH / total))
        _draw_band(axes, found, forecast)
        time_axis(axes, thin_bins(found.clock).dates, found.clock.timezone, most_ticks=most_ticks)
        axes.grid(True, axis="x", color="#dfe4e9", linewidth=0.6)
    words = f"Forecasts of the day before and what happened. {capital(_told(found, forecasts))}."
    return finish(figure, words, f"sure{prefix}")


def _draw_band(axes: Axes, found: Material, forecast: Forecast) -> None:
    bins = thin_bins(found.clock)
    fill_between(axes, bins, (forecast.low_kw, forecast.high_kw), (_BAND, 1.0))
    draw_line(axes, bins, forecast.middle_kw, _MIDDLE, 1.0)
    draw_line(axes, bins, forecast.realised_kw, _REAL, 1.6)
    axes.set_ylim(0.0, 1.06 * float(max(forecast.high_kw.max(), forecast.realised_kw.max())))
    axes.set_title(f"{capital(forecast.name)} [kW]", pad=6)
    axes.locator_params(axis="y", nbins=4)
    quiet_grid(axes)
