"""What capabilities need from outside, as Protocols; each has at least two implementations."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy.typing as npt

from gridcommons.model.clusters import ClusterGraph, ClusterMap, Topology
from gridcommons.model.errors import GridcommonsError
from gridcommons.model.flexibility import Offer, Requirement
from gridcommons.model.grid import BoolArray, FloatArray, Grid, IntArray
from gridcommons.model.limits import Limits
from gridcommons.model.members import Member
from gridcommons.model.results import Columns, TablesInMemory
from gridcommons.model.switches import Moves, Switch
from gridcommons.model.time import TimeAxis

if TYPE_CHECKING:
    import pandas as pd

PowerFlow = Literal["helm", "newton"]
"""The load flows: our own batched holomorphic embedding, and power-grid-model's batch Newton."""


class TableSink(Protocol):
    """Where result tables go as they are made: memory, or Parquet row groups."""

    def write(self, table: str, columns: Columns) -> None:
        """Append rows (arrays of equal length by column name) to a table."""

    def readers(self) -> Mapping[str, Callable[[], pd.DataFrame]]:
        """A function a table that hands it out whole, once all is written."""


class Progress(Protocol):
    """Tells a waiting person how far a run is."""

    def __call__(self, label: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Open a bar of ``total`` units, None where nobody knows; the function given back advances it."""


class FinishedRuns(Protocol):
    """Keeps what a long task has finished, so that a killed one goes on where it stood."""

    def load(self, key: Mapping[str, Any]) -> Mapping[str, npt.NDArray[Any]] | None:
        """The arrays kept under everything that they depend on; None where there are none."""

    def save(self, key: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep arrays, whole or not at all."""


class NothingFinished:
    """Keeps nothing; the store of notebooks and tests."""

    def load(self, key: Mapping[str, Any]) -> None:
        """Nothing."""

    def save(self, key: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep nothing."""


class Forecaster(Protocol):
    """Says the day before what the load of the station will be."""

    def forecast(self, measured_kw: FloatArray, time: TimeAxis) -> FloatArray:
        """Forecast load of every interval from what was measured before its local day, (steps,) [kW].

        NaN where nothing is known yet. One forecaster is exempt by its name: ``pseudo`` knows the day.
        """


class OfferingParty(Protocol):
    """An aggregator as the market sees it: a name, and offers for a requirement."""

    @property
    def name(self) -> str:
        """What the party is called in the study."""

    def offers(self, requirement: Requirement) -> Sequence[Offer]:
        """What it offers; nothing is trusted about what comes back, or that anything does."""


class GridOperatorParty(Protocol):
    """The grid operator's side of a market, in this process or another: bytes in, bytes out."""

    def answer(self, message: bytes) -> bytes:
        """Wire form of the reply to a proposal in wire form."""

    def report(self) -> bytes:
        """Wire form of what the last proposal breaks and what is missing; for whoever pays."""


class CommunityParty(Protocol):
    """A community as the grid operator sees it: a name, and answers as bytes."""

    @property
    def name(self) -> str:
        """What it is called in the study."""

    def schedule(self) -> bytes:
        """Wire form of what it will exchange by its own schedule."""

    def answer(self, message: bytes) -> bytes:
        """Wire form of what it would exchange at the prices of a call; nothing is trusted about it."""

    def deliver(self, message: bytes) -> bytes:
        """Wire form of what it exchanges when an award is bought."""


@dataclass(frozen=True)
class SwitchWish:
    """What is wanted of the switches between clusters.

    Parameters
    ----------
    parallel_allowed : bool
        Whether two connections to the main grid may stay closed in one group.
    objective : {"injection", "exchange"}
        Least power fed into the main grid, or least power fed in and absorbed.
    price_per_kwh : float
        What a kWh of exchange less is worth [currency/kWh]; infinite: any is worth every operation.
    worth_hours : float
        How long the operations of a change have to pay back [h].
    """

    parallel_allowed: bool = False
    objective: Literal["injection", "exchange"] = "injection"
    price_per_kwh: float = float("inf")
    worth_hours: float = 0.25


@dataclass(frozen=True, eq=False)
class Loaded:
    """A grid under load, at the moment in which switches move.

    Parameters
    ----------
    grid : Grid
        The grid; the positions in it do not count.
    switches : tuple of Switch
        What may be moved.
    limits : Limits
        What must not be exceeded.
    bus, to_bus : (terminals,)
        Where power is drawn, ``to_bus`` -1 for earth.
    p_kw, q_kvar : (terminals,)
        Power drawn [kW], [kvar].
    parallel_allowed : bool
        Whether two connections to the main grid may stay closed in one group.
    """

    grid: Grid
    switches: tuple[Switch, ...]
    limits: Limits
    bus: IntArray
    to_bus: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray
    parallel_allowed: bool = False


class SwitchController(Protocol):
    """Finds positions of the switches between clusters, and a safe way there."""

    def find_clusters(self, grid: Grid, members: Sequence[Member], switches: Sequence[Switch]) -> ClusterMap:
        """The graph of clusters that the switches cut a grid into; raises StudyError where they do not."""

    def can_plan(self, graph: ClusterGraph) -> bool:
        """Whether the graph is small enough for this method."""

    def plan(
        self, graph: ClusterGraph, balance_kw: FloatArray, current: BoolArray, wish: SwitchWish
    ) -> Topology:
        """Positions for the balances of one round, shape (clusters,) [kW]; ``current`` if nothing pays.

        ``current`` are the positions of links, then PCCs.
        """

    def exchange(self, graph: ClusterGraph, balance_kw: FloatArray, closed: BoolArray) -> Topology:
        """What moves over given positions of links, then PCCs, for the balances of one round."""

    def move(self, loaded: Loaded, start: BoolArray, goal: BoolArray) -> Moves:
        """A safe order of operations from positions of all switches to others, or as far as it is safe."""


def cores() -> int:
    """Cores that this process may use; all of the machine where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def no_progress(label: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """Tell nobody; the progress of notebooks and tests."""
    return nullcontext(_ignore)


def _ignore(_advance: int) -> None:
    return None


def no_switch_controller(method: str) -> SwitchController:
    """Refuse: nothing that plans switches was given."""
    raise GridcommonsError(
        f"switching by {method!r} needs engines that can plan switches: use default_engines()"
    )


OtherProcess = Callable[[Any, float], AbstractContextManager[GridOperatorParty]]
"""Takes a party and how long it may take to answer [s]; hands it out as another process while the context is
open."""


def no_other_process(party: Any, timeout_s: float) -> AbstractContextManager[GridOperatorParty]:
    """Refuse: nothing that starts processes was given."""
    raise GridcommonsError(
        "parties = 'two_processes' needs engines that can start a process: gridcommons run has them, and in "
        "Python default_engines(other_process=gc.loopback_process)"
    )


@dataclass(frozen=True)
class Engines:
    """What a task is run with: everything that can be chosen without changing what is asked.

    Parameters
    ----------
    sink : TableSink
        Where the tables go as they are made.
    progress : Progress
        Who is told how far the run is.
    method : {"helm", "newton"}
        The load flow.
    workers : int
        How many independent pieces are computed at a time; the answer does not depend on it.
    finished : FinishedRuns
        Where pieces of a long task are kept until it is done.
    other_process : callable
        Runs the grid operator's side of a market in a process of its own.
    switch_controller : callable
        Makes the controller of switches of a method by its name.
    """

    sink: TableSink = field(default_factory=TablesInMemory)
    progress: Progress = no_progress
    method: PowerFlow = "helm"
    workers: int = 1
    finished: FinishedRuns = field(default_factory=NothingFinished)
    other_process: OtherProcess = no_other_process
    switch_controller: Callable[[str], SwitchController] = no_switch_controller
