"""The report of a task that has no pictures of its own: its summary, and where it comes from."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.parquet_results import json_text, read_result
from gridcommons.adapters.report import html
from gridcommons.adapters.report.html import Page, Section
from gridcommons.adapters.report.origin import origin_section


def make_page(folder: Path) -> Page:
    """The page of a result of any task."""
    result = read_result(folder)
    title = str(result.provenance.get("study") or folder.name)
    lead = "This task has no pictures; its tables lie beside this page."
    figures = Section("summary", "Key figures", html.code(json_text(result.summary).rstrip()))
    return Page(title, result.task or "result", lead, [], [figures, origin_section(result.provenance)])
