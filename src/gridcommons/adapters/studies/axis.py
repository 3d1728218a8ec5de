"""Brings series from a file onto the time axis of a study: order, gaps, averages, repeats."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.adapters.studies.series import TIME, Series, Window
from gridcommons.model.grid import FloatArray, IntArray
from gridcommons.model.time import TimeAxis

_MINUTE_MS = 60_000


@dataclass(frozen=True)
class Fit:
    """How a file is brought onto the axis.

    Parameters
    ----------
    time : TimeAxis
        The axis.
    summed : collection of str
        Columns that hold an energy of the interval: a finer step is added up, not averaged.
    may_be_coarser : bool
        Whether a longer step is repeated (prices) instead of refused (powers).
    """

    time: TimeAxis
    summed: Collection[str] = ()
    may_be_coarser: bool = False

    @property
    def window(self) -> Window:
        """The rows that the axis needs."""
        stamps_ms = _axis_ms(self.time)
        step_ms = self.time.step_minutes * _MINUTE_MS
        if self.may_be_coarser:
            return Window(np.iinfo(np.int64).min, int(stamps_ms[-1]) + step_ms)
        return Window(int(stamps_ms[0]), int(stamps_ms[-1]) + step_ms)


def fit_to_axis(
    series: Series, fit: Fit, problems: ProblemList, notes: list[str]
) -> dict[str, FloatArray] | None:
    """The columns of a series on the axis, each of shape (steps,); None and problems where it misfits."""
    if not _in_order(series, problems):
        return None
    if not len(series.stamps_ms):
        span = _span(series.all_ms) if len(series.all_ms) else "no rows at all"
        problems.add(series.place.at(column=TIME), span, f"rows from {_window_in_words(fit.time)}")
        return None
    step_ms = _usual_step_ms(series, fit.time)
    study_ms = fit.time.step_minutes * _MINUTE_MS
    if step_ms > study_ms:
        return _repeated(series, step_ms, fit, problems, notes)
    if study_ms % step_ms:
        problems.add(
            series.place.at(column=TIME),
            f"a step of {step_ms / _MINUTE_MS:g} min",
            f"a step that divides the study's {fit.time.step_minutes} min",
        )
        return None
    return _averaged(series, step_ms, fit, problems, notes)


def _axis_ms(time: TimeAxis) -> IntArray:
    return time.stamps().astype("datetime64[ms]").astype(np.int64)


def in_words(stamp_ms: int) -> str:
    """A stamp as it is written in the files: UTC, to the second."""
    return f"{np.datetime64(int(stamp_ms), 'ms').astype('datetime64[s]')}Z"


def _span(stamps_ms: IntArray) -> str:
    rows = "1 row at" if len(stamps_ms) == 1 else f"{len(stamps_ms)} rows from"
    until = "" if len(stamps_ms) == 1 else f" to {in_words(stamps_ms[-1])}"
    return f"{rows} {in_words(stamps_ms[0])}{until}"


def _window_in_words(time: TimeAxis) -> str:
    stamps_ms = _axis_ms(time)
    return f"{in_words(stamps_ms[0])} to {in_words(stamps_ms[-1])}"


def _in_order(series: Series, problems: ProblemList) -> bool:
    gaps_ms = np.diff(series.all_ms)
    same, back = np.flatnonzero(gaps_ms == 0), np.flatnonzero(gaps_ms < 0)
    for wrong, found in (
        (same, "the time of the row before again"),
        (back, "a time before that of the row above"),
    ):
        if len(wrong):
            at = int(wrong[0]) + 1
            place = series.place.at(row=series.first_row + at, column=TIME)
            count = f" ({len(wrong)} such rows)" if len(wrong) > 1 else ""
            problems.add(place, f"{in_words(series.all_ms[at])}, {found}{count}", "rising, unique times")
    return not len(same) and not len(back)


def _usual_step_ms(series: Series, time: TimeAxis) -> int:
    """The most frequent distance of two rows; the smallest where several are as frequent."""
    stamps_ms = series.stamps_ms if len(series.stamps_ms) > 2 else series.all_ms
    if len(stamps_ms) < 2:
        return time.step_minutes * _MINUTE_MS
    steps_ms, counts = np.unique(np.diff(stamps_ms), return_counts=True)
    return int(steps_ms[np.argmax(counts)])


def _averaged(
    series: Series, step_ms: int, fit: Fit, problems: ProblemList, notes: list[str]
) -> dict[str, FloatArray] | None:
    first_ms = int(_axis_ms(fit.time)[0])
    parts = fit.time.step_minutes * _MINUTE_MS // step_ms
    wanted_ms = first_ms + step_ms * np.arange(fit.time.steps * parts, dtype=np.int64)
    chosen = np.flatnonzero(series.stamps_ms >= first_ms)
    if not _covers(series, chosen, wanted_ms, problems):
        return None
    cut = len(series.all_ms) - len(chosen)
    if cut:
        notes.append(f"{series.place.file}: {cut} rows outside the window are cut")
    if parts > 1:
        notes.append(
            f"{series.place.file}: steps of {step_ms / _MINUTE_MS:g} min are averaged to "
            f"{fit.time.step_minutes} min ({parts} rows each)"
        )
    shape = (fit.time.steps, parts)
    return {
        name: _merged(values[chosen].reshape(shape), name in fit.summed)
        for name, values in series.values.items()
    }


def _merged(values: FloatArray, summed: bool) -> FloatArray:
    if values.shape[1] == 1:
        return values[:, 0]
    merged: FloatArray = values.sum(axis=1) if summed else values.mean(axis=1)
    return merged


def _covers(series: Series, chosen: IntArray, wanted_ms: IntArray, problems: ProblemList) -> bool:
    stamps_ms = series.stamps_ms[chosen]
    if len(stamps_ms) == len(wanted_ms) and np.array_equal(stamps_ms, wanted_ms):
        return True
    missing_ms = np.setdiff1d(wanted_ms, stamps_ms)
    odd_ms = np.setdiff1d(stamps_ms, wanted_ms)
    expected = f"{len(wanted_ms)} rows from {in_words(wanted_ms[0])} to {in_words(wanted_ms[-1])}"
    if len(odd_ms):
        row = int(series.rows[chosen][np.searchsorted(stamps_ms, odd_ms[0])])
        found = f"{in_words(odd_ms[0])}, which lies between two steps"
        count = f" ({len(odd_ms)} such rows)" if len(odd_ms) > 1 else ""
        problems.add(series.place.at(row=row, column=TIME), found + count, expected)
    if len(missing_ms):
        place, found = _missing(series, chosen, missing_ms)
        problems.add(place, found, expected)
    return False


def _missing(series: Series, chosen: IntArray, missing_ms: IntArray) -> tuple[Place, str]:
    stamps_ms = series.stamps_ms[chosen]
    after = int(np.searchsorted(stamps_ms, missing_ms[0]))
    rows = series.rows[chosen]
    row = int(rows[after]) if after < len(rows) else int(rows[-1]) + 1
    more = f" and {len(missing_ms) - 1} more" if len(missing_ms) > 1 else ""
    found = f"{len(stamps_ms)} rows in the window; {in_words(missing_ms[0])}{more} missing"
    return series.place.at(row=row, column=TIME), found


def _repeated(
    series: Series, step_ms: int, fit: Fit, problems: ProblemList, notes: list[str]
) -> dict[str, FloatArray] | None:
    place = series.place.at(column=TIME)
    found = f"a step of {step_ms / _MINUTE_MS:g} min"
    if not fit.may_be_coarser:
        expected = f"a step of {fit.time.step_minutes} min or finer"
        problems.add(place, found, expected, "a coarser profile says too little about each step")
        return None
    axis_ms = _axis_ms(fit.time)
    at = np.searchsorted(series.stamps_ms, axis_ms, side="right") - 1
    age_ms = axis_ms - series.stamps_ms[np.maximum(at, 0)]
    bare: Sequence[int] = np.flatnonzero((at < 0) | (age_ms >= step_ms)).tolist()
    if bare:
        problems.add(place, f"no value for {in_words(axis_ms[bare[0]])}", "values for the whole window")
        return None
    notes.append(f"{place.file}: {found} is held over the {fit.time.step_minutes} min steps in it")
    cut = len(series.all_ms) - len(np.unique(at))
    if cut:
        notes.append(f"{place.file}: {cut} rows outside the window are cut")
    return {name: values[at] for name, values in series.values.items()}
