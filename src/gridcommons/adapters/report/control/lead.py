"""The answer of control in a few sentences, drawn from the numbers alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridcommons.adapters.report.control.counts import Counts
from gridcommons.adapters.report.control.household_book import Felt
from gridcommons.adapters.report.control.scenario_words import (
    measure_names,
    scenario_name,
    stress_name,
)
from gridcommons.adapters.report.figures import fine_percent, number, percent
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.phrases import listed


@dataclass(frozen=True, eq=False)
class Found:
    """What the lead is made of.

    Parameters
    ----------
    counts : Counts
        Violations.
    felt : mapping of str to Felt
        Of each scenario at the level in focus; may be empty.
    steps : int
        Intervals of the result.
    is_own_peak : bool
        Whether the limit follows from today's own peak.
    """

    counts: Counts
    felt: Mapping[str, Felt]
    steps: int
    is_own_peak: bool


def lead(found: Found) -> str:
    """What the mix brings, what storage and measures mend, what stays open, and what it costs (HTML)."""
    if not found.counts.scenarios or not found.counts.stresses:
        return "The result holds no scenarios."
    said = [_limit(found), _brings(found), _storage(found), _measures(found), _enough(found)]
    said += [_feed_in(found), _costs(found)]
    return _unbroken(" ".join(sentence for sentence in said if sentence))


def _unbroken(words: str) -> str:
    """Figures stay on one line with their units."""
    return words.replace(" %", "\u00a0%").replace(" kW", "\u00a0kW")


def _limit(found: Found) -> str:
    counts = found.counts
    limit = f"<b>{number(counts.limits_kw[counts.focus])} kW</b>"
    level = f"of a grid that is {escaped(stress_name(counts.focus))}ly stressed today"
    level = level if counts.focus in ("critical", "near_critical") else f"at stress {escaped(counts.focus)}"
    whose = ", which follows from today's own peak" if found.is_own_peak else ""
    return f"The limit {level} is {limit}{whose}."


def _first_base(counts: Counts) -> str:
    """The mix that is to be controlled: 2030 without storage, else the first scenario of the result."""
    return next((s for s in ("base_2030", "storage") if s in counts.scenarios), counts.scenarios[0])


def _brings(found: Found) -> str:
    counts, base = found.counts, _first_base(found.counts)
    subject = {
        "base_2030": "The mix of 2030, without storage,",
        "storage": "The mix of 2030, storage included,",
        "status_quo": "Today's mix",
    }.get(base, escaped(scenario_name(base)))
    load, feed_in = counts.at(base, "load"), counts.at(base, "feed_in")
    if not load and not feed_in:
        return f"{subject} never goes beyond it{_elsewhere(counts, base)}."
    parts = [
        f"in <b>{number(count)}</b> {words}"
        for count, words in ((load, "by load"), (feed_in, "by feed-in"))
        if count
    ]
    of = f"</b> of {number(found.steps)} {_intervals(found.steps)} "
    parts[0] = parts[0].replace("</b> ", of, 1)
    never = "" if load and feed_in else ", never by feed-in" if load else ", never by load"
    return f"{subject} goes beyond it {' and '.join(parts)}{never}."


def _elsewhere(counts: Counts, base: str) -> str:
    """Where the level in focus holds: whether all scenarios do."""
    broken = [s for s in counts.scenarios if s != base and _any(counts, s, counts.focus)]
    if not broken:
        return ", and no other scenario does" if len(counts.scenarios) > 1 else ""
    names = listed([escaped(scenario_name(s)) for s in broken])
    return f", but {names} {'does' if len(broken) == 1 else 'do'}"


def _any(counts: Counts, scenario: str, stress: str) -> int:
    return counts.at(scenario, "load", stress) + counts.at(scenario, "feed_in", stress)


def _storage(source: Found) -> str:
    counts = source.counts
    if not {"base_2030", "storage"} <= set(counts.scenarios):
        return ""
    load, feed_in = (_mended(counts, "storage", direction) for direction in ("load", "feed_in"))
    if load and feed_in and load[0] == feed_in[0]:
        return f"Storage alone {load[0]} {load[1]} the load and {feed_in[1]} the feed-in violations."
    said = [
        f"{found[0]} {found[1]} the {words} violations"
        for found, words in ((load, "load"), (feed_in, "feed-in"))
        if found
    ]
    return f"Storage alone {' and '.join(said)}." if said else ""


def _mended(counts: Counts, scenario: str, direction: str) -> tuple[str, str] | None:
    """``mends`` and ``50 % of``, or ``adds`` and ``3 % to``; None where there was none before."""
    change = counts.change(scenario, direction)
    if change is None:
        return None
    if change > 0.0:
        return "adds", f"{fine_percent(change)} to"
    share = "none" if change == 0.0 else "<b>all</b>" if change == -1.0 else f"<b>{fine_percent(-change)}</b>"
    return "mends", f"{share} of"


def _measures(found: Found) -> str:
    counts = found.counts
    on_top = [s for s in counts.controlled if s.startswith("storage+") and "storage" in counts.scenarios]
    before = counts.at("storage", "load")
    if not on_top or not before:
        return ""
    said = []
    for scenario in on_top:
        change = counts.change(scenario, "load") or 0.0
        share = "none" if change == 0.0 else "all" if change == -1.0 else fine_percent(abs(change))
        share = f"adds {share}" if change > 0.0 else share
        text = f"{escaped(measure_names(scenario))} {share}"
        said.append(f"<b>{text}</b>" if scenario == counts.strongest else text)
    left = f"{number(before)} load {'violation' if before == 1 else 'violations'}"
    return f"Of the {left} that storage leaves, the measures mend: {', '.join(said)}."


def _enough(found: Found) -> str:
    """Which control keeps the load within the limit, level by level; what stays open elsewhere."""
    counts = found.counts
    troubled = [s for s in counts.stresses if any(counts.at(x, "load", s) for x in _uncontrolled(counts))]
    best = counts.strongest
    if not best or not troubled:
        return ""
    held = [s for s in troubled if _least(counts, s)]
    open_levels = [s for s in reversed(troubled) if s not in held]
    if not open_levels:
        return _held_everywhere(counts, troubled)
    name = escaped(measure_names(best))
    left = listed(
        [f"{number(counts.at(best, 'load', s))} when {escaped(stress_name(s))}" for s in open_levels]
    )
    if not held:
        levels = "this level" if len(troubled) == 1 else "any level"
        return (
            f"No control is enough for the load at {levels} of stress: {name}, the strongest, leaves {left}."
        )
    fine = listed(
        [f"{escaped(measure_names(_least(counts, s)))} when {escaped(stress_name(s))}" for s in held]
    )
    return f"Enough for the load is {fine}; else it stays open: {name}, the strongest, leaves {left}."


def _held_everywhere(counts: Counts, troubled: Sequence[str]) -> str:
    hardest = escaped(measure_names(_least(counts, troubled[-1])))
    where = "" if len(troubled) == 1 else " at every level of stress"
    least = {stress: _least(counts, stress) for stress in troubled}
    if len(set(least.values())) == 1:
        return f"<b>{hardest}</b> is enough for the load{where}."
    each = [f"{escaped(measure_names(name))} when {escaped(stress_name(s))}" for s, name in least.items()]
    return f"Enough for the load is {listed(each)}."


def _uncontrolled(counts: Counts) -> list[str]:
    return [s for s in counts.scenarios if s not in counts.controlled]


def _least(counts: Counts, stress: str) -> str:
    """The scenario after the plain mix that leaves no load violation with fewest measures; empty if none."""
    able = [s for s in counts.scenarios if s not in ("status_quo", "base_2030")]
    able = [s for s in able if not counts.at(s, "load", stress)]
    return min(able, key=lambda s: (s.count("+"), counts.scenarios.index(s)), default="")


def _feed_in(found: Found) -> str:
    counts, stress = found.counts, found.counts.focus
    future = [s for s in counts.scenarios if s != "status_quo"]
    if len(future) < 2 or not any(counts.at(s, "feed_in") for s in future):
        return ""
    if "storage" in future and not counts.at("storage", "feed_in"):
        worse = [escaped(measure_names(s)) for s in counts.controlled if counts.at(s, "feed_in")]
        if not worse:
            return "Feed-in is mended by storage alone."
        bring = "brings" if len(worse) == 1 and " + " not in worse[0] else "bring"
        return f"Storage alone mends the feed-in, but {listed(worse)} {bring} it beyond the limit again."
    fine = [s for s in future if not counts.at(s, "feed_in", stress)]
    if fine:
        return f"Feed-in is mended by {escaped(measure_names(fine[0]))}."
    ends = [s for s in ("storage", counts.strongest) if s in future]
    left = " and ".join(f"{number(counts.at(s, 'feed_in'))} with {_with(s)}" for s in ends)
    return f"<b>Feed-in is not mended</b>: {left}." if left else "<b>Feed-in is not mended</b>."


def _with(scenario: str) -> str:
    alone = "storage alone" if scenario == "storage" else measure_names(scenario)
    return escaped(alone)


def _costs(found: Found) -> str:
    """What the strongest control costs the households against storage alone, or the plain mix."""
    counts, best = found.counts, found.counts.strongest
    before_name = next((s for s in ("storage", "base_2030") if s in found.felt and s in counts.scenarios), "")
    said = [_bill(found, before_name, best)] if best in found.felt and before_name else []
    said.append(_comfort(found.felt))
    return " ".join(sentence for sentence in said if sentence)


def _bill(found: Found, before_name: str, best: str) -> str:
    before, after = found.felt[before_name], found.felt[best]
    parts = []
    if before.cost and math.isfinite(after.cost):
        change = after.cost / before.cost - 1.0
        more = "more" if after.cost > before.cost else "less"
        shown = percent(abs(after.cost - before.cost) / abs(before.cost), 1)
        parts.append("no more" if abs(change) < 5e-4 else f"<b>{shown} {more}</b>")
    than = "than with storage alone" if before_name == "storage" else "than without storage"
    verb = "cost" if " + " in measure_names(best) else "costs"
    bill = f"{escaped(measure_names(best))} {verb} the households {parts[0]} {than}" if parts else ""
    own = (before.self_consumption_share, after.self_consumption_share)
    if all(math.isfinite(share) for share in own) and percent(own[0]) != percent(own[1]):
        way = "falls" if own[1] < own[0] else "rises"
        move = f"self-consumption {way} from {percent(own[0])} to {percent(own[1])}"
        bill = f"{bill}, and {move}" if bill else move[0].upper() + move[1:]
    owed = f" ({number(after.carried_kwh)} kWh put off are still owed at the end)"
    return f"{bill}{owed if after.carried_kwh >= 0.5 else ''}." if bill else ""


def _comfort(felt: Mapping[str, Felt]) -> str:
    if not felt:
        return ""
    cold = max(each.households_unserved for each in felt.values())
    if not cold:
        return "No household goes without heat."
    are = "household goes" if cold == 1 else "households go"
    most = max(each.unserved_kwh for each in felt.values())
    return f"<b>{number(cold)} {are} without some heat</b> ({number(most, 1)} kWh at most in one scenario)."


def _intervals(count: int) -> str:
    return "interval" if count == 1 else "intervals"
