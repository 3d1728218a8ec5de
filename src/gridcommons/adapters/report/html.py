"""Pieces of the page: tables, tiles, sections; every text from a study is escaped here."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from gridcommons.adapters.report.style import Chart

_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Section:
    """A part of the page: a heading, what it means, and what it shows (HTML)."""

    key: str
    heading: str
    body: str


@dataclass(frozen=True)
class Tile:
    """A key figure: what it is, its value, its unit or remark, and a tone of the style sheet."""

    label: str
    value: str
    remark: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Page:
    """All of a page: ``lead`` is HTML, title and kicker are plain text."""

    title: str
    kicker: str
    lead: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]


def render(page: Page) -> str:
    """The page as one HTML file."""
    template = string.Template((_ASSETS / "report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(page.title),
        kicker=escape(page.kicker),
        lead=page.lead,
        tiles=_tiles(page.tiles),
        sections="\n".join(_section(section) for section in page.sections),
        css=(_ASSETS / "report.css").read_text(encoding="utf-8"),
    )


def escaped(words: str) -> str:
    """Words that may stand inside HTML."""
    return escape(words)


def text(words: str) -> str:
    """A paragraph."""
    return f"<p>{escape(words)}</p>"


def nothing(words: str) -> str:
    """A paragraph that says what there is not."""
    return f'<p class="none">{escape(words)}</p>'


def figure(chart: Chart) -> str:
    """A chart with its description for those who do not see it."""
    return f'<figure role="img" aria-label="{escape(chart.words)}">\n{chart.svg}\n</figure>'


def table(heads: Mapping[str, str], rows: Sequence[Mapping[str, Any]], chosen: Sequence[bool] = ()) -> str:
    """A table: ``heads`` maps keys of the rows to column heads; numbers stand on the right.

    Parameters
    ----------
    heads : mapping
        Column heads by key; a key that ends in ``#`` is a number.
    rows : sequence of mappings
        Texts by key.
    chosen : sequence of bool
        Rows to set off, by place.
    """
    columns = [(key, ' class="n"' if key.endswith("#") else "") for key in heads]
    head = "".join(f"<th{style}>{escape(heads[key])}</th>" for key, style in columns)
    lines = []
    for place, row in enumerate(rows):
        cells = "".join(f"<td{style}>{escape(str(row[key]))}</td>" for key, style in columns)
        mark = ' class="chosen"' if place < len(chosen) and chosen[place] else ""
        lines.append(f"<tr{mark}>{cells}</tr>")
    body = "<tbody>\n" + "\n".join(lines) + "\n</tbody>"
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n{body}\n</table></div>'


def folded(summary: str, body: str) -> str:
    """Something long that opens on demand."""
    return f"<details><summary>{escape(summary)}</summary>\n{body}\n</details>"


def bullets(lines: Iterable[str]) -> str:
    """A list of remarks."""
    return '<ul class="notes">' + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def code(lines: str) -> str:
    """What to type."""
    return f"<pre>{escape(lines)}</pre>"


def _tiles(tiles: Sequence[Tile]) -> str:
    boxes = []
    for tile in tiles:
        remark = f"<small>{escape(tile.remark)}</small>" if tile.remark else ""
        tone = f' class="{tile.tone}"' if tile.tone else ""
        boxes.append(f"<div{tone}><dt>{escape(tile.label)}</dt><dd>{escape(tile.value)}{remark}</dd></div>")
    return f'<dl class="tiles">{"".join(boxes)}</dl>' if boxes else ""


def _section(section: Section) -> str:
    return f'<section id="{section.key}">\n<h2>{escape(section.heading)}</h2>\n{section.body}\n</section>'
