"""What a study may say under ``[tasks.switching]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Goal = Literal["losses", "injection", "exchange"]
Method = Literal["optimal", "heuristic", "enumeration", "search"]
LimitRule = Literal["report", "hold"]

METHODS_OF_GOAL: dict[str, tuple[Method, ...]] = {
    "losses": ("optimal", "enumeration", "search"),
    "injection": ("optimal", "heuristic"),
    "exchange": ("optimal", "heuristic"),
}
"""How each objective can be reached; of losses, ``optimal`` enumerates where it can and searches else."""


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``switching``.

    Parameters
    ----------
    objective : str
        ``losses``: one radial topology of least losses over the window. ``injection`` or ``exchange``:
        positions of the switches between clusters in every interval, for the least power fed into the main
        grid, or fed in and absorbed.
    method : str
        ``optimal``; of losses also ``enumeration`` or ``search``; of the others also ``heuristic``, that of
        the source.
    limits : str
        Of losses: ``report`` finds the least losses and lists what breaks limits; ``hold`` takes no topology
        that breaks one, and says so where none exists. Operations break no limit that held before.
    bound_seconds : float
        Of losses: time for the proof of a lower bound beside a search [s]; 0 for none.
    parallel_allowed : bool
        Whether two connections to the main grid may stay closed in one group of clusters.
    worth_minutes : float
        Between clusters, an operation must pay back within so long [min]; where the study has prices.
    """

    objective: Goal = "exchange"
    method: Method = "optimal"
    limits: LimitRule = "report"
    bound_seconds: float = 0.0
    parallel_allowed: bool = False
    worth_minutes: float = 15.0

    def __post_init__(self) -> None:
        """Refuse a method that does not reach the objective."""
        known = METHODS_OF_GOAL[self.objective]
        if self.method not in known:
            raise ValueError(
                f"method {self.method!r} with objective {self.objective!r}, which knows {', '.join(known)}"
            )
        if not (self.bound_seconds >= 0.0 and self.worth_minutes >= 0.0):
            raise ValueError("bound_seconds or worth_minutes below 0")
