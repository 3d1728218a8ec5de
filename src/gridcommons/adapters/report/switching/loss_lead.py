"""The answer of least losses in a few sentences: what is saved, by which switches, and how sure that is."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.figures import fine_percent, number, percent
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.switching.loss_material import LossMaterial
from gridcommons.adapters.report.switching.window import window_sentence

_MOST_NAMES = 6
_LEAST_GAP = 1e-9


def lead(found: LossMaterial) -> str:
    """The lead (HTML)."""
    if not np.isfinite(found.figure("losses_kw")):
        return "The result holds no losses."
    said = [_saved(found), _moved(found), how_found(found), _bound(found), _limits(found), _order(found)]
    return " ".join(sentence for sentence in said if sentence)


def _saved(found: LossMaterial) -> str:
    after, before, share = (found.figure(k) for k in ("losses_kw", "losses_before_kw", "saved_share"))
    when = f"{window_sentence(found.clock)}, the" if found.is_timed else "The"
    said = f"{when} grid loses <b>{_kw(after)}</b> in the mean"
    if not np.isfinite(before):
        return f"{said}; before, the load flow has no solution."
    if not np.isfinite(share) or abs(share) < _LEAST_GAP:
        return f"{said}, as it does before."
    word = "less" if share > 0.0 else "more"
    return f"{said} instead of <b>{_kw(before)}</b>: <b>{percent_of(abs(share))}</b> {word}."


def percent_of(share: float) -> str:
    """A share with a digit after the point below ten percent."""
    return percent(share, 1) if share < 0.0995 else percent(share)


def _kw(value_kw: float) -> str:
    return f"{number(value_kw, 1 if abs(value_kw) < 999.95 else 0)}\u00a0kW"


def _moved(found: LossMaterial) -> str:
    """Which switches stand otherwise; without the positions, which are open."""
    positions = found.positions
    if positions is None:
        names = [str(name) for name in found.summary.get("open_branches") or []]
        return f"Open are {_names(names)}." if names else ""
    if not positions.opened and not positions.closed:
        return "No switch is moved: the present topology is the one found."
    parts = [
        f"{_names(names)} {'is' if len(names) == 1 else 'are'} {word}"
        for names, word in ((positions.opened, "opened"), (positions.closed, "closed"))
        if names
    ]
    return f"{listed(parts)}."


def _names(names: list[str]) -> str:
    shown = [escaped(name).replace("-", "\u2011") for name in names]
    if len(shown) <= _MOST_NAMES + 1:
        return listed(shown)
    return listed([*shown[:_MOST_NAMES], f"{times(len(names) - _MOST_NAMES, 'other')}"])


def how_found(found: LossMaterial) -> str:
    """By which method, and what that proves."""
    count = number(found.figure("topologies_evaluated"))
    is_held = found.summary.get("limits") == "hold"
    within = " that breaks no limit" if is_held else ""
    if found.summary.get("method") == "enumeration":
        return f"All <b>{count}</b> radial topologies were computed: none{within} loses less."
    said = f"A search that computed <b>{count}</b> topologies found none{within} that loses less."
    return said + _gap(found)


def _gap(found: LossMaterial) -> str:
    gap = found.figure("gap_share")
    if not np.isfinite(gap):
        return " Nothing proves that there is none."
    if gap <= _LEAST_GAP:
        return " It is proven that there is none."
    return f" It is proven that losses are at most <b>{fine_percent(gap)}</b> above the least."


def _bound(found: LossMaterial) -> str:
    """Why a bound that was asked for does not hold."""
    why = str(found.summary.get("bound_why") or "")
    status = str(found.summary.get("bound_status") or "")
    return f"A bound was asked for and {escaped(status)}: {escaped(why)}." if why else ""


def _limits(found: LossMaterial) -> str:
    broken = found.summary.get("violations")
    if broken is None:
        return ""
    if found.summary.get("limits") == "hold":
        return "Limits are held." if not broken else f"Limits are to be held; {_broken(int(broken))}."
    return f"Limits are reported, not held: {_broken(int(broken)) if broken else 'none is broken'}."


def _broken(count: int) -> str:
    return f"<b>{number(count)} {'is' if count == 1 else 'are'} broken</b>, counted in every interval"


def _order(found: LossMaterial) -> str:
    count, end = found.summary.get("operations"), str(found.summary.get("operations_end") or "")
    if count is None or (not count and end in ("", "goal")):
        return ""
    if end == "stay":
        return "<b>No safe order of operations leads there.</b>"
    if end == "nearest":
        moves = times(int(count), "operation")
        return f"<b>The safe order of {moves} ends short of it</b>, at the nearest safe topology."
    return f"A safe order of {times(int(count), 'operation')} leads there."
