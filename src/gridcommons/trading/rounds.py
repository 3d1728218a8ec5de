"""Which rounds of the two-tier market a day of measurements starts, and when their decisions take effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np

from gridcommons.model.errors import GridcommonsError
from gridcommons.model.grid import BoolArray, FloatArray, IntArray, Names
from gridcommons.trading.triggers import Trigger

Kind = Literal["cluster", "community", "meters"]
"""A cluster's market; the whole community with switching and meters; meters alone."""

KINDS: tuple[Kind, ...] = get_args(Kind)

FIRST, IDLE = "first", "idle"
"""What starts a round beside the triggers: the day itself, and a long time without any."""

NOBODY = -1
"""In the place of a cluster or member where a round has none."""

TRANSACTION_BYTES = 4000
"""Most storage of one transaction on the ledger: 4 kB (source, §4.1)."""


class Delay(Protocol):
    """How long the decisions of a community round take to be made and carried out."""

    def draw(self, rounds: int, generator: np.random.Generator) -> FloatArray:
        """One delay a round, shape (rounds,) [min]."""


@dataclass(frozen=True)
class FixedDelay:
    """The same delay in every round.

    Parameters
    ----------
    delay_minutes : float
        Its length [min].
    """

    delay_minutes: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.delay_minutes < np.inf:
            raise GridcommonsError(
                f"delay of a round: found {self.delay_minutes:g} minutes, expected a finite one, 0 or more"
            )

    def draw(self, rounds: int, generator: np.random.Generator) -> FloatArray:
        """The same for each round [min]."""
        return np.full(rounds, float(self.delay_minutes))


@dataclass(frozen=True)
class NormalDelay:
    """Delays from a normal distribution truncated at 0: what falls below is drawn again.

    Parameters
    ----------
    mean_s, sd_s : float
        Of the distribution before it is truncated [s].
    """

    mean_s: float
    sd_s: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.mean_s < np.inf and 0.0 <= self.sd_s < np.inf):
            raise GridcommonsError(
                f"delay of a round: found a mean of {self.mean_s:g} s and a standard deviation of "
                f"{self.sd_s:g} s, expected finite ones, 0 or more"
            )

    def draw(self, rounds: int, generator: np.random.Generator) -> FloatArray:
        """One draw a round [min]."""
        delay_s = generator.normal(self.mean_s, self.sd_s, rounds)
        while (below := delay_s < 0.0).any():
            delay_s[below] = generator.normal(self.mean_s, self.sd_s, int(below.sum()))
        return np.asarray(delay_s / 60.0)


@dataclass(frozen=True, kw_only=True)
class RoundSettings:
    """What starts rounds, how long they take, and what they store.

    Parameters
    ----------
    member_trigger : Trigger
        Watches each member's net power.
    cluster_trigger : Trigger
        Watches the sum of each cluster's members; asked when the cluster's market has run.
    idle_minutes : int
        Meters are read after so many minutes without a round or a reading anywhere.
    delay : Delay
        Of community rounds.
    transaction_bytes : int
        Storage of one transaction.
    """

    member_trigger: Trigger
    cluster_trigger: Trigger
    idle_minutes: int
    delay: Delay = field(default_factory=FixedDelay)
    transaction_bytes: int = TRANSACTION_BYTES

    def __post_init__(self) -> None:
        for name, least in (("idle_minutes", 1), ("transaction_bytes", 0)):
            if not getattr(self, name) >= least:
                raise GridcommonsError(
                    f"rounds: found {name} {getattr(self, name)}, expected {least} or more"
                )


