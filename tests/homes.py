"""Households made by chance, for the tests of control: any mix of devices, ratings and states."""

from __future__ import annotations

import numpy as np

from gridcommons.control.households import Households
from gridcommons.control.plant import Plant, Signals, State


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
        car_plugged=plugged.astype(np.uint8),
        car_of=index["car"],
        car_max_kw=np.where(has["car"], 11.0, 0.0),
        car_count=has["car"].astype(float),
        car_tan=np.zeros(count),
        # Now and then more heat is asked for than the pump can give.
        heat_kw=rng.uniform(0.0, 1.3, cop.shape) * cop * pump_kw[has["pump"], None],
        cop=cop,
        pump_of=index["pump"],
        pump_max_kw=pump_kw,
        pump_count=has["pump"].astype(float),
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
    plant = homes.plant
    return Signals(
        np.full(steps, np.inf),
        np.ones(steps),
        np.zeros(steps, np.uint8),
        4.2 * plant.car_count,
        4.2 * plant.pump_count,
        np.full(count, 4.2),
        np.zeros((count, steps), np.uint8),
        np.zeros(steps, np.uint8),
        24,
    )
