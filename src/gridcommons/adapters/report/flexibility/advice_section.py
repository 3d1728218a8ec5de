"""What each customer can be told without any aggregator: how they compare, and what moving load saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.panels import Shape, legend, make_panels, title
from gridcommons.adapters.report.style import EXPORT, IMPORT, INK, MUTED, Chart, finish, quiet_grid
from gridcommons.adapters.report.tables import Part
from gridcommons.model.grid import IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_GROUPS, _MOST_ADVISED = 3, 10
_COLUMNS = (
    "member", "group", "consumption_kwh", "group_mean_kwh", "rank", "group_size", "mean_price_per_kwh",
    "dear_from", "cheap_from", "movable_kwh", "saving",
)  # fmt: skip


def advice_section(found: Material) -> Section | None:
    """Consumption by group, and who can save most; None where the result holds no advice."""
    if "advice" not in found.tables:
        return None
    rows = found.tables.whole("advice", _COLUMNS)
    if not len(rows["member"]):
        return Section("advice", "Advice", html.nothing("Nobody is advised."))
    groups = [name for name, _ in Counter(rows["group"].tolist()).most_common()]
    said = (
        "What customers can be told where nobody aggregates: their consumption against their group, the "
        "dearest hours of their day, and what moving the load above their own mean from there to the "
        "cheapest hours would save. By the baseline; nothing of it is used above."
    )
    shown = groups[:_MOST_GROUPS]
    body = html.text(said) + html.figure(_draw(found, rows, shown)) + _group_table(found, rows, groups)
    hidden = len(groups) - _MOST_GROUPS
    body += html.text(f"{number(hidden)} smaller groups are not drawn.") if hidden > 0 else ""
    body += "<h3>Who has most to gain</h3>" + _top_table(found, rows, shown)
    return Section("advice", "Advice", body)


def _draw(found: Material, rows: Part, groups: Sequence[str]) -> Chart:
    """Histograms of consumption above and of savings below, a column for each group."""
    figure, axes = make_panels(2 * len(groups), Shape(columns=len(groups), height=1.15, head=0.48, foot=0.36))
    legend(figure, [("┃", INK, "mean of the group")], "customers by consumption and by saving")
    said = []
    for column, group in enumerate(groups):
        mine = rows["group"] == group
        count, use, saving = int(mine.sum()), rows["consumption_kwh"][mine], rows["saving"][mine]
        _histogram(axes[column], use, IMPORT)
        title(axes[column], f"{group}: consumption [kWh]", f"{number(count)} customers, positive = drawn")
        below = axes[column + len(groups)]
        _histogram(below, saving, EXPORT)
        title(
            below, f"saving [{found.currency or 'amount'}]", f"{number(float(saving.sum()), 2)} all together"
        )
        said.append(f"{group}: {count} customers, mean {number(float(use.mean()), 1)} kWh")
    return finish(figure, f"Consumption and savings by group. {'; '.join(said)}", "advice")


def _histogram(axes: Axes, values: np.ndarray, colour: str) -> None:
    bins = int(np.clip(np.sqrt(len(values)) * 1.4, 6, 36))
    spread = (float(values.min()), float(values.max()))
    if spread[1] - spread[0] < 1e-9:
        spread = (spread[0] - 0.5, spread[1] + 0.5)
    axes.hist(values, bins=bins, range=spread, color=colour, edgecolor="white", linewidth=0.5)
    axes.axvline(float(values.mean()), color=INK, linewidth=1.3)
    axes.tick_params(labelsize=7.8)
    axes.locator_params(axis="both", nbins=5)
    axes.set_ylabel("customers", fontsize=7.8, color=MUTED)
    quiet_grid(axes)


def _group_table(found: Material, rows: Part, groups: Sequence[str]) -> str:
    money = f" [{found.currency}]" if found.currency else ""
    heads = {
        "group": "group", "count#": "customers", "mean#": "mean [kWh]", "span": "least – most [kWh]",
        "move#": "movable, all [kWh]", "save#": f"saving, all{money}", "each#": f"saving, mean{money}",
        "dear": "dearest from", "cheap": "cheapest from",
    }  # fmt: skip
    lines = []
    for group in groups[:_MOST_ADVISED]:
        mine = rows["group"] == group
        use, saving = rows["consumption_kwh"][mine], rows["saving"][mine]
        lines.append(
            {
                "group": group,
                "count#": number(int(mine.sum())),
                "mean#": number(float(use.mean()), 1),
                "span": f"{number(float(use.min()), 1)} – {number(float(use.max()), 1)}",
                "move#": number(float(rows["movable_kwh"][mine].sum()), 1),
                "save#": number(float(saving.sum()), 2),
                "each#": number(float(saving.mean()), 2),
                "dear": _most_common(found, rows["dear_from"][mine]),
                "cheap": _most_common(found, rows["cheap_from"][mine]),
            }
        )
    return html.table(heads, lines)


def _most_common(found: Material, times: np.ndarray) -> str:
    """The start that most of a group share."""
    starts, counts = np.unique(times, return_counts=True)
    most = f"{found.brief(starts[int(np.argmax(counts))])}"
    return most if len(starts) == 1 else f"{most} (most)"


def _top_table(found: Material, rows: Part, groups: Sequence[str]) -> str:
    """Those with the largest savings of each group, ten in all."""
    money = f" [{found.currency}]" if found.currency else ""
    heads = {
        "member": "customer", "group": "group", "use#": "consumption [kWh]", "mean#": "group mean [kWh]",
        "rank#": "rank, 1 = least", "paid#": f"pays a kWh{money}", "move#": "movable [kWh]", "dear": "from",
        "cheap": "to", "save#": f"saving{money}",
    }  # fmt: skip
    lines = [
        {
            "member": str(rows["member"][row]),
            "group": str(rows["group"][row]),
            "use#": number(float(rows["consumption_kwh"][row]), 1),
            "mean#": number(float(rows["group_mean_kwh"][row]), 1),
            "rank#": f"{number(int(rows['rank'][row]))} of {number(int(rows['group_size'][row]))}",
            "paid#": number(float(rows["mean_price_per_kwh"][row]), 4),
            "move#": number(float(rows["movable_kwh"][row]), 2),
            "dear": found.brief(rows["dear_from"][row]),
            "cheap": found.brief(rows["cheap_from"][row]),
            "save#": number(float(rows["saving"][row]), 2),
        }
        for row in _top(rows, groups)
    ]
    return html.table(heads, lines)


def _top(rows: Part, groups: Sequence[str]) -> list[int]:
    each = -(-_MOST_ADVISED // len(groups))
    chosen: list[int] = []
    for group in groups:
        mine: IntArray = np.flatnonzero(rows["group"] == group)
        order = np.lexsort((rows["member"][mine].astype(str), -rows["saving"][mine]))
        chosen += [int(row) for row in mine[order[:each]]]
    return chosen[:_MOST_ADVISED]