@dataclass(frozen=True, eq=False)
class Rounds:
    """The rounds of a day, one value a round, in the order in which they are started.

    Parameters
    ----------
    minute : (rounds,)
        When it is started.
    kind : tuple of str
        ``cluster``, ``community`` or ``meters``. A community round includes a round of every cluster, so
        that of the cluster that started it is not listed again.
    cluster : (rounds,)
        Whose market runs; -1 where it is not that of one cluster.
    trigger : tuple of str
        Name of the member's trigger, or ``first``, ``idle``, ``prices`` or ``orders``.
    member : (rounds,)
        Who fired; where several did, who deviates most; -1 where nobody did.
    effect_minute : (rounds,)
        When its decisions arrive: after the delay in community rounds, else at once. May lie behind the day.
    takes_effect : (rounds,)
        False where a newer community round's decisions have arrived by then: these are dropped.
    storage_bytes : (rounds,)
        What it stores on the ledger.
    """

    minute: IntArray
    kind: Names
    cluster: IntArray
    trigger: Names
    member: IntArray
    effect_minute: IntArray
    takes_effect: BoolArray
    storage_bytes: IntArray

    def __len__(self) -> int:
        """Number of rounds."""
        return len(self.minute)

    def is_kind(self, kind: Kind) -> BoolArray:
        """Which rounds are of one kind, shape (rounds,)."""
        return np.array([each == kind for each in self.kind], dtype=np.bool_)


@dataclass(frozen=True)
class _Start:
    """A round as it is started."""

    minute: int
    kind: Kind
    trigger: str
    cluster: int = NOBODY
    member: int = NOBODY


def find_rounds(
    p_kw: FloatArray,
    cluster: IntArray,
    settings: RoundSettings,
    generator: np.random.Generator,
    news: Mapping[int, str] | None = None,
) -> Rounds:
    """The rounds that a day of measurements starts.

    Parameters
    ----------
    p_kw : (minutes, members)
        Net power of each member [kW].
    cluster : (members,)
        Number of each member's cluster, from 0.
    settings : RoundSettings
        What starts rounds.
    generator : numpy.random.Generator
        Where delays come from.
    news : mapping of int to str, optional
        Minutes in which a round of the community is due whatever meters say, and the word for why.

    Raises
    ------
    GridcommonsError
        A measurement is missing, or the clusters are not those of the members.

    Notes
    -----
    Source: the aperiodic execution flow, §2.3. A member that fires runs its cluster's market, to which all
    its members send new measurements; if the cluster's own deviation since the last community round passes
    its threshold, all clusters clear anew and the community follows. Decisions come late, measurements do
    not: references are those of the minute in which the round is started.
    """
    _check(p_kw, cluster)
    meters = _Meters(p_kw, cluster, settings)
    starts: list[_Start] = []
    for minute in range(len(p_kw)):
        started = meters.step(minute)
        due = (news or {}).get(minute, "")
        if due and not (started and started[0].kind == "community"):
            meters.renew_all(minute)
            started = [_Start(minute, "community", due)]
        if not started and minute - starts[-1].minute >= settings.idle_minutes:
            started = [_Start(minute, "meters", IDLE)]
        starts += started
    return _as_columns(starts, np.bincount(cluster), settings, generator)


class _Meters:
    """What every meter remembers of its last round, and every cluster of the last community round."""

    def __init__(self, p_kw: FloatArray, cluster: IntArray, settings: RoundSettings) -> None:
        self.cluster, self.settings = cluster, settings
        self.p_kw = p_kw
        self.sum_kw = p_kw @ np.eye(int(cluster.max()) + 1)[cluster]
        self.renew_all(0)

    def renew_all(self, minute: int) -> None:
        """A community round: every reference is what is measured now."""
        self.reference_kw = self.p_kw[minute].copy()
        self.deviation = np.zeros_like(self.reference_kw)
        self.cluster_reference_kw = self.sum_kw[minute].copy()
        self.cluster_deviation = np.zeros_like(self.cluster_reference_kw)

    def step(self, minute: int) -> list[_Start]:
        """The rounds that a minute's measurements start."""
        if minute == 0:
            return [_Start(minute, "community", FIRST)]
        trigger = self.settings.member_trigger
        self.deviation = trigger.deviate(self.deviation, self.p_kw[minute], self.reference_kw)
        self.cluster_deviation = self.settings.cluster_trigger.deviate(
            self.cluster_deviation, self.sum_kw[minute], self.cluster_reference_kw
        )
        fired = trigger.fires(self.deviation)
        return self._run(minute, fired) if fired.any() else []

    def _run(self, minute: int, fired: BoolArray) -> list[_Start]:
        """Rounds of the clusters in which somebody fired, or one of the community."""
        name = self.settings.member_trigger.name
        clusters = np.unique(self.cluster[fired])
        far = clusters
        if not self.settings.member_trigger.starts_everything:
            far = clusters[self.settings.cluster_trigger.fires(self.cluster_deviation[clusters])]
        if len(far):
            member = self._furthest(np.isin(self.cluster, far))
            self.renew_all(minute)
            return [_Start(minute, "community", name, NOBODY, member)]
        started = []
        for number in clusters.tolist():
            mine = self.cluster == number
            started.append(_Start(minute, "cluster", name, number, self._furthest(mine)))
            self.reference_kw[mine], self.deviation[mine] = self.p_kw[minute, mine], 0.0
        return started

    def _furthest(self, which: BoolArray) -> int:
        """Who deviates most among the members of clusters in which somebody fired; so this one did."""
        return int(np.argmax(np.where(which, self.deviation, -np.inf)))


