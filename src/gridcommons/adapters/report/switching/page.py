"""The report of switching: one page for least losses, one for switches between clusters."""

from __future__ import annotations

from pathlib import Path

from gridcommons.adapters.parquet_results import read_result
from gridcommons.adapters.report.html import Page
from gridcommons.adapters.report.switching.cluster_page import make_cluster_page
from gridcommons.adapters.report.switching.loss_page import make_loss_page


def make_page(folder: Path) -> Page:
    """The page of a result of the task ``switching``, by its objective."""
    if read_result(folder).summary.get("objective") == "losses":
        return make_loss_page(folder)
    return make_cluster_page(folder)
