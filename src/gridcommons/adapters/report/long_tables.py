"""Tables that fold away where they are long, and end where they would never end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number

_OPEN_ROWS, _MOST_ROWS = 14, 80


def long_table(
    heads: Mapping[str, str], rows: Sequence[Mapping[str, str]], name: str, chosen: Sequence[bool] = ()
) -> str:
    """A table as ``html.table`` makes it; folded from some length on, and cut at another.

    Parameters
    ----------
    heads, rows, chosen
        As in ``html.table``.
    name : str
        The table of the result that holds all rows.
    """
    table = html.table(heads, rows[:_MOST_ROWS], chosen)
    hidden = len(rows) - _MOST_ROWS
    if hidden > 0:
        table += html.text(f"and {number(hidden)} more, in the table {name} beside this page.")
    return html.folded(f"All {number(len(rows))} rows", table) if len(rows) > _OPEN_ROWS else table
