"""Where a result comes from: notes of the study, what it was computed from, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridcommons.adapters.report import html
from gridcommons.adapters.report.html import Section, table


def origin_section(provenance: Mapping[str, Any]) -> Section:
    """Notes, provenance, and how the page is written again."""
    notes = provenance.get("notes") or []
    body = "<h3>Notes of the study</h3>" + (html.bullets(notes) if notes else html.nothing("None."))
    body += "<h3>Computed from, and with what</h3>" + provenance_table(provenance)
    body += "<h3>Write this page again</h3>" + html.code("gridcommons report OUT")
    body += html.text(
        "OUT is the folder of this page; its Parquet tables and JSON files hold every number in it."
    )
    return Section("origin", "Where it comes from", body)


def provenance_table(provenance: Mapping[str, Any]) -> str:
    """Seed, hash, settings and versions."""
    versions = provenance.get("versions", {})
    settings = provenance.get("settings", {})
    told = {
        "Study": provenance.get("study", ""),
        "Task": provenance.get("task", ""),
        "Settings": ", ".join(f"{key} = {_plain(value)}" for key, value in settings.items()),
        "Load flow": provenance.get("power_flow", ""),
        "Seed": provenance.get("seed", ""),
        "Hash of the inputs (SHA-256)": provenance.get("inputs_sha256", ""),
        "Clock": provenance.get("timezone", "UTC"),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    rows = [{"what": what, "value": value} for what, value in told.items() if value != ""]
    return table({"what": "", "value": ""}, rows)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return str(value)
