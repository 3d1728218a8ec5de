"""The benefit of sharing as a game: what each group of members would save by sharing among themselves.

A coalition S shares all that it can, min(G_S, C_S), in each netting interval. Each shared kWh saves the price
of import with its fee and tax, less the fee on shared energy and the price of feed-in that is not had for it:

    v(S) = Σ_t (import_t − fee_t − export_t) min(G_S,t, C_S,t),

or the premium on shared energy where nothing is allocated. A member alone is no community: v({i}) = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import BoolArray, FloatArray, Names
from gridcommons.settlement.agreement import Agreement
from gridcommons.settlement.games import PLAYERS_MAX, Game, core_excess, per_capita, shapley
from gridcommons.settlement.meters import Meters
from gridcommons.settlement.nucleolus import nucleolus
from gridcommons.settlement.sampled_shapley import sampled_shapley
from gridcommons.settlement.settings import Settings
from gridcommons.settlement.sharing_keys import Registers, net_over

CELLS_AT_ONCE = 2**22
"""Coalitions times intervals that are valued at once."""


@dataclass(frozen=True, eq=False)
class SharingGame:
    """What coalitions of a community are worth.

    Parameters
    ----------
    members : tuple of str
        Its players.
    value_per_kwh : (netting intervals,)
        What a shared kWh saves [currency].
    registers : Registers
        Of netting intervals.
    """

    members: Names
    value_per_kwh: FloatArray
    registers: Registers

    def value_of(self, coalitions: BoolArray) -> FloatArray:
        """Values of coalitions, shape (coalitions,) [currency], from who is in them."""
        at_once = max(CELLS_AT_ONCE // max(self.registers.steps, 1), 1)
        value = np.zeros(len(coalitions))
        for first in range(0, len(coalitions), at_once):
            inside = coalitions[first : first + at_once].astype(np.float64)
            injected_kwh = inside @ self.registers.injection_kwh.T
            withdrawn_kwh = inside @ self.registers.withdrawal_kwh.T
            value[first : first + at_once] = np.minimum(injected_kwh, withdrawn_kwh) @ self.value_per_kwh
        return np.where(coalitions.sum(axis=1) < 2, 0.0, value)

    @property
    def marginal_range(self) -> float:
        """Bound on the largest less the smallest of what any one member can add to a coalition [currency].

        A member that joins raises min(G, C) by max(g, c) at most, and never lowers it. What its first partner
        would share with itself, which counts for nothing while it is alone, comes on top.
        """
        made_kwh, used_kwh = self.registers.injection_kwh, self.registers.withdrawal_kwh
        weight = np.abs(self.value_per_kwh)
        most_kwh = np.minimum(np.maximum(made_kwh, used_kwh), self.registers.sharable_kwh[:, None])
        return float((weight @ most_kwh).max() + (weight @ np.minimum(made_kwh, used_kwh)).max())


@dataclass(frozen=True, eq=False)
class Benefit:
    """How the benefit of a community is handed out.

    Parameters
    ----------
    amount : (members,)
        What each gets of it; all of it together [currency].
    error : float
        What no amount is off by more than; 0 where they are exact [currency].
    draws : int
        Orders of joining drawn; 0 where they are exact.
    core_excess : float
        By how much the coalition with most to complain of would do better by itself, not above 0 where none
        would; NaN where there are too many coalitions to ask [currency].
    """

    amount: FloatArray
    error: float
    draws: int
    core_excess: float


def make_game(meters: Meters, agreement: Agreement, key: str, vat_share: float) -> SharingGame:
    """The game of sharing in a window, of the intervals that are worth anything.

    Parameters
    ----------
    meters : Meters
        Of all members.
    agreement : Agreement
        Prices and netting; prices are the same all through a netting interval.
    key : str
        A key that shares all that can be, or ``virtual``, of which the premium alone is worth something.
    vat_share : float
        Tax on what is bought.
    """
    registers = net_over(meters.registers(slice(0, meters.steps)), agreement.steps_each)
    value_per_kwh = agreement.premium_per_kwh
    if key != "virtual":
        tariff = agreement.tariff_of(slice(0, meters.steps))
        bought = np.asarray(tariff.import_price_per_kwh) - tariff.shared_fee_per_kwh
        each_step = (1.0 + vat_share) * bought - tariff.export_price_per_kwh
        value_per_kwh = np.asarray(each_step).reshape(-1, agreement.steps_each)[:, 0]
    matters = (registers.sharable_kwh > 0.0) & (value_per_kwh != 0.0)
    kept = Registers(registers.withdrawal_kwh[matters], registers.injection_kwh[matters])
    return SharingGame(agreement.parties.members, value_per_kwh[matters], kept)


def hand_out(game: SharingGame, settings: Settings, seed: int) -> Benefit:
    """What each member gets of the benefit, by the rule of the settings.

    Parameters
    ----------
    game : SharingGame
        Of the community.
    settings : Settings
        The rule, and how Shapley values are estimated of more members than ``PLAYERS_MAX``.
    seed : int
        Seed of the orders that are drawn.

    Raises
    ------
    InfeasibleError
        The nucleolus of a community whose sharing costs more than it saves.
    """
    count = len(game.members)
    if count <= PLAYERS_MAX:
        whole = Game.from_function(game.members, game.value_of)
        amount = {"shapley": shapley, "nucleolus": nucleolus, "per_capita": per_capita}[settings.benefit](
            whole
        )
        return Benefit(amount, 0.0, 0, core_excess(whole, amount).amount)
    if settings.benefit == "per_capita":
        total = float(game.value_of(np.ones((1, count), dtype=np.bool_))[0])
        return Benefit(np.full(count, total / count), 0.0, 0, float("nan"))
    found = sampled_shapley(
        game.value_of,
        game.members,
        settings.draws,
        np.random.default_rng(seed),
        game.marginal_range,
        settings.confidence_share,
    )
    return Benefit(found.amount, found.error, found.draws, float("nan"))
