"""The report of envelopes: the grid at its worst, bands, what binds, who gets what, what is proven."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report import html, words
from gridcommons.adapters.report.bands import draw_assets, draw_total
from gridcommons.adapters.report.clock import Bins, Clock, make_bins
from gridcommons.adapters.report.envelopes import (
    AssetBook,
    Bands,
    CheckBook,
    choose_assets,
    read_assets,
    read_bands,
    read_checks,
    total_bands,
)
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.grid import (
    GridPicture,
    Snapshot,
    read_extremes,
    read_grid,
    read_limits,
    read_snapshot,
    worst_step,
)
from gridcommons.adapters.report.html import Page, Section
from gridcommons.adapters.report.map import draw_maps
from gridcommons.adapters.report.origin import origin_section
from gridcommons.adapters.report.shares import draw_shares, read_shares
from gridcommons.adapters.report.strips import Broken, draw_binding, draw_proof
from gridcommons.adapters.report.style import style
from gridcommons.adapters.report.tables import Part, ResultTables
from gridcommons.model.grid import FloatArray

_MOST_ASSETS = 9
_BROKEN_COLUMNS = ("time", "element", "kind", "value", "limit", "excess")


@dataclass(frozen=True, eq=False)
class _Material:
    """Everything that the sections are made from."""

    tables: ResultTables
    summary: dict[str, Any]
    provenance: dict[str, Any]
    clock: Clock
    bins: Bins
    grid: GridPicture | None
    book: AssetBook
    by_kind: dict[str, Bands]
    total: Bands
    checks: CheckBook | None
    broken: Part
    unresolved: Part

    @property
    def objective(self) -> str:
        """The objective that made the envelopes."""
        return str(self.summary.get("objective", ""))


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``envelopes``."""
    found = _read(folder)
    with style():
        sections = [make(found) for make in _SECTIONS]
    findings = words.Findings(
        found.clock,
        found.summary,
        found.book,
        found.total,
        found.checks,
        0 if found.grid is None else len(found.grid.buses),
        len(np.unique(found.broken["time"])),
    )
    title = str(found.provenance.get("study") or folder.name)
    return Page(title, _kicker(found), words.headline(findings), words.tiles(findings), sections)


def _read(folder: Path) -> _Material:
    result, tables = read_result(folder), ResultTables(folder)
    clock = _clock(tables, result.provenance)
    book, by_kind = read_assets(tables, clock)
    return _Material(
        tables=tables,
        summary=result.summary,
        provenance=result.provenance,
        clock=clock,
        bins=make_bins(clock),
        grid=read_grid(tables),
        book=book,
        by_kind=by_kind,
        total=total_bands(by_kind, clock.steps),
        checks=read_checks(tables, clock),
        broken=tables.whole("violations", _BROKEN_COLUMNS),
        unresolved=tables.whole("unresolved", ("side", *_BROKEN_COLUMNS)),
    )


def _clock(tables: ResultTables, provenance: dict[str, Any]) -> Clock:
    """The axis of the first table over time; a result without one is a single interval of an hour."""
    zone = str(provenance.get("timezone", "UTC"))
    for table in ("envelope_checks", "envelopes", "violations"):
        times = np.unique(tables.whole(table, ("time",))["time"])
        if len(times):
            default = (times[1] - times[0]) / np.timedelta64(1, "m") if len(times) > 1 else 60.0
            minutes = float(provenance.get("step_minutes", default))
            span = (times[-1] - times[0]) / np.timedelta64(1, "m")
            return Clock(times[0], minutes, round(float(span) / minutes) + 1, zone)
    return Clock(np.datetime64(0, "ms"), 60.0, 1, zone)


def _kicker(found: _Material) -> str:
    clock = found.clock
    steps = f"{number(clock.steps)} {clock.step_words()} interval{'s' if clock.steps > 1 else ''}"
    return f"Operating envelopes · {clock.window_words()} · {steps}"


def _map_section(found: _Material) -> Section:
    heading = "The grid at its worst"
    if found.grid is None:
        return Section("map", heading, html.nothing("The result does not describe its grid."))
    limits = read_limits(found.tables, found.clock, found.grid)
    extremes = read_extremes(found.tables, found.clock, found.grid, limits)
    snapshots: dict[str, Snapshot] = {}
    for scenario, worst in extremes.items():
        what = (scenario, worst_step(worst))
        snapshots[scenario] = read_snapshot(found.tables, found.clock, found.grid, limits, what)
    if not snapshots:
        return Section("map", heading, html.nothing("The result holds no voltages."))
    place = (
        "Buses stand at the coordinates of the grid file, fitted to the panel."
        if found.grid.layout.is_map
        else "The grid file has no coordinates: the drawing is a tree, distance from the source to the right."
    )
    said = (
        "Each panel shows the interval in which its case comes nearest to a limit, or goes farthest "
        "beyond it: the devices as planned, all at the upper end of their envelopes, all at the lower"
        " end. " + place
    )
    return Section(
        "map",
        heading,
        html.text(said)
        + html.figure(draw_maps(found.grid, limits, found.clock, snapshots))
        + words.extremes_table(found.clock, extremes),
    )


