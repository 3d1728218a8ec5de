"""What capabilities need from outside, as Protocols; each has at least two implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from gridcommons.model.results import Columns, TablesInMemory

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

    def __call__(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Open a bar of ``total`` units; the function given back advances it."""


def no_progress(label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Tell nobody; the progress of notebooks and tests."""
    return nullcontext(_ignore)


def _ignore(_advance: int) -> None:
    return None


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
    """

    sink: TableSink = field(default_factory=TablesInMemory)
    progress: Progress = no_progress
    method: PowerFlow = "helm"
