"""The compiled priority rule behind every meter, interval by interval.

Source 3, section 2.3: E[t] = E[t−1] + dt (η_c charge − discharge/η_d); a tank is charged through the
heat pump and empties into heat demand alone. With the source's order of costs

    feed-in < w_tank < w_battery < c_discharge,tank < c_discharge,battery < c_grid

and import and feed-in priced at each household, the least-cost dispatch of an interval is a rule: own
surplus charges the battery, then the tank, then feeds in; a deficit is met from the tank, then the
battery, then the grid. One thing comes before it: heat demand above the heat pump's rating is met from
the tank even while the sun shines. Signals of a measure change the order: where the grid is cheap,
stores charge from it; where discharge is dear, they wait.

The laws are functions of plain numbers: the compiler keeps those in registers through a household's year.
All kernels live in this one file: numba's cache does not see edits in another one.
"""

from __future__ import annotations

from enum import IntEnum

import numba
import numpy as np

from gridcommons.control.plant import (
    BY_DEVICE,
    BY_HOME,
    AtRest,
    Energies,
    Home,
    Interval,
    Now,
    Plant,
    Record,
    Signals,
    State,
    Worth,
)
from gridcommons.model.grid import FloatArray

_jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
_inlined = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy", inline="always")


class Sum(IntEnum):
    """Columns of the sums by household over the year [kWh], delays [kWh·h], and money."""

    IMPORTED = 0
    FED_IN = 1
    LOAD = 2
    GENERATION = 3
    CAR_DEMAND = 4
    CAR = 5
    HEAT_DEMAND = 6
    HEAT = 7
    PUMP = 8
    UNSERVED_HEAT = 9
    CHARGED = 10
    DISCHARGED = 11
    TANK_CHARGED = 12
    TANK_DISCHARGED = 13
    CAR_DEFERRED = 14
    HEAT_DEFERRED = 15
    CAR_DELAY_KWH_H = 16
    HEAT_DELAY_KWH_H = 17
    IMPORT_COST = 18
    FEED_IN_REVENUE = 19


class Part(IntEnum):
    """Rows of the sums over all households by interval [kW], [kWh]."""

    LOAD_KW = 0
    GENERATION_KW = 1
    CAR_KW = 2
    PUMP_KW = 3
    BATTERY_KW = 4
    BATTERY_KWH = 5
    TANK_KWH = 6
    CAR_DEBT_KWH = 7
    HEAT_DEBT_KWH = 8


@_inlined
def charge_car(home: Home, now: Now, energies: Energies, own_kw: float) -> float:
    """Charging of an interval: the profile and what was put off, under the caps, while plugged in [kW].

    ``own_kw`` is own generation that is left for the cars: under §14a it comes on top of the limit.
    """
    if now.car_plugged <= 0.0:
        return 0.0
    wanted_kw = now.car_kw + energies.car_debt_kwh / home.step_hours
    cap_kw = now.car_cap_kw * now.car_plugged
    if now.law == BY_DEVICE:
        cap_kw = min(cap_kw, home.car_law_kw * now.car_plugged + own_kw)
    if now.law == BY_HOME:
        cap_kw = min(cap_kw, home.home_law_kw + own_kw)
    # What was put off comes back at the power of the cars that are there; a profile above it stays.
    rated_kw = max(now.car_kw, home.car_max_kw * now.car_plugged / home.car_count)
    return max(0.0, min(wanted_kw, cap_kw, rated_kw))


@_inlined
def cap_pump(home: Home, now: Now, own_kw: float) -> float:
    """What the pump may give at most, its maximum where nothing caps it [kW heat]."""
    cap_kw = now.cop * home.pump_max_kw * now.heat_cap_share
    law_kw = home.pump_law_kw
    if now.law == BY_HOME and law_kw < np.inf:
        law_kw = home.home_law_kw
    return min(cap_kw, now.cop * (law_kw + own_kw)) if now.law else cap_kw


