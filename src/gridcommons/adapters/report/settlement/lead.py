"""The answer of settlement in a few sentences: what was shared, what it saves, and whether anybody loses."""

from __future__ import annotations

from gridcommons.adapters.report.figures import energy, number, percent
from gridcommons.adapters.report.html import escaped
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.settlement.material import BENEFIT_WORDS, Material, key_words

_LEAST_AMOUNT = 0.005


def lead(found: Material) -> str:
    """The lead (HTML)."""
    if not len(found.members):
        return "The result holds no statement."
    said = " ".join((_shared(found), _saved(found), _worse_off(found), _handed_out(found), _rules(found)))
    return said.replace(" kWh", "\u00a0kWh").strip()


def _shared(found: Material) -> str:
    window = found.clock.window_words()
    when = f"From {window}" if "–" in window else f"On {window}"
    members, shared = times(len(found.members), "member"), found.figure("shared_kwh")
    said = f"{when}, {members} share <b>{energy(shared)}</b>, {escaped(key_words(found.key))}: "
    said += f"{percent(found.figure('covered_share'), 1)} of what they draw, and "
    return f"{said}{percent(found.figure('used_share'), 1)} of what they feed in."


def _saved(found: Material) -> str:
    cost, alone, saved = (found.figure(name) for name in ("cost", "cost_alone", "saved"))
    said = f"Together they pay <b>{found.amount(cost)}</b>, where alone they would pay {found.amount(alone)}"
    if abs(saved) < _LEAST_AMOUNT:
        return f"{said}: sharing saves nothing."
    word = "saves" if saved > 0.0 else "costs"
    return f"{said}: sharing {word} <b>{found.amount(abs(saved))}</b>."


def _worse_off(found: Material) -> str:
    count = int(found.summary.get("members_worse_off") or 0)
    if not count:
        return "Nobody pays more than alone."
    who = f"<b>{number(count)}</b> of them {'pays' if count == 1 else 'pay'} more than alone"
    return f"{who}, the worst off by {found.amount(found.figure('worst_loss'))}."


def _handed_out(found: Material) -> str:
    benefit = str(found.summary.get("benefit") or "none")
    if benefit == "none":
        return ""
    error = found.figure("benefit_error")
    said = f"The benefit is handed out by {BENEFIT_WORDS.get(benefit, escaped(benefit))}"
    return f"{said}, estimated to within {found.amount(error)} a member." if error > 0.0 else f"{said}."


def _rules(found: Material) -> str:
    rules = str(found.summary.get("rules") or "")
    count = len(found.summary.get("to_verify") or [])
    if not rules:
        return ""
    verb = "is" if count == 1 else "are"
    said = f"The rules are those of {escaped(rules)}; <b>{times(count, 'statement')}</b> about them"
    return f"{said} {verb} to be verified."
