"""What a DSO may ask for when tomorrow's forecast shows congestion: one function a measure.

Each reads the congestion of a day-ahead forecast and writes what it asks for into `Asked`; any of them
works alone or with others. Curative measures act from the onset of congestion, proactive ones before it.
Source 3, sections 2.3.3 and 2.3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gridcommons.control.households import Households
from gridcommons.control.plant import BY_DEVICE, BY_HOME, Signals, UInt8Array
from gridcommons.control.settings import Settings
from gridcommons.model.grid import BoolArray, FloatArray, IntArray
from gridcommons.model.time import TimeAxis

LAW_SHARES = (0.80, 0.75, 0.70, 0.65, 0.60, 0.55, 0.50, 0.45)
"""§14a EnWG, BNetzA BK6-22-300: coincidence of 2, 3, … 9 and more devices behind one energy manager."""

LARGE_DEVICE_KW = 11.0
"""Above this rating a heat pump may draw ``LARGE_SHARE`` of it under §14a EnWG."""

LARGE_SHARE = 0.4

CALLS = 1
"""Sets the draws of who is called first apart from all others of a seed."""

ASSUMED_COP = 2.0
"""Least heat that a pump is counted on to make of its electricity when it is asked how long a tank takes."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """The day-ahead forecast that the measures act on.

    Parameters
    ----------
    station_kw : (steps,)
        Forecast load of the station, storage left out; NaN where there is none yet [kW].
    kept_kw : (steps,)
        What of their surplus the owners of stores may keep for themselves: with it in the stores, the
        station has that much more to deliver [kW].
    limit_kw : float
        Its limit [kW].
    day, hour : (steps,)
        Local day from the first on, and hour of the local day [h].
    step_hours : float
        Length of an interval [h].
    """

    station_kw: FloatArray
    kept_kw: FloatArray
    limit_kw: float
    day: IntArray
    hour: FloatArray
    step_hours: float

    @property
    def congested(self) -> BoolArray:
        """Where the forecast load is above the limit, shape (steps,)."""
        return np.asarray(self.station_kw > self.limit_kw)

    def onsets(self, among: BoolArray | None = None) -> Iterator[tuple[int, int, int]]:
        """First interval, first congested interval (of those ``among``) and end of each congested day."""
        starts = np.flatnonzero(np.diff(self.day, prepend=-1))
        ends = np.append(starts[1:], len(self.day))
        congested = self.congested if among is None else self.congested & among
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            inside = np.flatnonzero(congested[start:end])
            if len(inside):
                yield start, start + int(inside[0]), end

    def steps(self, hours: float) -> int:
        """Number of intervals in some hours."""
        return round(hours / self.step_hours)


def make_forecast(known_kw: FloatArray, limit_kw: float, time: TimeAxis) -> Forecast:
    """A forecast on the study's own clock; ``known_kw`` (2, steps) is ``station_kw`` and ``kept_kw``."""
    day, hour = time.local_clock()
    return Forecast(known_kw[0], np.maximum(known_kw[1], 0.0), limit_kw, day, hour, time.step_hours)


