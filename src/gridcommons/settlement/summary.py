"""The headline figures of settlement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from gridcommons.model.money import Posting, balance
from gridcommons.settlement.agreement import shared_fee_share
from gridcommons.settlement.postings import DSO, VAT
from gridcommons.settlement.statements import SUPPORT, Statements
from gridcommons.settlement.tables import Settled
from gridcommons.settlement.window import SharedWindow

WORSE_OFF = 0.005
"""What a member pays more than alone, before rounding, and is worse off [currency]."""


def summarise(settled: Settled) -> dict[str, Any]:
    """What was shared and what it came to; ``docs/results.md`` explains each figure."""
    agreement, settings = settled.agreement, settled.settings
    return {
        "members": len(agreement.parties.members),
        "key": settings.key,
        "netting_minutes": agreement.steps_each * settled.study.time.step_minutes,
        **_energy(settled.window),
        **_money(settled.statements),
        "shared_fee_share": shared_fee_share(settings, agreement.rules),
        **_benefit(settled),
        **_rules(settled),
        "compared": [_of_key(settled, key, *each) for key, each in settled.compared.items()],
    }


def _energy(window: SharedWindow) -> dict[str, float]:
    shared, withdrawn, injected = (
        float(each.sum()) for each in (window.shared_kwh, window.withdrawn_kwh, window.injected_kwh)
    )
    return {
        "withdrawn_kwh": withdrawn,
        "injected_kwh": injected,
        "shared_kwh": shared,
        "surplus_kwh": float(window.surplus_kwh.sum()),
        "covered_share": shared / withdrawn if withdrawn > 0.0 else 0.0,
        "used_share": shared / injected if injected > 0.0 else 0.0,
    }


def _money(statements: Statements) -> dict[str, Any]:
    together, alone = balance(statements.postings), balance(statements.postings_alone)
    suppliers = dict.fromkeys(statements.parties.suppliers)
    cost, cost_alone = sum(statements.cost, Decimal(0)), sum(statements.cost_alone, Decimal(0))
    return {
        "cost_alone": float(cost_alone),
        "cost": float(cost),
        "saved": float(cost_alone - cost),
        **_worse_off(statements),
        "operator_gets_alone": _of(alone, [DSO]),
        "operator_gets": _of(together, [DSO]),
        "suppliers_get_alone": _of(alone, suppliers),
        "suppliers_get": _of(together, suppliers),
        "premium": -_of(together, [SUPPORT]) + 0.0,
        "vat": _vat(statements.postings),
        "postings_sum": float(sum(each.amount for each in statements.postings)),
    }


def _worse_off(statements: Statements) -> dict[str, Any]:
    return {
        "members_worse_off": int((statements.more > WORSE_OFF).sum()),
        "worst_loss": float(np.maximum(statements.more, 0.0).max()),
    }


def _of(left: dict[str, Decimal], names: Iterable[str]) -> float:
    return float(sum((left.get(name, Decimal(0)) for name in names), Decimal(0)))


def _vat(postings: Sequence[Posting]) -> float:
    """Tax in what is paid: each posting of tax stands there twice, once for who pays it."""
    received = (each.amount for each in postings if each.item == VAT and each.party != each.counterparty)
    return float(sum((abs(amount) for amount in received), Decimal(0)) / 2)


def _benefit(settled: Settled) -> dict[str, Any]:
    benefit = settled.benefit
    if benefit is None:
        return {"benefit": "none"}
    return {
        "benefit": settled.settings.benefit,
        "benefit_amount": float(benefit.amount.sum()),
        "benefit_error": benefit.error,
        "draws": benefit.draws,
        "core_excess": benefit.core_excess,
    }


def _rules(settled: Settled) -> dict[str, Any]:
    rules = settled.agreement.rules
    if rules is None:
        return {"rules": "", "rules_source": "", "to_verify": [], "not_computed": []}
    return {
        "rules": str(rules),
        "rules_source": rules.source,
        "to_verify": list(rules.to_verify),
        "not_computed": list(rules.not_computed),
    }


def _of_key(settled: Settled, key: str, window: SharedWindow, statements: Statements) -> dict[str, Any]:
    rules = settled.agreement.rules
    return {
        "key": key,
        "is_allowed": rules is None or key in rules.keys,
        "shared_kwh": float(window.shared_kwh.sum()),
        "surplus_kwh": float(window.surplus_kwh.sum()),
        "cost": float(sum(statements.cost, Decimal(0))),
        **_worse_off(statements),
    }
