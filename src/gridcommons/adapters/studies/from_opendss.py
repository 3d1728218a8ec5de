"""A study from a feeder in OpenDSS's script language: a member a load, on its phases, by its load shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import gcd
from pathlib import Path

import numpy as np

from gridcommons.adapters.grids.opendss_grids import Feeder, read_feeder
from gridcommons.adapters.grids.opendss_loads import FeederLoad
from gridcommons.adapters.grids.opendss_shapes import LoadShape, read_shape
from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.grids.reading import unique_names
from gridcommons.adapters.problems import ProblemList, listed
from gridcommons.adapters.studies.draft import GRID_FILE, AssetRow, StudyDraft, id_of, local_window
from gridcommons.adapters.studies.members import RESERVED_IDS
from gridcommons.adapters.studies.switches import SWITCHES_FILE
from gridcommons.model.grid import FloatArray, Grid, no_phase_loads
from gridcommons.model.members import CONNECTIONS
from gridcommons.model.phases import bus_of_row
from gridcommons.model.time import TimeAxis

TIMEZONE = "UTC"
STEP_MINUTES = 15
"""Length of an interval where no load has a shape [min]."""
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
"""Start of the window where no day is asked for; a feeder knows no date."""
_SAME_SHARE = 1e-9
"""Reactive power that is so close to one share of the active power has a power factor."""
_PHASE_WORDS = {frozenset(map(frozenset, pairs)): word for word, pairs in CONNECTIONS.items()}


@dataclass(kw_only=True)
class FeederDraft(StudyDraft):
    """A study from a feeder: its grid without loads, and the branches that may be switched."""

    grid: Grid
    switches: tuple[str, ...] = ()

    def write_grid(self, folder: Path) -> None:
        """Write the grid in the plain format, and beside it the switches."""
        write_grid(self.grid, folder / GRID_FILE)
        if self.switches:
            lines = "\n".join(("branch", *self.switches, ""))
            (folder / SWITCHES_FILE).write_text(lines, encoding="utf-8")


def draft_from_opendss(
    path: Path, day: date | None, days: int | None, taps: Mapping[str, float] | None = None
) -> FeederDraft:
    """The study that a script of OpenDSS makes, over a day or the first days of 2024.

    Parameters
    ----------
    path : Path
        The script.
    day : date, optional
        The day to cover.
    days : int, optional
        Instead of a day: that many from the first of 2024; one where neither is given.
    taps : mapping of str to float, optional
        Tap of winding 2 of transformers by name [pu], instead of the script's.

    Raises
    ------
    StudyError
        With everything that is wrong with the script or not modelled, by file and line.
    """
    feeder = read_feeder(path, taps)
    shapes = _shapes(feeder)
    step_minutes = _step_minutes(feeder, shapes)
    begin, end = local_window(FIRST_DAY, day, days, TIMEZONE)
    axis = TimeAxis(begin, step_minutes, int((end - begin) / timedelta(minutes=step_minutes)), TIMEZONE)
    grid = replace(feeder.grid, phase_loads=no_phase_loads())
    draft = FeederDraft(path.stem, axis, grid=grid, switches=feeder.switches)
    _add_members(draft, feeder, shapes)
    draft.said += [*_notes(feeder, shapes, axis), *feeder.notes[1:]]
    return draft


def _shapes(feeder: Feeder) -> dict[str, LoadShape]:
    """The load shapes that loads follow, by name."""
    shapes: dict[str, LoadShape] = {}
    for load in feeder.loads:
        if load.shape and load.shape not in shapes:
            shape = read_shape(feeder.circuit, load)
            if shape is not None:
                shapes[load.shape] = shape
    problems = ProblemList(list(dict.fromkeys(feeder.circuit.problems.found)))
    problems.raise_if_any()
    return shapes


def _step_minutes(feeder: Feeder, shapes: Mapping[str, LoadShape]) -> int:
    """Length of an interval that fits into those of every shape [min]."""
    for name, shape in shapes.items():
        load = next(load for load in feeder.loads if load.shape == name)
        if shape.step_minutes != int(shape.step_minutes) or 1440 % shape.step_minutes:
            found = f"with steps of {shape.step_minutes:g} min in its shape {name!r}"
            load.element.refuse(found, "whole minutes, a whole number of them in a day")
    feeder.circuit.problems.raise_if_any()
    return gcd(*(int(shape.step_minutes) for shape in shapes.values())) if shapes else STEP_MINUTES


def _add_members(draft: FeederDraft, feeder: Feeder, shapes: Mapping[str, LoadShape]) -> None:
    buses = {bus_of_row(name).lower(): bus_of_row(name) for name in draft.grid.buses.name}
    own = [id_of(load.name) for load in feeder.loads]
    own = ["" if name in RESERVED_IDS else name for name in own]
    ids = unique_names(own, [f"load_{number}" for number in range(1, len(own) + 1)])
    for name, load in zip(ids, feeder.loads, strict=True):
        p_kw, q_kvar = _powers(load, shapes.get(load.shape), draft.time)
        if (p_kw < 0.0).any():
            load.element.refuse(
                f"drawing {p_kw.min():g} kW", "0 kW or more", "make it an asset of its own kind"
            )
        words = _phase_words(load)
        for word, part in words.items():
            member = name if len(words) == 1 else f"{name}_{word}"
            draft.members[member] = {"bus": buses[load.bus.lower()], "phase": word}
            _add_asset(draft, member, p_kw * part, q_kvar * part)
    feeder.circuit.problems.raise_if_any()


def _phase_words(load: FeederLoad) -> dict[str, float]:
    """How a load lies between the phases, as ``members.csv`` says it, with its share of the power there."""
    whole = _PHASE_WORDS.get(frozenset(map(frozenset, load.pairs)))
    if whole is not None:
        return {whole: 1.0}
    # Two phases to earth are no one word: each is a member.
    return {_PHASE_WORDS[frozenset({frozenset(pair)})]: 1.0 / len(load.pairs) for pair in load.pairs}


def _powers(load: FeederLoad, shape: LoadShape | None, time: TimeAxis) -> tuple[FloatArray, FloatArray]:
    """Active and reactive power of a load over the window, shape (steps,) [kW], [kvar]."""
    if shape is None:
        return np.full(time.steps, load.p_kw), np.full(time.steps, load.q_kvar)
    p_kw, q_kvar = shape.powers(load)
    new_year = time.start.replace(month=1, day=1, hour=0, minute=0)
    minutes = (time.start - new_year) / timedelta(minutes=1) + np.arange(time.steps) * time.step_minutes
    at = (minutes // shape.step_minutes).astype(np.int64) % len(p_kw)
    return p_kw[at], q_kvar[at]


def _add_asset(draft: FeederDraft, name: str, p_kw: FloatArray, q_kvar: FloatArray) -> None:
    power_factor = _power_factor(p_kw, q_kvar)
    values = {} if power_factor is None else {"power_factor": power_factor}
    draft.assets.append(AssetRow(name, name, "load", values=values))
    draft.columns[name] = p_kw
    if power_factor is None:
        draft.columns[f"{name}.q_kvar"] = q_kvar


def _power_factor(p_kw: FloatArray, q_kvar: FloatArray) -> float | None:
    """The power factor where Q is one share of P throughout and not negative, else None."""
    top = int(np.argmax(p_kw))
    if not q_kvar.any():
        return 1.0
    share = float(q_kvar[top] / p_kw[top]) if p_kw[top] > 0.0 else -1.0
    if share < 0.0 or np.abs(q_kvar - share * p_kw).max() > _SAME_SHARE * np.abs(q_kvar).max():
        return None
    return round(float(1.0 / np.hypot(1.0, share)), 12)


def _notes(feeder: Feeder, shapes: Mapping[str, LoadShape], time: TimeAxis) -> list[str]:
    loads = feeder.loads
    total_kw, total_kvar = sum(load.p_kw for load in loads), sum(load.q_kvar for load in loads)
    notes = [f"{len(loads)} loads are members, rated {total_kw:.1f} kW and {total_kvar:.1f} kvar together"]
    other = [load.name for load in loads if load.model != "power"]
    if other:
        notes.append(
            f"{len(other)} of them are of constant current or impedance in the script, and of constant power "
            f"as members ({listed(other, 4)})"
        )
    notes.append(_shape_note(loads, shapes, time))
    if feeder.switches:
        notes.append(f"{len(feeder.switches)} branches may be switched ({listed(feeder.switches)})")
    notes.append("nothing is flexible yet: name what may be controlled in assets.csv")
    return notes


def _shape_note(loads: Sequence[FeederLoad], shapes: Mapping[str, LoadShape], time: TimeAxis) -> str:
    still = sum(not load.shape for load in loads)
    if not shapes:
        return f"profiles are constant over {time.steps} steps: the script has no load shapes"
    text = f"{len(shapes)} load shapes in steps of {time.step_minutes} min, begun anew where they end"
    return f"{text}; {still} loads have none and are constant" if still else text
