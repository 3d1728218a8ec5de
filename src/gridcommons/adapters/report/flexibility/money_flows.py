"""Payments of a settlement as a flow: who pays the DSO, whom it pays, who hands on what and keeps what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.flexibility.material import Material
from gridcommons.adapters.report.flexibility.stage_words import stage_colour
from gridcommons.adapters.report.panels import legend
from gridcommons.adapters.report.style import INK, MUTED, Chart, finish, make_figure, shorten, spread_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DSO = "DSO"
MOST_AGGREGATORS = 6
"""Aggregators that are drawn one by one, those with the most money first."""

_ITEM_COLOURS = {
    "flexibility": stage_colour("market"),
    "discomfort and share": "#7cc2a8",
    "energy compensation": "#e8a317",
    "tariff": stage_colour("tariff"),
    "re-profiling": stage_colour("reprofiling"),
    "penalty": "#b3125e",
}
_KEPT_COLOUR = "#c3cbd3"
_HIGH_INCH, _EACH_INCH, _LABEL_INCH, _PICTURE_SHARE = 3.8, 0.42, 0.19, 0.87
_NODE, _KEPT = 0.008, 0.02

WHOLE_FROM = 100.0
"""Amounts from which a label leaves out the cents."""


@dataclass(frozen=True)
class Payment:
    """Money from one party to another, in the study's currency."""

    payer: str
    payee: str
    item: str
    amount: float


@dataclass
class _Node:
    """A party in a column: what flows in and out, and where it stands."""

    name: str
    column: int
    into: float = 0.0
    out: float = 0.0
    low: float = 0.0
    taken_in: float = 0.0
    taken_out: float = 0.0

    @property
    def size(self) -> float:
        return max(self.into, self.out)

    @property
    def high(self) -> float:
        return self.low + self.size


@dataclass
class _Flow:
    """Payments in columns, the left column paying the next."""

    nodes: dict[tuple[str, int], _Node] = field(default_factory=dict)
    links: list[tuple[tuple[str, int], tuple[str, int], Payment]] = field(default_factory=list)

    def add(self, payment: Payment, columns: tuple[int, int]) -> None:
        """A payment between parties in two columns."""
        keys = ((payment.payer, columns[0]), (payment.payee, columns[1]))
        for key in keys:
            self.nodes.setdefault(key, _Node(*key))
        self.nodes[keys[0]].out += payment.amount
        self.nodes[keys[1]].into += payment.amount
        self.links.append((keys[0], keys[1], payment))

    def column(self, number_: int) -> list[_Node]:
        """Parties of a column, in the order in which they came."""
        return [node for node in self.nodes.values() if node.column == number_]


def read_payments(found: Material) -> list[Payment]:
    """Each payment once: the postings of who receives."""
    rows = found.tables.whole("settlement", ("party", "counterparty", "item", "amount"))
    return [
        Payment(str(payer), str(payee), str(item), float(amount))
        for payee, payer, item, amount in zip(
            *(rows[c] for c in ("party", "counterparty", "item", "amount")), strict=True
        )
        if amount > 0.0
    ]


def draw_money(found: Material, payments: Sequence[Payment]) -> Chart:
    """Money from left to right: who pays the DSO, the DSO, aggregators, customers."""
    flow = _flow(_merged(found, payments))
    used = sorted({node.column for node in flow.nodes.values()})
    high = max(_HIGH_INCH, _EACH_INCH * max(len(flow.column(column)) for column in used))
    _place(flow, used, _PICTURE_SHARE * high)
    figure = make_figure(high)
    axes = figure.add_axes((0.195, 0.02, 0.61, _PICTURE_SHARE))
    axes.set_axis_off()
    x = {column: place / max(len(used) - 1, 1) for place, column in enumerate(used)}
    for source, target, payment in flow.links:
        _draw_link(axes, (flow.nodes[source], flow.nodes[target]), payment, x)
    for node in flow.nodes.values():
        _draw_node(axes, node, x, (used[0], used[-1]))
    axes.set_xlim(0.0, 1.0)
    _name_ends(axes, flow, x, (used[0], used[-1]))
    items = list(dict.fromkeys(payment.item for payment in payments))
    _legend(figure, found, items)
    said = "; ".join(f"{p.payer} pays {p.payee} {number(p.amount, 2)} ({p.item})" for _, _, p in flow.links)
    return finish(figure, f"Who pays whom [{found.currency or 'amount'}]. {said}", "money")


def _merged(found: Material, payments: Sequence[Payment]) -> list[Payment]:
    """Aggregators beyond the most that are drawn, and their customers, taken together."""
    names = list(found.aggregators)
    worth = {
        name: sum(p.amount for p in payments if name in (p.payer, p.payee) or _of(name) in (p.payer, p.payee))
        for name in names
    }
    small = set(sorted(names, key=lambda name: -worth[name])[MOST_AGGREGATORS:])
    others = {name: f"{len(small)} others" for name in small} | {_of(name): _of("others") for name in small}
    total: dict[tuple[str, str, str], float] = {}
    for payment in payments:
        key = (
            others.get(payment.payer, payment.payer),
            others.get(payment.payee, payment.payee),
            payment.item,
        )
        total[key] = total.get(key, 0.0) + payment.amount
    ranked = sorted(total.items(), key=lambda each: bool({*each[0][:2]} & set(others.values())))
    return [Payment(*key, amount) for key, amount in ranked]