def _envelope_section(found: _Material) -> Section:
    heading = "How much may be drawn and injected, when"
    if not found.book.name:
        return Section("envelopes", heading, html.nothing("The result holds no envelopes."))
    chosen = choose_assets(found.book, _MOST_ASSETS)
    bands = read_bands(found.tables, found.clock, [found.book.name[asset] for asset in chosen])
    binned = ""
    if not found.bins.is_plain:
        name = found.bins.name
        binned = f" Shown are the mean of each {name}, and the middle 80 % of its intervals as a darker band."
    said = (
        "All envelopes together. As long as each device stays within its own, every combination of "
        "them is inside this band; the dashed lines are what the devices could do if the grid had no "
        "limits." + binned
    )
    some = "all devices" if len(chosen) == len(found.book.name) else "of each kind those most cut"
    detail = (
        f"Single devices ({some}): coloured the envelope, grey behind it what the device alone could "
        "do, black its plan. Net power [kW], positive = the grid delivers."
    )
    return Section(
        "envelopes",
        heading,
        html.text(said)
        + html.figure(draw_total(found.clock, found.bins, found.by_kind, found.total))
        + html.text(detail)
        + html.figure(draw_assets(found.clock, found.bins, found.book, chosen, bands)),
    )


def _binding_section(found: _Material) -> Section:
    heading = "What binds when"
    if found.checks is None:
        return Section("binding", heading, html.nothing("The result holds no checks."))
    times = found.broken["time"]
    step = found.clock.step_of(times) if len(times) else np.zeros(0, dtype=np.int64)
    broken = Broken(step, found.broken["element"], found.broken["kind"])
    said = (
        "The bus or branch whose limit sets the envelopes of an interval, for drawing and for "
        "injecting. Where the devices alone set them, the grid has room to spare."
    )
    if not found.bins.is_plain:
        said += f" The deeper the colour, the more intervals of the {found.bins.name}."
    body = html.text(said) + html.figure(draw_binding(found.clock, found.checks, broken))
    if len(times):
        body += "<h3>Limits broken when nobody is controlled: the worst of each interval</h3>"
        body += words.broken_table(found.clock, found.broken, with_side=False)
    return Section("binding", heading, body)


def _share_section(found: _Material) -> Section:
    heading = "Who gets what"
    shares = read_shares(found.tables, found.book, found.summary)
    if shares is None:
        return Section("shares", heading, html.nothing("The result compares no objectives."))
    distance_km = _distances(found)
    said = (
        "The same grid shared by different rules. Jain's index is 1 where every device got the same "
        "share of its own range; the price of fairness is how much of the largest total a rule gives "
        "up. The dashed line is the mean."
    )
    body = html.text(said) + html.figure(draw_shares(shares, found.book, distance_km, found.objective))
    body += words.objective_table(shares, found.objective)
    body += html.folded(
        f"Every device in figures ({number(len(found.book.name))})",
        words.asset_table(shares, found.book, distance_km),
    )
    return Section("shares", heading, body)


def _distances(found: _Material) -> FloatArray:
    """Way from the source to each asset [km]; infinite where the result does not say."""
    if found.grid is None:
        return np.full(len(found.book.name), np.inf)
    at = found.grid.layout.distance_km
    known = found.grid.buses.number
    return np.array([at[known[bus]] if bus in known else np.inf for bus in found.book.bus])


def _proof_section(found: _Material) -> Section:
    heading = "How far it is proven"
    if found.checks is None:
        return Section("proof", heading, html.nothing("The result holds no checks."))
    said = (
        "Certified: a property of the grid was checked (on a radial feeder, which way each limit answers to "
        "each device) by which the worst point of all envelopes together is a corner, and that corner "
        "holds on the exact load flow: a proof. Tested: corners, the worst corner of each limit, and "
        "random points (mostly vertices) were computed and held: evidence, no proof."
    )
    return Section(
        "proof",
        heading,
        html.text(said)
        + html.figure(draw_proof(found.clock, found.bins, found.checks))
        + words.proof_table(found.checks),
    )


def _unresolved_section(found: _Material) -> Section:
    heading = "Unresolved intervals"
    if not len(found.unresolved["time"]):
        return Section(
            "unresolved", heading, html.nothing("None: every interval holds with everyone at rest.")
        )
    said = (
        "Here a limit is broken with everyone at rest and all support used. The side that would make "
        "it worse is held at rest; no envelope can mend it."
    )
    body = html.text(said) + words.broken_table(found.clock, found.unresolved, with_side=True)
    return Section("unresolved", heading, body)


def _origin_section(found: _Material) -> Section:
    return origin_section(found.provenance)


_SECTIONS = (
    _map_section,
    _envelope_section,
    _binding_section,
    _share_section,
    _proof_section,
    _unresolved_section,
    _origin_section,
)
