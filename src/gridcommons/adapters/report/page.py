"""Writes the report of a result, and the comparison of two: one page each that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gridcommons.adapters.parquet_results import COMPARISON, REPORT, STATEMENTS, read_result
from gridcommons.adapters.report import bare_page, envelope_page, html
from gridcommons.adapters.report.control import comparison as control_comparison
from gridcommons.adapters.report.control import page as control_page
from gridcommons.adapters.report.day import page as day_page
from gridcommons.adapters.report.day import statements_page
from gridcommons.adapters.report.flexibility import page as flexibility_page
from gridcommons.adapters.report.scheduling import page as scheduling_page
from gridcommons.adapters.report.settlement import page as settlement_page
from gridcommons.adapters.report.switching import page as switching_page
from gridcommons.adapters.report.trading import page as trading_page
from gridcommons.model.errors import Problem, StudyError

PAGES: dict[str, Callable[[Path], html.Page]] = {
    "envelopes": envelope_page.make_page,
    "control": control_page.make_page,
    "flexibility": flexibility_page.make_page,
    "trading": trading_page.make_page,
    "switching": switching_page.make_page,
    "scheduling": scheduling_page.make_page,
    "settlement": settlement_page.make_page,
    "day": day_page.make_page,
}
"""What makes the page of a result, by task; a task without one gets its summary and provenance."""

COMPARISONS: dict[str, Callable[[Path, Path], html.Page]] = {
    "control": control_comparison.make_page,
}
"""What makes the page that compares two results of a task."""


STATEMENT_PAGES: dict[str, Callable[[Path], html.Page | None]] = {
    "day": statements_page.make_statements,
}
"""What makes the page of every member's statement, by task; None where a result has none."""


def write_report(out_folder: str | Path) -> Path:
    """Write ``report.html`` into a result folder, from what the run left there.

    Beside it goes ``statements.html`` where the result has bills of members.

    Parameters
    ----------
    out_folder : str or Path
        What was given to ``gridcommons run`` as ``--out``.

    Returns
    -------
    Path
        The page; the same result gives the same bytes.

    Raises
    ------
    StudyError
        If the folder holds no result.
    """
    folder = Path(out_folder)
    task = read_result(folder).task
    make, statements = PAGES.get(task, bare_page.make_page), STATEMENT_PAGES.get(task)
    page = None if statements is None else statements(folder)
    # Statements that an earlier writing left tell of a result that is no more.
    (folder / STATEMENTS).unlink(missing_ok=True)
    if page is not None:
        _write(folder / STATEMENTS, page)
    return _write(folder / REPORT, make(folder))


def write_comparison(out_folder: str | Path, other_folder: str | Path) -> Path:
    """Write ``comparison.html`` into a result folder: what another result of the same task has otherwise.

    Parameters
    ----------
    out_folder, other_folder : str or Path
        Result folders; the page is left in the first.

    Returns
    -------
    Path
        The page; the same results give the same bytes.

    Raises
    ------
    StudyError
        If a folder holds no result, or the two cannot be compared.
    """
    folder, other = Path(out_folder), Path(other_folder)
    task, other_task = read_result(folder).task, read_result(other).task
    if task not in COMPARISONS:
        found, expected = f"a result of the task {task}", f"one of {', '.join(COMPARISONS)}, to compare two"
        raise StudyError([Problem(file=str(folder), found=found, expected=expected)])
    if task != other_task:
        found, expected = f"a result of the task {other_task}", f"one of {task}, as in {folder}"
        raise StudyError([Problem(file=str(other), found=found, expected=expected)])
    return _write(folder / COMPARISON, COMPARISONS[task](folder, other))


def _write(path: Path, page: html.Page) -> Path:
    path.write_text(html.render(page), encoding="utf-8")
    return path