def _of(name: str) -> str:
    return f"customers of {name}"


def _flow(payments: Sequence[Payment]) -> _Flow:
    """Payers of the DSO left of it, whom it pays on its right, whom these pay in the last column."""
    flow = _Flow()
    middle = {p.payer for p in payments if DSO not in (p.payer, p.payee)}
    for payment in payments:
        if payment.payee == DSO:
            flow.add(payment, (0, 1))
        elif payment.payer == DSO:
            flow.add(payment, (1, 2 if payment.payee in middle or not middle else 3))
        else:
            flow.add(payment, (2, 3))
    return flow


def _place(flow: _Flow, used: Sequence[int], inch: float) -> None:
    """Parties below each other in every column, centred, with room for a label between them."""
    most = max(sum(node.size for node in flow.column(column)) for column in used)
    gaps = max(len(flow.column(column)) for column in used) - 1
    gap = _LABEL_INCH * most / (inch - _LABEL_INCH * gaps)
    tallest = max(sum(n.size for n in flow.column(c)) + gap * (len(flow.column(c)) - 1) for c in used)
    for column in used:
        nodes = flow.column(column)
        tall = sum(node.size for node in nodes) + gap * (len(nodes) - 1)
        top = (tallest + tall) / 2.0
        for node in nodes:
            node.low = top - node.size
            top = node.low - gap


def _draw_link(axes: Axes, ends: tuple[_Node, _Node], payment: Payment, x: dict[int, float]) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    source, target = ends
    left, right = x[source.column] + _NODE, x[target.column] - _NODE
    a, b, amount = source.high - source.taken_out, target.high - target.taken_in, payment.amount
    source.taken_out, target.taken_in = source.taken_out + amount, target.taken_in + amount
    bend = (left + right) / 2.0
    corners = [
        (left, a), (bend, a), (bend, b), (right, b),
        (right, b - amount), (bend, b - amount), (bend, a - amount), (left, a - amount), (left, a),
    ]  # fmt: skip
    curve = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    colour = _ITEM_COLOURS.get(payment.item, MUTED)
    axes.add_patch(PathPatch(Path(corners, curve), facecolor=colour, alpha=0.55, linewidth=0))


def _draw_node(axes: Axes, node: _Node, x: dict[int, float], ends: tuple[int, int]) -> None:
    at = x[node.column]
    box = ([at - _NODE, at + _NODE, at + _NODE, at - _NODE], [node.low, node.low, node.high, node.high])
    axes.fill(*box, color=INK, linewidth=0)
    if node.column in ends:
        return
    words, kept = _amount_words(node, 14), node.into - node.out
    if kept > 0.005 * node.size:
        left, right, top = at + _NODE, at + _NODE + _KEPT, node.low + kept
        axes.fill([left, right, right, left], [top, top, node.low, node.low], color=_KEPT_COLOUR, linewidth=0)
        words += f", keeps {_money(kept)}"
    _write(axes, words, (at, node.high), ((0, 3), "center", "bottom"))


def _name_ends(axes: Axes, flow: _Flow, x: dict[int, float], ends: tuple[int, int]) -> None:
    """Names beside the first and the last column, kept apart."""
    low, high = axes.get_ylim()
    inch = axes.get_position().height * axes.figure.get_figheight()  # type: ignore[union-attr]
    gap = 0.155 * (high - low) / inch
    for column, shift, side in ((ends[0], -12, "right"), (ends[1], 12, "left")):
        nodes = flow.column(column)
        middle = [(node.low + node.high) / 2.0 for node in nodes]
        for node, y in zip(nodes, spread_labels(middle, gap, low), strict=True):
            _write(axes, _amount_words(node), (x[column], y), ((shift, 0), side, "center"))


def _amount_words(node: _Node, most: int = 22) -> str:
    return f"{shorten(node.name, most)}  {_money(node.size)}"


def _write(
    axes: Axes, words: str, place: tuple[float, float], look: tuple[tuple[int, int], str, str]
) -> None:
    """Words at a place: shift in points, and how they stand to it across and upright."""
    shift, across, upright = look
    axes.annotate(
        words,
        place,
        xytext=shift,
        textcoords="offset points",
        ha=across,
        va=upright,
        fontsize=8.2,
        annotation_clip=False,
        # Ribbons may pass behind.
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8},
    )


def _legend(figure: Figure, found: Material, items: Sequence[str]) -> None:
    entries = [("■", _ITEM_COLOURS.get(item, MUTED), item) for item in items]
    legend(figure, entries, f"{found.currency or 'amount'}, paid from left to right:")


def balances(payments: Sequence[Payment]) -> dict[str, tuple[float, float]]:
    """What each party receives and pays, in the order in which they appear."""
    total: dict[str, np.ndarray] = {}
    for payment in payments:
        total.setdefault(payment.payer, np.zeros(2))[1] += payment.amount
        total.setdefault(payment.payee, np.zeros(2))[0] += payment.amount
    return {name: (float(each[0]), float(each[1])) for name, each in total.items()}


def _money(amount: float) -> str:
    """An amount for a label: whole where it is large, with cents where they matter."""
    return number(amount, 0 if abs(amount) >= WHOLE_FROM else 2)
