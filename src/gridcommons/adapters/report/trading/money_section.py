"""Money: what each scenario costs clusters and members, who gains, and whether anybody loses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.money_charts import draw_bills, draw_savings
from gridcommons.adapters.report.trading.scenario_words import SCENARIO_WORDS, scenario_name
from gridcommons.model.grid import FloatArray, Names

_LEAST_AMOUNT = 0.005
_ENERGIES = {
    "use#": "consumption_kwh",
    "make#": "generation_kwh",
    "bought#": "bought_kwh",
    "sold#": "sold_kwh",
}


@dataclass(frozen=True, eq=False)
class Bills:
    """What each member pays in each scenario.

    Parameters
    ----------
    scenarios, members : tuple of str
        Those that have bills.
    cluster : tuple of str
        Cluster of each member.
    paid : (scenarios, members)
        Paid over the window, negative where received [currency].
    """

    scenarios: Names
    members: Names
    cluster: Names
    paid: FloatArray

    def of_clusters(self, clusters: Sequence[str]) -> FloatArray:
        """What each cluster pays, shape (scenarios, clusters) [currency]."""
        belongs = np.array([[mine == name for name in clusters] for mine in self.cluster], dtype=np.float64)
        each = belongs.reshape(len(self.members), len(clusters))
        return self.paid @ each

    @property
    def saved(self) -> FloatArray:
        """What each member pays less than in the first scenario, shape (scenarios, members) [currency]."""
        return np.asarray(self.paid[0] - self.paid)

    def losers(self, scenario: int, than: int) -> list[str]:
        """Members that pay more in a scenario than in another."""
        more = self.paid[scenario] - self.paid[than] > _LEAST_AMOUNT
        return [self.members[k] for k in np.flatnonzero(more)]


def read_bills(found: Material) -> Bills | None:
    """Bills by scenario and member; None where there are none."""
    rows = found.bills
    scenarios = tuple(name for name in found.scenarios if (rows["scenario"] == name).any())
    if not scenarios:
        return None
    first = rows["scenario"] == scenarios[0]
    members = tuple(str(name) for name in rows["member"][first])
    at = {name: place for place, name in enumerate(members)}
    paid = np.full((len(scenarios), len(members)), np.nan)
    for scenario, member, amount in zip(rows["scenario"], rows["member"], rows["bill_amount"], strict=True):
        paid[scenarios.index(str(scenario)), at[str(member)]] = amount
    return Bills(scenarios, members, tuple(str(name) for name in rows["cluster"][first]), paid)


def money_section(found: Material) -> Section | None:
    """Costs of clusters and members; None where the result has no bills."""
    bills = read_bills(found)
    if bills is None:
        return None
    chart = draw_bills(found, bills.scenarios, bills.of_clusters(found.clusters))
    body = html.text(_said(found, bills)) + html.figure(chart)
    body += cluster_table(found, bills)
    if len(bills.scenarios) > 1:
        body += "<h3>Who gains</h3>" + html.text(_gains(found, bills))
        body += html.figure(draw_savings(found, bills.scenarios, bills.cluster, bills.saved))
    body += html.folded(f"All {number(len(bills.members))} members", member_table(found, bills))
    return Section("money", "What it costs whom", body)


def _said(found: Material, bills: Bills) -> str:
    said = (
        "A bill holds trades at their prices, the rest at the main grid's prices, and a share of what the "
        "community owes beside that; bills always add up to what the main grid gets. Above 0 is paid, below "
        "0 is received."
    )
    cost = float(found.summary.get("operation_cost_amount") or 0.0)
    return f"{said} Operating the switches costs {found.amount(cost)} on top." if cost else said


def _gains(found: Material, bills: Bills) -> str:
    """How many gain against the first scenario, and who pays more than before."""
    last = len(bills.scenarios) - 1
    first = SCENARIO_WORDS.get(bills.scenarios[0], bills.scenarios[0])
    losers = bills.losers(last, 0)
    saved = bills.saved[last]
    said = f"Saved against the first scenario ({first}), members ordered by it within their cluster."
    count = len(bills.members)
    if losers:
        named = ", ".join(losers[:6]) + (f" and {number(len(losers) - 6)} more" if len(losers) > 6 else "")
        said += f" More than there is paid by {number(len(losers))} of {number(count)} members: {named}."
    else:
        said += f" Nobody pays more than there: the {number(count)} members save from "
        said += f"{found.amount(float(saved.min()))} to {found.amount(float(saved.max()))}."
    return said + _against(bills)


def _against(bills: Bills) -> str:
    """How many pay more in the last scenario than in each between: as members of one that trades alone."""
    last, said = len(bills.scenarios) - 1, ""
    for place in range(1, last):
        name = scenario_name(bills.scenarios[place])
        losers = bills.losers(last, place)
        if not losers:
            said += f" Against the scenario {name}, nobody pays more either."
            continue
        counts = Counter(bills.cluster[bills.members.index(member)] for member in losers)
        where = ", ".join(f"{number(count)} in {cluster}" for cluster, count in counts.most_common())
        verb = "pays" if len(losers) == 1 else "pay"
        said += f" Against the scenario {name}, {times(len(losers), 'member')} {verb} more ({where})."
    return said


def cluster_table(found: Material, bills: Bills) -> str:
    """What each cluster pays in each scenario, and all together."""
    heads = {"name": f"pays{_unit(found)}", **{f"{s}#": scenario_name(s) for s in bills.scenarios}}
    heads |= {"saved#": "saved in all"}
    table = bills.of_clusters(found.clusters)
    rows = []
    for name, paid in [*zip(found.clusters, table.T, strict=True), ("all together", table.sum(axis=1))]:
        row = {f"{s}#": number(float(x), 2) for s, x in zip(bills.scenarios, paid, strict=True)}
        rows.append({"name": name, **row, "saved#": number(float(paid[0] - paid[-1]), 2)})
    return html.table(heads, rows, [False] * len(found.clusters) + [True])


def member_table(found: Material, bills: Bills) -> str:
    """Energy, trades and bills of every member."""
    rows = found.bills
    heads = {"member": "member", "cluster": "cluster", "use#": "consumes [kWh]", "make#": "generates [kWh]"}
    heads |= {"bought#": "buys here [kWh]", "sold#": "sells here [kWh]"}
    heads |= {f"{s}#": f"{scenario_name(s)}{_unit(found)}" for s in bills.scenarios}
    heads["saved#"] = "saved"
    last = np.flatnonzero(rows["scenario"] == bills.scenarios[-1])
    place_of = {str(rows["member"][place]): int(place) for place in last}
    lines = []
    for k, member in enumerate(bills.members):
        place = place_of[member]
        line = {"member": member, "cluster": bills.cluster[k], "saved#": number(float(bills.saved[-1, k]), 2)}
        for key, column in (
            ("use", "consumption"),
            ("make", "generation"),
            ("bought", "bought"),
            ("sold", "sold"),
        ):
            line[f"{key}#"] = number(float(rows[f"{column}_kwh"][place]), 1)
        line |= {f"{s}#": number(float(x), 2) for s, x in zip(bills.scenarios, bills.paid[:, k], strict=True)}
        lines.append(line)
    return html.table(heads, lines)


def _unit(found: Material) -> str:
    return f" [{found.currency}]" if found.currency else ""