def _check(p_kw: FloatArray, cluster: IntArray) -> None:
    if p_kw.ndim != 2 or cluster.shape != p_kw.shape[1:] or p_kw.size == 0:
        raise GridcommonsError(
            f"rounds: found measurements of shape {p_kw.shape} and clusters of shape {cluster.shape}, "
            f"expected (minutes, members) and (members,), neither empty"
        )
    if cluster.min() < 0 or (np.bincount(cluster) == 0).any():
        raise GridcommonsError(
            f"rounds: found clusters {np.unique(cluster).tolist()}, expected numbers from 0 without a gap"
        )
    for minute, member in np.argwhere(~np.isfinite(p_kw))[:1].tolist():
        raise GridcommonsError(
            f"rounds: found {p_kw[minute, member]} kW of member {member} in minute {minute}, expected a "
            f"finite measurement; fill the gap first"
        )


def _as_columns(
    starts: list[_Start], members: IntArray, settings: RoundSettings, generator: np.random.Generator
) -> Rounds:
    minute = np.array([each.minute for each in starts], dtype=np.int64)
    cluster = np.array([each.cluster for each in starts], dtype=np.int64)
    kind = tuple(each.kind for each in starts)
    is_community = np.array([each == "community" for each in kind])
    delay_minutes = settings.delay.draw(int(is_community.sum()), generator)
    effect_minute = minute.copy()
    effect_minute[is_community] += np.ceil(delay_minutes).astype(np.int64)
    takes_effect = np.ones(len(starts), np.bool_)
    takes_effect[is_community] = find_in_force(effect_minute[is_community])
    return Rounds(
        minute=minute,
        kind=kind,
        cluster=cluster,
        trigger=tuple(each.trigger for each in starts),
        member=np.array([each.member for each in starts], dtype=np.int64),
        effect_minute=effect_minute,
        takes_effect=takes_effect,
        storage_bytes=settings.transaction_bytes
        * np.array([count_transactions(each.kind, each.cluster, members) for each in starts], dtype=np.int64),
    )


def find_in_force(effect_minute: IntArray) -> BoolArray:
    """Which decisions are carried out: those that arrive before every newer one.

    Parameters
    ----------
    effect_minute : (rounds,)
        When the decisions of each round arrive, rounds in the order of their start. Of several that arrive
        in one minute, the newest holds.
    """
    newer = np.append(effect_minute[1:], np.iinfo(np.int64).max)
    return np.asarray(effect_minute < np.minimum.accumulate(newer[::-1])[::-1])


def count_transactions(kind: Kind, cluster: int, members: IntArray) -> int:
    """How many executions of a function a round stores; eq. 5 and 6 of the source.

    A cluster of N members takes N bids, its market and its meters: 2 + N. M clusters take M bids, the
    community market, switching and meters: 3 + M, after a round of each. A reading alone takes one for each
    cluster's meters and one for those between them.

    Parameters
    ----------
    kind : {"cluster", "community", "meters"}
        What is run.
    cluster : int
        Whose round it is, where it is that of one cluster.
    members : (clusters,)
        Members of each cluster.
    """
    if kind == "cluster":
        return 2 + int(members[cluster])
    if kind == "community":
        return int((2 + members).sum()) + 3 + len(members)
    return len(members) + 1
