"""The answer between clusters in a few sentences: what is exchanged, when most is shared, and the gap."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.clusters.busiest import LEAST_KW, busiest_step, flows_at
from gridcommons.adapters.report.clusters.switch_day import SwitchDay
from gridcommons.adapters.report.figures import energy, fine_percent, power
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.switching.cluster_material import ClusterMaterial
from gridcommons.adapters.report.switching.window import window_sentence

_METHODS = {"optimal": "by the best of all topologies", "heuristic": "by the published heuristic"}
_LEAST_KWH = 0.05
_LEAST_GAP = 1e-9
_MOST_FLOWS = 4
_SMOOTH_MINUTES = 15.0


def lead(found: ClusterMaterial) -> str:
    """The lead (HTML)."""
    if not np.isfinite(found.figure("fed_in_kwh")):
        return "The result holds no exchange."
    said = [_exchanged(found), _moves(found), _busiest(found), how_good(found), _unserved(found)]
    return " ".join(sentence for sentence in said if sentence).replace(" kW", "\u00a0kW")


def busiest(found: ClusterMaterial, day: SwitchDay) -> int:
    """The interval in which clusters give each other most, as a quarter of an hour around it has it."""
    return busiest_step(day, max(1, round(_SMOOTH_MINUTES / found.clock.step_minutes)))


def _exchanged(found: ClusterMaterial) -> str:
    when = f"{window_sentence(found.clock)}, the" if found.is_timed else "The"
    parts = []
    for key, words in (("fed_in", "feeds {} into the main grid"), ("absorbed", "draws {} from it")):
        after, before = found.figure(f"{key}_kwh"), found.figure(f"{key}_before_kwh")
        amount = f"<b>{energy(after)}</b>"
        amount += f" instead of <b>{energy(before)}</b>" if np.isfinite(before) else ""
        parts.append(words.format(amount))
    return f"{when} community {listed(parts)}."


def _moves(found: ClusterMaterial) -> str:
    changes, count = found.summary.get("topology_changes"), found.summary.get("operations")
    if changes is None or count is None:
        return ""
    if not count:
        return "No switch is moved."
    how = _METHODS.get(str(found.summary.get("method")), "")
    moved = f"The topology changes {times(int(changes), 'time')}, in {times(int(count), 'operation')}"
    return f"{moved} {how}".strip() + "."


def _busiest(found: ClusterMaterial) -> str:
    """What flows over the links when clusters give each other most."""
    day = found.day
    if day is None or not day.exchange_kw.max(initial=0.0) > LEAST_KW:
        return ""
    step = busiest(found, day)
    flows = listed([words for _, words in flows_at(day, step)][:_MOST_FLOWS])
    given_kw = float(day.given_kw[step])
    most = f"give each other most, {power(given_kw)}" if given_kw > LEAST_KW else "pass most on"
    return f"At {found.clock.brief(step)}, when clusters {most}: links carry {flows}." if flows else ""


def how_good(found: ClusterMaterial) -> str:
    """How far the plans are from the best of all topologies (HTML)."""
    gap, planned, best = (found.figure(k) for k in ("gap_share", "planned_fed_in_kwh", "best_fed_in_kwh"))
    if not np.isfinite([planned, best]).all():
        return ""
    if np.isfinite(gap) and gap <= _LEAST_GAP:
        return "No other topologies would feed in less."
    size = f", <b>{fine_percent(gap)}</b> more" if np.isfinite(gap) else ""
    return (
        f"The plans feed in <b>{energy(planned)}</b> where the best topology of each interval would feed in "
        f"{energy(best)}{size}; both without losses."
    )


def _unserved(found: ClusterMaterial) -> str:
    lost = [
        f"{energy(found.figure(key))} of {words}"
        for key, words in (("unserved_kwh", "consumption"), ("curtailed_kwh", "generation"))
        if found.figure(key) > _LEAST_KWH
    ]
    return f"Without a way to the main grid, <b>{listed(lost)}</b> are lost." if lost else ""
