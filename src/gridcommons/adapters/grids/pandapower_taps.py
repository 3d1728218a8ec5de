"""Tap changers of pandapower's transformers: which have an effect, and what it is.

pandapower 3.5 applies a tap position only where ``tap_changer_type`` is Ratio, Symmetrical or Ideal
and ``tap_side`` is given; elsewhere it passes over it without a word. So do we, but say so. A
position that the study sets itself (``grid.tap_pos``) is applied wherever there is a tap changer.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, replace

from gridcommons.adapters.grids.pandapower_tables import Rows

APPLIED_TYPES = ("Ratio", "Symmetrical", "Ideal")


@dataclass(frozen=True)
class Tap:
    """One tap changer: its side (hv, mv, lv), kind, position and step; NaN where not given."""

    side: str
    changer: str
    position: float
    neutral: float
    step_percent: float
    step_degree: float
    lowest: float = math.nan
    highest: float = math.nan
    at_star_point: bool = False

    @property
    def has_steps(self) -> bool:
        """Whether it could move at all: a side, a neutral position and a step."""
        moves = any(step != 0 and not math.isnan(step) for step in (self.step_percent, self.step_degree))
        return bool(self.side) and not math.isnan(self.neutral) and moves

    @property
    def is_off_neutral(self) -> bool:
        """Whether a position is given that is not the neutral one, and a step that it would count."""
        moves = any(step != 0 and not math.isnan(step) for step in (self.step_percent, self.step_degree))
        return moves and not math.isnan(self.position) and self.position != self.neutral

    @property
    def is_applied(self) -> bool:
        """Whether pandapower's load flow would heed it."""
        if self.changer not in APPLIED_TYPES or not self.side:
            return False
        if math.isnan(self.position) or math.isnan(self.neutral):
            return False
        return self.changer == "Ideal" or not math.isnan(self.step_percent)


def apply_tap(tap: Tap, hv_kv: float, lv_kv: float, shift_degree: float) -> tuple[float, float, float]:
    """Rated voltages [kV] and phase shift [degree] with this tap changer in its position."""
    sign = 1.0 if tap.side == "hv" else -1.0
    steps = tap.position - tap.neutral
    if tap.changer == "Ideal":
        return hv_kv, lv_kv, shift_degree + sign * _ideal_degree(tap, steps)
    angle = 0.0 if math.isnan(tap.step_degree) else tap.step_degree
    turn = 1 + steps * tap.step_percent / 100 * cmath.exp(1j * math.radians(angle))
    shift_degree += sign * math.degrees(math.atan2(turn.imag, turn.real))
    if tap.side == "hv":
        return hv_kv * abs(turn), lv_kv, shift_degree
    return hv_kv, lv_kv * abs(turn), shift_degree


def _ideal_degree(tap: Tap, steps: float) -> float:
    if tap.step_degree != 0 and not math.isnan(tap.step_degree):
        return steps * tap.step_degree
    return 2 * math.degrees(math.asin(steps * tap.step_percent / 200))


def read_taps(rows: Rows, tap_pos: int | None) -> list[list[Tap]]:
    """The tap changers with an effect of each transformer, position overridden where asked for."""
    _refuse_old_format(rows)
    changers = [_overridden(rows, _taps(rows, "tap_"), tap_pos)]
    if rows.has("tap2_pos"):
        changers.append(_taps(rows, "tap2_"))
    return [
        [kept for changer in changers for kept in _heeded(rows, at, changer[at])] for at in range(len(rows))
    ]


def _refuse_old_format(rows: Rows) -> None:
    if len(rows) and not rows.has("tap_changer_type") and rows.has("tap_phase_shifter"):
        rows.refuse(
            0,
            "the tap columns of pandapower 2",
            "tap_changer_type",
            "pandapower.convert_format(net) rewrites them",
            column="tap_phase_shifter",
        )


def _taps(rows: Rows, prefix: str) -> list[Tap]:
    numbers = [
        rows.numbers(prefix + column, missing=math.nan).tolist()
        for column in ("pos", "neutral", "step_percent", "step_degree", "min", "max")
    ]
    sides = [side.lower() for side in rows.texts(prefix + "side")]
    star = rows.flags("tap_at_star_point", missing=False).tolist()
    for at, side in enumerate(sides):
        if side not in ("", "hv", "mv", "lv"):
            rows.refuse(at, f"{side!r}", "hv, mv or lv", column=prefix + "side")
    return [Tap(*row) for row in zip(sides, rows.texts(prefix + "changer_type"), *numbers, star, strict=True)]


def _overridden(rows: Rows, taps: list[Tap], tap_pos: int | None) -> list[Tap]:
    if tap_pos is None:
        return taps
    moved = []
    for at, (tap, label) in enumerate(zip(taps, rows.labels(), strict=True)):
        if not tap.has_steps:
            rows.tables.notes.append(f"{rows.table} {label} has no tap changer: tap_pos does not touch it")
            moved.append(tap)
            continue
        if tap_pos < tap.lowest or tap_pos > tap.highest:
            expected = f"a position from {tap.lowest:g} to {tap.highest:g}"
            rows.refuse(at, f"tap_pos = {tap_pos} in the study", expected, column="tap_pos")
        changer = tap.changer if tap.changer in APPLIED_TYPES else "Ratio"
        taken = "" if tap.changer in APPLIED_TYPES else ", taken as a ratio changer"
        was = "none" if math.isnan(tap.position) else f"{tap.position:g}"
        rows.tables.notes.append(f"{rows.table} {label}: tap_pos {tap_pos} by the study (file: {was}){taken}")
        moved.append(replace(tap, position=float(tap_pos), changer=changer))
    return moved


def _heeded(rows: Rows, at: int, tap: Tap) -> list[Tap]:
    if tap.is_applied:
        _refuse_unusable(rows, at, tap)
        return [tap]
    if tap.is_off_neutral:
        rows.tables.notes.append(
            f"{rows.table} {rows.labels()[at]}: tap position {tap.position:g} has no effect, since "
            f"{_why_ignored(tap)} (pandapower passes over it too); grid.tap_pos in the study applies one"
        )
    return []


def _why_ignored(tap: Tap) -> str:
    if tap.changer not in APPLIED_TYPES:
        return f"tap_changer_type is {tap.changer or 'not given'}"
    return "its side, neutral position or step is not given"


def _refuse_unusable(rows: Rows, at: int, tap: Tap) -> None:
    percent = not math.isnan(tap.step_percent) and tap.step_percent != 0
    degree = not math.isnan(tap.step_degree) and tap.step_degree != 0
    if tap.changer == "Ideal" and percent == degree:
        found = "tap_step_percent and tap_step_degree both" if percent else "no step"
        rows.refuse(at, found, "one of the two for an Ideal tap changer", column="tap_step_degree")
    if tap.at_star_point and math.isnan(tap.step_degree):
        rows.refuse(at, "none", "the angle of a step at the star point", column="tap_step_degree")
