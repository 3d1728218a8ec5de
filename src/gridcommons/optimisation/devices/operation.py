"""What assets do in a program: their powers and states as expressions, a row an asset.

The file of a kind writes its laws on a ``LinearModel``, one function a law, and hands out an ``Operation``;
whoever plans (a community, for one) adds balances and prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gridcommons.model.assets import Asset
from gridcommons.model.grid import BoolArray, FloatArray, Names
from gridcommons.model.profiles import Profiles, reactive_per_active
from gridcommons.optimisation.linear_model import Linear, constant, stack


@dataclass(frozen=True, eq=False)
class Past:
    """What is over of a horizon of which the rest is planned anew.

    Parameters
    ----------
    began : mapping of str to float
        States before the first interval of all, as in ``Horizon.start``.
    heat_peak_kw, hours : float
        Highest heat drawn from the district network on the local day that goes on, and the length of what is
        over of that day [kW], [h].
    """

    began: Mapping[str, float] = field(default_factory=dict)
    heat_peak_kw: float = 0.0
    hours: float = 0.0


@dataclass(frozen=True, eq=False)
class Horizon:
    """The intervals that are planned at once.

    Parameters
    ----------
    profiles : Profiles
        What the study says about them.
    start : mapping of str to float
        State of an asset before the first of them, where other intervals were planned before: energy [kWh],
        temperature [°C] or heat of a boiler [kW]; the others start as their ratings say.
    past : Past, optional
        What is over, where these are the rest of a horizon.
    """

    profiles: Profiles
    start: Mapping[str, float] = field(default_factory=dict)
    past: Past | None = None

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return self.profiles.time.steps

    @property
    def hours(self) -> float:
        """Length of an interval [h]."""
        return self.profiles.time.step_hours

    def series(self, assets: Sequence[Asset], suffix: str = "") -> FloatArray:
        """A profile of each asset, zero where there is none, shape (assets, steps)."""
        columns = [self.profiles.of(f"{asset.asset}{suffix}") for asset in assets]
        return np.array(columns).reshape(len(assets), self.steps)

    def starts(self, assets: Sequence[Asset], otherwise: Sequence[float], suffix: str = "") -> FloatArray:
        """State of each asset before the first interval, shape (assets,)."""
        pairs = zip(assets, otherwise, strict=True)
        return np.array([self.start.get(asset.asset + suffix, value) for asset, value in pairs])

    def lowest_ends(self, assets: Sequence[Asset], usual: Sequence[float]) -> FloatArray:
        """The state that each asset must end with at least: that before the first interval, shape (assets,).

        What an earlier horizon left above the ratings' start is free to be used: it might be impossible to
        keep.
        """
        began = self.start if self.past is None else self.past.began
        return np.array(
            [min(began.get(a.asset, value), value) for a, value in zip(assets, usual, strict=True)]
        )

    def last_of_days(self) -> BoolArray:
        """Whether each interval is the last one of a local day or of the horizon, shape (steps,)."""
        day = self.profiles.time.local_clock()[0]
        return np.append(day[1:] != day[:-1], True)


@dataclass(frozen=True, eq=False)
class Converters:
    """Assets whose reactive power takes the place of active power.

    Parameters
    ----------
    asset : tuple of str
        Which.
    p_kw, q_kvar : Linear of shape (assets, steps)
        Active power as a magnitude [kW], reactive power injected [kvar].
    """

    asset: Names
    p_kw: Linear
    q_kvar: Linear


@dataclass(frozen=True, eq=False)
class Operation:
    """What some assets do.

    Parameters
    ----------
    asset : tuple of str
        Which assets.
    p_kw, q_kvar : Linear of shape (assets, steps)
        Net power at their connections, positive when they draw [kW], [kvar].
    heat_kw : Linear of shape (assets, steps)
        Heat that they give: to the heating of their community, or where ``own_heat`` to their own use [kW].
    own_heat : bool
        Whether their heat is no part of the community's balance.
    state : Linear of shape (assets, steps), optional
        State at the end of each interval: energy [kWh], temperature [°C] or heat of a boiler [kW].
    more_states : mapping of str to Linear
        Further states that the next horizon begins with, by the word behind the asset's id.
    empty, full : (assets,), optional
        States that count as empty and full; None where the state is no store.
    converters : Converters, optional
        Where they can give reactive power, what prices it.
    """

    asset: Names
    p_kw: Linear
    q_kvar: Linear
    heat_kw: Linear
    own_heat: bool = False
    state: Linear | None = None
    more_states: Mapping[str, Linear] = field(default_factory=dict)
    empty: FloatArray | None = None
    full: FloatArray | None = None
    converters: Converters | None = None

    @property
    def heats(self) -> bool:
        """Whether they take part in the heating of their community."""
        return not self.own_heat and bool(self.heat_kw.weight.any() or self.heat_kw.constant.any())

    def states(self, x: FloatArray) -> dict[str, FloatArray]:
        """States after each interval by the names that ``Horizon.start`` has, shape (steps,) each."""
        states = {"": self.state, **self.more_states}
        return {
            name + suffix: value
            for suffix, state in states.items()
            if state is not None
            for name, value in zip(self.asset, state.value(x), strict=True)
        }

    def soc_share(self, x: FloatArray) -> FloatArray:
        """State of charge at the end of each interval, NaN where nothing is stored, shape (assets, steps)."""
        if self.state is None or self.empty is None or self.full is None:
            return np.full(self.p_kw.shape, np.nan)
        span = np.where(self.full > self.empty, self.full - self.empty, np.nan)
        return np.asarray((self.state.value(x) - self.empty[:, None]) / span[:, None])


def names_of(assets: Sequence[Asset]) -> Names:
    """Ids of assets."""
    return tuple(asset.asset for asset in assets)


def of_each(assets: Sequence[Asset], rating: str) -> FloatArray:
    """A rating of each asset as a column, shape (assets, 1), so that it spreads over the steps."""
    return np.array([getattr(asset, rating) for asset in assets], dtype=np.float64)[:, None]


def has_say(asset: Asset) -> bool:
    """Whether an asset decides about its reactive power; else it goes with active power or by its profile."""
    shares = [getattr(asset, share, np.nan) for share in ("q_share", "q_inject_share", "q_absorb_share")]
    return bool(np.nan_to_num(shares).max() > 0.0)


def who_have_say(assets: Sequence[Asset]) -> BoolArray:
    """Which decide about their reactive power, shape (assets,)."""
    return np.array([has_say(asset) for asset in assets], dtype=np.bool_)


def reactive_without_say(
    assets: Sequence[Asset], p_kw: Linear, horizon: Horizon, has_say: BoolArray | None = None
) -> Linear:
    """Q of assets that have no say in it: ``<asset>.q_kvar``, else net power times tan φ [kvar].

    Parameters
    ----------
    has_say : (assets,), optional
        Those that decide for themselves: zero here.
    """
    silent = np.ones(len(assets), dtype=np.bool_) if has_say is None else ~has_say
    is_given = np.array([f"{asset.asset}.q_kvar" in horizon.profiles.columns for asset in assets], dtype=bool)
    per_kw = np.array([reactive_per_active(asset) for asset in assets])
    given_kvar = horizon.series(assets, ".q_kvar") * silent[:, None]
    return p_kw * np.where(silent & ~is_given, per_kw, 0.0)[:, None] + given_kvar


def nothing(assets: Sequence[Asset], horizon: Horizon) -> Linear:
    """None of it: zeros, shape (assets, steps)."""
    return constant(np.zeros((len(assets), horizon.steps)))


def before(state: Linear, start: FloatArray) -> Linear:
    """The state before each interval: ``start``, then what each interval left, shape (assets, steps)."""
    return stack([constant(start[None, :]), state[:, :-1].transpose()]).transpose()
