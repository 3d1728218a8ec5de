"""What a battery and a heat store with an engine share: they fill or empty, and keep within a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.model.assets import Asset
from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.devices.operation import Horizon, before, of_each
from gridcommons.optimisation.linear_model import Linear, LinearModel


@dataclass(frozen=True, eq=False)
class TwoWayFlows:
    """Flows of some stores.

    Parameters
    ----------
    in_kw, out_kw : Linear of shape (stores, steps)
        What fills and what empties them, never both [kW].
    stored_kwh, held_kwh : Linear of shape (stores, steps)
        What is stored at the end and at the start of each interval [kWh].
    energy_kwh : (stores,)
        Their size [kWh].
    """

    in_kw: Linear
    out_kw: Linear
    stored_kwh: Linear
    held_kwh: Linear
    energy_kwh: FloatArray


def fill_or_empty(
    model: LinearModel, kind: str, stores: Sequence[Asset], horizon: Horizon, most: tuple[str, str]
) -> TwoWayFlows:
    """Flows within ratings, one way at a time, energy within its band, and no less at the end than at first.

    The end is ours: the source says nothing of it, and a day would end with every store empty.

    Parameters
    ----------
    kind : str
        What stands before the laws' names.
    most : pair of str
        Ratings that bound what fills and what empties.
    """
    shape = (len(stores), horizon.steps)
    most_in_kw, most_out_kw = (np.broadcast_to(of_each(stores, rating), shape) for rating in most)
    in_kw, out_kw = (model.variable(shape, upper=most_kw) for most_kw in (most_in_kw, most_out_kw))
    energy_kwh = of_each(stores, "energy_kwh")
    lowest_kwh, highest_kwh = (of_each(stores, f"soc_{end}_share") * energy_kwh for end in ("min", "max"))
    stored_kwh = model.variable(shape, lower=lowest_kwh, upper=highest_kwh)
    usual_kwh = (of_each(stores, "soc_initial_share") * energy_kwh)[:, 0]
    start_kwh = horizon.starts(stores, usual_kwh.tolist())
    never_both(model, f"{kind}: one way at a time", (in_kw, most_in_kw), (out_kw, most_out_kw))
    end_no_lower(model, kind, stored_kwh, horizon.lowest_ends(stores, usual_kwh.tolist()))
    return TwoWayFlows(in_kw, out_kw, stored_kwh, before(stored_kwh, start_kwh), energy_kwh[:, 0])


def never_both(
    model: LinearModel, name: str, one: tuple[Linear, FloatArray], other: tuple[Linear, FloatArray]
) -> None:
    """Keep one of two powers at zero where the other is not: a binary a cell.

    Parameters
    ----------
    one, other : pair of Linear and (…)
        A power and its greatest value [kW], of one shape.
    """
    is_one = model.variable(one[0].shape, upper=1.0, whole=True)
    model.require(name, one[0] - is_one * one[1], upper=0.0)
    model.require(name, other[0] + is_one * other[1] - other[1], upper=0.0)


def end_no_lower(model: LinearModel, kind: str, state: Linear, lowest: FloatArray) -> None:
    """The last state is no lower than the one before the first interval, shape (stores,)."""
    model.require(f"{kind}: ends no lower than it began", state[:, -1], lower=lowest)
