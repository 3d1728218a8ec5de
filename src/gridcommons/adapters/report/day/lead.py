"""The story of the day in a few sentences: what would break, what was done, what is left, what it saved."""

from __future__ import annotations

from collections import Counter

import numpy as np

from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.moments import capital, unbroken
from gridcommons.adapters.report.day.money_book import read_savings
from gridcommons.adapters.report.day.scenario_words import (
    ALONE,
    BASELINE,
    CONTROL,
    LOADING,
    REALISED,
    element_name,
    measure,
)
from gridcommons.adapters.report.day.worth_section import pay_with_none
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.tables import Part

_LEAST_KWH, _LEAST_PER_KWH = 0.05, 1e-4
_IF = {ALONE: "with nobody planning", BASELINE: "with everybody planning by price alone"}


def lead(found: Material) -> str:
    """The lead (HTML)."""
    if not found.power_kw:
        return "The result holds no day."
    said = [_breaks(found), _done(found), _paid(found), _comfort(found)]
    return unbroken(" ".join(sentence for sentence in said if sentence), found.currency)


def _breaks(found: Material) -> str:
    """Where limits would have been broken at worst, and how often."""
    window = found.clock.window_words()
    day = f"From {window.replace(' – ', ' to ')}" if "–" in window else f"On {window}"
    broken = {name: found.counted(name) for name in (BASELINE, ALONE) if name in found.power_kw}
    broken = {name: rows for name, rows in broken.items() if len(rows["element"])}
    if not broken:
        return (
            f"{day} no limit of the grid would have been broken, whether members plan by price or not at all."
        )
    said, before = list[str](), ("", "")
    for name in sorted(broken, key=lambda name: (-len(broken[name]["element"]), name)):
        rows = broken[name]
        head = f"{day}, {_IF[name]}," if not said else capital(_IF[name])
        element, size, allowed = _name(found, rows), _size(found, rows), _allowed(rows)
        where = "" if (element, allowed) == before else f", where {allowed}"
        element, before = "it" if element == before[0] else element, (element, allowed)
        said.append(f"{head} {element} would have been {size}{where} ({_often(rows)}).")
    return " ".join(said)


def _often(rows: Part) -> str:
    count = len(rows["element"])
    return "one limit broken" if count == 1 else f"limits broken {number(count)} times"


def worst_of(rows: Part) -> int:
    """The row that is beyond its limit by the largest share of it, or of its distance from 1 pu."""
    is_loading = rows["kind"] == LOADING
    room = np.where(is_loading, rows["limit"], np.maximum(np.abs(rows["limit"] - 1.0), 1e-3))
    return int(np.argmax(rows["excess"] / room))


def _name(found: Material, rows: Part) -> str:
    """The element that is beyond its limit most."""
    at = worst_of(rows)
    element = str(rows["element"][at])
    what = _kind_of(found, element) if rows["kind"][at] == LOADING else "bus"
    return escaped(element_name(element, what))


def _size(found: Material, rows: Part) -> str:
    """Its value and hour."""
    at = worst_of(rows)
    kind, value, limit = str(rows["kind"][at]), float(rows["value"][at]), float(rows["limit"][at])
    when = found.clock.brief(int(found.steps_of(rows)[at]))
    return f"{'loaded to' if kind == LOADING else 'at'} <b>{measure(value, kind, limit)} at {when}</b>"


def _allowed(rows: Part) -> str:
    """The limit that is broken most."""
    at = worst_of(rows)
    kind = str(rows["kind"][at])
    return f"{measure(float(rows['limit'][at]), kind)} {'are' if kind == LOADING else 'is'} allowed"


def _kind_of(found: Material, branch: str) -> str:
    """``line`` or ``transformer``; nothing where the result does not say."""
    if found.grid is None or branch not in found.grid.branches.number:
        return ""
    return found.grid.kind[found.grid.branches.number[branch]]


def measures(found: Material) -> list[str]:
    """What was done, in figures (HTML)."""
    tariff = float(found.did("tariff_max_per_kwh").max())
    said = [f"a tariff of up to {number(tariff, 3)} {escaped(found.per_kwh)}"] * (tariff > _LEAST_PER_KWH)
    for column, words in (
        ("flexibility_bought_kw", "of flexibility bought"),
        ("held_back_kw", "held back by envelopes"),
        ("traded_kw", "traded between neighbours"),
    ):
        energy_kwh = found.did_kwh(column)
        if energy_kwh > _LEAST_KWH:
            said.append(f"<b>{energy(energy_kwh)}</b> {words}")
    reactive_kvarh = float(np.abs(found.did("reactive_bought_kvar")).sum()) * found.clock.step_hours
    said += [f"<b>{number(reactive_kvarh)} kvarh</b> of reactive energy bought"] * (reactive_kvarh > 0.5)
    moves = int(found.did("switches_moved").sum())
    said += [f"<b>{times(moves, 'move')}</b> of switches"] * bool(moves)
    return said


def _done(found: Material) -> str:
    """What was done, and what is left broken."""
    if REALISED not in found.power_kw:
        return ""
    did, left = measures(found), found.counted(REALISED)
    would = any(len(found.counted(name)["element"]) for name in (ALONE, BASELINE))
    how = f"With {listed(did)}" if did else "With control" if CONTROL in found.instruments else "As it was"
    if not len(left["element"]):
        # What breaks no limit anyway is no merit of what was done.
        if not would:
            return f"What was done: {listed(did)}." if did else ""
        small = " by enough to count" if (found.violations["scenario"] == REALISED).any() else ""
        return f"{how} <b>no limit is broken</b>{small}."
    count = len(left["element"])
    causes = Counter(str(cause) for cause in left["cause"] if str(cause)).most_common(1)
    why = f", mostly for this cause: {escaped(causes[0][0])}" if causes else ""
    verb = "limit stays" if count == 1 else "limits stay"
    worst = f"{_name(found, left)} {_size(found, left)}, where {_allowed(left)}"
    return f"{how} <b>{number(count)} {verb} broken</b>, at worst {worst}{why}."


def _paid(found: Material) -> str:
    """What members pay beside what they would have paid alone, and whose merit that is."""
    if not found.is_settled:
        return ""
    savings = read_savings(found)
    alone, together = float(savings.alone.sum()), float(savings.together.sum())
    less = alone - together
    words = escaped(f"{found.whole_amount(abs(less))} {'less' if less >= 0.0 else 'more'}")
    who, dearer = "nobody pays more", savings.dearer
    if dearer:
        most = found.amount(-float(savings.saved[dearer[0]]))
        who = f"{number(len(dearer))} {'pays' if len(dearer) == 1 else 'pay'} more, at most {most}"
    with_none = pay_with_none(found)
    other = f" ({found.whole_amount(with_none)} without any instrument)" if np.isfinite(with_none) else ""
    said = f"Members pay {found.whole_amount(together)}{other}, {words} than each alone; {who}."
    return escaped(said).replace(words, f"<b>{words}</b>")


def _comfort(found: Material) -> str:
    """What people go without."""
    missing = found.missing_kwh
    return f"Cars lack {energy(missing)} at the end of the day." if missing > _LEAST_KWH else ""
