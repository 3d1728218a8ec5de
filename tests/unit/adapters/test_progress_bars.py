from __future__ import annotations

import io
import time

from rich.console import Console

from gridcommons.adapters.progress_bars import ProgressBars


def screen(*, is_terminal=True):
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=80)


def test_a_bar_shows_once_waiting_lasts():
    console = screen()
    with ProgressBars(console, patience_s=0.0)("envelopes", 4) as advance:
        advance(2)
        time.sleep(0.3)
    assert "envelopes" in console.file.getvalue()


def test_nothing_shows_for_what_is_quick_or_where_no_terminal_is():
    patient, piped = screen(), screen(is_terminal=False)
    with ProgressBars(patient, patience_s=60.0)("envelopes", 4) as advance:
        advance(4)
    with ProgressBars(piped, patience_s=0.0).waiting("reading"):
        time.sleep(0.1)
    assert patient.file.getvalue() == piped.file.getvalue() == ""


def test_bars_open_inside_each_other():
    console = screen()
    bars = ProgressBars(console, patience_s=0.0)
    with bars.waiting("outer"), bars("inner", 2) as advance:
        advance(1)
        time.sleep(0.3)
    assert "outer" in console.file.getvalue() and "inner" in console.file.getvalue()
    with bars("again", 1) as advance:
        advance(1)
