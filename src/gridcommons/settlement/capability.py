"""The task ``settlement``: what the members of a community pay for a window, together and alone.

Meters are the profiles of the study; a key allocates what members made to what members drew in the same
interval; each member gets a statement of postings that sum to exactly zero. Nothing of the grid is computed.
"""

from __future__ import annotations

from gridcommons.model.results import LazyTables, Result
from gridcommons.model.study import Study
from gridcommons.ports import Engines
from gridcommons.settlement.agreement import Agreement, make_agreement
from gridcommons.settlement.benefit import hand_out, make_game
from gridcommons.settlement.meters import Meters, read_meters
from gridcommons.settlement.requirements import require_settlement
from gridcommons.settlement.settings import Settings
from gridcommons.settlement.statements import Statements, make_statements
from gridcommons.settlement.summary import summarise
from gridcommons.settlement.tables import Settled, tables_of
from gridcommons.settlement.window import SharedWindow, share_window

__all__ = ["Settings", "run"]


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """The settlement of a study's window.

    Raises
    ------
    StudyError
        Prices, profiles or terms are missing, name nobody, or are not what the national rules allow.
    InfeasibleError
        The nucleolus of a community whose sharing costs more than it saves.
    """
    require_settlement(study, settings)
    meters, agreement = read_meters(study), make_agreement(study, settings)
    settled = settle(study, settings, meters, agreement)
    for name, columns in tables_of(settled):
        engines.sink.write(name, columns)
    return Result("settlement", LazyTables(engines.sink.readers()), summarise(settled), {})


def settle(study: Study, settings: Settings, meters: Meters, agreement: Agreement) -> Settled:
    """Windows and statements under the key of the settings and those that it compares."""
    windows = {
        key: share_window(meters, agreement, key, settings.premium_producers_share) for key in settings.keys
    }
    benefit = None
    if settings.benefit != "none":
        game = make_game(meters, agreement, settings.key, settings.vat_share)
        benefit = hand_out(game, settings, study.seed)
    window = windows[settings.key]
    compared: dict[str, tuple[SharedWindow, Statements]] = {
        key: (windows[key], make_statements(windows[key], agreement, settings.vat_share))
        for key in dict.fromkeys(settings.keys_compared)
    }
    statements = make_statements(window, agreement, settings.vat_share, benefit)
    return Settled(study, settings, agreement, window, statements, benefit, compared)