@_inlined
def give_back_heat(energies: Energies, room_kw: float, step_hours: float) -> float:
    """Heat put off that comes back: at its pace while it has one, then as there is room [kW]."""
    back_kw = energies.heat_debt_kwh / step_hours
    if energies.return_steps > 0.0:
        back_kw = min(back_kw, energies.return_kw)
    return max(min(back_kw, room_kw), 0.0)


@_inlined
def look(home: Home, now: Now, energies: Energies) -> AtRest:
    """What a household draws with its stores at rest, and how far these can go.

    Above what the pump may give, heat comes from the tank; what is left of it is put off as far as a
    cap stands in the way, and unserved as far as the pump is too small.
    """
    dt = home.step_hours
    own_kw = now.generation_kw - now.load_kw
    most_kw = now.cop * home.pump_max_kw
    cap_kw = cap_pump(home, now, max(own_kw, 0.0))
    back_kw = give_back_heat(energies, most_kw - now.heat_kw, dt) if cap_kw >= most_kw else 0.0
    asked_kw, stored_kw = now.heat_kw + back_kw, max(energies.tank_kwh, 0.0) / dt
    pump_heat_kw = min(asked_kw, cap_kw)
    forced_kw = min(asked_kw - pump_heat_kw, stored_kw)
    missing_kw = asked_kw - pump_heat_kw - forced_kw
    capped_kw = min(missing_kw, most_kw - cap_kw)
    left_kw = max(own_kw, 0.0) - pump_heat_kw / now.cop
    # The energy manager serves the heat pump first: the cars have what is left of their common limit.
    shared = now.law == BY_HOME and home.pump_law_kw < np.inf
    car_kw = charge_car(home, now, energies, left_kw if shared else max(left_kw, 0.0))
    battery_up_kw = (home.battery_high_kwh - energies.battery_kwh) / (home.charge_share * dt)
    battery_down_kw = home.discharge_share * (energies.battery_kwh - home.battery_low_kwh) / dt
    return AtRest(
        car_kw=car_kw,
        heat_kw=asked_kw - missing_kw,
        forced_kw=forced_kw,
        put_off_kw=capped_kw - back_kw,
        unserved_kw=missing_kw - capped_kw,
        cop=now.cop,
        residual_kw=car_kw + pump_heat_kw / now.cop - own_kw,
        battery_up_kw=max(min(home.battery_charge_kw, battery_up_kw), 0.0),
        battery_down_kw=max(min(home.battery_discharge_kw, battery_down_kw), 0.0),
        tank_up_kw=max(min((home.tank_kwh - energies.tank_kwh) / dt, cap_kw - pump_heat_kw), 0.0),
        tank_down_kw=max(min(stored_kw - forced_kw, pump_heat_kw), 0.0),
    )


@_inlined
def set_stores(rest: AtRest, worth: Worth) -> tuple[float, float]:
    """Power of battery (net, at its terminals) and tank (heat, beyond what is forced) by the rule [kW]."""
    battery_kw, tank_kw = 0.0, 0.0
    if rest.residual_kw < 0.0:
        battery_kw = min(-rest.residual_kw, rest.battery_up_kw)
        tank_kw = min((-rest.residual_kw - battery_kw) * rest.cop, rest.tank_up_kw)
    else:
        left_kw = rest.residual_kw
        if worth.tank_to_load:
            tank_kw = -min(left_kw * rest.cop, rest.tank_down_kw)
            left_kw = max(left_kw + tank_kw / rest.cop, 0.0)
        if worth.battery_to_load:
            battery_kw = -min(left_kw, rest.battery_down_kw)
    if worth.battery_from_grid:
        battery_kw = rest.battery_up_kw
    if worth.tank_from_grid:
        tank_kw = rest.tank_up_kw
    return battery_kw, tank_kw


