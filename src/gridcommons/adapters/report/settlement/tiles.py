"""The key figures of a settlement."""

from __future__ import annotations

from gridcommons.adapters.report.figures import number, percent
from gridcommons.adapters.report.html import Tile
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.settlement.material import Material, key_words

_ARROW = " → "
_LARGE_AMOUNT = 1000.0


def make_tiles(found: Material) -> list[Tile]:
    """Energy, money, and who is worse off."""
    if not len(found.members):
        return []
    summary = found.summary
    worse = int(summary.get("members_worse_off") or 0)
    tone = "broken" if worse else "proof"
    remark = "by more than half a cent, before rounding" if worse else "before rounding"
    saved = found.statements["saved"]
    return [
        Tile("Shared [kWh]", number(found.figure("shared_kwh")), key_words(found.key), "proof"),
        _both(found, "From suppliers [kWh]", "withdrawn_kwh", "import"),
        _both(found, "To suppliers [kWh]", "injected_kwh", "export"),
        Tile(
            f"All members pay{found.unit}",
            _money(found, "cost_alone", "cost"),
            "alone → together",
        ),
        Tile(
            f"A member saves{found.unit}",
            f"{number(float(saved.min()), 2)} – {number(float(saved.max()), 2)}",
            times(len(saved), "member"),
        ),
        Tile("Worse off than alone", number(worse), remark, tone),
    ]


def _money(found: Material, *names: str) -> str:
    """Amounts, in cents where they are small."""
    amounts = [found.figure(name) for name in names]
    digits = 2 if max(map(abs, amounts)) < _LARGE_AMOUNT else 0
    return _ARROW.join(number(each, digits) for each in amounts)


def _both(found: Material, label: str, column: str, tone: str) -> Tile:
    """What suppliers deliver or take, alone and together: as much less of either as is allocated."""
    alone = found.figure(column)
    together = alone - float(found.statements["shared_kwh"].sum())
    less = f"{percent(1.0 - together / alone)} less" if alone > 0.0 else ""
    return Tile(label, _ARROW.join(number(each) for each in (alone, together + 0.0)), less, tone)
