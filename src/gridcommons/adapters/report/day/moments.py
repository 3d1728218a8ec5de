"""Some moments of the day in words: what would have been, what was, and who did what about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clock import local_dates
from gridcommons.adapters.report.day.material import Material
from gridcommons.adapters.report.day.scenario_words import (
    ALONE,
    BASELINE,
    LOADING,
    REALISED,
    measure,
)
from gridcommons.adapters.report.day.stress import Stressed
from gridcommons.adapters.report.figures import number, power
from gridcommons.adapters.report.phrases import listed, times
from gridcommons.adapters.report.scheduling.names_and_colours import kind_name

EVENING_HOUR = 18.0
"""The hour at which most people come home."""

_WHEN = {ALONE: "if nobody planned", BASELINE: "with plans by price alone", REALISED: "as it was"}
_APART_MINUTES = 15.0
_LEAST_SHARE, _MOST_KINDS = 0.02, 2
_NOTHING_KW, _NOTHING_PER_KWH = 0.05, 1e-4


@dataclass(frozen=True)
class Moment:
    """An interval, and why it is told of."""

    step: int
    why: str


def choose_moments(found: Material, stressed: Stressed) -> list[Moment]:
    """Six in the evening, and when the element is at its worst in the scenarios that break it."""
    day, hour = local_dates(found.clock)
    evening = np.flatnonzero((day == day[0]) & (hour >= EVENING_HOUR))[:1]
    chosen = dict.fromkeys(evening.tolist(), "six in the evening")
    for scenario in (REALISED, BASELINE, ALONE):
        if scenario in stressed.scenarios and stressed.is_broken(scenario):
            step = stressed.worst_step(scenario)
            if all(abs(step - other) >= _APART_MINUTES / found.clock.step_minutes for other in chosen):
                chosen[step] = f"the worst, {_WHEN[scenario]}"
    if not chosen:
        chosen[stressed.worst_step(stressed.scenarios[-1])] = "the most strained"
    return [Moment(step, why) for step, why in sorted(chosen.items())]


def moment_cards(found: Material, stressed: Stressed, moments: Sequence[Moment]) -> str:
    """A card a moment (HTML)."""
    cards = []
    for moment in moments:
        step = moment.step
        said = [_was(stressed, step), _instead(found, step), _acted(found, stressed, step)]
        body = "".join(f"<p>{words}</p>" for words in said if words)
        tone = "broken" if stressed.breaks(REALISED)[step] else "proof"
        head = f"<h3>{found.clock.brief(step)} <small>{moment.why}</small></h3>"
        cards.append(f'<div class="{tone}">{head}{body}</div>')
    return unbroken(f'<div class="moments">{"".join(cards)}</div>', found.currency)


def _was(stressed: Stressed, step: int) -> str:
    """What the element would have been at, and what it was at."""
    would = "would have been loaded to" if stressed.kind == LOADING else "would have been at"
    might = [
        f"{_figure(stressed, scenario, step)} {_WHEN[scenario]}"
        for scenario in (ALONE, BASELINE)
        if scenario in stressed.scenarios
    ]
    said = [f"{html.escaped(capital(stressed.name))} {would} {listed(might)}."] if might else []
    if REALISED in stressed.scenarios:
        said.append(f"It was at {_figure(stressed, REALISED, step)};")
    return " ".join([*said, f"its limit is {measure(float(stressed.limit[step]), stressed.kind)}."])


def _figure(stressed: Stressed, scenario: str, step: int) -> str:
    """A value, set off where it is beyond the limit by enough to count."""
    value, limit = float(stressed.of(scenario)[step]), float(stressed.limit[step])
    said = measure(value, stressed.kind, limit)
    return f'<b class="beyond">{said}</b>' if stressed.breaks(scenario)[step] else said


def _instead(found: Material, step: int) -> str:
    """The kinds of device that did most otherwise than they would have with nobody planning."""
    alone, real = found.power_kw.get(ALONE, {}), found.power_kw.get(REALISED, {})
    if not alone or not real:
        return ""
    change = {kind: float(real[kind][step] - alone[kind][step]) for kind in alone}
    peak = float(np.max(np.abs(sum(alone.values()))))
    ranked = sorted(change, key=lambda kind: (-abs(change[kind]), kind))[:_MOST_KINDS]
    said = [
        _changed(kind_name(kind), float(real[kind][step]), float(alone[kind][step]))
        for kind in ranked
        if abs(change[kind]) > max(_LEAST_SHARE * peak, _NOTHING_KW)
    ]
    return (
        f"{capital(listed(said))}."
        if said
        else "No kind of device did much that it would not have done anyway."
    )


def _changed(name: str, real_kw: float, alone_kw: float) -> str:
    """What a kind of device did: ``heat pumps drew 43 kW instead of 190 kW``."""
    verb = "drew" if real_kw > _NOTHING_KW else "gave" if real_kw < -_NOTHING_KW else ""
    other = "drawing " if alone_kw > _NOTHING_KW else "giving " if alone_kw < -_NOTHING_KW else ""
    real = f"{verb} {power(abs(real_kw))}" if verb else "did nothing"
    if not other:
        return f"{name} {real} instead of nothing"
    # The direction is said again where it is another one.
    other = "" if verb and real_kw * alone_kw > 0.0 else other
    return f"{name} {real} instead of {other}{power(abs(alone_kw))}"


def unbroken(words: str, currency: str) -> str:
    """Figures stay on one line with their units."""
    for unit in ("kWh", "kW", "kvarh", "kvar", "pu", "%", *([currency] if currency else [])):
        words = words.replace(f" {unit}", f"\u00a0{unit}")
    return words


def capital(words: str) -> str:
    """Words as a sentence begins."""
    return words[:1].upper() + words[1:]


def acts(found: Material, step: int) -> list[str]:
    """What each instrument did in an interval."""
    tariff, missing = (float(found.did(c)[step]) for c in ("tariff_max_per_kwh", "flexibility_missing_kw"))
    said = [f"the tariff was {number(tariff, 3)} {found.per_kwh}"] if tariff > _NOTHING_PER_KWH else []
    for column, words in (
        ("flexibility_bought_kw", "of flexibility were called"),
        ("held_back_kw", "were held back by envelopes"),
        ("traded_kw", "were traded between neighbours"),
    ):
        value = float(found.did(column)[step])
        if value > _NOTHING_KW:
            said.append(f"{power(value)} {words}")
        if column == "flexibility_bought_kw" and missing > _NOTHING_KW:
            said.append(f"{power(missing)} more were wanted and not to be had")
    reactive = abs(float(found.did("reactive_bought_kvar")[step]))
    said += [f"{number(reactive, 1)} kvar of reactive power were bought"] * bool(reactive > _NOTHING_KW)
    missed = float(found.did("reactive_missed_kvar")[step])
    said += [f"{number(missed, 1)} kvar of it were not given"] * bool(missed > _NOTHING_KW)
    moved = int(found.did("switches_moved")[step])
    said += [f"{times(moved, 'switch was', 'switches were')} moved"] * bool(moved)
    for column, words in (
        ("switches_refused", "a move of switches was refused"),
        ("communities_replanned", "communities planned the rest of their day anew"),
    ):
        said += [words] * bool(found.did(column)[step])
    return said


def _acted(found: Material, stressed: Stressed, step: int) -> str:
    if not found.done:
        return ""
    said = acts(found, step)
    if said:
        return f"{capital(html.escaped(listed(said)))}."
    if BASELINE in stressed.scenarios and not stressed.breaks(BASELINE)[step]:
        return "No instrument had to act: plans by price alone keep the limit at this time."
    return "No instrument acted."