@_inlined
def move_on(home: Home, now: Now, energies: Energies, rest: AtRest, stores: tuple[float, float]) -> Energies:
    """Energies at the end of an interval, and what is put off to the next."""
    dt = home.step_hours
    battery_kw, tank_kw = stores
    gained_kw = home.charge_share * max(battery_kw, 0.0) - max(-battery_kw, 0.0) / home.discharge_share
    battery_kwh = energies.battery_kwh + dt * gained_kw
    tank_kwh = energies.tank_kwh + dt * (tank_kw - rest.forced_kw)
    put_off_kwh = rest.put_off_kw * dt
    heat_debt_kwh = max(energies.heat_debt_kwh + put_off_kwh, 0.0)
    return_kw, return_steps = energies.return_kw, energies.return_steps
    if put_off_kwh > 0.0:
        return_steps = home.heat_return_steps
        return_kw = heat_debt_kwh / (return_steps * dt)
    elif return_steps > 0.0 and now.heat_cap_share >= 1.0 and now.law == 0:
        return_steps -= 1.0
    return Energies(
        battery_kwh,
        tank_kwh,
        max(energies.car_debt_kwh + (now.car_kw - rest.car_kw) * dt, 0.0),
        heat_debt_kwh,
        return_kw,
        return_steps,
    )


@_inlined
def _home(plant: Plant, signals: Signals, h: int) -> Home:
    return Home(
        plant.step_hours, plant.car_max_kw[h], plant.car_count[h], plant.pump_max_kw[h],
        plant.battery_charge_kw[h], plant.battery_discharge_kw[h],
        plant.battery_low_kwh[h], plant.battery_high_kwh[h],
        plant.charge_share[h], plant.discharge_share[h], plant.tank_kwh[h],
        signals.car_law_kw[h], signals.pump_law_kw[h], signals.home_law_kw[h],
        float(signals.heat_return_steps),
    )  # fmt: skip


@_inlined
def _now(plant: Plant, signals: Signals, h: int, t: int) -> Now:
    made, car, pump = plant.generation_of[h], plant.car_of[h], plant.pump_of[h]
    return Now(
        plant.load_kw[h, t],
        plant.generation_kw[made, t] if made >= 0 else 0.0,
        plant.car_kw[car, t] if car >= 0 else 0.0,
        plant.car_plugged[car, t] if car >= 0 else 0.0,
        plant.heat_kw[pump, t] if pump >= 0 else 0.0,
        plant.cop[pump, t] if pump >= 0 else 1.0,
        signals.car_cap_kw[t],
        signals.heat_cap_share[t],
        signals.law[t],
    )


@_inlined
def _row(values: FloatArray, of: int, nothing: FloatArray) -> FloatArray:
    """A household's row of a series, or a row of what it is without the device."""
    return values[of] if of >= 0 else nothing


@_inlined
def _energies(state: State, h: int) -> Energies:
    return Energies(
        state.battery_kwh[h], state.tank_kwh[h], state.car_debt_kwh[h], state.heat_debt_kwh[h],
        state.return_kw[h], state.return_steps[h],
    )  # fmt: skip


@_inlined
def _keep(state: State, h: int, energies: Energies) -> None:
    state.battery_kwh[h], state.tank_kwh[h] = energies.battery_kwh, energies.tank_kwh
    state.car_debt_kwh[h], state.heat_debt_kwh[h] = energies.car_debt_kwh, energies.heat_debt_kwh
    state.return_kw[h], state.return_steps[h] = energies.return_kw, energies.return_steps


@_inlined
def _write_parts(parts: FloatArray, t: int, now: Now, rest: AtRest, energies: Energies) -> None:
    """Add to the sums over all households what does not depend on the stores' powers."""
    parts[Part.LOAD_KW, t] += now.load_kw
    parts[Part.GENERATION_KW, t] += now.generation_kw
    parts[Part.CAR_KW, t] += rest.car_kw
    parts[Part.BATTERY_KWH, t] += energies.battery_kwh
    parts[Part.TANK_KWH, t] += energies.tank_kwh
    parts[Part.CAR_DEBT_KWH, t] += energies.car_debt_kwh
    parts[Part.HEAT_DEBT_KWH, t] += energies.heat_debt_kwh


