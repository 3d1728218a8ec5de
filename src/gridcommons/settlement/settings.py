"""What a study may say under ``[tasks.settlement]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

KeyName = Literal[
    "static_capped",
    "static_owned",
    "static_redistributed",
    "dynamic_prorata",
    "equal_maxmin",
    "priority",
    "pairwise",
    "virtual",
]
Benefit = Literal["none", "shapley", "nucleolus", "per_capita"]

SHARING_ALL: tuple[KeyName, ...] = ("dynamic_prorata", "equal_maxmin", "priority", "virtual")
"""Keys that share all that can be shared, so that what coalitions are worth does not depend on the key."""

SHARES = (
    "internal_price_share",
    "shared_fee_share",
    "vat_share",
    "premium_producers_share",
    "confidence_share",
)
ABOVE_ZERO = ("netting_minutes", "plant_kw", "draws")


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``settlement``.

    Parameters
    ----------
    key : str
        How shared energy is allocated to members, a name in ``KEYS``.
    rules : str
        National rules in force, as "country, kind of community", such as ``Austria, EEG local``; empty for
        none. Which version holds follows from the dates of the window.
    network_level : str
        Network level of the members, where the cut of the network fee depends on it.
    shares : mapping of str to float
        Static share of each member, 1 together; who is not named has none.
    priority : list of str
        Members in the order in which they are served; the others come after them in the order of the file.
    pairs : list of (str, str, float)
        Member, producer, and the share that the member gets of what the producer injects.
    internal_price_share : float
        Where the price of shared energy lies between feed-in (0) and import without network fee (1).
    internal_price_per_kwh : float, optional
        The price of shared energy itself, in place of that.
    shared_fee_share : float, optional
        Part of the network fee that shared energy pays; what the national rules leave of it if absent, all
        of it without rules.
    netting_minutes : int, optional
        Interval over which injection and withdrawal net; that of the national rules if absent, that of the
        study without rules.
    vat_share : float
        Value-added tax on energy from suppliers and on network fees, of the price without it.
    plant_kw : float, optional
        Power of the plants, on which a premium on shared energy depends.
    premium_zone : str
        Zone that adds to the premium.
    premium_producers_share : float
        Part of the premium for who injected; the rest is for who withdrew.
    benefit : str
        ``none``: members pay the internal price. Else each pays what it would alone, less its part of the
        community's benefit by ``shapley``, ``nucleolus`` or ``per_capita``.
    draws : int
        Orders of joining from which Shapley values of more members than can be held whole are estimated.
    confidence_share : float
        With which probability the error of the estimates holds.
    keys_compared : list of str
        Keys of which a table tells what each member would pay.
    """

    key: KeyName = "dynamic_prorata"
    rules: str = ""
    network_level: str = "any"
    shares: Mapping[str, float] = field(default_factory=dict)
    priority: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str, float], ...] = ()
    internal_price_share: float = 0.5
    internal_price_per_kwh: float | None = None
    shared_fee_share: float | None = None
    netting_minutes: int | None = None
    vat_share: float = 0.0
    plant_kw: float | None = None
    premium_zone: Literal["none", "south", "centre", "north"] = "none"
    premium_producers_share: float = 0.5
    benefit: Benefit = "none"
    draws: int = 1000
    confidence_share: float = 0.95
    keys_compared: tuple[KeyName, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no settlement."""
        wrong = [*self._numbers_out_of_range(), *self._contradictions()]
        if wrong:
            raise ValueError("; ".join(wrong))

    @property
    def keys(self) -> tuple[KeyName, ...]:
        """All keys that are asked for, each once."""
        return tuple(dict.fromkeys((self.key, *self.keys_compared)))

    def _numbers_out_of_range(self) -> Iterator[str]:
        shares = {name: getattr(self, name) for name in SHARES}
        shares |= {f"shares of {member}": share for member, share in self.shares.items()}
        shares |= {f"pairs of {member} and {producer}": share for member, producer, share in self.pairs}
        for name, value in shares.items():
            if value is not None and not 0.0 <= value <= 1.0:
                yield f"{name} {value:g}, expected 0 to 1"
        for name in ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and not value > 0:
                yield f"{name} {value:g}, expected above 0"
        if self.confidence_share in (0.0, 1.0):
            yield f"confidence_share {self.confidence_share:g}, expected above 0 and below 1"

    def _contradictions(self) -> Iterator[str]:
        if self.benefit == "none":
            return
        if self.key not in SHARING_ALL:
            known = ", ".join(SHARING_ALL)
            yield f"benefit {self.benefit!r} with key {self.key!r}, expected a key that shares all: {known}"
        if self.keys_compared:
            yield f"keys_compared with benefit {self.benefit!r}, expected benefit 'none': it knows no key"
