"""The tables of settlement, as ``docs/results.md`` has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridcommons.model.money import Posting
from gridcommons.model.results import Columns, text_column
from gridcommons.model.study import Study
from gridcommons.settlement.agreement import Agreement
from gridcommons.settlement.benefit import Benefit
from gridcommons.settlement.settings import Settings
from gridcommons.settlement.statements import Statements
from gridcommons.settlement.window import SharedWindow


@dataclass(frozen=True, eq=False)
class Settled:
    """A window that is settled, and all that is told of it.

    Parameters
    ----------
    study, settings, agreement
        What was asked, and what holds.
    window : SharedWindow
        Energy and bills under the key.
    statements : Statements
        Postings and what each member pays.
    benefit : Benefit or None
        How the benefit is handed out; None where shared energy has a price.
    compared : mapping of str to (SharedWindow, Statements)
        The same under other keys.
    """

    study: Study
    settings: Settings
    agreement: Agreement
    window: SharedWindow
    statements: Statements
    benefit: Benefit | None
    compared: Mapping[str, tuple[SharedWindow, Statements]]


def tables_of(settled: Settled) -> Iterator[tuple[str, Columns]]:
    """Parts of all tables."""
    yield "shared_energy", _shared_energy(settled)
    yield "statements", _statements(settled)
    yield "postings", _postings(settled.statements.postings)
    for key, (window, statements) in settled.compared.items():
        yield "keys_compared", _of_key(key, window, statements)


def _shared_energy(settled: Settled) -> Columns:
    window = settled.window
    return {
        "time": settled.study.time.stamps()[:: settled.agreement.steps_each],
        "withdrawn_kwh": window.withdrawn_kwh,
        "injected_kwh": window.injected_kwh,
        "shared_kwh": window.shared_kwh,
        "surplus_kwh": window.surplus_kwh + 0.0,
    }


def _statements(settled: Settled) -> Columns:
    energy, statements = settled.window.of_member, settled.statements
    return {
        "member": text_column(statements.parties.members),
        "withdrawn_kwh": energy.withdrawn_kwh,
        "injected_kwh": energy.injected_kwh,
        "shared_kwh": energy.shared_kwh,
        "given_kwh": energy.given_kwh,
        "from_supplier_kwh": energy.from_supplier_kwh,
        "surplus_kwh": energy.surplus_kwh,
        **_costs(statements),
    }


def _postings(postings: Sequence[Posting]) -> Columns:
    return {
        "party": text_column(each.party for each in postings),
        "counterparty": text_column(each.counterparty for each in postings),
        "item": text_column(each.item for each in postings),
        "amount": np.array([float(each.amount) for each in postings], dtype=np.float64),
    }


def _of_key(key: str, window: SharedWindow, statements: Statements) -> Columns:
    members = statements.parties.members
    return {
        "key": text_column([key] * len(members)),
        "member": text_column(members),
        "shared_kwh": window.of_member.shared_kwh,
        "given_kwh": window.of_member.given_kwh,
        **_costs(statements),
    }


def _costs(statements: Statements) -> dict[str, npt.NDArray[np.float64]]:
    """In cents: differences are taken before they become floats."""
    alone, cost = statements.cost_alone, statements.cost
    return {
        "cost_alone": np.array([float(each) for each in alone]),
        "cost": np.array([float(each) for each in cost]),
        "saved": np.array([float(a - c) for a, c in zip(alone, cost, strict=True)]),
    }