@_inlined
def _write_served(sums: FloatArray, dt: float, now: Now, rest: AtRest, energies: Energies) -> None:
    """Add what was asked for, served and put off to the sums of a household."""
    sums[Sum.LOAD] += now.load_kw * dt
    sums[Sum.GENERATION] += now.generation_kw * dt
    sums[Sum.CAR_DEMAND] += now.car_kw * dt
    sums[Sum.CAR] += rest.car_kw * dt
    sums[Sum.CAR_DEFERRED] += max(now.car_kw - rest.car_kw, 0.0) * dt
    sums[Sum.CAR_DELAY_KWH_H] += energies.car_debt_kwh * dt
    sums[Sum.HEAT_DEMAND] += now.heat_kw * dt
    sums[Sum.HEAT] += rest.heat_kw * dt
    sums[Sum.UNSERVED_HEAT] += rest.unserved_kw * dt
    sums[Sum.HEAT_DEFERRED] += max(rest.put_off_kw, 0.0) * dt
    sums[Sum.HEAT_DELAY_KWH_H] += energies.heat_debt_kwh * dt


@_inlined
def _write_stores(sums: FloatArray, dt: float, rest: AtRest, stores: tuple[float, float]) -> int:
    """Add what the stores did; 1 where a tank charged and emptied at once."""
    battery_kw, tank_kw = stores
    sums[Sum.CHARGED] += max(battery_kw, 0.0) * dt
    sums[Sum.DISCHARGED] += max(-battery_kw, 0.0) * dt
    sums[Sum.TANK_CHARGED] += max(tank_kw, 0.0) * dt
    sums[Sum.TANK_DISCHARGED] += (max(-tank_kw, 0.0) + rest.forced_kw) * dt
    return 1 if tank_kw > 0.0 and rest.forced_kw > 0.0 else 0


@_inlined
def _write_net(sums: FloatArray, dt: float, net_kw: float, import_price: float, feed_in_price: float) -> None:
    """Add what passed the meter, and what it costs."""
    sums[Sum.IMPORTED] += max(net_kw, 0.0) * dt
    sums[Sum.FED_IN] += max(-net_kw, 0.0) * dt
    sums[Sum.IMPORT_COST] += max(net_kw, 0.0) * dt * import_price
    sums[Sum.FEED_IN_REVENUE] += max(-net_kw, 0.0) * dt * feed_in_price


@_inlined
def _write(
    plant: Plant,
    record: Record,
    own: tuple[FloatArray, FloatArray],
    where: tuple[int, int],
    found: tuple[Now, AtRest, tuple[float, float], Energies],
) -> None:
    """Write down one household's interval; ``own`` are its rows of ``sums`` and ``reach``."""
    h, t = where
    now, rest, stores, energies = found
    dt, sums, reach = plant.step_hours, own[0], own[1]
    pump_kw = (rest.heat_kw - rest.forced_kw + stores[1]) / rest.cop
    net_kw = rest.residual_kw + stores[1] / rest.cop + stores[0]
    record.p_kw[h, t] = net_kw
    fixed_kvar = plant.load_kvar[h, t % plant.load_kvar.shape[1]]
    moved_kvar = plant.car_tan[h] * rest.car_kw + plant.pump_tan[h] * pump_kw
    record.q_kvar[h, t] = fixed_kvar + moved_kvar + plant.battery_tan[h] * stores[0]
    record.parts[Part.PUMP_KW, t] += pump_kw
    record.parts[Part.BATTERY_KW, t] += stores[0]
    sums[Sum.PUMP] += pump_kw * dt
    _write_parts(record.parts, t, now, rest, energies)
    _write_served(sums, dt, now, rest, energies)
    _write_net(sums, dt, net_kw, record.price[0, t], record.price[1, t])
    record.clash[h] += _write_stores(sums, dt, rest, stores)
    reach[0], reach[1] = min(reach[0], energies.battery_kwh), max(reach[1], energies.battery_kwh)
    reach[2], reach[3] = min(reach[2], energies.tank_kwh), max(reach[3], energies.tank_kwh)


