"""What each community pays by item, before and after, and what it gets for reactive power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import (
    FEE_ITEM,
    SCENARIOS,
    items_in_order,
)
from gridcommons.model.grid import FloatArray

_LEAST_AMOUNT = 5e-3


@dataclass(frozen=True, eq=False)
class BillBook:
    """Costs over the window.

    Parameters
    ----------
    communities, items : tuple of str
        Who, and for what; items that nobody pays are left out.
    amount : (2, communities, items)
        Paid before and after, negative where received; what reactive power was sold for is aside.
    received : (communities,)
        For reactive power sold.
    """

    communities: tuple[str, ...]
    items: tuple[str, ...]
    amount: FloatArray
    received: FloatArray

    @property
    def total(self) -> FloatArray:
        """All items together, shape (2, communities)."""
        return np.asarray(self.amount.sum(axis=2))

    @property
    def more(self) -> FloatArray:
        """What the items come to more than before, shape (communities,)."""
        return np.asarray(self.total[1] - self.total[0])

    @property
    def saved(self) -> FloatArray:
        """What each is better off than before, shape (communities,)."""
        return np.asarray(self.received - self.more)


def read_bills(found: Material) -> BillBook | None:
    """Costs by item; None where the result has none.

    The fee on reactive power is no item of the table: it is what the summary's costs are above its items.
    """
    rows = found.tables.whole("community_costs", ("scenario", "community", "item", "amount"))
    names = found.communities
    if not len(rows["item"]) or not names:
        return None
    items = items_in_order([*map(str, rows["item"]), FEE_ITEM])
    amount = np.zeros((len(SCENARIOS), len(names), len(items)))
    for scenario, community, item, value in zip(*(rows[c] for c in rows), strict=True):
        if scenario in SCENARIOS and community in names:
            place = (SCENARIOS.index(scenario), names.index(community), items.index(str(item)))
            amount[place] += value
    received = np.nan_to_num([found.figure_in(name, "paid") for name in names])
    costs = np.array([[found.figure_in(name, key) for name in names] for key in ("cost_alone", "cost")])
    fee = costs + np.stack([np.zeros(len(names)), received]) - amount.sum(axis=2)
    amount[:, :, items.index(FEE_ITEM)] = np.where(np.abs(fee) > _LEAST_AMOUNT, np.nan_to_num(fee), 0.0)
    kept = np.abs(amount).max(axis=(0, 1)) > 1e-9
    return BillBook(
        names,
        tuple(item for item, is_kept in zip(items, kept, strict=True) if is_kept),
        amount[:, :, kept],
        received,
    )
