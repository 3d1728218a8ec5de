"""The task ``envelopes``: how much may each controllable asset draw or inject at each step.

Window by window, so that a year does not sit in memory: rest, boxes, check, tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from gridcommons.envelopes.allocate import allocate
from gridcommons.envelopes.at_rest import RestState, settle_at_rest
from gridcommons.envelopes.boxes import Boxes
from gridcommons.envelopes.fairness import Shares
from gridcommons.envelopes.genetic import search
from gridcommons.envelopes.problem import Window, make_plan, members_of, priority_classes
from gridcommons.envelopes.settings import Objective, Settings
from gridcommons.envelopes.sharing import Method, share_window
from gridcommons.envelopes.tables import SIDES, WindowResult, write_tables
from gridcommons.envelopes.verify import TOLERANCE_PU, Checks, check_boxes
from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.grid import BoolArray
from gridcommons.model.members import CONNECTIONS
from gridcommons.model.results import LazyTables, Result
from gridcommons.model.study import Study
from gridcommons.ports import Engines
from gridcommons.powerflow.admittance import build_network

WINDOW_STEPS = 96
"""Steps that are computed together; a year streams through in 365 windows."""

FULL_WINDOW_NODES = 200
"""Largest grid of which full windows are computed; the memory of one step grows with its square."""

SHRINKS = 24
"""Times that boxes give way where the check still finds a broken limit; by half each time in the end."""

METHODS: dict[str, Callable[[Study], Method]] = {
    "linear": lambda _study: allocate,
    "genetic": lambda study: search(study.seed),
}
"""How boxes are found, by the name that a study gives."""

__all__ = ["METHODS", "Settings", "run"]


@dataclass
class _Totals:
    """Counts of the summary, added up over the windows."""

    resolved: int = 0
    certified: int = 0
    violations: int = 0
    uncontrolled: int = 0
    shrunk: int = 0
    binding: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIDES, 0))
    worst_margin: float = float("inf")
    tried: int = 0


def run(study: Study, settings: Settings, engines: Engines) -> Result:
    """Envelopes of every step, with the check of each in the result.

    Raises
    ------
    StudyError
        If nothing can be controlled, or a class or support names no asset or kind of the study.
    """
    _refuse(study, settings)
    network = build_network(study.grid)
    plan = make_plan(study, network, settings)
    shares, totals = Shares(plan.asset, study.time.step_hours), _Totals()
    with engines.progress("envelopes", study.time.steps) as advance:
        together = _steps_together(network.pq_count)
        for start in range(0, study.time.steps, together):
            stop = min(start + together, study.time.steps)
            window = plan.window(start, stop, engines.method)
            result = _solve_window(study, settings, window, start, shares)
            flows = write_tables(result, engines.sink)
            _count(totals, result, flows["uncontrolled"].solved)
            advance(stop - start)
    engines.sink.write("objective_shares", shares.table())
    tables = LazyTables(engines.sink.readers())
    return Result("envelopes", tables, _summary(study, settings, shares, totals), {})


def _steps_together(nodes: int) -> int:
    """Steps of one window, so that a window of a large grid takes no more memory than one of a small."""
    return max(1, min(WINDOW_STEPS, WINDOW_STEPS * FULL_WINDOW_NODES**2 // max(nodes, 1) ** 2))


def _solve_window(
    study: Study, settings: Settings, window: Window, start: int, shares: Shares
) -> WindowResult:
    classes = priority_classes(settings, study, window.asset)
    support = members_of(settings.support, study, window.asset)
    rest = settle_at_rest(window, support)
    seed = (study.seed, start)
    boxes, checks = share_and_check(
        window, rest, classes, (settings.objective, METHODS[settings.method](study)), (settings.draws, seed)
    )
    shares.add(settings.objective, boxes)
    shares.add_most(window.high_kw - window.rest_kw, window.rest_kw - window.low_kw)
    for other in _compared(settings):
        shares.add(other, share_window(window, rest, classes, other))
    time = study.time.stamps()[start : start + window.steps]
    return WindowResult(window, rest, boxes, checks, time)


def _compared(settings: Settings) -> list[Objective]:
    return [name for name in settings.objectives_compared if name != settings.objective]


def share_and_check(
    window: Window,
    rest: RestState,
    classes: list[BoolArray],
    how: tuple[str, Method],
    tries: tuple[int, tuple[int, ...]],
) -> tuple[Boxes, Checks]:
    """Boxes by (objective, method), checked with (draws, seed); shrunk until the check holds."""
    boxes = share_window(window, rest, classes, how[0], how[1])
    checks = check_boxes(window, boxes, rest, *tries)
    shrunk = np.zeros(window.steps, dtype=bool)
    for attempt in range(SHRINKS):
        # A box without width is rest itself: what is wrong there is reported, and cannot be shrunk.
        broken = (checks.worst > TOLERANCE_PU).any(axis=1) & (boxes.up_kw + boxes.down_kw > 0.0).any(axis=1)
        if not broken.any():
            break
        # A draw that the adversarial corners missed: give way by what it asks for, more each time.
        give = np.clip(20.0 * 2.0**attempt * checks.worst.max(axis=1), 1e-4, 0.5)
        boxes = boxes.scaled(np.where(broken, 1.0 - give, 1.0))
        shrunk |= broken
        checks = check_boxes(window, boxes, rest, *tries)
    return boxes, replace(checks, shrunk=shrunk)


def _refuse(study: Study, settings: Settings) -> None:
    problems = []
    if not study.community.controllable:
        problems.append(
            Problem(
                file="assets.csv",
                column="flexible",
                found="no flexible asset of a member who opted in",
                expected="at least one",
                suggestion="set flexible to true for what may be controlled",
            )
        )
    # Of other kinds a study without problems has the profiles.
    problems += [
        Problem(
            "assets.csv",
            f"{asset.asset!r} without a profile",
            "a profile: what it draws is in every load flow",
        )
        for asset in study.community.assets
        if asset.needs_profile and asset.may_lack_profile and asset.asset not in study.profiles.columns
    ]
    problems += _three_phase_problems(study)
    known = {a.asset for a in study.community.assets} | {a.kind for a in study.community.assets}
    named = {"priority": {n for names in settings.priority for n in names}, "support": set(settings.support)}
    for key, names in named.items():
        for name in sorted(names - known):
            problems.append(
                Problem(
                    file="study.toml",
                    table="tasks.envelopes",
                    column=key,
                    found=repr(name),
                    expected="an asset or a kind of this study",
                    suggestion=f"kinds here: {', '.join(sorted({a.kind for a in study.community.assets}))}",
                )
            )
    if problems:
        raise StudyError(problems)


def _three_phase_problems(study: Study) -> list[Problem]:
    """What envelopes cannot do in a three-phase grid."""
    if not study.grid.is_three_phase:
        return []
    problems, community = [], study.community
    for index in community.controllable:
        member = community.member_by_id[community.assets[index].member]
        if any(to_phase for _, to_phase in CONNECTIONS[member.phase]):
            problems.append(
                Problem(
                    file="assets.csv",
                    column="flexible",
                    found=f"true for {community.assets[index].asset!r}, which lies on {member.phase!r}",
                    expected="flexible assets from phases to earth: one between two phases pulls at both, "
                    "and its envelope is not computed",
                    suggestion="set flexible to false; its profile is then in every load flow",
                )
            )
    limits = study.limits
    angles = (
        limits.va_min_degree,
        limits.va_max_degree,
        limits.va_diff_min_degree,
        limits.va_diff_max_degree,
    )
    if any(np.isfinite(angle).any() for angle in angles):
        expected = (
            "limits of voltages and loadings: a three-phase grid keeps the 120 degrees between its phases"
        )
        problems.append(Problem("limits.csv", "limits of angles", expected, "remove them"))
    return problems


def _count(totals: _Totals, result: WindowResult, solved: BoolArray) -> None:
    rest, checks = result.rest, result.checks
    resolved = np.stack([rest.max_resolved, rest.min_resolved], axis=1)
    totals.resolved += int(resolved.sum())
    totals.certified += int((checks.certified & resolved).sum())
    totals.shrunk += int(checks.shrunk.sum())
    totals.violations += int(checks.violations.sum())
    totals.tried += checks.tried * result.window.steps
    totals.worst_margin = min(totals.worst_margin, float(-checks.worst.max()))
    for side, name in enumerate(SIDES):
        totals.binding[name] += int((resolved[:, side] & (checks.worst[:, side] > -1e-5)).sum())
    totals.uncontrolled += int((~solved).sum())


def _summary(study: Study, settings: Settings, shares: Shares, totals: _Totals) -> dict[str, object]:
    sides = 2 * study.time.steps
    chosen = settings.objective
    return {
        "steps": study.time.steps,
        "controllable_assets": len(shares.asset),
        "objective": chosen,
        "method": settings.method,
        "import_kwh": float(shares.import_kwh[chosen].sum()),
        "export_kwh": float(shares.export_kwh[chosen].sum()),
        "resolved_share": totals.resolved / sides,
        "certified_share": totals.certified / sides,
        "tested_share": (totals.resolved - totals.certified) / sides,
        "binding_import_steps": totals.binding["p_max"],
        "binding_export_steps": totals.binding["p_min"],
        "points_tried": totals.tried,
        "violations_found": totals.violations,
        "shrunk_steps": totals.shrunk,
        "worst_margin": totals.worst_margin,
        "uncontrolled_steps_without_solution": totals.uncontrolled,
        "objectives": shares.summary("max_total" if "max_total" in shares.import_kwh else chosen),
    }