@_jit
def run_rule(
    plant: Plant,
    signals: Signals,
    worths: tuple[Worth, Worth, Worth, Worth],
    state: State,
    steps: tuple[int, int],
    record: Record,
) -> None:
    """Carry out the rule for every household from one interval to before another.

    ``worths`` says what is worthwhile: as usual, where stores wait, where the grid is cheap, and both.
    ``state`` is moved on, ``record`` filled.
    """
    count = plant.load_kw.shape[1]
    nothing, one = np.zeros(count), np.ones(count)
    car_cap_kw, heat_cap_share = signals.car_cap_kw, signals.heat_cap_share
    law, wait = signals.law, signals.wait
    for h in range(len(state.battery_kwh)):
        home, energies = _home(plant, signals, h), _energies(state, h)
        # Rows are taken once a household: an array reached through a tuple in the inner loop is counted
        # as a new reference each time, which costs more than all that is computed.
        load_kw, cheap = plant.load_kw[h], signals.cheap[h]
        generation_kw = _row(plant.generation_kw, plant.generation_of[h], nothing)
        car_kw = _row(plant.car_kw, plant.car_of[h], nothing)
        car_plugged = _row(plant.car_plugged, plant.car_of[h], nothing)
        heat_kw = _row(plant.heat_kw, plant.pump_of[h], nothing)
        cop = _row(plant.cop, plant.pump_of[h], one)
        own = (record.sums[h], record.reach[h])
        for t in range(steps[0], steps[1]):
            now = Now(
                load_kw[t], generation_kw[t], car_kw[t], car_plugged[t], heat_kw[t], cop[t],
                car_cap_kw[t], heat_cap_share[t], law[t],
            )  # fmt: skip
            rest = look(home, now, energies)
            stores = set_stores(rest, worths[2 * cheap[t] + wait[t]])
            energies = move_on(home, now, energies, rest, stores)
            _write(plant, record, own, (h, t), (now, rest, stores, energies))
        _keep(state, h, energies)


@_jit
def look_at_all(plant: Plant, signals: Signals, state: State, t: int) -> Interval:
    """What every household draws in interval ``t`` with its stores at rest, and how far they can go."""
    n = len(state.battery_kwh)
    at = Interval(np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n))
    for h in range(n):
        rest = look(_home(plant, signals, h), _now(plant, signals, h, t), _energies(state, h))
        at.residual_kw[h], at.cop[h] = rest.residual_kw, rest.cop
        at.battery_up_kw[h], at.battery_down_kw[h] = rest.battery_up_kw, rest.battery_down_kw
        at.tank_up_kw[h], at.tank_down_kw[h] = rest.tank_up_kw, rest.tank_down_kw
    return at


@_jit
def carry_out(
    plant: Plant, signals: Signals, state: State, t: int, made: tuple[FloatArray, FloatArray, Record]
) -> None:
    """Carry out interval ``t`` with battery and tank (heat) set from outside, (households,) each [kW]."""
    battery_kw, tank_kw, record = made
    for h in range(len(state.battery_kwh)):
        home, now, before = _home(plant, signals, h), _now(plant, signals, h, t), _energies(state, h)
        rest = look(home, now, before)
        stores = (battery_kw[h], tank_kw[h])
        energies = move_on(home, now, before, rest, stores)
        _write(plant, record, (record.sums[h], record.reach[h]), (h, t), (now, rest, stores, energies))
        _keep(state, h, energies)
