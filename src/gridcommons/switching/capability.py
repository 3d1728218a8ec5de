"""The task ``switching``: which switches should be open.

For least losses, one radial topology over the whole window and a safe way there; for least exchange with the
main grid, the positions of the switches between clusters in every interval.
"""

from __future__ import annotations

from gridcommons.model.results import Result
from gridcommons.model.study import Study
from gridcommons.ports import Engines
from gridcommons.switching.answer_clusters import answer_clusters
from gridcommons.switching.answer_losses import answer_losses
from gridcommons.switching.settings import Settings

__all__ = ["Settings", "run"]


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """Positions of the switches, and the operations that lead there.

    Raises
    ------
    StudyError
        Switches or clusters that do not fit the objective, or a three-phase grid with objective ``losses``.
    InfeasibleError
        A bus with load that no switch can supply, a loop that none can open, limits that no topology holds.
    """
    answer = answer_losses if settings.objective == "losses" else answer_clusters
    return answer(study, settings, engines)