@dataclass(eq=False)
class Asked:
    """What the measures of a scenario ask for, interval by interval; see ``Signals``.

    ``calls`` lists what was asked: measure, first interval, and the interval after the last.
    """

    steps: int
    households: int
    car_cap_kw: FloatArray = field(init=False)
    heat_cap_share: FloatArray = field(init=False)
    law: UInt8Array = field(init=False)
    cheap: UInt8Array = field(init=False)
    wait: UInt8Array = field(init=False)
    calls: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Ask for nothing."""
        self.car_cap_kw = np.full(self.steps, np.inf)
        self.heat_cap_share = np.ones(self.steps)
        self.law = np.zeros(self.steps, dtype=np.uint8)
        self.wait = np.zeros(self.steps, dtype=np.uint8)
        self.cheap = np.zeros((self.households, self.steps), dtype=np.uint8)

    def call(self, measure: str, start: int, stop: int) -> None:
        """Note that a measure was called for."""
        self.calls.append((measure, start, stop))


@dataclass(frozen=True, eq=False)
class Call:
    """What every measure is handed: the forecast, whom it can ask, and how the study sets it."""

    forecast: Forecast
    households: Households
    settings: Settings
    seed: int


def cap_cars(call: Call, asked: Asked) -> None:
    """CurA: from the onset to midnight no station draws more than ``car_cap_kw``; the rest comes after."""
    for _, onset, end in call.forecast.onsets():
        asked.car_cap_kw[onset:end] = np.minimum(asked.car_cap_kw[onset:end], call.settings.car_cap_kw)
        asked.call("CurA", onset, end)


def cap_heat(call: Call, asked: Asked) -> None:
    """CurB: from the onset heat pumps give a share of their maximum for two hours."""
    _cap_heat(call, asked, "CurB", None)


def cap_heat_at_night(call: Call, asked: Asked) -> None:
    """CurB after 23:00 alone, when the heat put off can come back without a new peak."""
    hour, settings = call.forecast.hour, call.settings
    late, early = hour >= settings.night_from_hour, hour < settings.night_to_hour
    over_midnight = settings.night_from_hour > settings.night_to_hour
    for part in (early, late) if over_midnight else (early & late,):
        _cap_heat(call, asked, "CurB_night", part)


def _cap_heat(call: Call, asked: Asked, name: str, among: BoolArray | None) -> None:
    forecast, settings = call.forecast, call.settings
    for _, onset, _ in forecast.onsets(among):
        stop = min(onset + forecast.steps(settings.heat_cap_hours), len(forecast.day))
        if stop == onset:
            continue
        asked.heat_cap_share[onset:stop] = settings.heat_cap_share
        asked.call(name, onset, stop)


def charge_ahead(call: Call, asked: Asked) -> None:
    """ProA: a cheap grid in the hours before the onset whose forecast is lowest, so that stores charge ahead.

    One price for all would make all stores charge at once, and a new peak of them. ``staggered`` calls
    them one after the other, in an order that is drawn anew each day, as many as there is room for.
    """
    length = call.forecast.steps(call.settings.precharge_hours)
    for start, onset, _ in call.forecast.onsets():
        if onset == start or not length:
            continue
        window = _lowest(call.forecast, start, onset, length)
        at_once = call.settings.precharge == "at_once"
        asked.cheap[:, window] |= np.uint8(1) if at_once else _stagger(call, window)
        asked.call("ProA", window.start, window.stop)


def _lowest(forecast: Forecast, start: int, stop: int, length: int) -> slice:
    """The stretch of some intervals with the lowest mean forecast between two; the latest of equals."""
    length = min(length, stop - start)
    total = np.concatenate([[0.0], np.cumsum(forecast.station_kw[start:stop])])
    means = total[length:] - total[:-length]
    first = start + len(means) - 1 - int(np.argmin(means[::-1]))
    return slice(first, first + length)


def _stagger(call: Call, window: slice) -> UInt8Array:
    """Who is called when: stores in turn, the lowest forecast first, until the room there is used up."""
    plant, forecast = call.households.plant, call.forecast
    expected_kw = forecast.station_kw[window] + forecast.kept_kw[window]
    room_kw = (forecast.limit_kw - expected_kw) * call.settings.precharge_room_share
    tank_kw = np.where(plant.tank_kwh > 0.0, plant.pump_max_kw, 0.0)
    draw_kw = plant.battery_charge_kw + tank_kw
    stored_kw = plant.charge_share * plant.battery_charge_kw
    hours = _hours_to_fill(plant.battery_high_kwh - plant.battery_low_kwh, stored_kw)
    left = np.ceil(
        np.maximum(hours, _hours_to_fill(plant.tank_kwh, ASSUMED_COP * tank_kw)) / forecast.step_hours
    )
    day = int(forecast.day[window.start])
    order = np.random.default_rng((call.seed, CALLS, day)).permutation(np.flatnonzero(draw_kw > 0.0))
    called = np.zeros((len(draw_kw), len(room_kw)), dtype=np.uint8)
    for row in np.argsort(-room_kw, kind="stable"):
        waiting = order[left[order] > 0.0]
        chosen = waiting[np.cumsum(draw_kw[waiting]) <= room_kw[row]]
        called[chosen, row] = 1
        left[chosen] -= 1.0
    return called


def _hours_to_fill(energy_kwh: FloatArray, power_kw: FloatArray) -> FloatArray:
    return np.where(power_kw > 0.0, energy_kwh / np.where(power_kw > 0.0, power_kw, 1.0), 0.0)


def hold_back(call: Call, asked: Asked) -> None:
    """ProB: discharging is dear before the onset, so that what is stored is there when it is needed."""
    for start, onset, _ in call.forecast.onsets():
        asked.wait[start:onset] = 1
        asked.call("ProB", start, onset)


def limit_devices(call: Call, asked: Asked) -> None:
    """§14a EnWG, direct: while congested each device may draw 4.2 kW from the grid, own generation on top."""
    _limit(call, asked, "law14a", BY_DEVICE)


def limit_homes(call: Call, asked: Asked) -> None:
    """§14a EnWG by energy manager: while congested the devices of a home share ``manager_limit_kw``."""
    _limit(call, asked, "law14a_manager", BY_HOME)


def _limit(call: Call, asked: Asked, name: str, code: int) -> None:
    congested = call.forecast.congested
    asked.law[congested] = code
    edges = np.flatnonzero(np.diff(np.concatenate([[0], congested.astype(np.int8), [0]])))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        asked.call(name, start, stop)


def manager_limit_kw(devices: int, pump_kw: float, law_kw: float = 4.2) -> float:
    """What the devices behind one energy manager may draw from the grid together [kW].

    P = 4.2 + (n − 1) g 4.2, and max(4.2, 0.4 P_pump) in place of the first 4.2 where a heat pump is rated
    above 11 kW (BNetzA BK6-22-300, 27 November 2023, annex 1, no. 4.5).

    Parameters
    ----------
    devices : int
        Controllable devices n.
    pump_kw : float
        Rating of the heat pump, 0 where there is none [kW].
    law_kw : float
        The least power of a device [kW].

    Examples
    --------
    >>> manager_limit_kw(1, 0.0), manager_limit_kw(3, 0.0), round(manager_limit_kw(2, 15.0), 2)
    (4.2, 10.5, 9.36)
    """
    if devices == 0:
        return 0.0
    first_kw = max(law_kw, LARGE_SHARE * pump_kw) if pump_kw > LARGE_DEVICE_KW else law_kw
    if devices == 1:
        return first_kw
    share = LAW_SHARES[min(devices, len(LAW_SHARES) + 1) - 2]
    return first_kw + (devices - 1) * share * law_kw


MEASURE_FUNCTIONS: dict[str, Callable[[Call, Asked], None]] = {
    "CurA": cap_cars,
    "CurB": cap_heat,
    "CurB_night": cap_heat_at_night,
    "ProA": charge_ahead,
    "ProB": hold_back,
    "law14a": limit_devices,
    "law14a_manager": limit_homes,
}
"""Every measure by the name that it has in a scenario."""


def ask(measures: Sequence[str], call: Call) -> Asked:
    """What the measures of a scenario ask for together."""
    asked = Asked(len(call.forecast.day), len(call.households))
    for measure in measures:
        MEASURE_FUNCTIONS[measure](call, asked)
    return asked


def make_signals(asked: Asked, households: Households, settings: Settings, step_hours: float) -> Signals:
    """What was asked for, as the compiled rule reads it.

    §14a EnWG counts what is rated above ``law_kw``: each car, all heat pumps of a home as one, and a
    battery, which may charge from the grid.
    """
    plant, law_kw = households.plant, settings.law_kw
    each_car_kw = plant.car_max_kw / np.maximum(plant.car_count, 1.0)
    pump_counts = plant.pump_max_kw > law_kw
    devices = plant.car_count * (each_car_kw > law_kw) + pump_counts + (plant.battery_charge_kw > law_kw)
    pump_kw = np.where(pump_counts, plant.pump_max_kw, 0.0)
    home_kw = [manager_limit_kw(int(n), float(p), law_kw) for n, p in zip(devices, pump_kw, strict=True)]
    large_kw = np.where(pump_kw > LARGE_DEVICE_KW, LARGE_SHARE * pump_kw, 0.0)
    return Signals(
        car_cap_kw=asked.car_cap_kw,
        heat_cap_share=asked.heat_cap_share,
        law=asked.law,
        car_law_kw=np.where(each_car_kw > law_kw, law_kw, np.inf),
        pump_law_kw=np.where(pump_counts, np.maximum(law_kw, large_kw), np.inf),
        home_law_kw=np.where(devices > 0, np.array(home_kw), np.inf),
        cheap=asked.cheap,
        wait=asked.wait,
        heat_return_steps=max(1, round(settings.heat_return_hours / step_hours)),
    )
