"""Keys compared: what other ways of allocating the same energy would bring whom."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.settlement.material import SHARED, Material, key_words
from gridcommons.adapters.report.style import (
    BROKEN,
    INK,
    UNKNOWN,
    Chart,
    finish,
    make_figure,
    quiet_grid,
)

_LEAST_AMOUNT = 0.005


def key_section(found: Material) -> Section | None:
    """What each key shares and saves; None where none are compared."""
    if not found.compared:
        return None
    said = (
        "The same meters and prices under other keys. Keys that allocate the same in all only move money "
        "between members; one that leaves surplus saves less. Each dot is a member."
    )
    body = html.text(said) + html.figure(draw_keys(found)) + key_table(found)
    return Section("keys", "Under other keys", body)


def draw_keys(found: Material) -> Chart:
    """A row a key: what each member saves."""
    saved = found.saved_by_key
    figure = make_figure(0.62 + 0.36 * len(saved))
    high = 0.36 * len(saved) / (0.62 + 0.36 * len(saved))
    axes = figure.add_axes((0.21, 0.40 / (0.62 + 0.36 * len(saved)), 0.775, high))
    for place, (key, each) in enumerate(saved.items()):
        colour = SHARED if key == found.key else UNKNOWN
        colours = np.where(each < -_LEAST_AMOUNT, BROKEN, colour)
        at, alpha = np.full(len(each), place), float(np.clip(20.0 / len(each), 0.4, 0.9))
        axes.scatter(each, at, s=30.0, color=colours.tolist(), alpha=alpha, linewidth=0)
        middle = float(np.median(each))
        axes.plot([middle, middle], [place - 0.28, place + 0.28], color=INK, linewidth=1.6)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(saved)), [key_words(key) for key in saved])
    axes.set_ylim(len(saved) - 0.5, -0.5)
    axes.set_xlabel(f"saved by each member{found.unit}; the stroke is the median", fontsize=8, loc="right")
    quiet_grid(axes, "x")
    told = [
        f"{key_words(key)}: {number(float(each.min()), 2)} to {number(float(each.max()), 2)}"
        for key, each in saved.items()
    ]
    return finish(figure, f"What members save under each key. {'; '.join(told)}.", "keys")


def key_table(found: Material) -> str:
    """Energy, cost and who is worse off under each key."""
    heads = {
        "key": "key",
        "shared#": "shared [kWh]",
        "surplus#": "to suppliers [kWh]",
        "cost#": f"all pay{found.unit}",
        "worse#": "worse off than alone",
        "allowed": "by the rules",
    }
    has_rules = bool(found.summary.get("rules"))
    rows = [
        {
            "key": f"{key_words(str(each['key']))} ({each['key']})",
            "shared#": number(each["shared_kwh"], 1),
            "surplus#": number(each["surplus_kwh"], 1),
            "cost#": number(each["cost"], 2),
            "worse#": number(each["members_worse_off"]),
            "allowed": ("allowed" if each["is_allowed"] else "not allowed") if has_rules else "no rules",
        }
        for each in found.compared
    ]
    return html.table(heads, rows, [each["key"] == found.key for each in found.compared])
