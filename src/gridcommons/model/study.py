"""A study: one grid, its community, and what is asked of them, frozen and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gridcommons.model.envelopes import Envelopes
from gridcommons.model.flexibility import Offer
from gridcommons.model.grid import Grid
from gridcommons.model.limits import Limits
from gridcommons.model.members import Community
from gridcommons.model.orders import StandingOrder
from gridcommons.model.profiles import Profiles
from gridcommons.model.switches import Switch
from gridcommons.model.tariffs import Prices
from gridcommons.model.time import TimeAxis


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that a task reads.

    Parameters
    ----------
    name, currency : str
        Title and currency, for display and for money.
    seed : int
        Seed of every random draw.
    grid, community, profiles, limits, prices
        See their classes; ``prices`` is None where the study has none.
    today : Community or None
        Where ``community`` is a future one: the same members with what they have today, their profiles
        among the others under the ids of these assets.
    tasks : mapping of str to mapping
        The ``[tasks.NAME]`` tables as written; each task validates its own.
    offers : tuple of Offer
        What aggregators sent, as they sent it; one that is among them makes no other offers.
    switches : tuple of Switch
        The branches that may be opened and closed.
    orders : tuple of StandingOrder
        What members order of the local market themselves; one that is among them has no other orders.
    envelopes : Envelopes or None
        Operating envelopes that orders and assets must keep; None where there are none.
    notes : tuple of str
        What the check had to say: averaged profiles, fixed loads of the grid file, overrides.
    inputs_sha256 : str
        Hash of the input files.
    """

    name: str
    currency: str
    seed: int
    grid: Grid
    community: Community
    profiles: Profiles
    limits: Limits
    prices: Prices | None = None
    today: Community | None = None
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    offers: tuple[Offer, ...] = ()
    switches: tuple[Switch, ...] = ()
    orders: tuple[StandingOrder, ...] = ()
    envelopes: Envelopes | None = None
    notes: tuple[str, ...] = ()
    inputs_sha256: str = ""

    @property
    def time(self) -> TimeAxis:
        """The time axis."""
        return self.profiles.time
