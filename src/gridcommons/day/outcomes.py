"""What each stage leaves to those after it: arrays alone, so that a killed day goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import BoolArray, FloatArray, IntArray

Outcome = TypeVar("Outcome")
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Planned:
    """Plans of the day before, as a stage left them.

    Parameters
    ----------
    plan_kw, plan_kvar : (steps, assets)
        Net power [kW], [kvar].
    seen_kw : (steps, assets)
        What the profile of each asset was expected to be when the plan was made [kW].
    target : (devices with a state, steps)
        State of each at the end of each interval [kWh or °C].
    stored_target : (batteries, steps)
        Energy of each battery then, NaN where it follows its meter; empty where all always do [kWh].
    heat_cost : (communities,)
        What heat and fuel cost each community that plans them; empty where none does [currency].
    """

    plan_kw: FloatArray
    plan_kvar: FloatArray
    seen_kw: FloatArray
    target: FloatArray
    stored_target: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    heat_cost: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Tariffed:
    """A published tariff, and the plans that answer it.

    Parameters
    ----------
    planned : Planned
        The plans.
    bus : (load points,)
        Where it holds.
    tariff_per_kwh : (load points, steps)
        What a kWh costs beside all else.
    """

    planned: Planned
    bus: IntArray
    tariff_per_kwh: FloatArray


@dataclass(frozen=True, eq=False)
class Marketed:
    """What the grid operator bought the day before.

    Parameters
    ----------
    planned : Planned
        Plans that deliver it.
    aggregator : (awards,)
        Who sold each award.
    bus : (awards,)
        Where.
    ordered_kw : (awards, steps)
        Less load, against the plans before [kW].
    price_per_kwh : (awards,)
        What is paid for it.
    device : (devices,)
        Column of each asset that an award moves.
    award : (devices,)
        Which award.
    before_kw : (devices, steps)
        What each would have done [kW].
    needed_kw, missing_kw : (steps,)
        The largest need of any limit, and what no offer could serve of it [kW].
    """

    planned: Planned
    aggregator: Texts
    bus: IntArray
    ordered_kw: FloatArray
    price_per_kwh: FloatArray
    device: IntArray
    award: IntArray
    before_kw: FloatArray
    needed_kw: FloatArray
    missing_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Scheduled:
    """What communities that plan heat and power do, and what they sold of reactive power.

    Connections are those of each community, community by community.

    Parameters
    ----------
    p_kw, q_kvar, seen_kw : (steps, scheduled assets)
        Net power of what they control [kW], [kvar]; what profiles were to be when it was planned [kW].
    state_name : (states,)
        Names of the states of their devices.
    state : (steps, states)
        States at the end of each interval.
    heat_kw, heat_cost : (steps, communities)
        Heat drawn from the district network [kW], and what heat and fuel cost, peaks and fees of days aside.
    is_heated : (communities,)
        Whether it has a heating on a district network.
    net_kw : (steps, connections)
        Net power planned there [kW].
    sold_kvar, due_kvar : (steps, connections)
        Reactive power sold, and what devices must inject for it; negative where absorbed [kvar].
    paid : (steps, connections)
        What the grid operator pays for it, all given [currency].
    planned_at : (steps, communities)
        Interval at whose start each interval was planned last; -1 for the day before.
    rounds : (steps,)
        Rounds of reactive power held at the start of each interval.
    kept : (steps,)
        Communities that found no new plan then and keep their old one.
    """

    p_kw: FloatArray
    q_kvar: FloatArray
    seen_kw: FloatArray
    state_name: Texts
    state: FloatArray
    heat_kw: FloatArray
    heat_cost: FloatArray
    is_heated: BoolArray
    net_kw: FloatArray
    sold_kvar: FloatArray
    due_kvar: FloatArray
    paid: FloatArray
    planned_at: IntArray
    rounds: IntArray
    kept: IntArray


@dataclass(frozen=True, eq=False)
class Switched:
    """Where switches stood.

    Parameters
    ----------
    closed : (steps, switches)
        Positions.
    refused : (steps,)
        Where others were wanted and would have broken a limit or a promise.
    """

    closed: BoolArray
    refused: BoolArray


@dataclass(frozen=True, eq=False)
class Realised:
    """The day as it was.

    Parameters
    ----------
    p_kw, q_kvar : (steps, assets)
        Net power of every asset [kW], [kvar].
    wanted_kw : (steps, assets)
        What each would have done had everything been allowed in that interval [kW].
    p_min_kw, p_max_kw : (steps, assets)
        Operating envelopes; infinite where there are none [kW].
    state : (devices with a state, steps)
        Energy of cars [kWh], air of houses [°C].
    stored_kwh : (batteries, steps)
        Energy of batteries [kWh].
    heat_cost : (communities,)
        What heat and fuel cost each community that plans them; empty where none does [currency].
    """

    p_kw: FloatArray
    q_kvar: FloatArray
    wanted_kw: FloatArray
    p_min_kw: FloatArray
    p_max_kw: FloatArray
    state: FloatArray
    stored_kwh: FloatArray
    heat_cost: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Traded:
    """What members sold each other, for each interval.

    Parameters
    ----------
    bought_kwh, sold_kwh : (steps, members)
        Energy that each bought and sold [kWh].
    paid : (steps, members)
        What each paid for it, negative where it received [currency].
    offered_kw : (steps, members)
        What each had offered to sell by the orders in force [kW].
    """

    bought_kwh: FloatArray
    sold_kwh: FloatArray
    paid: FloatArray
    offered_kw: FloatArray


def to_arrays(outcome: object, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """The arrays of an outcome by name, those of an outcome inside it with its name before."""
    found: dict[str, npt.NDArray[Any]] = {}
    for column in fields(outcome):  # type: ignore[arg-type]
        value = getattr(outcome, column.name)
        if isinstance(value, np.ndarray):
            found[prefix + column.name] = value
        else:
            found |= to_arrays(value, f"{prefix}{column.name}.")
    return found


def from_arrays(kind: type[Outcome], arrays: Mapping[str, npt.NDArray[Any]], prefix: str = "") -> Outcome:
    """The outcome that ``to_arrays`` was given."""
    values: dict[str, Any] = {}
    for column in fields(kind):  # type: ignore[arg-type]
        inner = f"{prefix}{column.name}."
        if column.name == "planned":
            values[column.name] = from_arrays(Planned, arrays, inner)
        else:
            values[column.name] = arrays[prefix + column.name]
    return kind(**values)
