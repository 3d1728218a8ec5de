"""What a study may say under ``[tasks.envelopes]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Objective = Literal["max_total", "equal", "proportional", "max_min", "proportional_fairness"]
ALL_OBJECTIVES: tuple[Objective, ...] = (
    "max_total",
    "proportional_fairness",
    "proportional",
    "max_min",
    "equal",
)


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``envelopes``.

    Parameters
    ----------
    objective : str
        ``max_total``, ``equal``, ``proportional``, ``max_min`` or ``proportional_fairness``.
    method : str
        ``linear`` (sequential linear programming) or ``genetic`` (the published search).
    priority : list of list of str
        Classes of asset kinds or ids, first served first; what is in none comes last.
    support : list of str
        Kinds or ids that may be asked below or above rest to mend a violation.
    soc_path : str
        ``profile`` (energy along the study's own path) or ``initial`` (every step an online sample).
    draws : int
        Random points of the boxes tried at each step.
    objectives_compared : list of str
        Objectives whose shares the report compares; the chosen one is always among them.
    """

    objective: Objective = "max_total"
    method: Literal["linear", "genetic"] = "linear"
    priority: tuple[tuple[str, ...], ...] = ()
    support: tuple[str, ...] = ()
    soc_path: Literal["profile", "initial"] = "profile"
    draws: int = 1000
    objectives_compared: tuple[Objective, ...] = ALL_OBJECTIVES

    def __post_init__(self) -> None:
        """Refuse what no type can: a negative number of draws, an asset or kind in two classes."""
        if self.draws < 0:
            raise ValueError(f"draws = {self.draws}, but no fewer than 0 points can be drawn")
        named = [name for names in self.priority for name in names]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} in more than one class of priority")
        if self.method == "genetic" and self.objective != "max_total":
            raise ValueError(
                f'objective "{self.objective}" with method "genetic", but the published search has '
                'one objective, "max_total"'
            )
