"""Households made by chance, for the tests of control: any mix of devices, ratings and states."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from gridcommons.control.households import Households
from gridcommons.control.plant import Plant, Signals, State
from gridcommons.model.time import TimeAxis


def make_homes(seed, count=8, steps=1, *, lossless=True, step_hours=0.25):
    """``count`` households with random devices and profiles over ``steps`` intervals."""
    rng = np.random.default_rng(seed)
    has = {kind: rng.random(count) < share for kind, share in
           (("sun", 0.6), ("car", 0.5), ("pump", 0.6), ("battery", 0.6), ("tank", 0.7))}  # fmt: skip
    has["tank"] &= has["pump"]
    index = {kind: np.where(mask, np.cumsum(mask) - 1, -1).astype(np.int64) for kind, mask in has.items()}
    number = {kind: int(mask.sum()) for kind, mask in has.items()}
    pump_kw = np.where(has["pump"], rng.uniform(1.0, 4.0, count), 0.0)
    cop = rng.uniform(2.0, 4.5, (number["pump"], steps))
    capacity = np.where(has["battery"], rng.uniform(2.0, 16.0, count), 0.0)
    share = np.ones(count) if lossless else rng.uniform(0.8, 1.0, count)
    plugged = rng.random((number["car"], steps)) < 0.8
    plant = Plant(
        step_hours=step_hours,
        load_kw=rng.uniform(0.0, 3.0, (count, steps)),
        load_kvar=np.zeros((count, 1)),
        generation_kw=rng.uniform(0.0, 8.0, (number["sun"], steps)) * (rng.random((1, steps)) < 0.6),
        generation_of=index["sun"],
        car_kw=np.where(plugged & (rng.random(plugged.shape) < 0.4), 11.0, 0.0),
        car_plugged=plugged.astype(float),
        car_of=index["car"],
        car_max_kw=np.where(has["car"], 11.0, 0.0),
        car_count=has["car"].astype(float),
        car_tan=np.zeros(count),
        # Now and then more heat is asked for than the pump can give.
        heat_kw=rng.uniform(0.0, 1.3, cop.shape) * cop * pump_kw[has["pump"], None],
        cop=cop,
        pump_of=index["pump"],
        pump_max_kw=pump_kw,
        pump_tan=np.zeros(count),
        battery_charge_kw=np.where(has["battery"], rng.uniform(1.0, 5.0, count), 0.0),
        battery_discharge_kw=np.where(has["battery"], rng.uniform(1.0, 5.0, count), 0.0),
        battery_low_kwh=0.1 * capacity,
        battery_high_kwh=0.95 * capacity,
        charge_share=share,
        discharge_share=share,
        battery_tan=np.zeros(count),
        tank_kwh=np.where(has["tank"], rng.uniform(3.0, 12.0, count), 0.0),
    )
    fill = rng.choice([0.0, 0.02, 0.5, 0.98, 1.0], count)
    low, high = plant.battery_low_kwh, plant.battery_high_kwh
    start = State(
        low + fill * (high - low),
        rng.permutation(fill) * plant.tank_kwh,
        *(np.zeros(count) for _ in range(4)),
    )
    return Households(tuple(f"home {k}" for k in range(count)), np.arange(count), plant, start)


def no_signals(homes, steps=1):
    """Signals that ask for nothing."""
    count = len(homes)
    return Signals(
        np.full(steps, np.inf),
        np.ones(steps),
        np.zeros(steps, np.uint8),
        np.full(count, 4.2),
        np.full(count, 4.2),
        np.full(count, 4.2),
        np.zeros((count, steps), np.uint8),
        np.zeros(steps, np.uint8),
        24,
    )


def day_axis(steps, timezone="UTC"):
    """A time axis of 15-minute intervals from a midnight on."""
    return TimeAxis(datetime(2030, 1, 1, tzinfo=UTC), 15, steps, timezone)


def one_home(
    *, load_kw=None, generation_kw=None, car_kw=None, plugged=None, heat_kw=None, cop=3.0, pump_max_kw=0.0,
    battery_kw=0.0, battery_kwh=0.0, tank_kwh=0.0, tank_start_kwh=0.0, efficiency=1.0,
):  # fmt: skip
    """One household whose devices are those that are given, over as many intervals as the series have."""
    given = [load_kw, generation_kw, car_kw, heat_kw]
    steps = max(len(series) for series in given if series is not None)

    def row(series, of=0.0):
        return np.full((1, steps), of) if series is None else np.asarray(series, float).reshape(1, -1)

    def index(there):
        return np.array([0 if there else -1], np.int64)

    def rating(value):
        return np.array([float(value)])

    plant = Plant(
        step_hours=0.25, load_kw=row(load_kw), load_kvar=np.zeros((1, 1)), generation_kw=row(generation_kw),
        generation_of=index(generation_kw is not None), car_kw=row(car_kw),
        car_plugged=row(plugged, 1.0), car_of=index(car_kw is not None),
        car_max_kw=rating(11.0 * (car_kw is not None)), car_count=rating(car_kw is not None),
        car_tan=rating(0), heat_kw=row(heat_kw), cop=row(None, cop), pump_of=index(heat_kw is not None),
        pump_max_kw=rating(pump_max_kw), pump_tan=rating(0),
        battery_charge_kw=rating(battery_kw), battery_discharge_kw=rating(battery_kw),
        battery_low_kwh=rating(0), battery_high_kwh=rating(battery_kwh), charge_share=rating(efficiency),
        discharge_share=rating(efficiency), battery_tan=rating(0), tank_kwh=rating(tank_kwh),
    )  # fmt: skip
    start = State(rating(0), rating(tank_start_kwh), *(rating(0) for _ in range(4)))
    return Households(("home",), np.array([1]), plant, start)
