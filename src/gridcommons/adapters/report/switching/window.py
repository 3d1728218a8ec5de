"""The intervals of a result of switching."""

from __future__ import annotations

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.phrases import times


def window_sentence(clock: Clock) -> str:
    """``On 15 June 2022``, ``From 1 Jan 2024 – 3 Jan 2024``."""
    words = clock.window_words()
    return f"From {words}" if "–" in words else f"On {words}"


def kicker(task: str, clock: Clock | None, switches: str) -> str:
    """Task, window, intervals and switches on one line; without a clock no window."""
    parts = [task]
    if clock is not None:
        parts += [clock.window_words(), times(clock.steps, f"{clock.step_words()} interval")]
    return " · ".join([*parts, f"{switches} switches"])
