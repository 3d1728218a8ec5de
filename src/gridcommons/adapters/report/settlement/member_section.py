"""Members: what each pays together and alone, and who is worse off."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import legend, title
from gridcommons.adapters.report.settlement.material import SHARED, Material
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    MUTED,
    UNKNOWN,
    Chart,
    finish,
    make_figure,
    quiet_grid,
    shorten,
)

_MOST_NAMED = 24
_LEAST_AMOUNT = 0.005


def member_section(found: Material) -> Section | None:
    """Costs of all members, sorted; None where nobody has a statement."""
    if not len(found.members):
        return None
    said = (
        "Each column is a member, in the order of what it would pay alone; below zero is received. Each line "
        "of a bill is rounded to the cent."
    )
    body = html.text(said) + html.figure(draw_members(found))
    body += html.folded(f"All {number(len(found.members))} members", member_table(found))
    return Section("members", "What each member pays, together and alone", body)


def draw_members(found: Material) -> Chart:
    """Above: what each pays alone and together. Below: what it saves."""
    rows, count = found.statements, len(found.members)
    order = np.argsort(rows["cost_alone"], kind="stable")
    alone, cost, saved = (rows[name][order] for name in ("cost_alone", "cost", "saved"))
    at = np.arange(count)
    figure = make_figure(4.6)
    above, below = (figure.add_axes((0.07, low, 0.915, high)) for low, high in ((0.50, 0.38), (0.12, 0.26)))
    size = float(np.clip(2400.0 / count, 8.0, 46.0))
    above.vlines(at, alone, cost, color=SHARED, linewidth=float(np.clip(300.0 / count, 0.8, 5.0)), alpha=0.45)
    above.scatter(at, alone, s=size, color=UNKNOWN, linewidth=0, zorder=3)
    above.scatter(at, cost, s=size, color=SHARED, linewidth=0, zorder=4)
    colours = np.where(saved < -_LEAST_AMOUNT, BROKEN, SHARED)
    below.bar(at, saved, width=0.8, color=colours.tolist(), linewidth=0)
    for axes, words in ((above, f"Pays{found.unit}"), (below, f"Saves{found.unit}")):
        axes.axhline(0.0, color=INK, linewidth=0.8)
        axes.set_xlim(-0.8, count - 0.2)
        axes.set_xticks([])
        quiet_grid(axes)
        title(axes, words)
    if count <= _MOST_NAMED:
        names = [shorten(found.members[k], max(120 // count, 6)) for k in order]
        below.set_xticks(at, names)
        below.tick_params(axis="x", length=0)
    else:
        below.set_xlabel(f"{number(count)} members", color=MUTED, fontsize=8, loc="right")
    entries = [("●", UNKNOWN, "alone"), ("●", SHARED, "together"), ("■", BROKEN, "pays more than alone")]
    legend(figure, entries[: 2 + bool((saved < -_LEAST_AMOUNT).any())])
    words = f"{number(count)} members pay {number(float(alone.sum()), 2)} alone and "
    words += f"{number(float(cost.sum()), 2)} together; each saves {number(float(saved.min()), 2)} to "
    return finish(figure, f"{words}{number(float(saved.max()), 2)}.", "members")


def member_table(found: Material) -> str:
    """Energy and costs of every member."""
    heads = {"member": "member"}
    columns = {
        "withdrawn_kwh": ("draws [kWh]", 1),
        "injected_kwh": ("feeds in [kWh]", 1),
        "shared_kwh": ("is allocated [kWh]", 1),
        "given_kwh": ("gives [kWh]", 1),
        "cost_alone": (f"alone{found.unit}", 2),
        "cost": (f"together{found.unit}", 2),
        "saved": ("saves", 2),
    }
    heads |= {f"{column}#": words for column, (words, _) in columns.items()}
    rows = []
    for k, member in enumerate(found.members):
        figures = {
            f"{column}#": number(float(found.statements[column][k]), digits)
            for column, (_, digits) in columns.items()
        }
        rows.append({"member": member, **figures})
    return html.table(heads, rows)
